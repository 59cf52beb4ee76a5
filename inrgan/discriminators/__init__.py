"""Parts that adapters build critics from."""

from inrgan.discriminators._base import AbstractCritic
from inrgan.discriminators._conv import EqualizedConv, Padding, halve, pool_to
from inrgan.discriminators._residual import ResidualBlock, ResidualCritic

__all__ = [
    "AbstractCritic",
    "EqualizedConv",
    "Padding",
    "ResidualBlock",
    "ResidualCritic",
    "halve",
    "pool_to",
]
