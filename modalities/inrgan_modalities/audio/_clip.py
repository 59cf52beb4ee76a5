"""One audio clip: its samples and their rate."""

from dataclasses import dataclass

import torch

from inrgan.data import AbstractItem


@dataclass(frozen=True)
class Clip(AbstractItem):
    """Samples of an audio clip, with its own rate and length.

    Attributes:
        samples: (C, K) in [−1, 1]; not to be changed.
        rate: Samples per second.
        position: Where a shorter window lies in the clip, from 0 (its start) to 1 (its end); the middle by default.

    Example:
        >>> Clip(torch.zeros(1, 8000), rate=16000.0).seconds
        0.5
    """

    samples: torch.Tensor
    rate: float
    position: float = 0.5

    @property
    def seconds(self) -> float:
        """Length."""
        return self.samples.shape[1] / self.rate

    @property
    def nbytes(self) -> int:
        return self.samples.nbytes
