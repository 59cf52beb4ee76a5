"""Axis letters used in shape annotations, defined once.

    B   samples in a batch            N   points of a view
    D   coordinates of a point        C   channels of a signal
    F   features of an encoding       Z   latent width
    W   mapped latent width           L   nodes of a lattice

A leading ``#`` means that the axis may be 1 and broadcasts. Inside bodies a tensor carries its axes as a
suffix where that helps: ``coords_BND``.
"""

from jaxtyping import Bool, Float, Int, Shaped, UInt8
from torch import Tensor

__all__ = ["Bool", "Float", "Int", "Shaped", "Tensor", "UInt8"]
