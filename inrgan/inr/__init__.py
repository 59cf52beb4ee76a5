"""Backbones: coordinate networks whose weights are given."""

from inrgan.inr.base import (
    SILU_GAIN,
    AbstractINR,
    LayerSpec,
    LayerUnits,
    LayerWeights,
    Units,
    Weights,
    flat,
    linear,
    permuted,
    unflat,
)
from inrgan.inr.harmonic_bank import HarmonicBankINR
from inrgan.inr.multiscale import MultiScaleINR
from inrgan.inr.polynomial import PolynomialINR

__all__ = [
    "SILU_GAIN",
    "AbstractINR",
    "HarmonicBankINR",
    "LayerSpec",
    "LayerUnits",
    "LayerWeights",
    "MultiScaleINR",
    "PolynomialINR",
    "Units",
    "Weights",
    "flat",
    "linear",
    "permuted",
    "unflat",
]
