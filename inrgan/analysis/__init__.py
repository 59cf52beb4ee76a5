"""Instruments: what a trained generator does between its latents and its signals.

They know a generator as ``Stages`` only, and domains by their points: no kind of signal is named here.
"""

from inrgan.analysis._interpolation import InterpolationStudy, study_interpolation
from inrgan.analysis._interpolation_page import interpolation_page
from inrgan.analysis._intervals import Interval, bootstrap
from inrgan.analysis._page import Page, Plot, require_plots
from inrgan.analysis._speed import SpeedProfile, jump_score, measure_speed
from inrgan.analysis._stages import SPACES, STAGES, Stages, flat, probe_view, stages_of

__all__ = [
    "SPACES",
    "STAGES",
    "InterpolationStudy",
    "Interval",
    "Page",
    "Plot",
    "SpeedProfile",
    "Stages",
    "bootstrap",
    "flat",
    "interpolation_page",
    "jump_score",
    "measure_speed",
    "probe_view",
    "require_plots",
    "stages_of",
    "study_interpolation",
]
