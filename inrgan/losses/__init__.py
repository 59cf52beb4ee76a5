"""Adversarial losses, gradient penalties, path-length regularization, and the terms of a training loss."""

from inrgan.losses.adversarial import (
    AbstractAdversarialLoss,
    NonSaturatingLoss,
    RelativisticLoss,
    adversarial_loss,
)
from inrgan.losses.base import AbstractTerm
from inrgan.losses.dense_patch import DensePatchTerm
from inrgan.losses.full_signal import FullSignalTerm, PointsTerm, variable_density
from inrgan.losses.gradient_penalty import gradient_penalty, scores_and_penalties
from inrgan.losses.path_length import PathLengthRegularizer, path_length_penalty, path_lengths
from inrgan.losses.random_resolution import random_resolution
from inrgan.losses.terms import LOSSES, LossOptions, check_names, term_weight, terms

__all__ = [
    "LOSSES",
    "AbstractAdversarialLoss",
    "AbstractTerm",
    "DensePatchTerm",
    "FullSignalTerm",
    "LossOptions",
    "NonSaturatingLoss",
    "PathLengthRegularizer",
    "PointsTerm",
    "RelativisticLoss",
    "adversarial_loss",
    "check_names",
    "gradient_penalty",
    "path_length_penalty",
    "path_lengths",
    "random_resolution",
    "scores_and_penalties",
    "term_weight",
    "terms",
    "variable_density",
]
