"""Backbones: networks over coordinates that are handed their weights."""

from inrgan.inr._base import AbstractINR, LayerSpec, LayerWeights, Weights, activate, linear
from inrgan.inr._multiscale import MultiScaleINR
from inrgan.inr._polynomial import PolynomialINR

__all__ = [
    "AbstractINR",
    "LayerSpec",
    "LayerWeights",
    "MultiScaleINR",
    "PolynomialINR",
    "Weights",
    "activate",
    "linear",
]
