"""One real sound: its samples and how fast they follow each other."""

from dataclasses import dataclass

import torch

from inrgan.data import AbstractItem


@dataclass(frozen=True)
class Clip(AbstractItem):
    """Samples of a sound, of its own rate and length.

    Attributes:
        samples: (C, K) in [−1, 1]; not to be changed.
        rate: samples per second.

    Example:
        >>> Clip(torch.zeros(1, 8000), rate=16000.0).seconds
        0.5
    """

    samples: torch.Tensor
    rate: float

    @property
    def seconds(self) -> float:
        """Length."""
        return self.samples.shape[1] / self.rate

    @property
    def nbytes(self) -> int:
        return self.samples.nbytes
