"""Real signals that are more than an array, or too large to be held whole."""

import abc
import math
from collections.abc import Sequence

from inrgan._typing import Float, Shaped, Tensor
from inrgan.resampling import reached, resample
from inrgan.views import View


class AbstractItem(abc.ABC):
    """A real signal that is more than an array of values, such as one that knows its own rate; never changed."""

    @property
    @abc.abstractmethod
    def nbytes(self) -> int:
        """Bytes that it holds in memory."""


class AbstractLargeItem(AbstractItem):
    """A real signal on a box that is read where it is looked at, at several densities, instead of whole.

    A source may give such items in the place of arrays. Memory and time then go by the view, not by the signal.
    """

    shape: tuple[int, ...]
    """(C, *K) at full density, x last."""

    levels: int
    """Densities that can be read: at level k, samples are means of boxes of 2ᵏ along every axis."""

    @property
    def nbytes(self) -> int:
        return 0

    @abc.abstractmethod
    def read(self, level: int, window: Sequence[slice]) -> Shaped[Tensor, "C *W"]:
        """A part of a level, whose axes have K / 2ᵏ samples: uint8, or floats in [−1, 1]."""

    def observe(self, view: View, *, lower: Sequence[float], upper: Sequence[float]) -> Float[Tensor, "1 C *S"]:
        """The signal seen from a view without a batch of its own, anti-aliased to its spacing.

        It is read at the coarsest level that is no coarser than the view, and no further than the filter reaches.

        Args:
            view: from where.
            lower: where the signal starts, x first, in coordinate units.
            upper: where it ends.

        Example:
            >>> item.observe(Box(2).grid((4, 6)), lower=(-1, -1), upper=(1, 1)).shape
            torch.Size([1, 3, 4, 6])
        """
        assert view.batch == 1, "large items are read from one view at a time"
        axes = view.axes if view.axes is not None else view.coords.unbind(-1)
        spacings = view.axis_spacing if view.axes is not None else view.spacing.unbind(-1)
        counts = list(reversed(self.shape[1:]))
        own = [(b - a) / n for a, b, n in zip(lower, upper, counts, strict=True)]
        finest = [float(s.min()) for s in spacings]
        ratio = min(s / o for s, o in zip(finest, own, strict=True))
        level = min(self.levels - 1, max(0, math.floor(math.log2(max(1.0, ratio * 1.0001)))))
        window, starts, ends = [], [], []
        for d, positions in enumerate(axes):
            n, step = counts[d] >> level, own[d] * 2**level
            used = reached(positions, count=n, lower=lower[d], upper=upper[d], spacing=spacings[d])
            window.insert(0, slice(used.start, used.stop))
            starts.append(lower[d] + used.start * step)
            ends.append(lower[d] + used.stop * step)
        return resample(self.read(level, window)[None], view, lower=starts, upper=ends)
