"""From latents to weights."""

from inrgan.hypernetwork.base import AbstractHypernetwork, demodulate
from inrgan.hypernetwork.mapping import MappingNetwork
from inrgan.hypernetwork.modulation import FactorizedHypernetwork, FullHypernetwork, StyleHypernetwork

__all__ = [
    "AbstractHypernetwork",
    "FactorizedHypernetwork",
    "FullHypernetwork",
    "MappingNetwork",
    "StyleHypernetwork",
    "demodulate",
]
