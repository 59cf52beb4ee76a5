"""One real film: frames that can be read at any times."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from inrgan.data import AbstractItem


class AbstractClip(AbstractItem):
    """A film of a constant rate: frame k is on display from k / rate seconds until the next one.

    ``shape`` is (C, H, W) of a frame as it is given, which may be less than the file's.
    """

    shape: tuple[int, int, int]
    rate: float
    count: int
    """Frames."""

    @property
    def seconds(self) -> float:
        """How long it is, each frame being shown for 1 / rate."""
        return self.count / self.rate

    @abc.abstractmethod
    def frames(self, numbers: Sequence[int]) -> torch.Tensor:
        """Some frames in the order asked for, (n, C, H, W): uint8, or floats in [−1, 1].

        Raises:
            DataError: they cannot be read.
        """

    def on_display(self, times: Sequence[float]) -> list[int]:
        """Numbers of the frames that are seen at times; before and after the film, those at its ends.

        Example:
            >>> Clip(torch.zeros(16, 3, 8, 8), rate=8.0).on_display([0.05, 0.13, 9.0])
            [0, 1, 15]
        """
        # A time that is a frame's own up to rounding is not the frame before.
        return [min(max(0, math.floor(t * self.rate + 1e-6)), self.count - 1) for t in times]


@final
@dataclass(frozen=True)
class Clip(AbstractClip):
    """A film in memory.

    Attributes:
        pixels: (T, C, H, W), uint8 or floats in [−1, 1]; not to be changed.
        rate: frames per second.

    Example:
        >>> Clip(torch.zeros(16, 3, 32, 32), rate=8.0).seconds
        2.0
    """

    pixels: torch.Tensor
    rate: float

    @property
    def shape(self) -> tuple[int, int, int]:  # type: ignore[override]
        _, channels, rows, columns = self.pixels.shape
        return channels, rows, columns

    @property
    def count(self) -> int:  # type: ignore[override]
        return self.pixels.shape[0]

    @property
    def nbytes(self) -> int:
        return self.pixels.nbytes

    def frames(self, numbers: Sequence[int]) -> torch.Tensor:
        return self.pixels[list(numbers)]
