"""Samplers draw the Views of training steps."""

from inrgan.samplers._base import AbstractSampler
from inrgan.samplers._grids import FullGrid, RandomResolution

__all__ = ["AbstractSampler", "FullGrid", "RandomResolution"]
