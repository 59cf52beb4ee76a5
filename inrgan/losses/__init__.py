"""Adversarial losses, gradient penalties and the terms of a training step."""

from inrgan.losses._adversarial import (
    AbstractAdversarialLoss,
    NonSaturatingLoss,
    RelativisticLoss,
    adversarial_loss,
)
from inrgan.losses._gradient_penalty import gradient_penalty
from inrgan.losses._random_resolution import random_resolution
from inrgan.losses._terms import Term, terms

__all__ = [
    "AbstractAdversarialLoss",
    "NonSaturatingLoss",
    "RelativisticLoss",
    "Term",
    "adversarial_loss",
    "gradient_penalty",
    "random_resolution",
    "terms",
]
