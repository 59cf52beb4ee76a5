"""Studies of what a trained generator does between its latents and its signals.

They know a generator as ``Stages`` only, and domains by their points: no modality is named here.
"""

from inrgan.analysis.geometry import GeometryStudy, Known, exact_factors, linear_probe, moments, sketch, study_geometry
from inrgan.analysis.interpolation import (
    ABRUPT,
    InterpolationStudy,
    SpeedProfile,
    jump_score,
    measure_speed,
    study_interpolation,
)
from inrgan.analysis.intervals import Growth, Interval, bootstrap, growth
from inrgan.analysis.motion import Explained, Warped, explained_by_flow, explained_by_warp, measure_motion
from inrgan.analysis.projection import Observations, Projection, observe_item, project, read_observations
from inrgan.analysis.records import (
    LayerSeries,
    Spread,
    TrainingRecords,
    histogram_quantiles,
    read_records,
    read_spreads,
    record_bytes,
)
from inrgan.analysis.report import Page, Plot, geometry_page, interpolation_page, require_plots, stability_page
from inrgan.analysis.stability import Diverged, LayerHealth, StabilityStudy, first_to_diverge, study_stability
from inrgan.analysis.stages import SPACES, STAGES, Stages, probe_grid, probe_view, some_points, stages_of
from inrgan.inr import flat
from inrgan.views import at_points

__all__ = [
    "ABRUPT",
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
    "probe_grid",
    "probe_view",
    "project",
    "read_observations",
    "read_records",
    "read_spreads",
    "record_bytes",
    "require_plots",
    "sketch",
    "some_points",
    "stability_page",
    "stages_of",
    "study_geometry",
    "study_interpolation",
    "study_stability",
]
