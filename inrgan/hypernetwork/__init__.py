"""From latents to weights."""

from inrgan.hypernetwork._base import AbstractHypernetwork, demodulate
from inrgan.hypernetwork._factorized import FactorizedHypernetwork
from inrgan.hypernetwork._full import FullHypernetwork
from inrgan.hypernetwork._mapping import MappingNetwork
from inrgan.hypernetwork._style import StyleHypernetwork

__all__ = [
    "AbstractHypernetwork",
    "FactorizedHypernetwork",
    "FullHypernetwork",
    "MappingNetwork",
    "StyleHypernetwork",
    "demodulate",
]
