"""Resampling of signals on a box, anti-aliased to a view's spacing, and the band limit that encodings share."""

from inrgan.resampling.box import AbstractCarry, box_carry, carry, resample, resample_long
from inrgan.resampling.kernels import KaiserSinc, axis_matrix, fade, lanczos, reached

__all__ = [
    "AbstractCarry",
    "KaiserSinc",
    "axis_matrix",
    "box_carry",
    "carry",
    "fade",
    "lanczos",
    "reached",
    "resample",
    "resample_long",
]
