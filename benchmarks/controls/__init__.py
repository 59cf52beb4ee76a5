"""Generators that are not INRs, as controls."""

from controls.convolutional import ConvolutionalGenerator

__all__ = ["ConvolutionalGenerator"]
