"""Critic of the charts of a surface."""

from typing import final

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.discriminators import AbstractCritic, EqualizedLinear, ResidualTrunk, label_score, leaky_relu
from inrgan.domains import Surface
from inrgan.views import View


@final
class ChartCritic(AbstractCritic):
    """Critic with one trunk for all charts; the identity of a chart enters where their features are combined.

    Averages of features weight samples by the area that they represent, so that the overlap of charts does not count
    twice.

    Args:
        surface: Surface of the signals.
        channels: Number of channels, C.
        resolution: Nominal resolution.
        width: Channels at full resolution; doubled at each halving.
        max_width: Upper bound on the number of channels.
        classes: Number of labels; 0 without labels.

    Example:
        >>> critic = ChartCritic(surface, 3, resolution=32, width=8, max_width=32)
        >>> critic(torch.zeros(5, 3, *surface.shape(32)), surface.grid(surface.shape(32))).shape
        torch.Size([5])
    """

    smallest = ResidualTrunk.smallest

    def __init__(
        self, surface: Surface, channels: int, *, resolution: int, width: int, max_width: int, classes: int = 0
    ):
        super().__init__()
        self.count, self.nominal = surface.chart_count, surface.spacing(resolution)
        self.trunk = ResidualTrunk(
            2, channels, facts=1, resolution=surface.shape(resolution)[1], width=width, max_width=max_width
        )
        self.together = EqualizedLinear(self.count * self.trunk.size, self.trunk.size)
        self.score = EqualizedLinear(self.trunk.size, 1)
        self.labels = nn.Embedding(classes, self.trunk.size) if classes else None

    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        charts = rearrange(as_charts(values, count=self.count), "b chart c h w -> (b chart) c h w")
        share = None
        if view.weights is not None and view.shape == values.shape[2:]:
            share = view.weights.expand(len(values), -1)
            share = rearrange(share, "b (chart h w) -> (b chart) h w", chart=self.count, w=view.shape[1])
        density = torch.log2(self.nominal / view.spacing.mean(dim=1)[:, :1])
        facts = repeat(density.expand(len(values), -1), "b fact -> (b chart) fact", chart=self.count)
        features = rearrange(self.trunk(charts, facts, share), "(b chart) f -> b (chart f)", chart=self.count)
        x = leaky_relu(self.together(features))
        return self.score(x)[:, 0] + label_score(x, self.labels, labels)


def as_charts(values: Float[Tensor, "B C H W"], *, count: int) -> Float[Tensor, "B K C n n"]:
    """Signals on stacked charts (K n, n), split into charts.

    Example:
        >>> as_charts(torch.zeros(2, 3, 20, 5), count=4).shape
        torch.Size([2, 4, 3, 5, 5])
    """
    return rearrange(values, "b c (chart h) w -> b chart c h w", chart=count)
