"""The four graphs of a generator, as modules of tensors alone."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn

from inrgan.domains import AbstractLattice, BoxLattice, PointLattice
from inrgan.encodings import AbstractEncoding
from inrgan.errors import ConfigError
from inrgan.export.lattices import (
    AXES,
    AbstractNumberSource,
    TracedBoxLattice,
    TracedPointLattice,
    points_view,
)
from inrgan.generator import Generator
from inrgan.hypernetwork import AbstractHypernetwork, MappingNetwork
from inrgan.inr import AbstractINR, LayerWeights
from inrgan.views import View, product_view


@dataclass(frozen=True, kw_only=True)
class GraphInput:
    """Input of a graph.

    Attributes:
        name: Name.
        dims: Length of each axis: a number, or the name of a length that a user chooses.
        dtype: Data type.
        meaning: What it is, for export.json.
        rule: For node numbers: what they cover, and the lattice's origin and cell.
    """

    name: str
    dims: tuple[int | str, ...]
    dtype: torch.dtype
    meaning: str
    rule: dict[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Graph before it is traced."""

    name: str
    module: nn.Module
    inputs: tuple[GraphInput, ...]
    outputs: tuple[tuple[str, tuple[int | str, ...]], ...]


@final
class RecordedNumbers(AbstractNumberSource):
    """Node numbers from data, with a record of what they cover.

    Args:
        axes: Positions along each coordinate of a product of positions; None for scattered points.
    """

    def __init__(self, axes: Sequence[Tensor] | None):
        self.entries: dict[str, GraphInput] = {}
        self._scattered = axes is None
        self._kept = list(axes or ())  # an id is that of no other tensor while its own is kept
        self._labels = {id(x): name for x, name in zip(self._kept, AXES, strict=False)}

    def range(self, lattice: TracedBoxLattice, d: int, x: Tensor) -> Tensor:
        name = f"{lattice.name}_{AXES[d]}"
        p = lattice.position(x, d)
        covers = AXES[d] if self._scattered else self._labels.get(id(x))
        if covers is None:
            raise ConfigError(f"the positions of {name} follow from no coordinate; this encoding cannot be exported")
        self.entries[name] = GraphInput(
            name=name, dims=(name,), dtype=torch.int64, meaning="node numbers",
            rule={"covers": covers, "origin": lattice.box.origin[d], "cell": lattice.box.cell[d]},
        )  # fmt: skip
        first, last = p.amin().floor() - 1, p.amax().floor() + 2
        return torch.arange(int(first), int(last) + 1, dtype=x.dtype)[None]

    def visited(self, lattice: TracedBoxLattice, nodes: View) -> None:
        assert nodes.axes is not None
        for d in lattice.box.spanned:
            self._kept.append(nodes.axes[d])
            self._labels[id(nodes.axes[d])] = f"{lattice.name}_{AXES[d]}"

    def index(self, lattice: TracedBoxLattice, d: int, x: Tensor) -> Tensor:
        del lattice
        name = f"{AXES[d]}_index"
        self.entries[name] = GraphInput(
            name=name, dims=("points",), dtype=torch.int64,
            meaning=f"position of each point's {AXES[d]} in the {AXES[d]} that nodes got",
        )  # fmt: skip
        return x[0].unique(return_inverse=True)[1]


@final
class GivenNumbers(AbstractNumberSource):
    """Node numbers that are inputs of a graph, by name."""

    def __init__(self, tensors: dict[str, Tensor]):
        self._tensors = tensors

    def range(self, lattice: TracedBoxLattice, d: int, x: Tensor) -> Tensor:
        return self._tensors[f"{lattice.name}_{AXES[d]}"].to(x.dtype)[None]

    def visited(self, lattice: TracedBoxLattice, nodes: View) -> None:
        del lattice, nodes

    def index(self, lattice: TracedBoxLattice, d: int, x: Tensor) -> Tensor:
        del lattice, x
        return self._tensors[f"{AXES[d]}_index"]


