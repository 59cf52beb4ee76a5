"""Fourier features: octaves along the axes, random frequencies, log-spaced periods, and the first layer of a SIREN."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.encodings.base import AbstractEncoding, NodeFeatures
from inrgan.errors import ConfigError
from inrgan.resampling import fade
from inrgan.resampling.chebyshev import chebyshev_grid
from inrgan.views import View

_SQRT2 = math.sqrt(2.0)


class FourierEncoding(AbstractEncoding):
    """sin and cos of 2π f·x, for low octaves along the axes and random oblique frequencies.

    The band starts at the longest period and stops at 3/4 of the Nyquist frequency of ``spacing``. Every frequency
    is therefore unfaded at the resolution that the encoding was built for, and finer views add no untrained ones.
    Oblique frequencies have log-uniform lengths in the band and uniform directions; in one dimension they are
    log-uniform. The octaves encode the position in the domain, and the oblique frequencies the detail: with octaves up
    to the highest frequency, all multiples of one another, a network's output repeats along the axes and shows a grid.
    (Tancik et al. 2020, eq. 5; log basis as in NeRF, Mildenhall et al. 2020, eq. 4.)

    Args:
        dim: Number of coordinates, D.
        longest_period: Period of the slowest octave, in coordinate units.
        spacing: Distance between samples at the finest resolution that will be trained.
        octaves: Largest number of octaves along each axis; fewer where the band ends.
        oblique: Number of random frequencies.
        decay: Exponent of the amplitudes, which fall as frequency^−decay with the second moment of all features
            together at 1. A field that starts out smooth has less noise to unlearn.
        seed: Seed of the random frequencies, which are part of the architecture and saved with it.
        isotropic: Fade each wave by the norm of its frequency, for spacings without axes, as on a sphere. Otherwise
            each axis fades it by its component.

    Raises:
        ConfigError: The spacing cannot represent the longest period, or there are no frequencies.

    Example:
        >>> enc = FourierEncoding(2, longest_period=4.0, spacing=2 / 32, octaves=3, oblique=8)
        >>> enc(Box(2).grid((5, 7))).shape
        torch.Size([1, 35, 28])
    """

    frequencies: Float[Tensor, "K D"]
    amplitude: Float[Tensor, "K"]

    def __init__(
        self,
        dim: int,
        *,
        longest_period: float,
        spacing: float,
        octaves: int = 64,
        oblique: int = 0,
        decay: float = 1.0,
        seed: int = 0,
        isotropic: bool = False,
    ):
        super().__init__()
        lowest, highest = band(longest_period=longest_period, spacing=spacing)
        if octaves < 0 or oblique < 0 or octaves + oblique < 1:
            raise ConfigError(
                f"{octaves} octaves and {oblique} oblique frequencies; expected 0 or more of each, and one in total"
            )
        rows = axis_octaves(dim, lowest=lowest, highest=highest, octaves=octaves)
        generator = torch.Generator().manual_seed(seed)
        headings = torch.randn(oblique, dim, generator=generator, dtype=torch.float64)
        headings = headings / headings.norm(dim=-1, keepdim=True)
        lengths = lowest * (highest / lowest) ** torch.rand(oblique, 1, generator=generator, dtype=torch.float64)
        table = torch.cat([torch.tensor(rows, dtype=torch.float64).reshape(-1, dim), headings * lengths]).float()
        self.register_buffer("frequencies", table)
        amplitude = table.double().norm(dim=-1) ** -decay
        self.register_buffer("amplitude", (amplitude * torch.rsqrt(amplitude.square().mean())).float())
        self.size, self.isotropic = 2 * table.shape[0], isotropic

    def at_nodes(self, view: View, *, tolerance: float) -> list[NodeFeatures] | None:
        return waves_at_nodes(self, view, self.frequencies, tolerance=tolerance)

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        return plane_waves(view, self.frequencies, amplitude=_SQRT2 * self.amplitude, isotropic=self.isotropic)


def band(*, longest_period: float, spacing: float) -> tuple[float, float]:
    """Lowest and highest frequency of an encoding: of the longest period, and 3/4 of the Nyquist frequency.

    Raises:
        ConfigError: The spacing cannot represent the longest period.

    Example:
        >>> band(longest_period=4.0, spacing=0.0625)
        (0.25, 6.0)
    """
    lowest, highest = 1 / longest_period, 0.75 * 0.5 / spacing
    if not highest >= lowest:
        raise ConfigError(
            f"samples {spacing:g} apart cannot represent a wave of period {longest_period:g}; "
            "expected a finer spacing or a larger domain"
        )
    return lowest, highest


def axis_octaves(dim: int, *, lowest: float, highest: float, octaves: int) -> list[list[float]]:
    """Frequency vectors of the lowest octaves along each axis, fewer where the band ends.

    Example:
        >>> axis_octaves(2, lowest=0.25, highest=0.5, octaves=3)
        [[0.25, 0.0], [0.5, 0.0], [0.0, 0.25], [0.0, 0.5]]
    """
    count = min(octaves, math.floor(math.log2(highest / lowest) + 1e-9) + 1)
    return [[lowest * 2**k if d == axis else 0.0 for d in range(dim)] for axis in range(dim) for k in range(count)]


@dataclass(frozen=True)
class Carried:
    """Motion of plane waves along one axis.

    Attributes:
        axis: Coordinate along which the waves move.
        turns: Turns of each wave at the positions along the axis of a product view, or at every point.
        passes: Fraction of each wave that remains there; motion too fast for the sampling is faded out.
    """

    axis: int
    turns: Float[Tensor, "#B M K"]
    passes: Float[Tensor, "#B M K"]


def plane_waves(
    view: View,
    frequencies: Float[Tensor, "K D"] | Float[Tensor, "B K D"],
    *,
    amplitude: Float[Tensor, "K"] | None = None,
    isotropic: bool = False,
    carried: Carried | None = None,
    finest: float = 0.0,
) -> Float[Tensor, "#B N F"]:
    """Sin, then cos, of 2π f·x at every point of a view, faded as the view's spacing requires.

    An axis is band-limited by its own spacing; a wave remains where every axis can represent its component.

    On a product grid the waves are assembled from one short table per axis by the addition theorem, with fading and
    amplitudes in the tables: two passes over the result. At scattered points the phases are added instead; both ways
    agree to rounding. Phases are reduced to one turn before the sine is taken, which keeps high frequencies accurate.

    Args:
        view: View to encode.
        frequencies: Frequencies in turns per coordinate unit; shared by all samples, or one set per sample.
        amplitude: Amplitude of each wave.
        isotropic: Fade by the whole frequency and the largest spacing of a point, instead of axis by axis.
        carried: Motion of the waves along one of the axes.
        finest: Smallest spacing that decides the fading; views with a finer spacing are faded as at this one.

    Example:
        >>> plane_waves(Box(1).grid((8,)), torch.ones(3, 1)).shape
        torch.Size([1, 8, 6])
    """
    f_BKD = (frequencies if frequencies.ndim == 3 else frequencies[None]).to(view.spacing.dtype)
    if view.axes is None:
        return _scattered_waves(view, f_BKD, amplitude, isotropic=isotropic, carried=carried, finest=finest)
    waves = turned = None
    for d in range(view.dim):
        x_BM, spacing_BM = view.axes[d], view.axis_spacing[d]
        f_B1K = f_BKD[:, None, :, d]
        turns = x_BM[:, :, None] * f_B1K
        if carried is not None and carried.axis == d:
            turns = turns + carried.turns
        phase = 2 * math.pi * (turns - turns.detach().round())
        s, c = torch.sin(phase), torch.cos(phase)
        if isotropic and d == 0:
            assert view.spacing.shape[1] == 1, "where the spacing varies, each axis has its own"
            passes = fade(view.spacing.amax(dim=-1, keepdim=True).clamp(min=finest) * f_BKD.norm(dim=-1)[:, None])
            s, c = s * passes, c * passes
        elif not isotropic:
            passes = fade(spacing_BM[:, :, None].clamp(min=finest) * f_B1K)
            s, c = s * passes, c * passes
        if carried is not None and carried.axis == d:
            s, c = s * carried.passes, c * carried.passes
        if d == 0 and amplitude is not None:
            s, c = s * amplitude.to(s.dtype), c * amplitude.to(s.dtype)
        s, c = (_along(table, d, rank=len(view.shape)) for table in (s, c))
        if waves is None or turned is None:
            waves, turned = torch.cat([s, c], dim=-1), torch.cat([c, -s], dim=-1)
        else:  # (sin, cos) of a sum, and the same a quarter turn later, which only further axes need
            ss, cc = torch.cat([s, s], dim=-1), torch.cat([c, c], dim=-1)
            before = waves
            waves = torch.addcmul(waves * cc, turned, ss)
            turned = torch.addcmul(turned * cc, before, ss, value=-1) if d < view.dim - 1 else turned
    assert waves is not None
    return waves.flatten(1, -2)


def waves_at_nodes(
    encode: Callable[[View], Tensor], view: View, frequencies: Float[Tensor, "K D"], *, tolerance: float
) -> list[NodeFeatures] | None:
    """``AbstractEncoding.at_nodes`` of waves, whose frequencies bound how fast features vary.

    Example:
        >>> waves_at_nodes(encoding, Box(2).grid((256, 256)), encoding.frequencies, tolerance=1e-7)[0].features.shape
        torch.Size([1, 1849, 76])
    """
    highest = tuple(frequencies.abs().amax(dim=0).tolist())
    grid = chebyshev_grid(view, highest, tolerance=tolerance)
    return None if grid is None else [NodeFeatures(encode(grid.view), grid.lines)]


def _scattered_waves(
    view: View,
    f_BKD: Float[Tensor, "#B K D"],
    amplitude: Float[Tensor, "K"] | None,
    *,
    isotropic: bool,
    carried: Carried | None,
    finest: float,
) -> Float[Tensor, "#B N F"]:
    """``plane_waves`` at scattered points: one phase for all coordinates."""
    points, turns, scale = view.coords, None, None
    if isotropic:
        scale = fade(view.spacing.amax(dim=-1, keepdim=True).clamp(min=finest) * f_BKD.norm(dim=-1)[:, None])
    for d in range(view.dim):
        f_B1K = f_BKD[:, None, :, d]
        along = points[..., d, None] * f_B1K
        if carried is not None and carried.axis == d:
            along = along + carried.turns
        along = along - along.detach().round()  # whole turns only cost accuracy
        turns = along if turns is None else turns + along
        if not isotropic:
            passes = fade(view.spacing[..., d, None].clamp(min=finest) * f_B1K)
            scale = passes if scale is None else scale * passes
    assert turns is not None and scale is not None
    if amplitude is not None:
        scale = scale * amplitude.to(scale.dtype)
    if carried is not None:
        scale = scale * carried.passes
    phase = 2 * math.pi * turns
    return torch.cat([torch.sin(phase) * scale, torch.cos(phase) * scale], dim=-1)


def _along(table: Float[Tensor, "B M K"], d: int, *, rank: int) -> Tensor:
    """Move the table of coordinate d to its array axis, counted from the end."""
    return table.reshape(table.shape[0], *(table.shape[1] if a == rank - 1 - d else 1 for a in range(rank)), -1)


class SineEncoding(AbstractEncoding):
    """sin(2π f·x + φ) with uniform frequencies from −``highest`` to ``highest`` and random phases, band-limited.

    With ω₀ radians per unit of [−1, 1] the highest frequency of a SIREN's first layer is ω₀/2π periods per unit
    (Sitzmann et al. 2020, sec. 3.2: weights uniform in ±1/inputs, times ω₀). Later layers produce higher frequencies
    as overtones.

    Args:
        dim: Number of coordinates, D.
        highest: Highest frequency, in periods per coordinate unit.
        count: Number of features.
        seed: Seed of frequencies and phases.

    Raises:
        ConfigError: A number is not positive.

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

    def at_nodes(self, view: View, *, tolerance: float) -> list[NodeFeatures] | None:
        return waves_at_nodes(self, view, self.frequencies, tolerance=tolerance)

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        sin, cos = plane_waves(view, self.frequencies).chunk(2, dim=-1)
        return (sin * torch.cos(self.phases) + cos * torch.sin(self.phases)) * math.sqrt(2)


