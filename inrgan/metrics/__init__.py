"""Distances between sets of real and generated signals, and how they were measured."""

from inrgan.metrics._comparison import Comparison, Metric
from inrgan.metrics._evaluate import evaluate, known_metrics
from inrgan.metrics._features import AbstractFeatures, RandomConvFeatures
from inrgan.metrics._fidelity import InceptionFeatures, InceptionWeightsMissing, find_inception_weights
from inrgan.metrics._frechet import frechet_distance, frechet_distance_of_moments, is_full_rank
from inrgan.metrics._kernel import kernel_distance
from inrgan.metrics._label_accuracy import LabelAccuracy, label_accuracy
from inrgan.metrics._ndb import DifferentBins, different_bins
from inrgan.metrics._precision_recall import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    precision_recall,
)
from inrgan.metrics._pyramid import count_levels, laplacian_pyramid, reconstruct
from inrgan.metrics._score import Protocol, Score, scores_table
from inrgan.metrics._spectrum import RadialSpectrum, mean_power, radial_spectrum, spectrum_distance
from inrgan.metrics._swd import SlicedWasserstein, sliced_distance, sliced_wasserstein

__all__ = [
    "AbstractFeatures",
    "Comparison",
    "DensityCoverage",
    "DifferentBins",
    "InceptionFeatures",
    "InceptionWeightsMissing",
    "LabelAccuracy",
    "Metric",
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
    "precision_recall",
    "radial_spectrum",
    "reconstruct",
    "scores_table",
    "sliced_distance",
    "sliced_wasserstein",
    "spectrum_distance",
]
