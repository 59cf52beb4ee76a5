"""Coordinates to features, band-limited by the view."""

from inrgan.encodings._base import AbstractEncoding
from inrgan.encodings._fourier import FourierEncoding, plane_waves
from inrgan.encodings._harmonics import SphericalHarmonics, real_harmonics
from inrgan.encodings._joined import DirectionalEncoding, JoinedEncoding
from inrgan.encodings._paths import AxisPaths, Path
from inrgan.encodings._periods import PeriodEncoding
from inrgan.encodings._sine import SineEncoding
from inrgan.encodings._travelling import TravellingEncoding
from inrgan.resampling import fade

__all__ = [
    "AbstractEncoding",
    "AxisPaths",
    "DirectionalEncoding",
    "FourierEncoding",
    "JoinedEncoding",
    "Path",
    "PeriodEncoding",
    "SineEncoding",
    "SphericalHarmonics",
    "TravellingEncoding",
    "fade",
    "plane_waves",
    "real_harmonics",
]
