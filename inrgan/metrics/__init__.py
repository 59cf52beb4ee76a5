"""Distances between sets of real and generated signals, and how they were measured."""

from inrgan.metrics.comparison import Comparison, Metric, Protocol, Score, scores_table
from inrgan.metrics.feature_scores import (
    DensityCoverage,
    DifferentBins,
    PrecisionRecall,
    density_coverage,
    different_bins,
    frechet_distance,
    frechet_distance_of_moments,
    is_full_rank,
    kernel_distance,
    precision_recall,
)
from inrgan.metrics.features import (
    AbstractFeatures,
    InceptionFeatures,
    InceptionWeightsMissing,
    RandomConvFeatures,
    find_inception_weights,
)
from inrgan.metrics.labels import LabelAccuracy, label_accuracy
from inrgan.metrics.scoring import evaluate, known_metrics
from inrgan.metrics.spectrum import Pattern, RadialSpectrum, mean_power, pattern, radial_spectrum, spectrum_distance
from inrgan.metrics.swd import (
    SlicedWasserstein,
    count_levels,
    laplacian_pyramid,
    reconstruct,
    sliced_distance,
    sliced_wasserstein,
)

__all__ = [
    "AbstractFeatures",
    "Comparison",
    "DensityCoverage",
    "DifferentBins",
    "InceptionFeatures",
    "InceptionWeightsMissing",
    "LabelAccuracy",
    "Metric",
    "Pattern",
    "PrecisionRecall",
    "Protocol",
    "RadialSpectrum",
    "RandomConvFeatures",
    "Score",
    "SlicedWasserstein",
    "count_levels",
    "density_coverage",
    "different_bins",
    "evaluate",
    "find_inception_weights",
    "frechet_distance",
    "frechet_distance_of_moments",
    "is_full_rank",
    "kernel_distance",
    "known_metrics",
    "label_accuracy",
    "laplacian_pyramid",
    "mean_power",
    "pattern",
    "precision_recall",
    "radial_spectrum",
    "reconstruct",
    "scores_table",
    "sliced_distance",
    "sliced_wasserstein",
    "spectrum_distance",
]
