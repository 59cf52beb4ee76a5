"""Backbones: networks over coordinates that are handed their weights."""

from inrgan.inr._base import SILU_GAIN, AbstractINR, LayerSpec, LayerUnits, LayerWeights, Units, Weights, linear
from inrgan.inr._carriers import CarrierINR
from inrgan.inr._flat import flat, unflat
from inrgan.inr._multiscale import MultiScaleINR
from inrgan.inr._polynomial import PolynomialINR
from inrgan.inr._units import permuted

__all__ = [
    "SILU_GAIN",
    "AbstractINR",
    "CarrierINR",
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
