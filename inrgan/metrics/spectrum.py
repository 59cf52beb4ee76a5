"""Radially averaged power spectra and their distance."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.metrics.checks import check_signals

_ITEMS_AT_ONCE = 64
# -100 dB: well below the rounding of 8-bit values (about -53 dB), so it only keeps log(0) away.
_FLOOR = 1e-10


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
