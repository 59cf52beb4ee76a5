"""Real signals seen from a view."""

import math
from collections.abc import Sequence

import torch

from inrgan._typing import Float, Shaped, Tensor
from inrgan.resampling.axis_maps import BandedMap
from inrgan.resampling.box import carry
from inrgan.resampling.kernels import KaiserSinc
from inrgan.views import View


def resample(
    items: Shaped[Tensor, "#B C *K"], view: View, *, lower: Sequence[float], upper: Sequence[float]
) -> Float[Tensor, "B C *S"]:
    """Real signals sampled on a box, seen from a product view: ``carry``, kept within [−1, 1].

    Args:
        items: arrays over the box, x last; uint8 is taken as 0…255 for −1…1.
        view: a product view, one for all samples or one for each.
        lower: where the arrays start, x first, in coordinate units.
        upper: where they end.

    Example:
        >>> resample(torch.zeros(2, 3, 9, 8), Box(2).grid((4, 4)), lower=(-1, -1), upper=(1, 1)).shape
        torch.Size([2, 3, 4, 4])
    """
    values = items.float() / 127.5 - 1 if items.dtype == torch.uint8 else items.float()
    return carry(values, view, lower=lower, upper=upper).clamp(-1, 1)


def resample_long(
    item: Float[Tensor, "C K"],
    view: View,
    *,
    lower: float,
    upper: float,
    kernel: KaiserSinc | None = None,
) -> Float[Tensor, "1 C M"]:
    """A real signal of one long axis, seen from a view without a batch of its own, by a long kernel.

    Zero lies beyond its ends. Time goes as the number of positions, which have to be in order. Positions are taken
    in double precision.

    Args:
        item: samples at cell centres.
        view: a product view of one axis.
        lower: where the signal starts, in coordinate units.
        upper: where it ends.
        kernel: the default where None.

    Example:
        >>> resample_long(torch.zeros(1, 9000), Box(1).grid((4000,)), lower=-1, upper=1).shape
        torch.Size([1, 1, 4000])
    """
    assert view.axes is not None and view.dim == 1 and view.batch == 1, "a long signal is seen from one line of samples"
    kernel = KaiserSinc() if kernel is None else kernel
    count = item.shape[1]
    own = (upper - lower) / count
    place_1M = (view.axes[0].double() - lower) / own - 0.5
    stretch_1M = (view.axis_spacing[0].double() / own).clamp(min=1.0).expand(1, place_1M.shape[1])
    reach = math.ceil(kernel.half_width * float(stretch_1M.max()))
    first, last = math.floor(float(place_1M.min())) - reach, math.floor(float(place_1M.max())) + reach + 1
    inside = item[:, max(0, first) : max(0, last + 1)]
    before = min(max(0, -first), last + 1 - first)
    after = last + 1 - first - before - inside.shape[1]
    part = torch.nn.functional.pad(inside, (before, after))
    across = BandedMap(
        place_1M, first=place_1M.new_full((1, 1), first), count=part.shape[1], reach=reach, stretch=stretch_1M,
        # Places are told apart in double precision; weights need no more than single.
        kernel=lambda t: kernel(t.float()), normalised=True,
    )  # fmt: skip
    return across(part[None, :, :, None])[..., 0].clamp(-1, 1)
