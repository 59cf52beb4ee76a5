"""Waves with log-spaced periods, for long one-dimensional signals."""

import math

import torch

from inrgan._typing import Float, Tensor
from inrgan.encodings.base import AbstractEncoding
from inrgan.encodings.fourier import plane_waves
from inrgan.errors import ConfigError
from inrgan.views import View


class PeriodEncoding(AbstractEncoding):
    """sin and cos of 2π f t for frequencies from the longest period up to a share of the Nyquist frequency.

    There are ``per_octave`` in every octave as long as neighbours lie less than ``widest`` apart, and from there on
    one every ``widest``: amplitudes that vary along the axis at that rate can then make anything in the band of
    them. Every frequency is moved within its own share of the band by a chance that is drawn once, since waves that
    are multiples of one another have a common period, which the ear and the critic notice.

    Waves above 3/4 of the Nyquist frequency are faint at ``spacing`` already, as they are in reals that are filtered
    to it. They stay as faint in finer views, whose sampling could carry them whole: nothing was trained there.

    Args:
        longest_period: in coordinate units.
        spacing: distance between samples at the finest resolution that will be trained.
        per_octave: frequencies in an octave.
        widest: largest distance between neighbours, in periods per coordinate unit; no limit where None.
        decay: amplitudes fall as frequency to the power of minus this, the second moment of all features together
            staying 1.
        seed: of the frequencies; they are part of the architecture, and saved with it.

    Raises:
        ConfigError: a number that makes no sense, or a spacing that cannot carry the longest period.

    Example:
        >>> PeriodEncoding(longest_period=2.0, spacing=1 / 1000, per_octave=4)(Box(1).grid((5,))).shape
        torch.Size([1, 5, 78])
    """

    frequencies: Float[Tensor, "K 1"]
    amplitude: Float[Tensor, "K"]
    shares: Float[Tensor, "K"]

    def __init__(
        self,
        *,
        longest_period: float,
        spacing: float,
        per_octave: float = 4.0,
        widest: float | None = None,
        decay: float = 0.0,
        top: float = 0.75,
        bend: float = 0.0,
        seed: int = 0,
    ):
        super().__init__()
        if not 0 < top <= 1 or not bend >= 0:
            raise ConfigError(f"waves up to {top} of Nyquist, bent by {bend}; expected 0 to 1, and 0 or more")
        lowest, highest = 1 / longest_period, top * 0.5 / spacing
        if not highest >= lowest or not per_octave > 0 or (widest is not None and not widest > 0):
            raise ConfigError(
                f"{per_octave} waves an octave, at most {widest} apart, from a period of {longest_period:g} down to "
                f"samples {spacing:g} apart; expected positive numbers and a finer spacing or a longer domain"
            )
        ratio = 2 ** (1 / per_octave)
        edges = [lowest]
        while edges[-1] < highest:
            step = edges[-1] * (ratio - 1)
            edges.append(edges[-1] + (step if widest is None else min(step, widest)))
        edges[-1] = highest
        low = torch.tensor(edges[:-1], dtype=torch.float64)
        width = torch.tensor(edges, dtype=torch.float64).diff()
        chance = torch.rand(len(low), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        table = low + width * chance
        self.register_buffer("frequencies", table[:, None].float())
        amplitude = table**-decay
        self.register_buffer("amplitude", (amplitude * torch.rsqrt(amplitude.square().mean())).float())
        self.register_buffer("shares", width.float(), persistent=False)
        self.size, self.spacing, self.bend = 2 * len(table), spacing, bend

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        return self._waves(view, self.frequencies)

    def tuned(
        self, view: View, *, shift: Float[Tensor, "B K"], phase: Float[Tensor, "B K 2"]
    ) -> Float[Tensor, "B N F"]:
        """The waves at each sample's own frequencies and phases.

        Args:
            view: where.
            shift: of the frequencies, bounded by tanh to ``bend`` times half of a wave's share of the band.
            phase: cosine and sine of what is added to 2π f t.

        Example:
            >>> enc = PeriodEncoding(longest_period=2.0, spacing=1 / 1000, bend=1.0)
            >>> enc.tuned(Box(1).grid((5,)), shift=torch.zeros(3, 39), phase=torch.ones(3, 39, 2)).shape
            torch.Size([3, 5, 78])
        """
        f_BK1 = (self.frequencies[:, 0] + 0.5 * self.bend * self.shares * torch.tanh(shift))[..., None]
        s, c = self._waves(view, f_BK1).chunk(2, dim=-1)
        cosine, sine = (phase / phase.norm(dim=-1, keepdim=True).clamp(min=1e-6)).to(s.dtype)[:, None].unbind(dim=-1)
        return torch.cat([s * cosine + c * sine, c * cosine - s * sine], dim=-1)

    def bands(self, count: int) -> Float[Tensor, "count F"]:
        """Shares of the features in bands from the lowest waves to the highest, for levels that go by frequency.

        Level j is whole at the j-th of ``count`` places spread evenly over the waves, and a straight line falls to none
        at its neighbours'. The squares of a feature's shares add up to 1.

        Example:
            >>> PeriodEncoding(longest_period=2.0, spacing=1 / 1000).bands(8).shape
            torch.Size([8, 78])
        """
        place = torch.linspace(0, count - 1, self.size // 2)
        shares = (1 - (place - torch.arange(count)[:, None]).abs()).clamp(min=0)
        return (shares / shares.square().sum(dim=0).sqrt()).repeat(1, 2)

    def _waves(self, view: View, frequencies: Tensor) -> Tensor:
        return plane_waves(view, frequencies, amplitude=math.sqrt(2) * self.amplitude, finest=self.spacing)
