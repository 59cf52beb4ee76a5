"""A critic of functions that does not mind in which order their hidden units come."""

from collections.abc import Sequence

import torch
from torch import nn

from inrgan._layers import EqualizedLinear, leaky_relu
from inrgan._typing import Float, Int, Tensor
from inrgan.discriminators._base import AbstractCritic
from inrgan.discriminators._residual import label_score
from inrgan.discriminators._unit_sets import UnitLayer, UnitSums, UnitVectors, Wiring
from inrgan.errors import ShapeError
from inrgan.inr import LayerUnits, unflat
from inrgan.views import View


class UnitWeightCritic(AbstractCritic):
    """Scores functions by all their weights and biases, and does not change when hidden units change places.

    Layers that are equivariant under these permutations, then means over the units of every set and a multi-layer
    perceptron. (Navon et al. 2023, "Equivariant architectures for learning in deep weight spaces"; Zhou et al. 2023,
    "Permutation equivariant neural functionals". Written from the papers.)

    It is given numbers as differences from a mean and relative to a scale, as the flat critic is, and undoes the
    difference: a mean has an order of units of its own.

    Args:
        units: of the backbone.
        offset: mean over scale, which is added to the numbers.
        scales: what each layer's numbers are multiplied with then, to be of scale 1.
        width: of the hidden layers at the end.
        features: of a weight.
        depth: equivariant layers.
        classes: number of labels; 0 for none.

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
        self.shapes = [(sum(u.count for u in own.rows), sum(u.count for u in own.columns)) for own in units]
        self.scales = tuple(scales)
        self.register_buffer("offset", offset.detach().clone())
        self.wiring = Wiring(units)

        def gains(names: Sequence[str]) -> nn.ModuleList:
            return nn.ModuleList(UnitVectors(self.wiring, name, features, scale=1.0) for name in names)

        self.row_gains = gains([b.above for b in self.wiring.blocks])
        self.column_gains = gains([b.below for b in self.wiring.blocks])
        self.bias_gains = gains([name for _, _, name in self.wiring.biases])
        self.layers = nn.ModuleList(UnitLayer(self.wiring, features, centred=i == 0) for i in range(depth))
        self.sums = UnitSums(self.wiring, features, centred=depth == 0)
        sets = len(self.wiring.counts)
        self.spread = nn.ModuleList(EqualizedLinear(features, width) for _ in range(sets))
        self.flat = EqualizedLinear(width * sets, width)
        self.score = EqualizedLinear(width, 1)
        self.labels = nn.Embedding(classes, width) if classes else None

    def forward(
        self, values: Float[Tensor, "B 1 T"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        """Score every function on its own; higher is more real. The view says nothing.

        Raises:
            ShapeError: another number of numbers.
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
