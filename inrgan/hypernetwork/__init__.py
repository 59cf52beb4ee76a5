"""Networks from latents to weights."""

from inrgan.hypernetwork.mapping import MappingNetwork
from inrgan.hypernetwork.modulation import (
    AbstractHypernetwork,
    FactorizedHypernetwork,
    FullHypernetwork,
    StyleHypernetwork,
    demodulate,
)

__all__ = [
    "AbstractHypernetwork",
    "FactorizedHypernetwork",
    "FullHypernetwork",
    "MappingNetwork",
    "StyleHypernetwork",
    "demodulate",
]
