"""Coordinates to features, band-limited by the view."""

from inrgan.encodings._base import AbstractEncoding, fade
from inrgan.encodings._fourier import FourierEncoding, plane_waves

__all__ = ["AbstractEncoding", "FourierEncoding", "fade", "plane_waves"]
