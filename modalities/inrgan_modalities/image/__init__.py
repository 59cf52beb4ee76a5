"""Images of any size, aspect and number of channels."""

from inrgan_modalities.image._modality import ImageModality

__all__ = ["ImageModality"]
