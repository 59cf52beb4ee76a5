"""Parts that adapters build critics from."""

from inrgan.discriminators._base import AbstractCritic
from inrgan.discriminators._conv import EqualizedConv, Padding, halve, pool_to
from inrgan.discriminators._patch import AbstractPatchCritic, PatchCritic
from inrgan.discriminators._residual import ResidualBlock, ResidualCritic, ResidualTrunk

__all__ = [
    "AbstractCritic",
    "AbstractPatchCritic",
    "EqualizedConv",
    "Padding",
    "PatchCritic",
    "ResidualBlock",
    "ResidualCritic",
    "ResidualTrunk",
    "halve",
    "pool_to",
]
