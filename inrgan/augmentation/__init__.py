"""Transforms of signals: augmentation of reals and fakes, and symmetries of reals."""

from inrgan.augmentation._base import AbstractTransform, Augmentation, symmetric_views
from inrgan.augmentation._box import Flip, QuarterTurn, Rotation, Scale, Shift
from inrgan.augmentation._values import Affine, Polarity, Tint
from inrgan.augmentation.strength import AugmentStrength

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
