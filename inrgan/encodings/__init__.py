"""Coordinates to features, band-limited by the view."""

from inrgan.encodings._base import AbstractEncoding, fade
from inrgan.encodings._fourier import FourierEncoding, plane_waves
from inrgan.encodings._periods import PeriodEncoding
from inrgan.encodings._sine import SineEncoding

__all__ = ["AbstractEncoding", "FourierEncoding", "PeriodEncoding", "SineEncoding", "fade", "plane_waves"]
