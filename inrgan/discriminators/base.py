"""Base class of critics, and common parts: convolutions, folds and slope channels."""

import abc
import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

# One operation for all tensors instead of one per tensor.
from torch import _foreach_mul as _multiply  # pyright: ignore[reportPrivateImportUsage]
from torch.nn import functional as F

from inrgan.views import View


def constant(values: Sequence[float], like: Tensor) -> Float[Tensor, "D"]:
    """A few numbers as a tensor, filled on the device without a copy from the host.

    Example:
        >>> constant((1.0, 2.0), torch.zeros(5)).tolist()
        [1.0, 2.0]
    """
    return torch.stack([like.new_full((), v) for v in values])


class AbstractCritic(nn.Module, abc.ABC):
    """Network from signals and their view to one realness score each."""

    smallest: int
    """Fewest samples along a side that the critic accepts."""

    def prepare(self, view: View) -> None:
        """Compute constants that depend on the view alone, on the host; the view stores them. None by default.

        Only views that all samples share have them: others are repeated when reals and fakes are scored together.
        """
        del view

    @abc.abstractmethod
    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        """Score every sample independently; higher is more real.

        Raises:
            ShapeError: The values are smaller than the critic's minimum, or have a wrong number of channels.
        """


Padding = Callable[[Tensor, int], Tensor]
"""Function that pads the spatial axes of (B, C, *S) by a number of samples on every side."""

_CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_POOL = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_ADAPTIVE = {1: F.adaptive_avg_pool1d, 2: F.adaptive_avg_pool2d, 3: F.adaptive_avg_pool3d}


class EqualizedConv(nn.Module):
    """Convolution with an equalized learning rate; the output has the size of the input.

    Signals along one axis may come as images of one row; see ``channels_last``.

    Args:
        dims: Spatial dimensions, 1 to 3.
        inputs: Number of input channels.
        outputs: Number of output channels.
        kernel: Odd side length.
        bias: Whether there is a bias.
        padding: Padding of the border; zeros when None.
        gain: Factor on the input, at no cost.

    Example:
        >>> EqualizedConv(3, 2, 4, kernel=3)(torch.zeros(1, 2, 5, 6, 7)).shape
        torch.Size([1, 4, 5, 6, 7])
    """

    def __init__(
        self,
        dims: int,
        inputs: int,
        outputs: int,
        *,
        kernel: int,
        bias: bool = True,
        padding: Padding | None = None,
        gain: float = 1.0,
    ):
        super().__init__()
        assert kernel % 2 == 1, "an even kernel would shift the signal by half a sample"
        self.weight = nn.Parameter(torch.randn(outputs, inputs, *[kernel] * dims))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.scale = gain / math.sqrt(inputs * kernel**dims)
        self.dims, self.reach, self.padding = dims, kernel // 2, padding
        self.scaled: Tensor | None = None
        """Weight times its scale, while ``scaled_once`` provides it."""

    def forward(self, x: Float[Tensor, "B I *S"]) -> Float[Tensor, "B O *S"]:
        pad = self.reach
        if self.padding is not None and self.reach:
            x, pad = self.padding(x, self.reach), 0
        weight = self.weight * self.scale if self.scaled is None else self.scaled
        if x.ndim == 4 and self.dims == 1:
            return F.conv2d(x, weight.unsqueeze(2), self.bias, padding=(0, pad))
        return _CONV[self.dims](x, weight, self.bias, padding=pad)


class _Scaled(torch.autograd.Function):
    """Tensors times one number each, as one operation forward and one backward."""

    @staticmethod
    def forward(factors: Sequence[float], *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(_multiply(tensors, factors))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        del output
        ctx.factors = inputs[0]
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor | None) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        known = [(g, f) for g, f in zip(grads, ctx.factors, strict=True) if g is not None]
        scaled = iter(_Scaled.apply([f for _, f in known], *(g for g, _ in known)))
        return None, *(None if g is None else next(scaled) for g in grads)


@contextlib.contextmanager
def scaled_once(network: nn.Module) -> Iterator[None]:
    """Scale the weights of all convolutions once for all evaluations in the block, instead of in each of them.

    Example:
        >>> conv = EqualizedConv(1, 2, 4, kernel=3)
        >>> with scaled_once(conv):
        ...     conv(torch.zeros(1, 2, 5)).shape
        torch.Size([1, 4, 5])
    """
    layers = [m for m in network.modules() if isinstance(m, EqualizedConv)]
    if not layers:
        yield
        return
    for layer, weight in zip(
        layers, _Scaled.apply([x.scale for x in layers], *(x.weight for x in layers)), strict=True
    ):
        layer.scaled = weight
    try:
        yield
    finally:
        for layer in layers:
            layer.scaled = None


