"""Generators that are not INRs, to hold ours against."""

from controls.convolutional import ConvolutionalGenerator

__all__ = ["ConvolutionalGenerator"]