@final
class TracedBackbone:
    """Copy of a backbone whose lattices take node numbers from a source."""

    def __init__(self, inr: AbstractINR):
        self.inr = copy.deepcopy(inr).cpu().eval().requires_grad_(False)
        self.boxes: list[TracedBoxLattice] = []
        memo: dict[int, AbstractLattice] = {}
        for path, module in self.inr.named_modules():
            local = isinstance(module, AbstractEncoding)
            prefix = f"{path.replace('.', '_')}_" if path else ""
            for key, value in list(vars(module).items()):
                if isinstance(value, AbstractLattice):
                    setattr(module, key, self._stand_in(value, f"{prefix}{key}", local, memo))
                elif isinstance(value, list) and value and all(isinstance(x, AbstractLattice) for x in value):
                    name = f"{prefix}{key.replace('lattices', 'lattice')}"
                    setattr(module, key, [self._stand_in(x, f"{name}{i}", local, memo) for i, x in enumerate(value)])

    def _stand_in(
        self, lattice: AbstractLattice, name: str, local: bool, memo: dict[int, AbstractLattice]
    ) -> AbstractLattice:
        if id(lattice) not in memo:
            if isinstance(lattice, BoxLattice):
                memo[id(lattice)] = box = TracedBoxLattice(lattice, name=name, local=local)
                self.boxes.append(box)
            elif isinstance(lattice, PointLattice):
                memo[id(lattice)] = TracedPointLattice(lattice)
            else:
                raise ConfigError(
                    f"a {type(lattice).__name__} cannot be exported; expected lattices of a box, a sphere or a surface"
                )
        return memo[id(lattice)]

    def use(self, source: AbstractNumberSource) -> None:
        """Take node numbers from a source."""
        for box in self.boxes:
            box.source = source

    @property
    def free(self) -> list[int]:
        """Coordinates along which the nodes are at the positions of the points."""
        return self.inr.lattice.box.free if isinstance(self.inr.lattice, TracedBoxLattice) else []


@final
class MappingGraph(nn.Module):
    """From z, and a label, and a truncation, to w."""

    def __init__(self, mapping: MappingNetwork):
        super().__init__()
        self.mapping = mapping

    def forward(self, *inputs: Tensor) -> Tensor:
        *latent, truncation = inputs
        return self.mapping.w_mean + truncation * (self.mapping(*latent) - self.mapping.w_mean)


@final
class NodesGraph(nn.Module):
    """From w and node numbers to features at the nodes, and the weights that points need.

    Args:
        backbone: Traced backbone.
        hypernetwork: Hypernetwork.
        names: Names of the inputs.
        layers: Numbers of the layers whose weights points need.
    """

    def __init__(
        self, backbone: TracedBackbone, hypernetwork: AbstractHypernetwork, *, names: Sequence[str],
        layers: Sequence[int],
    ):  # fmt: skip
        super().__init__()
        self.inr, self.hypernetwork, self._backbone = backbone.inr, hypernetwork, backbone
        self._names, self._layers = tuple(names), tuple(layers)
        self._view: View | None = None
        lattice = backbone.inr.lattice
        if isinstance(lattice, TracedPointLattice):  # all nodes: what depends on them is a constant
            zero = torch.zeros(1, 1, 3, dtype=torch.float64)
            self._view = lattice.numbers(points_view(zero, spacing=zero, shape=(1,))).nodes

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        given = dict(zip(self._names, inputs, strict=True))
        self._backbone.use(GivenNumbers(given))
        weights = self.hypernetwork(given["w"])
        out = []
        if self.inr.lattice is not None:
            nodes = self._view
            if nodes is None:
                nodes = self.inr.lattice.numbers(nodes_query(self._backbone, given)).nodes
            out.append(self.inr.node_features(nodes, weights).unflatten(1, nodes.shape))
        for i in self._layers:
            out += [weights[i].weight, weights[i].bias]
        return tuple(out)


def nodes_query(backbone: TracedBackbone, given: dict[str, Tensor]) -> View:
    """View with the positions along coordinates without cells; those along others do not matter to given numbers."""
    lattice = backbone.inr.lattice
    assert isinstance(lattice, TracedBoxLattice)
    free, dim = lattice.box.free, len(lattice.box.cell)
    none = torch.zeros(1, 1, dtype=torch.float64)
    axes = [given[AXES[d]][None] if d in free else none for d in range(dim)]
    spacing = given["spacing"][None] if free else torch.zeros(1, dim, dtype=torch.float64)
    return product_view(axes, spacing=spacing)


