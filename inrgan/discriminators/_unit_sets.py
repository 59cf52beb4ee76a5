"""Layers on the weights of networks that are equivariant under changes of their hidden units' places."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import nn
from torch.nn import functional as F

from inrgan._layers import SLOPE, EqualizedLinear
from inrgan._typing import Float, Tensor
from inrgan.inr import LayerUnits, Units


@final
@dataclass(frozen=True)
class Block:
    """The part of a layer's weight between two sets of units."""

    layer: int
    rows: slice
    columns: slice
    above: str
    below: str


@final
class Wiring:
    """A backbone as sets of units, and blocks of weights between them.

    Units in fixed places make sets of their own, one for each run of rows or columns.

    Args:
        units: of the backbone.
    """

    def __init__(self, units: Sequence[LayerUnits]):
        self.counts: dict[str, int] = {}
        self.fixed: set[str] = set()
        self.blocks: list[Block] = []
        self.biases: list[tuple[int, slice, str]] = []
        for k, own in enumerate(units):
            above, below = self._runs(own.rows, f"{k} rows"), self._runs(own.columns, f"{k} columns")
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
    """A vector for every unit of a set: its own where units are in fixed places, else one for all.

    Args:
        wiring: of the backbone.
        name: of the set.
        features: of a vector.
        scale: of the vectors at first.
    """

    def __init__(self, wiring: Wiring, name: str, features: int, *, scale: float):
        super().__init__()
        count = wiring.counts[name] if name in wiring.fixed else 1
        self.vectors = nn.Parameter(scale * torch.randn(count, features))

    def forward(self) -> Float[Tensor, "#U F"]:
        return self.vectors


class UnitSums(nn.Module):
    """What each unit knows of the weights around it.

    u_j = Σ A_b (mean over k of E_jk) over the blocks with rows of j's set, likewise over columns, and A f_j of its
    biases; over the root of how many there are. Units in fixed places have a vector of their own beside that.

    Args:
        wiring: of the backbone.
        features: of a weight.
        centred: whether features are spread about 0, as weights themselves are: sums over n of them then grow as √n,
            and are divided by that instead of by n.
    """

    def __init__(self, wiring: Wiring, features: int, *, centred: bool):
        super().__init__()
        self.wiring, self.power = wiring, 0.5 if centred else 1.0

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
    """Features of all weights and biases to others, in the same places however hidden units change theirs.

    With u of ``UnitSums`` and g the mean of all sets' means,

        E'_jk = σ(B_b E_jk + C_b u_j + D_b u_k + G_b g),   f'_j = σ(B f_j + C u_j + G g).

    These are the sums over rows, columns, neighbouring layers and everything that span the equivariant linear maps
    (Navon et al. 2023, sec. 5; Zhou et al. 2023, eq. 3 and 4), with products of matrices in the place of free
    coefficients.

    Args:
        wiring: of the backbone.
        features: of a weight.
        centred: as of ``UnitSums``.
    """

    def __init__(self, wiring: Wiring, features: int, *, centred: bool):
        super().__init__()
        self.wiring, self.sums = wiring, UnitSums(wiring, features, centred=centred)

        def linears(count: int) -> nn.ModuleList:
            return nn.ModuleList(EqualizedLinear(features, features) for _ in range(count))

        blocks, biases = len(wiring.blocks), len(wiring.biases)
        self.own, self.above, self.below, self.all = (linears(blocks) for _ in range(4))
        self.bias_own, self.bias_unit, self.bias_all = (linears(biases) for _ in range(3))

    def forward(self, edges: Sequence[Tensor], biases: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Blocks (B, J, K, F) and biases (B, J, F) to as many."""
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
