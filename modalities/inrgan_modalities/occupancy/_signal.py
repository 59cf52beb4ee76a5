"""Conversion of signed distances to signals."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch

Kind = Literal["distance", "occupancy"]


@dataclass(frozen=True)
class Signal:
    """Signals of shapes: −1 inside, 1 outside, 0 at the surface, and linear between.

    Args:
        kind: ``distance``, the signed distance truncated at ``truncation``; or ``occupancy``, the fraction of a cell
            that is outside minus the fraction that is inside, approximated by a linear ramp over one cell.
        truncation: Distance from the surface at which the signal is ±1, in coordinate units.

    Example:
        >>> Signal("distance", truncation=0.2).of(np.zeros((4, 4, 4))).shape
        torch.Size([1, 4, 4, 4])
    """

    kind: Kind
    truncation: float

    def reach(self, spacing: float) -> float:
        """The distance at which the signal is ±1."""
        return self.truncation if self.kind == "distance" else spacing / 2

    def of(self, distances: np.ndarray) -> torch.Tensor:
        """Signals (1, D, H, W) of signed distances (D, H, W) over [−1, 1]³."""
        scaled = distances / self.reach(2 / distances.shape[-1])
        return torch.from_numpy(scaled.clip(-1, 1).astype(np.float32))[None]
