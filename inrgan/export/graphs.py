"""The graphs of a generator: their modules, inputs and outputs."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from inrgan.errors import ConfigError
from inrgan.export.lattices import AXES, TracedBoxLattice, points_view
from inrgan.export.modules import MappingGraph, NodesGraph, TracedBackbone, ValuesGraph
from inrgan.export.numbers import GraphInput, RecordedNumbers
from inrgan.generator import Generator
from inrgan.hypernetwork import AbstractHypernetwork
from inrgan.inr import LayerWeights
from inrgan.views import View, product_view


@dataclass(frozen=True, kw_only=True)
class Graph:
    """Graph before it is traced."""

    name: str
    module: nn.Module
    inputs: tuple[GraphInput, ...]
    outputs: tuple[tuple[str, tuple[int | str, ...]], ...]


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
