"""A critic of functions that reads their numbers in the order in which they come."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from inrgan._layers import EqualizedLinear, leaky_relu
from inrgan._typing import Float, Int, Tensor
from inrgan.discriminators._base import AbstractCritic
from inrgan.discriminators._residual import label_score
from inrgan.errors import ShapeError
from inrgan.views import View


class FlatWeightCritic(AbstractCritic):
    """A multi-layer perceptron over all numbers of a function, brought to scale 1 group by group.

    Each group, such as one layer's weights and biases, has a linear layer of its own; their sum is what the rest sees.
    It suits numbers that mean the same in every function: modulations, and weights that were fitted from one beginning.

    Args:
        groups: how many numbers each group has, in order.
        width: of the hidden layers.
        depth: hidden layers.
        classes: number of labels; 0 for none.

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
        """Score every function on its own; higher is more real. The view says nothing.

        Raises:
            ShapeError: another number of numbers.
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
