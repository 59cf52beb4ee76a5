"""Code shared with the benchmarks: the convolutional control, the clock, and the search for stable rates."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import stable_rate
from _marks import trained_to
from controls import ConvolutionalGenerator

__all__ = ["ConvolutionalGenerator", "stable_rate", "trained_to"]
