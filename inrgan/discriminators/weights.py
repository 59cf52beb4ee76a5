"""Critics of the weights of functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from inrgan.discriminators.base import AbstractCritic
from inrgan.discriminators.residual import label_score
from inrgan.errors import ShapeError
from inrgan.inr import LayerUnits, Units, unflat
from inrgan.layers import SLOPE, EqualizedLinear, leaky_relu
from inrgan.views import View


@final
@dataclass(frozen=True)
class Block:
    """Part of a layer's weight between two sets of units."""

    layer: int
    rows: slice
    columns: slice
    above: str
    below: str


@final
class Wiring:
    """Backbone as sets of units, and blocks of weights between them.

    Units that cannot be permuted form separate sets, one for each run of rows or columns.

    Args:
        units: Units of the backbone.
    """

    def __init__(self, units: Sequence[LayerUnits]):
        self.counts: dict[str, int] = {}
        self.fixed: set[str] = set()
        self.blocks: list[Block] = []
        self.biases: list[tuple[int, slice, str]] = []
        for k, layer in enumerate(units):
            above, below = self._runs(layer.rows, f"{k} rows"), self._runs(layer.columns, f"{k} columns")
            self.biases += [(k, cut, name) for cut, name in above]
            self.blocks += [Block(k, rows, columns, a, b) for rows, a in above for columns, b in below]

    def _runs(self, runs: Sequence[Units], where: str) -> list[tuple[slice, str]]:
        out, start = [], 0
        for run in runs:
            name = run.name or f"{where} {start}"
            if not run.name:
                self.fixed.add(name)
            self.counts[name] = run.count
            out.append((slice(start, start + run.count), name))
            start += run.count
        return out


class UnitVectors(nn.Module):
    """Vector of every unit of a set: one per unit where units cannot be permuted, else one for all.

    Args:
        wiring: Sets and blocks of the backbone.
        name: Name of the set.
        features: Size of a vector.
        scale: Initial scale of the vectors.
    """

    def __init__(self, wiring: Wiring, name: str, features: int, *, scale: float):
        super().__init__()
        count = wiring.counts[name] if name in wiring.fixed else 1
        self.vectors = nn.Parameter(scale * torch.randn(count, features))

    def forward(self) -> Float[Tensor, "#U F"]:
        return self.vectors


class UnitSums(nn.Module):
    """Features of each unit, from the weights around it.

    u_j = Σ A_b (mean over k of E_jk) over the blocks with rows of j's set, likewise over columns, and A f_j of its
    biases, divided by the root of the number of terms. Units that cannot be permuted add one vector each.

    Args:
        wiring: Sets and blocks of the backbone.
        features: Number of features of a weight.
        centered: Whether features have mean 0, as weights themselves have: sums over n of them then grow as √n, and are
            divided by √n instead of by n.
    """

    def __init__(self, wiring: Wiring, features: int, *, centered: bool):
        super().__init__()
        self.wiring, self.power = wiring, 0.5 if centered else 1.0

        def linears(count: int) -> nn.ModuleList:
            return nn.ModuleList(EqualizedLinear(features, features) for _ in range(count))

        self.rows, self.columns = linears(len(wiring.blocks)), linears(len(wiring.blocks))
        self.biases = linears(len(wiring.biases))
        self.places = nn.ModuleList(UnitVectors(wiring, name, features, scale=0.5) for name in wiring.counts)

    def forward(self, edges: Sequence[Tensor], biases: Sequence[Tensor]) -> dict[str, Float[Tensor, "B U F"]]:
        """Blocks (B, J, K, F) and biases (B, J, F) to the sets' units, by name."""
        sums: dict[str, list[Tensor]] = {name: [] for name in self.wiring.counts}
        for b, e, row, column in zip(self.wiring.blocks, edges, self.rows, self.columns, strict=True):
            sums[b.above].append(row(e.sum(dim=2) / e.shape[2] ** self.power))
            sums[b.below].append(column(e.sum(dim=1) / e.shape[1] ** self.power))
        for (_, _, name), f, to in zip(self.wiring.biases, biases, self.biases, strict=True):
            sums[name].append(to(f))
        return {
            name: torch.stack(parts).sum(dim=0) / math.sqrt(len(parts)) + place()
            for (name, parts), place in zip(sums.items(), self.places, strict=True)
        }


