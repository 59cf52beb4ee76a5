"""Parts that adapters build critics from."""

from inrgan._layers import EqualizedLinear, leaky_relu
from inrgan.discriminators._base import AbstractCritic
from inrgan.discriminators._conv import EqualizedConv, Padding, fold, halve, pool_to
from inrgan.discriminators._flat_weights import FlatWeightCritic
from inrgan.discriminators._patch import AbstractPatchCritic, PatchCritic
from inrgan.discriminators._periods import PeriodTrunk, SpectrumTrunk, complex_spectrogram, log_bands
from inrgan.discriminators._residual import ResidualBlock, ResidualCritic, ResidualTrunk, label_score
from inrgan.discriminators._scattered import PointBlock, ScatteredCritic
from inrgan.discriminators._slices import SlicesCritic
from inrgan.discriminators._slopes import slope_channels
from inrgan.discriminators._unit_weights import UnitWeightCritic

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
    "slope_channels",
]
