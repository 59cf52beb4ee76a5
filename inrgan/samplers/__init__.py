"""Samplers draw the Views of training steps."""

from inrgan.samplers.grids import AbstractSampler, FullGrid, RandomResolution
from inrgan.samplers.patches import DensePatch, ScatteredPoints
from inrgan.samplers.variable_density import VariableDensity
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
