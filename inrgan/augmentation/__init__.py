"""Transforms of signals: augmentation of reals and fakes, and symmetries of reals."""

from inrgan.augmentation.base import (
    AbstractTransform,
    Affine,
    Augmentation,
    AugmentStrength,
    Polarity,
    Tint,
    symmetric_views,
)
from inrgan.augmentation.box import Flip, QuarterTurn, Rotation, Scale, Shift

__all__ = [
    "AbstractTransform",
    "Affine",
    "AugmentStrength",
    "Augmentation",
    "Flip",
    "Polarity",
    "QuarterTurn",
    "Rotation",
    "Scale",
    "Shift",
    "Tint",
    "symmetric_views",
]
