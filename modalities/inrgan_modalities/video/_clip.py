"""One video clip, whose frames can be read at any time."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from inrgan.data import AbstractItem


class AbstractClip(AbstractItem):
    """A video clip with a constant rate; frame k is displayed from k / rate seconds until the next frame."""

    shape: tuple[int, int, int]
    """Shape (C, H, W) of a frame as it is read, which may be smaller than in the file."""
    rate: float
    """Frames per second."""
    count: int
    """Number of frames."""
    position: float = 0.5
    """Position of a shorter window in the clip, from 0 (start) to 1 (end)."""

    @property
    def seconds(self) -> float:
        """Duration in seconds; each frame lasts 1 / rate."""
        return self.count / self.rate

    @abc.abstractmethod
    def frames(self, numbers: Sequence[int]) -> torch.Tensor:
        """Frames (n, C, H, W) in the given order: uint8, or floats in [−1, 1].

        Raises:
            DataError: The frames cannot be read.
        """

    def on_display(self, times: Sequence[float]) -> list[int]:
        """Numbers of the frames displayed at given times; before and after the clip, the first and the last frame.

        Example:
            >>> Clip(torch.zeros(16, 3, 8, 8), rate=8.0).on_display([0.05, 0.13, 9.0])
            [0, 1, 15]
        """
        # Rounding must not assign the exact time of a frame to the frame before.
        return [min(max(0, math.floor(t * self.rate + 1e-6)), self.count - 1) for t in times]


@final
@dataclass(frozen=True)
class Clip(AbstractClip):
    """A clip in memory.

    Attributes:
        pixels: Frames (T, C, H, W), uint8 or floats in [−1, 1]; read-only.
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
        position: Position of the window in the clip, from 0 (start) to 1 (end).

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