@final
class ValuesGraph(nn.Module):
    """From features, weights and positions to values.

    Args:
        backbone: Traced backbone.
        names: Names of the inputs.
        layers: Numbers of the layers whose weights are inputs.
        product: Whether positions are a product grid; scattered points otherwise.
    """

    def __init__(
        self, backbone: TracedBackbone, *, names: Sequence[str], layers: Sequence[int], product: bool
    ):  # fmt: skip
        super().__init__()
        self.inr, self._backbone = backbone.inr, backbone
        self._names, self._layers, self._product = tuple(names), tuple(layers), product

    def forward(self, *inputs: Tensor) -> Tensor:
        given = dict(zip(self._names, inputs, strict=True))
        self._backbone.use(GivenNumbers(given))
        features = given["features"].flatten(1, -2) if "features" in given else None
        specs = self.inr.layers
        reference = features if features is not None else given[f"{specs[self._layers[0]].name}_weight"]
        unused = LayerWeights(reference.new_zeros(reference.shape[0], 1, 1), reference.new_zeros(reference.shape[0], 1))
        weights = [unused] * len(specs)
        for i in self._layers:
            weights[i] = LayerWeights(given[f"{specs[i].name}_weight"], given[f"{specs[i].name}_bias"])
        if self._product:
            axes = [given[name][None] for name in AXES if name in given]
            view = product_view(axes, spacing=given["spacing"][None])
        else:
            points = given["points"]
            view = points_view(points[None], spacing=given["spacing"][None, None], shape=(points.shape[0],))
        values = self.inr.bound(self.inr.values(view, features, weights))
        return view.unflatten(values) if self._product else values


def graphs_of(G: Generator) -> tuple[Graph, ...]:
    """The graphs of a generator: mapping, nodes, points, and, where the domain is a box, grid.

    Raises:
        ConfigError: A part of the generator has no graph.
    """
    with torch.no_grad():
        backbone = TracedBackbone(G.inr)
        mapping = copy.deepcopy(G.mapping).cpu().eval().requires_grad_(False)
        hypernetwork = copy.deepcopy(G.hypernetwork).cpu().eval().requires_grad_(False)
        latent = [_tensor("z", "batch", G.z_dim, meaning="latent, standard normal")]
        if G.labels:
            latent.append(_tensor("label", "batch", meaning="number of the class", dtype=torch.int64))
        latent.append(
            _tensor("truncation", 1, meaning="1 for the full distribution; smaller values trade variety for quality")
        )
        out = [
            Graph(
                name="mapping", module=MappingGraph(mapping), inputs=tuple(latent),
                outputs=(("w", ("batch", G.sizes.w_dim)),),
            )
        ]  # fmt: skip
        return (*out, *_field_graphs(G, backbone, hypernetwork))


