"""Power spectra of sets: averaged over radii, and compared at every frequency."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.metrics.checks import check_signals

_ITEMS_AT_ONCE = 64
# -100 dB: well below the rounding of 8-bit values (about -53 dB), so it only keeps log(0) away.
_FLOOR = 1e-10
_ROUNDING = (2 / 255) ** 2 / 12


@final
@dataclass(frozen=True)
class RadialSpectrum:
    """Frequencies in cycles per sample (R,) and power in dB (R,); white noise of variance 1 has 0 dB."""

    frequencies: Float[Tensor, "R"]
    decibels: Float[Tensor, "R"]


def radial_spectrum(values: Float[Tensor, "..."]) -> RadialSpectrum:
    """Power spectrum of a set, averaged over items, channels and directions.

    Each channel of each item loses its mean and is multiplied by a periodic Hann window along every axis. The
    squared magnitude of the Fourier transform, divided by the sum of the squared window, is averaged over
    items and channels and then over shells one cycle per shortest side wide, around k = 1 .. side // 2 such
    cycles. Power beyond the last shell (the corners of the frequency grid) is left out. The logarithm comes
    last; powers below 1e-10 (-100 dB) count as 1e-10.

    Args:
        values: (N, C, *spatial) with 1 to 3 spatial axes of at least 4 samples.

    Returns:
        side // 2 frequencies and powers, float64 on the CPU.

    Raises:
        ShapeError: Another number of axes, no items, or a side too short.

    Example:
        >>> radial_spectrum(torch.randn(4, 3, 32, 32)).decibels.shape
        torch.Size([16])

    Paper:
        Durall et al., Watch your Up-Convolution, 2020 (there without a window).
    """
    check_signals(values, values, smallest_side=4)
    power = mean_power(values)
    spatial = power.shape
    squared_radius = torch.zeros(spatial, dtype=torch.float64)
    for axis, side in enumerate(spatial):
        shape = [1] * len(spatial)
        shape[axis] = side
        squared_radius += torch.fft.fftfreq(side, dtype=torch.float64).square().reshape(shape)
    shortest = min(spatial)
    shells = (squared_radius.sqrt() * shortest).round().long().flatten()
    last = shortest // 2
    totals = torch.bincount(shells, weights=power.flatten(), minlength=last + 1)
    counts = torch.bincount(shells, minlength=last + 1)
    radial = (totals / counts.clamp_min(1))[1 : last + 1]
    return RadialSpectrum(
        frequencies=torch.arange(1, last + 1, dtype=torch.float64) / shortest,
        decibels=10 * radial.clamp_min(_FLOOR).log10(),
    )


def spectrum_distance(real: Float[Tensor, "..."], fake: Float[Tensor, "..."]) -> float:
    """Root mean square difference of two radial spectra over their shells.

    Args:
        real: (N, C, *spatial) with 1 to 3 spatial axes of at least 4 samples.
        fake: (M, C, *spatial).

    Returns:
        The difference in dB; 0 is best.

    Raises:
        ShapeError: Sets that do not fit or are too small.
        DeviceError: The sets lie on different devices.

    Example:
        >>> noise = torch.randn(4, 3, 32)
        >>> round(spectrum_distance(noise, 10 * noise), 4)
        20.0

    Paper:
        None; the spectra are those of Durall et al. 2020.
    """
    check_signals(real, fake, smallest_side=4)
    difference = radial_spectrum(real).decibels - radial_spectrum(fake).decibels
    return float(difference.square().mean().sqrt())


@final
@dataclass(frozen=True)
class Pattern:
    """Excess of the power of fakes over that of reals, over all frequencies of a grid.

    Attributes:
        decibels: Largest excess.
        frequency: Where it is, in cycles a side along each coordinate, x first.
        rms: Root mean square of the excess over the frequencies, in dB.
    """

    decibels: float
    frequency: tuple[int, ...]
    rms: float


def pattern(real: Float[Tensor, "..."], fake: Float[Tensor, "..."]) -> Pattern:
    """Largest excess of fakes over reals in the spectrum of every direction.

    A net of lines or dots has its power at single frequencies. The mean over a radius hides it, and so do patches that
    are compared one by one. Powers are those of ``mean_power``, without the constant. A power below that of the
    rounding of 8-bit values, (2/255)²/12, counts as that.

    Args:
        real: (N, C, *spatial) with 1 to 3 spatial axes of at least 4 samples.
        fake: (M, C, *spatial).

    Raises:
        ShapeError: Sets that do not fit or are too small.
        DeviceError: The sets lie on different devices.

    Example:
        >>> noise = torch.randn(4, 3, 32, 32)
        >>> round(pattern(noise, 10 * noise).decibels, 4)
        20.0
    """
    check_signals(real, fake, smallest_side=4)
    excess = 10 * (mean_power(fake).clamp_min(_ROUNDING) / mean_power(real).clamp_min(_ROUNDING)).log10().flatten()[1:]
    place = 1 + int(excess.argmax())
    frequency: list[int] = []
    for side in reversed(fake.shape[2:]):  # x varies fastest
        k = place % side
        frequency.append(k if k <= side // 2 else k - side)
        place //= side
    if next((k for k in frequency if k != 0), 0) < 0:  # each wave stands at k and at -k
        frequency = [-k for k in frequency]
    rms = float(excess.square().mean().sqrt())
    return Pattern(decibels=float(excess.max()), frequency=tuple(frequency), rms=rms)


def mean_power(values: Float[Tensor, "N C *spatial"]) -> Float[Tensor, "*spatial"]:
    """Windowed power spectrum, averaged over items and channels.

    Args:
        values: (N, C, *spatial).

    Returns:
        Power at every frequency in the order of `torch.fft.fftn`, float64 on the CPU. Its mean over
        frequencies is sum (window * signal)^2 / sum window^2 (Parseval).

    Example:
        >>> mean_power(torch.randn(4, 3, 16, 32)).shape
        torch.Size([16, 32])

    Paper:
        Welch, The Use of Fast Fourier Transform for the Estimation of Power Spectra, 1967, with one segment.
    """
    spatial = values.shape[2:]
    axes = tuple(range(2, values.ndim))
    window = torch.ones(spatial, device=values.device)
    for axis, side in enumerate(spatial):
        shape = [1] * len(spatial)
        shape[axis] = side
        window = window * torch.hann_window(side, periodic=True, device=values.device).reshape(shape)
    total = torch.zeros(spatial, dtype=torch.float64)
    for part in values.split(_ITEMS_AT_ONCE):
        wide = part.float()
        spectrum = torch.fft.fftn((wide - wide.mean(axes, keepdim=True)) * window, dim=axes)
        total += spectrum.abs().square().sum((0, 1)).cpu().double()
    return total / (values.shape[0] * values.shape[1] * window.square().sum().item())
