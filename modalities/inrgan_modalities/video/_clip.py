"""One video clip: frames that can be read at any times."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from inrgan.data import AbstractItem


class AbstractClip(AbstractItem):
    """A video clip of constant rate: frame k is on display from k / rate seconds until the next one."""

    shape: tuple[int, int, int]
    """(C, H, W) of a frame as it is read, which may be smaller than in the file."""
    rate: float
    """Frames per second."""
    count: int
    """Number of frames."""
    position: float = 0.5
    """Where a shorter window lies in the clip, from 0 (its start) to 1 (its end)."""

    @property
    def seconds(self) -> float:
        """Duration, each frame being shown for 1 / rate."""
        return self.count / self.rate

    @abc.abstractmethod
    def frames(self, numbers: Sequence[int]) -> torch.Tensor:
        """Some frames in the given order, (n, C, H, W): uint8, or floats in [−1, 1].

        Raises:
            DataError: The frames cannot be read.
        """

    def on_display(self, times: Sequence[float]) -> list[int]:
        """Numbers of the frames on display at given times; before and after the clip, those at its ends.

        Example:
            >>> Clip(torch.zeros(16, 3, 8, 8), rate=8.0).on_display([0.05, 0.13, 9.0])
            [0, 1, 15]
        """
        # A time that is a frame's own up to rounding is not the frame before.
        return [min(max(0, math.floor(t * self.rate + 1e-6)), self.count - 1) for t in times]


@final
@dataclass(frozen=True)
class Clip(AbstractClip):
    """A clip in memory.

    Attributes:
        pixels: (T, C, H, W), uint8 or floats in [−1, 1]; not to be changed.
        rate: Frames per second.

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


@final
class Excerpt(AbstractClip):
    """A clip with its window at a given position.

    Args:
        clip: The clip.
        position: Where the window lies, from 0 (the clip's start) to 1 (its end).

    Example:
        >>> Excerpt(Clip(torch.zeros(16, 3, 32, 32), rate=8.0), position=0.0).seconds
        2.0
    """

    def __init__(self, clip: AbstractClip, *, position: float):
        self.clip, self.position = clip, position
        self.shape, self.rate, self.count = clip.shape, clip.rate, clip.count

    @property
    def nbytes(self) -> int:
        return self.clip.nbytes

    def frames(self, numbers: Sequence[int]) -> torch.Tensor:
        return self.clip.frames(numbers)
