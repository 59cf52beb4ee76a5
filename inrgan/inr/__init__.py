"""Backbones: networks over coordinates that are handed their weights."""

from inrgan.inr._base import SILU_GAIN, AbstractINR, LayerSpec, LayerWeights, Weights, linear
from inrgan.inr._carriers import CarrierINR
from inrgan.inr._multiscale import MultiScaleINR
from inrgan.inr._polynomial import PolynomialINR

__all__ = [
    "SILU_GAIN",
    "AbstractINR",
    "CarrierINR",
    "LayerSpec",
    "LayerWeights",
    "MultiScaleINR",
    "PolynomialINR",
    "Weights",
    "linear",
]