class PeriodEncoding(AbstractEncoding):
    """sin and cos of 2π f t for frequencies from the longest period up to a share of the Nyquist frequency.

    There are ``per_octave`` frequencies per octave while neighbors are less than ``widest`` apart, and one per
    ``widest`` above: amplitudes that vary along the axis at that rate can then produce any signal in the band. Every
    frequency has a fixed random offset within its share of the band, since waves that are multiples of one another have
    an audible common period, which the critic notices as well.

    Waves above 3/4 of the Nyquist frequency are faint at ``spacing`` already, as in reals that are filtered to it.
    They stay as faint in finer views, which could represent them fully, because no such view was trained.

    Args:
        longest_period: Longest period, in coordinate units.
        spacing: Distance between samples at the finest resolution that will be trained.
        per_octave: Number of frequencies per octave.
        widest: Largest distance between neighboring frequencies, in periods per coordinate unit; None for no limit.
        decay: Exponent of the amplitudes, which fall as frequency^−decay with the second moment of all features
            together at 1.
        seed: Seed of the frequencies, which are part of the architecture and saved with it.

    Raises:
        ConfigError: A number is out of range, or the spacing cannot represent the longest period.

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
        uniform = torch.rand(len(low), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        table = low + width * uniform
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
        """Waves with each sample's frequencies and phases.

        Args:
            view: View to encode.
            shift: Shift of the frequencies, bounded by tanh to ``bend`` times half of a wave's share of the band.
            phase: Cosine and sine of the phase added to 2π f t.

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
        """Weights of the features in bands from the lowest waves to the highest, for per-band levels.

        The weight of band j is 1 at the j-th of ``count`` positions spread evenly over the waves, and falls linearly to
        0 at the neighboring positions. The squares of a feature's weights are then scaled to add up to 1.

        Example:
            >>> PeriodEncoding(longest_period=2.0, spacing=1 / 1000).bands(8).shape
            torch.Size([8, 78])
        """
        place = torch.linspace(0, count - 1, self.size // 2)
        shares = (1 - (place - torch.arange(count)[:, None]).abs()).clamp(min=0)
        return (shares / shares.square().sum(dim=0).sqrt()).repeat(1, 2)

    def _waves(self, view: View, frequencies: Tensor) -> Tensor:
        return plane_waves(view, frequencies, amplitude=math.sqrt(2) * self.amplitude, finest=self.spacing)
