"""Samplers draw the Views of training steps."""

from inrgan.samplers._base import AbstractSampler
from inrgan.samplers._grids import FullGrid, RandomResolution
from inrgan.samplers._patches import DensePatch
from inrgan.samplers._scattered import ScatteredPoints
from inrgan.samplers._shifted import Shifted
from inrgan.samplers._slices import Slices
from inrgan.samplers._variable_density import VariableDensity

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
