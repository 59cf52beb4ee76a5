"""One audio clip: samples and sample rate."""

from dataclasses import dataclass

import torch

from inrgan.data import AbstractItem


@dataclass(frozen=True)
class Clip(AbstractItem):
    """Samples of an audio clip, with its own rate and length.

    Attributes:
        samples: Samples (C, K) in [−1, 1]; read-only.
        rate: Samples per second.
        position: Position of a shorter window in the clip, from 0 (start) to 1 (end); the middle by default.

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
