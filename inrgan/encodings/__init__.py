"""Encodings of coordinates as features, band-limited by the view."""

from inrgan.encodings.base import AbstractEncoding, DirectionalEncoding, JoinedEncoding
from inrgan.encodings.fourier import FourierEncoding, PeriodEncoding, SineEncoding, plane_waves
from inrgan.encodings.harmonics import SphericalHarmonics, real_harmonics
from inrgan.encodings.lattice_noise import NoiseEncoding
from inrgan.encodings.travelling import AxisPaths, Path, TravellingEncoding
from inrgan.resampling import fade

__all__ = [
    "AbstractEncoding",
    "AxisPaths",
    "DirectionalEncoding",
    "FourierEncoding",
    "JoinedEncoding",
    "NoiseEncoding",
    "Path",
    "PeriodEncoding",
    "SineEncoding",
    "SphericalHarmonics",
    "TravellingEncoding",
    "fade",
    "plane_waves",
    "real_harmonics",
]
