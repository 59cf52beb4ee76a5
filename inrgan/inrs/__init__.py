"""Data sets of functions: signals of any kind, each fitted by a function with a generator's backbone."""

from inrgan.inrs._convert import ConvertReport, convert
from inrgan.inrs._folder import Entry
from inrgan.inrs._options import FitOptions
from inrgan.inrs._source import InrSource
from inrgan.inrs._space import NumberSpace
from inrgan.inrs._term import WeightsTerm, weights_term

__all__ = ["ConvertReport", "Entry", "FitOptions", "InrSource", "NumberSpace", "WeightsTerm", "convert", "weights_term"]
