"""A generator as modules from tensors to tensors, which can be traced."""

import copy
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from inrgan.domains import AbstractLattice, BoxLattice, PointLattice
from inrgan.encodings import AbstractEncoding
from inrgan.errors import ConfigError
from inrgan.export.lattices import AXES, AbstractNumberSource, TracedBoxLattice, TracedPointLattice, points_view
from inrgan.export.numbers import GivenNumbers
from inrgan.hypernetwork import AbstractHypernetwork, MappingNetwork
from inrgan.inr import AbstractINR, LayerWeights
from inrgan.views import View, product_view


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