class UnitLayer(nn.Module):
    """Layer over the features of all weights and biases, equivariant under permutations of hidden units.

    With u of ``UnitSums`` and g the mean of all sets' means,

        E'_jk = σ(B_b E_jk + C_b u_j + D_b u_k + G_b g),   f'_j = σ(B f_j + C u_j + G g).

    These sums over rows, columns, neighboring layers and all weights span the equivariant linear maps (Navon et al.
    2023, sec. 5; Zhou et al. 2023, eq. 3 and 4), with matrix products in place of free coefficients.

    Args:
        wiring: Sets and blocks of the backbone.
        features: Number of features of a weight.
        centered: Whether features have mean 0, as for ``UnitSums``.
    """

    def __init__(self, wiring: Wiring, features: int, *, centered: bool):
        super().__init__()
        self.wiring, self.sums = wiring, UnitSums(wiring, features, centered=centered)

        def linears(count: int) -> nn.ModuleList:
            return nn.ModuleList(EqualizedLinear(features, features) for _ in range(count))

        blocks, biases = len(wiring.blocks), len(wiring.biases)
        self.own, self.above, self.below, self.all = (linears(blocks) for _ in range(4))
        self.bias_own, self.bias_unit, self.bias_all = (linears(biases) for _ in range(3))

    def forward(self, edges: Sequence[Tensor], biases: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Blocks (B, J, K, F) and biases (B, J, F) to new ones of the same shapes."""
        u = self.sums(edges, biases)
        mean = torch.stack([x.mean(dim=1) for x in u.values()]).mean(dim=0)[:, None]
        new_edges = []
        for i, (b, e) in enumerate(zip(self.wiring.blocks, edges, strict=True)):
            row = self.above[i](u[b.above]) + self.all[i](mean)
            x = self.own[i](e) + row[:, :, None] + self.below[i](u[b.below])[:, None]
            new_edges.append(F.leaky_relu(x / math.sqrt(2), SLOPE))
        new_biases = []
        for i, ((_, _, name), f) in enumerate(zip(self.wiring.biases, biases, strict=True)):
            x = self.bias_own[i](f) + self.bias_unit[i](u[name]) + self.bias_all[i](mean)
            new_biases.append(F.leaky_relu(x / math.sqrt(2), SLOPE))
        return new_edges, new_biases


class FlatWeightCritic(AbstractCritic):
    """Multi-layer perceptron over all numbers of a function, normalized to scale 1 group by group.

    Each group, such as one layer's weights and biases, has its own linear layer; the outputs are summed. This critic
    suits numbers with the same meaning in every function: modulations, and weights fitted from a common initialization.

    Args:
        groups: Number of values of each group, in order.
        width: Width of the hidden layers.
        depth: Number of hidden layers.
        classes: Number of labels; 0 for none.

    Example:
        >>> critic = FlatWeightCritic([12, 40], width=16)
        >>> critic(torch.zeros(5, 1, 52), scattered(torch.zeros(1, 52, 1), spacing=0.0)).shape
        torch.Size([5])
    """

    smallest = 1

    def __init__(self, groups: Sequence[int], *, width: int, depth: int = 2, classes: int = 0):
        super().__init__()
        self.groups = tuple(groups)
        self.enter = nn.ModuleList(EqualizedLinear(n, width) for n in self.groups)
        self.hidden = nn.ModuleList(EqualizedLinear(width, width) for _ in range(depth))
        self.score = EqualizedLinear(width, 1)
        self.labels = nn.Embedding(classes, width) if classes else None

    def forward(
        self, values: Float[Tensor, "B 1 T"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        """Score every function independently; higher is more real. The view has no effect.

        Raises:
            ShapeError: The number of values is wrong.
        """
        del view
        if values.ndim != 3 or values.shape[1:] != (1, sum(self.groups)):
            raise ShapeError(f"the critic got {tuple(values.shape)}; expected (B, 1, {sum(self.groups)})")
        parts = values[:, 0].split(self.groups, dim=1)
        x = torch.stack([enter(part) for enter, part in zip(self.enter, parts, strict=True)]).sum(dim=0)
        x = leaky_relu(x / math.sqrt(len(self.groups)))
        for layer in self.hidden:
            x = leaky_relu(layer(x))
        return self.score(x)[:, 0] + label_score(x, self.labels, labels)


class UnitWeightCritic(AbstractCritic):
    """Critic of all weights and biases of a function, invariant under permutations of hidden units.

    Layers that are equivariant under these permutations are followed by means over the units of every set and a
    multi-layer perceptron. (Navon et al. 2023, "Equivariant architectures for learning in deep weight spaces"; Zhou et
    al. 2023, "Permutation equivariant neural functionals". Written from the papers.)

    The input consists of differences from a mean relative to a scale, as for the flat critic. This critic adds the mean
    again, since a mean depends on the order of its units.

    Args:
        units: Units of the backbone.
        offset: Mean divided by scale, which is added to the input.
        scales: Factors that then bring each layer's numbers to scale 1.
        width: Width of the hidden layers at the end.
        features: Number of features of a weight.
        depth: Number of equivariant layers.
        classes: Number of labels; 0 for none.

    Example:
        >>> units = G.inr.units()
        >>> T = sum(s.outputs * (s.inputs + 1) for s in G.inr.layers)
        >>> critic = UnitWeightCritic(units, offset=torch.zeros(T), scales=[1.0] * len(units), width=16)
        >>> critic(torch.zeros(5, 1, T), scattered(torch.zeros(1, T, 1), spacing=0.0)).shape
        torch.Size([5])
    """

    smallest = 1
    offset: Float[Tensor, "T"]

    def __init__(
        self, units: Sequence[LayerUnits], *, offset: Float[Tensor, "T"], scales: Sequence[float], width: int,
        features: int = 8, depth: int = 2, classes: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.shapes = [(sum(u.count for u in layer.rows), sum(u.count for u in layer.columns)) for layer in units]
        self.scales = tuple(scales)
        self.register_buffer("offset", offset.detach().clone())
        self.wiring = Wiring(units)

        def gains(names: Sequence[str]) -> nn.ModuleList:
            return nn.ModuleList(UnitVectors(self.wiring, name, features, scale=1.0) for name in names)

        self.row_gains = gains([b.above for b in self.wiring.blocks])
        self.column_gains = gains([b.below for b in self.wiring.blocks])
        self.bias_gains = gains([name for _, _, name in self.wiring.biases])
        self.layers = nn.ModuleList(UnitLayer(self.wiring, features, centered=i == 0) for i in range(depth))
        self.sums = UnitSums(self.wiring, features, centered=depth == 0)
        sets = len(self.wiring.counts)
        self.spread = nn.ModuleList(EqualizedLinear(features, width) for _ in range(sets))
        self.flat = EqualizedLinear(width * sets, width)
        self.score = EqualizedLinear(width, 1)
        self.labels = nn.Embedding(classes, width) if classes else None

    def forward(
        self, values: Float[Tensor, "B 1 T"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        """Score every function independently; higher is more real. The view has no effect.

        Raises:
            ShapeError: The number of values is wrong.
        """
        del view
        if values.ndim != 3 or values.shape[1:] != (1, len(self.offset)):
            raise ShapeError(f"the critic got {tuple(values.shape)}; expected (B, 1, {len(self.offset)})")
        weights, biases = self._scaled(values[:, 0] + self.offset.to(values.dtype))
        edges = [
            weights[b.layer][:, b.rows, b.columns, None] * (row()[:, None] * column()[None])
            for b, row, column in zip(self.wiring.blocks, self.row_gains, self.column_gains, strict=True)
        ]
        points = [
            biases[k][:, cut, None] * gain()
            for (k, cut, _), gain in zip(self.wiring.biases, self.bias_gains, strict=True)
        ]
        for layer in self.layers:
            edges, points = layer(edges, points)
        known = self.sums(edges, points).values()
        x = [leaky_relu(spread(u)).mean(dim=1) for spread, u in zip(self.spread, known, strict=True)]
        x = leaky_relu(self.flat(torch.cat(x, dim=1)))
        return self.score(x)[:, 0] + label_score(x, self.labels, labels)

    def _scaled(self, numbers: Float[Tensor, "B T"]) -> tuple[list[Tensor], list[Tensor]]:
        """Weights and biases of every layer, at scale 1."""
        layers = list(zip(unflat(numbers, self.shapes), self.scales, strict=True))
        return [x.weight * scale for x, scale in layers], [x.bias * scale for x, scale in layers]
