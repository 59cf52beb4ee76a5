"""Adversarial losses, gradient penalties and the terms of a training step."""

from inrgan.losses._adversarial import (
    AbstractAdversarialLoss,
    NonSaturatingLoss,
    RelativisticLoss,
    adversarial_loss,
)
from inrgan.losses._base import AbstractTerm
from inrgan.losses._dense_patch import DensePatchTerm
from inrgan.losses._gradient_penalty import gradient_penalty
from inrgan.losses._path_length import path_length_penalty, path_lengths
from inrgan.losses._points import PointsTerm
from inrgan.losses._random_resolution import random_resolution
from inrgan.losses._terms import LOSSES, LossOptions, check_names, terms
from inrgan.losses._variable_density import variable_density
from inrgan.losses._whole import WholeTerm

__all__ = [
    "LOSSES",
    "AbstractAdversarialLoss",
    "AbstractTerm",
    "DensePatchTerm",
    "LossOptions",
    "NonSaturatingLoss",
    "PointsTerm",
    "RelativisticLoss",
    "WholeTerm",
    "adversarial_loss",
    "check_names",
    "gradient_penalty",
    "path_length_penalty",
    "path_lengths",
    "random_resolution",
    "terms",
    "variable_density",
]
