"""Sounds of any rate and length, mono or stereo."""

from inrgan_modalities.audio._clip import Clip
from inrgan_modalities.audio._modality import AudioModality

__all__ = ["AudioModality", "Clip"]