def _field_graphs(G: Generator, backbone: TracedBackbone, hypernetwork: AbstractHypernetwork) -> list[Graph]:
    """Graphs of nodes and of values."""
    inr, domain = backbone.inr, G.modality.domain
    weights = hypernetwork(G.mapping.w_mean.cpu()[None] + torch.zeros(1, 1))
    dim, box = domain.coord_dim, isinstance(inr.lattice, TracedBoxLattice)
    if dim > len(AXES):
        raise ConfigError(f"a domain of {dim} coordinates cannot be exported; expected at most {len(AXES)}")
    spacing = torch.tensor([list(domain.spacings(G.modality.resolution))], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    points = domain.sample(7, generator=generator, dtype=torch.float64)
    axes = [points[None, :, d].sort().values for d in range(dim)]

    def product() -> View:
        return product_view(axes, spacing=spacing)

    def scattered_points() -> View:  # each is new, since views keep what was derived from them
        return points_view(points[None], spacing=spacing[None], shape=(len(points),))

    # Nodes.
    node_inputs, features, feature_dims = [_tensor("w", "batch", G.sizes.w_dim, meaning="mapped latent")], None, ()
    if box:
        record = RecordedNumbers(axes)
        backbone.use(record)
        assert inr.lattice is not None
        nodes = inr.lattice.numbers(product()).nodes
        features = inr.node_features(nodes, weights)
        free = [_tensor(AXES[d], AXES[d], meaning="distinct positions", dtype=torch.float64) for d in backbone.free]
        if free:
            free.append(_spacing(dim))
        node_inputs += [*free, *record.entries.values()]
        feature_dims = tuple(_length(backbone, d) for d in reversed(range(dim)))
    elif inr.lattice is not None:
        nodes = inr.lattice.numbers(scattered_points()).nodes
        features = inr.node_features(nodes, weights)
        feature_dims = (features.shape[1],)
    layers = _layers_of_values(backbone, scattered_points(), features, weights)
    wanted = []
    if features is not None:
        wanted.append(("features", ("batch", *feature_dims, features.shape[-1])))
    for i in layers:
        spec = inr.layers[i]
        wanted += [
            (f"{spec.name}_weight", ("batch", spec.outputs, spec.inputs)),
            (f"{spec.name}_bias", ("batch", spec.outputs)),
        ]
    out = [
        Graph(
            name="nodes", module=NodesGraph(backbone, hypernetwork, names=[x.name for x in node_inputs], layers=layers),
            inputs=tuple(node_inputs), outputs=tuple(wanted),
        )
    ]  # fmt: skip
    # Values.
    common = [GraphInput(name=n, dims=d, dtype=torch.float32, meaning="output of nodes") for n, d in wanted]
    views = {"points": scattered_points()}
    if domain.grid_dim == dim:
        views["grid"] = product()
    for name, view in views.items():
        record = RecordedNumbers(view.axes)
        backbone.use(record)
        inr.values(view, features, weights)
        inputs = [*common]
        if view.axes is None:
            inputs.append(_tensor("points", "points", dim, meaning="coordinates, x first", dtype=torch.float64))
        else:
            inputs += [_tensor(AXES[d], AXES[d], meaning="positions", dtype=torch.float64) for d in range(dim)]
        inputs += [_spacing(dim), *record.entries.values()]
        shape = ("points", inr.channels) if view.axes is None else (inr.channels, *reversed(AXES[:dim]))
        module = ValuesGraph(
            backbone, names=[x.name for x in inputs], layers=layers, product=view.axes is not None
        )  # fmt: skip
        out.append(Graph(name=name, module=module, inputs=tuple(inputs), outputs=(("values", ("batch", *shape)),)))
    return out


def _length(backbone: TracedBackbone, d: int) -> str:
    """Name of the number of nodes along a coordinate."""
    assert isinstance(backbone.inr.lattice, TracedBoxLattice)
    return AXES[d] if d in backbone.free else f"{backbone.inr.lattice.name}_{AXES[d]}"


def _layers_of_values(
    backbone: TracedBackbone, view: View, features: Tensor | None, weights: Sequence[LayerWeights]
) -> list[int]:
    """Layers that values at points depend on, beside the features; found by derivatives."""
    backbone.use(RecordedNumbers(None))
    leaves = [LayerWeights(x.weight.detach().requires_grad_(), x.bias.detach().requires_grad_()) for x in weights]
    with torch.enable_grad():
        values = backbone.inr.values(view, features, leaves).sum()
        tensors = [t for x in leaves for t in (x.weight, x.bias)]
        if not values.requires_grad:
            return []
        found = torch.autograd.grad(values, tensors, allow_unused=True)
    return [i for i in range(len(leaves)) if found[2 * i] is not None or found[2 * i + 1] is not None]


def _tensor(name: str, *dims: int | str, meaning: str, dtype: torch.dtype = torch.float32) -> GraphInput:
    return GraphInput(name=name, dims=dims, dtype=dtype, meaning=meaning)


def _spacing(dim: int) -> GraphInput:
    return _tensor("spacing", dim, meaning="distance between samples along each coordinate", dtype=torch.float64)
