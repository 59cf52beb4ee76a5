"""Signals on the sphere: panoramas, and scalar or vector fields."""

from inrgan_modalities.spherical._globe import globe_video, globe_view
from inrgan_modalities.spherical._metrics import spherical_metrics
from inrgan_modalities.spherical._modality import SphericalModality
from inrgan_modalities.spherical._named_view import cross_view, spherical_view
from inrgan_modalities.spherical._open import open_spherical
from inrgan_modalities.spherical._padding import pad_cube, pad_equirectangular

__all__ = [
    "SphericalModality",
    "cross_view",
    "globe_video",
    "globe_view",
    "open_spherical",
    "pad_cube",
    "pad_equirectangular",
    "spherical_metrics",
    "spherical_view",
]
