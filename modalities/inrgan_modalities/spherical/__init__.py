"""Signals on the sphere: panoramas, and scalar or vector fields."""

from inrgan_modalities.spherical._modality import SphericalModality
from inrgan_modalities.spherical._padding import pad_cube, pad_equirectangular

__all__ = ["SphericalModality", "pad_cube", "pad_equirectangular"]