def channels_last(x: Float[Tensor, "B C *S"]) -> Float[Tensor, "B C *T"]:
    """The layout in which convolutions and averages are fastest: that of images with the channels last.

    Signals along one axis become images of one row, which have such a layout. On one CPU thread this saves a quarter of
    the time of a convolution of 16 channels, and two thirds of that of an average. Volumes gain nothing and stay.

    Example:
        >>> channels_last(torch.zeros(1, 2, 7)).shape
        torch.Size([1, 2, 1, 7])
    """
    if x.ndim == 3:
        x = x.unsqueeze(2)
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def halve(x: Float[Tensor, "B C *S"], *, least: int = 2, stride: int = 2) -> Float[Tensor, "B C *T"]:
    """Average blocks of two (or ``stride``) samples along every axis with at least ``least`` samples.

    An incomplete block at the end is averaged alone.

    Example:
        >>> halve(torch.zeros(1, 2, 7, 6)).shape
        torch.Size([1, 2, 4, 3])
    """
    dims = x.ndim - 2
    kernel = [stride if n >= least else 1 for n in x.shape[2:]]
    return _POOL[dims](x, kernel, stride=kernel, ceil_mode=True, count_include_pad=False)


def pool_to(x: Float[Tensor, "B C *S"], size: int) -> Float[Tensor, "B C *T"]:
    """Average to ``size`` cells along every axis, for any size of the input.

    Example:
        >>> pool_to(torch.zeros(1, 2, 7, 6), 4).shape
        torch.Size([1, 2, 4, 4])
    """
    dims = x.ndim - 2
    return x if all(n == size for n in x.shape[2:]) else _ADAPTIVE[dims](x, size)


_FOLDS = {
    1: "b c (x i) -> b (c i) x",
    2: "b c (y i) (x j) -> b (c i j) y x",
    3: "b c (z i) (y j) (x k) -> b (c i j k) z y x",
}


def fold(x: Float[Tensor, "B C *S"], size: int) -> Float[Tensor, "B E *T"]:
    """Blocks of ``size`` samples along every axis as channels of one sample: C·size^D channels.

    A critic that begins with this sees all samples and convolves few positions: an eighth of a volume with size 2. An
    incomplete block at the end is filled by repeating the last sample.

    Example:
        >>> fold(torch.zeros(1, 4, 6, 5, 4), 2).shape
        torch.Size([1, 32, 3, 3, 2])
    """
    short = [-n % size for n in x.shape[2:]]
    if any(short):
        pads = [p for n in reversed(short) for p in (0, n)]
        x = F.pad(x, pads, mode="replicate")
    sizes = dict.fromkeys(("i", "j", "k")[: x.ndim - 2], size)
    return rearrange(x, _FOLDS[x.ndim - 2], **sizes)


def slope_channels(values: Float[Tensor, "B C *S"], view: View, *, soft: float) -> Float[Tensor, "B E *S"]:
    """The signal, followed by the gradient of each channel at unit length: C (1 + D) channels.

    Gradients are differences of the two neighbors over twice the spacing, one-sided at the border. Fakes have
    exact derivatives, but are treated as reals are. The length is √(|∇|² + soft²), so that noise in nearly flat regions
    is not amplified. (Zheng et al. 2022, "SDF-StyleGAN", sec. 3.2, give distance and normal to their critics.)

    Args:
        values: Values on the regular grid of the view.
        view: View of the values, with the spacing.
        soft: Slope, in units of the signal per coordinate unit, below which directions fade.

    Example:
        >>> slope_channels(torch.zeros(2, 1, 8, 8, 8), Box(3).grid((8, 8, 8)), soft=1.0).shape
        torch.Size([2, 4, 8, 8, 8])
    """
    dims = values.ndim - 2
    spacing = view.spacing.mean(dim=1).to(values.dtype)  # (#B, D), x first
    parts = []
    for d in range(dims):
        axis = values.ndim - 1 - d
        padded = F.pad(values, [0, 0] * d + [1, 1], mode="constant")
        n = values.shape[axis]
        if n < 2:
            parts.append(torch.zeros_like(values))
            continue
        inner = padded.narrow(axis, 2, n) - padded.narrow(axis, 0, n)
        first = 2 * (values.narrow(axis, 1, 1) - values.narrow(axis, 0, 1))
        last = 2 * (values.narrow(axis, n - 1, 1) - values.narrow(axis, n - 2, 1))
        difference = torch.cat([first, inner.narrow(axis, 1, n - 2), last], dim=axis)
        parts.append(difference / (2 * spacing[:, d].reshape(-1, *[1] * (values.ndim - 1))))
    slopes = torch.stack(parts, dim=2)
    unit = slopes * (slopes.square().sum(dim=2, keepdim=True) + soft**2).rsqrt()
    return torch.cat([values, unit.flatten(1, 2)], dim=1)
