"""Samplers, which draw the views of training steps."""

from inrgan.samplers.grids import AbstractSampler, FullGrid, RandomResolution, VariableDensity
from inrgan.samplers.patches import DensePatch, ScatteredPoints
from inrgan.samplers.wrappers import Shifted, Slices

__all__ = [
    "AbstractSampler",
    "DensePatch",
    "FullGrid",
    "RandomResolution",
    "ScatteredPoints",
    "Shifted",
    "Slices",
    "VariableDensity",
]
