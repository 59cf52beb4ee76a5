"""Transforms of reals and fakes alike, so that a critic cannot learn few items by heart."""

from inrgan.augmentation._base import AbstractTransform, Augmentation
from inrgan.augmentation._box import Flip, Rotation, Scale, Shift
from inrgan.augmentation._quarter import QuarterTurn
from inrgan.augmentation._values import Affine, Polarity, Tint

__all__ = [
    "AbstractTransform",
    "Affine",
    "Augmentation",
    "Flip",
    "Polarity",
    "QuarterTurn",
    "Rotation",
    "Scale",
    "Shift",
    "Tint",
]
