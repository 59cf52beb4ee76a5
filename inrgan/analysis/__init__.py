"""Instruments: what a trained generator does between its latents and its signals.

They know a generator as ``Stages`` only, and domains by their points: no kind of signal is named here.
"""

from inrgan.analysis._factors import exact_factors, moments
from inrgan.analysis._flow import explained_by_flow
from inrgan.analysis._geometry import GeometryStudy, Known, study_geometry
from inrgan.analysis._geometry_page import geometry_page
from inrgan.analysis._growth import Growth, growth
from inrgan.analysis._interpolation import InterpolationStudy, study_interpolation
from inrgan.analysis._interpolation_page import interpolation_page
from inrgan.analysis._intervals import Interval, bootstrap
from inrgan.analysis._motion import Explained, measure_motion
from inrgan.analysis._observations import Observations, observe_item, read_observations
from inrgan.analysis._page import Page, Plot, require_plots
from inrgan.analysis._probe import linear_probe
from inrgan.analysis._project import Projection, project
from inrgan.analysis._records import LayerSeries, TrainingRecords, read_records
from inrgan.analysis._speed import SpeedProfile, jump_score, measure_speed
from inrgan.analysis._spreads import Spread, histogram_quantiles, read_spreads
from inrgan.analysis._stability import Diverged, LayerHealth, StabilityStudy, first_to_diverge, study_stability
from inrgan.analysis._stability_page import stability_page
from inrgan.analysis._stages import SPACES, STAGES, Stages, probe_view, some_points, stages_of
from inrgan.analysis._warp import Warped, explained_by_warp
from inrgan.inr import flat
from inrgan.views import at_points

__all__ = [
    "SPACES",
    "STAGES",
    "Diverged",
    "Explained",
    "GeometryStudy",
    "Growth",
    "InterpolationStudy",
    "Interval",
    "Known",
    "LayerHealth",
    "LayerSeries",
    "Observations",
    "Page",
    "Plot",
    "Projection",
    "SpeedProfile",
    "Spread",
    "StabilityStudy",
    "Stages",
    "TrainingRecords",
    "Warped",
    "at_points",
    "bootstrap",
    "exact_factors",
    "explained_by_flow",
    "explained_by_warp",
    "first_to_diverge",
    "flat",
    "geometry_page",
    "growth",
    "histogram_quantiles",
    "interpolation_page",
    "jump_score",
    "linear_probe",
    "measure_motion",
    "measure_speed",
    "moments",
    "observe_item",
    "probe_view",
    "project",
    "read_observations",
    "read_records",
    "read_spreads",
    "require_plots",
    "some_points",
    "stability_page",
    "stages_of",
    "study_geometry",
    "study_interpolation",
    "study_stability",
]
