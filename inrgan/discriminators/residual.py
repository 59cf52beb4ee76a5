"""Residual convolutional critic, in one, two or three dimensions."""

import itertools
import math
from collections.abc import Sequence

from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from inrgan.discriminators.base import AbstractCritic, EqualizedConv, Padding, channels_last, constant, halve, pool_to
from inrgan.errors import ShapeError
from inrgan.layers import LEAKY_GAIN, SLOPE, EqualizedLinear, leaky_relu
from inrgan.views import View


class ResidualBlock(nn.Module):
    """Two convolutions around a halving, beside a 1×1 shortcut; the scale is preserved.

    Axes of fewer than 8 samples are not halved: below 4 samples a convolution sees mostly border, and scores and
    gradients would shrink with the resolution. A larger stride shortens long signals faster.

    The gain that preserves the scale over a leaky ReLU, and that of the sum, are part of the weights of the next layer,
    where they cost nothing. On the features they would cost one pass forward and one backward.

    Args:
        dims: Spatial dimensions, 1 to 3.
        inputs: Number of input channels.
        outputs: Number of output channels.
        kernel: Side of the convolutions.
        stride: Samples that the block averages to one.
        padding: Padding of the convolutions; zeros when None.
        gain: Factor on the input.

    Example:
        >>> ResidualBlock(2, 8, 16)(torch.zeros(1, 8, 16, 6)).shape
        torch.Size([1, 16, 8, 6])
    """

    def __init__(
        self, dims: int, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 2,
        padding: Padding | None = None, gain: float = 1.0,
    ):  # fmt: skip
        super().__init__()
        self.stride = stride
        self.first = EqualizedConv(dims, inputs, inputs, kernel=kernel, padding=padding, gain=gain)
        self.second = EqualizedConv(dims, inputs, outputs, kernel=kernel, padding=padding, gain=LEAKY_GAIN)
        self.skip = EqualizedConv(dims, inputs, outputs, kernel=1, bias=False, gain=gain / math.sqrt(2))

    def forward(
        self, x: Float[Tensor, "B I *S"], share: Float[Tensor, "#B 1 *S"] | None = None
    ) -> Float[Tensor, "B O *T"]:
        """The shortened signal; ``share`` gives the weights of samples in averages."""
        y = F.leaky_relu(self.second(self._shorter(F.leaky_relu(self.first(x), SLOPE), share)), SLOPE)
        return y + self.skip(self._shorter(x, share))  # the gain of y and 1/√2 for a sum of two cancel

    def shorter(self, x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *T"]:
        """The averaging of a block: means of ``stride`` samples, on axes that have four times as many."""
        return halve(x, least=4 * self.stride, stride=self.stride)

    def _shorter(self, x: Tensor, share: Tensor | None) -> Tensor:
        return self.shorter(x) if share is None else self.shorter(x * share) / self.shorter(share)


class ResidualTrunk(nn.Module):
    """Trunk from signals on a regular grid of any size, and facts about the view, to one vector each.

    The trunk halves the signal until about 4 samples are left on a side at the nominal resolution, averages to exactly
    4, and ends in a linear layer. There is no normalization over the batch: features depend on their own sample alone,
    as gradient penalties require (Gulrajani et al. 2017, sec. 4).

    Args:
        dims: Spatial dimensions, 1 to 3.
        channels: Number of channels, C.
        facts: Number of facts about the view, each of order 1 at most.
        resolution: Nominal samples on the shortest side.
        width: Channels at full resolution; doubled at each halving.
        max_width: Upper bound on the channels.
        kernel: Side of the blocks' convolutions.
        stride: Samples that a block averages to one; 2 halves.
        padding: Padding of the convolutions; zeros when None.

    Example:
        >>> trunk = ResidualTrunk(1, 2, facts=1, resolution=32, width=8, max_width=32)
        >>> trunk(torch.zeros(5, 2, 32), torch.zeros(5, 1)).shape
        torch.Size([5, 32])
    """

    smallest = 4

    def __init__(
        self,
        dims: int,
        channels: int,
        *,
        facts: int,
        resolution: int,
        width: int,
        max_width: int,
        kernel: int = 3,
        stride: int = 2,
        padding: Padding | None = None,
    ):
        super().__init__()
        self.dims, self.channels = dims, channels
        halvings = max(1, round(math.log(max(resolution, 8) / 4, stride)))
        widths = [min(width * 2**k, max_width) for k in range(halvings + 1)]
        self.size = widths[-1]
        self.enter = EqualizedConv(dims, channels, widths[0], kernel=1)
        self.facts = EqualizedLinear(facts, widths[0])
        self.blocks = nn.ModuleList(
            ResidualBlock(dims, a, b, kernel=kernel, stride=stride, padding=padding, gain=LEAKY_GAIN if k == 0 else 1.0)
            for k, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.last = EqualizedConv(dims, widths[-1], widths[-1], kernel=3, padding=padding)
        self.flat = EqualizedLinear(widths[-1] * 4**dims, widths[-1], gain=LEAKY_GAIN)

    def forward(
        self, values: Float[Tensor, "B C *S"], facts: Float[Tensor, "#B K"], share: Float[Tensor, "#B *S"] | None = None
    ) -> Float[Tensor, "B W"]:
        """Vector of each signal; ``share`` weighs samples in averages, so that features count by measure."""
        shape = tuple(values.shape)
        if values.ndim != self.dims + 2 or shape[1] != self.channels or min(shape[2:]) < self.smallest:
            raise ShapeError(
                f"the critic got values of shape {shape}; expected (B, {self.channels}, and {self.dims} sizes of "
                f"{self.smallest} or more)"
            )
        # A padding of one axis does not know images of one row.
        laid_out = channels_last if self.dims > 1 or self.last.padding is None else lambda x: x
        x = laid_out(self.enter(laid_out(values)))
        known = self.facts(facts)
        x = F.leaky_relu(x + known.reshape(*known.shape, *[1] * (x.ndim - 2)), SLOPE)
        share = None if share is None else laid_out(share[:, None].to(x.dtype))
        for block in self.blocks:
            x = block(x, share)
            share = None if share is None else block.shorter(share)  # type: ignore[operator]
        x = F.leaky_relu(self.last(x), SLOPE)
        x = x if share is None else x * share
        x = x.squeeze(2) if x.ndim > self.dims + 2 else x
        return leaky_relu(self.flat(pool_to(x, 4).flatten(1)))


class ResidualCritic(AbstractCritic):
    """Residual convolutional critic of signals on a regular grid of any size from ``smallest`` up.

    The critic knows the sampling density of the view relative to the nominal one, and labels enter by projection
    (Miyato & Koyama 2018, eq. 3).

    Args:
        dims: Spatial dimensions, 1 to 3.
        channels: Number of channels, C.
        resolution: Nominal samples on the shortest side.
        spacing: Nominal distance between samples, per coordinate, in coordinate units.
        width: Channels at full resolution; doubled at each halving.
        max_width: Upper bound on the channels.
        classes: Number of labels; 0 for none.
        kernel: Side of the blocks' convolutions.
        stride: Samples that a block averages to one; 2 halves.
        padding: Padding of the convolutions; zeros when None.
        by_measure: Weigh features by the view's weights in all averages, so that samples with a small share of the
            domain count little, and the penalty's strength does not grow with their number.

    Example:
        >>> critic = ResidualCritic(2, 3, resolution=32, spacing=(2 / 32, 2 / 32), width=8, max_width=32)
        >>> critic(torch.zeros(5, 3, 32, 32), Box(2).grid((32, 32))).shape
        torch.Size([5])
    """

    smallest = ResidualTrunk.smallest

    def __init__(
        self,
        dims: int,
        channels: int,
        *,
        resolution: int,
        spacing: Sequence[float],
        width: int,
        max_width: int,
        classes: int = 0,
        kernel: int = 3,
        stride: int = 2,
        padding: Padding | None = None,
        by_measure: bool = False,
    ):
        super().__init__()
        self.by_measure = by_measure
        self.nominal = tuple(-math.log2(s) for s in spacing)
        self.trunk = ResidualTrunk(
            dims, channels, facts=len(self.nominal), resolution=resolution, width=width, max_width=max_width,
            kernel=kernel, stride=stride, padding=padding,
        )  # fmt: skip
        self.score = EqualizedLinear(self.trunk.size, 1)
        self.labels = nn.Embedding(classes, self.trunk.size) if classes else None

    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        share = None
        if self.by_measure and view.weights is not None and view.shape == values.shape[2:]:
            share = view.weights.unflatten(1, view.shape)
        x = self.trunk(values, view.log2_density - constant(self.nominal, view.spacing), share)
        return self.score(x)[:, 0] + label_score(x, self.labels, labels)


def label_score(
    x: Float[Tensor, "B W"], embedding: nn.Embedding | None, labels: Int[Tensor, "B"] | None
) -> Float[Tensor, "B"] | float:
    """Projection of features on the label's embedding (Miyato & Koyama 2018, eq. 3)."""
    if embedding is None:
        return 0.0
    assert labels is not None, "a conditional critic needs labels"
    return (x * embedding(labels)).sum(dim=-1) / math.sqrt(x.shape[-1])
