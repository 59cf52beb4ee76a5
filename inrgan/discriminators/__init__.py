"""Critics, and the parts that adapters build critics from."""

from inrgan.discriminators.base import (
    AbstractCritic,
    EqualizedConv,
    Padding,
    fold,
    halve,
    pool_to,
    scaled_once,
    slope_channels,
)
from inrgan.discriminators.parts import PeriodTrunk, SlicesCritic, SpectrumTrunk, complex_spectrogram, log_bands
from inrgan.discriminators.patch import AbstractPatchCritic, PatchCritic
from inrgan.discriminators.residual import ResidualBlock, ResidualCritic, ResidualTrunk, label_score
from inrgan.discriminators.scattered import PointBlock, ScatteredCritic
from inrgan.discriminators.weights import FlatWeightCritic, UnitWeightCritic
from inrgan.layers import EqualizedLinear, leaky_relu

__all__ = [
    "AbstractCritic",
    "AbstractPatchCritic",
    "EqualizedConv",
    "EqualizedLinear",
    "FlatWeightCritic",
    "Padding",
    "PatchCritic",
    "PeriodTrunk",
    "PointBlock",
    "ResidualBlock",
    "ResidualCritic",
    "ResidualTrunk",
    "ScatteredCritic",
    "SlicesCritic",
    "SpectrumTrunk",
    "UnitWeightCritic",
    "complex_spectrogram",
    "fold",
    "halve",
    "label_score",
    "leaky_relu",
    "log_bands",
    "pool_to",
    "scaled_once",
    "slope_channels",
]
