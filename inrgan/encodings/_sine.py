"""The first layer of a SIREN, as an encoding."""

import math

import torch

from inrgan._typing import Float, Tensor
from inrgan.encodings._base import AbstractEncoding
from inrgan.encodings._fourier import plane_waves
from inrgan.errors import ConfigError
from inrgan.views import View


class SineEncoding(AbstractEncoding):
    """sin(2π f·x + φ) with frequencies evenly from −``highest`` to ``highest`` and phases at random, band-limited.

    With ω₀ radians per unit of [−1, 1] the highest frequency of a SIREN's first layer is ω₀/2π periods per unit
    (Sitzmann et al. 2020, sec. 3.2: weights even in ±1/inputs, times ω₀). What lies beyond, later layers have to
    make as overtones.

    Args:
        dim: D.
        highest: periods per coordinate unit.
        count: features.
        seed: of frequencies and phases.

    Raises:
        ConfigError: a number that is not positive.

    Example:
        >>> SineEncoding(1, highest=30 / (2 * 3.14), count=64)(Box(1).grid((5,))).shape
        torch.Size([1, 5, 64])
    """

    frequencies: Float[Tensor, "K D"]
    phases: Float[Tensor, "K"]

    def __init__(self, dim: int, *, highest: float, count: int, seed: int = 0):
        super().__init__()
        if not 0 < highest < math.inf or count < 1:
            raise ConfigError(f"{count} sines up to {highest} periods per unit; expected positive numbers")
        generator = torch.Generator().manual_seed(seed)
        draws = 2 * torch.rand(count, dim, generator=generator) - 1
        self.register_buffer("frequencies", highest * draws)
        self.register_buffer("phases", 2 * math.pi * torch.rand(count, generator=generator))
        self.size = count

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        sin, cos = plane_waves(view, self.frequencies).chunk(2, dim=-1)
        return (sin * torch.cos(self.phases) + cos * torch.sin(self.phases)) * math.sqrt(2)
