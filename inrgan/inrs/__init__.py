"""INR datasets: signals of any modality, each fitted by a function with a generator's backbone."""

from inrgan.inrs.conversion import ConvertReport, FitOptions, convert
from inrgan.inrs.folder import Entry
from inrgan.inrs.initialization import match_distribution
from inrgan.inrs.source import InrSource, NumberSpace
from inrgan.inrs.term import WeightsTerm, weights_term

__all__ = [
    "ConvertReport",
    "Entry",
    "FitOptions",
    "InrSource",
    "NumberSpace",
    "WeightsTerm",
    "convert",
    "match_distribution",
    "weights_term",
]
