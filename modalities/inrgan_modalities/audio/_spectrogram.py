"""Spectrograms: power, mel bands, and images with waveforms."""

import math

import torch
from torch.nn import functional as F

from inrgan.images import tile

_FLOOR = 80.0
"""Dynamic range of the images, in dB below the loudest."""

# Anchors of a color map from black through violet and orange to pale yellow, with rising lightness.
_COLOURS = ((0.00, 0.00, 0.02), (0.30, 0.07, 0.43), (0.71, 0.21, 0.33), (0.98, 0.55, 0.04), (0.99, 1.00, 0.64))


def power_spectrogram(values: torch.Tensor, *, size: int, hop: int) -> torch.Tensor:
    """Power of frames with a Hann window: (..., K) to (..., size // 2 + 1, frames).

    Frames are centered at multiples of ``hop`` and padded with silence. A sine of amplitude 1 has power 1/4 in
    its bin.

    Example:
        >>> power_spectrogram(torch.zeros(2, 1, 1000), size=256, hop=64).shape
        torch.Size([2, 1, 129, 16])
    """
    window = torch.hann_window(size, dtype=values.dtype, device=values.device)
    flat = F.pad(values.reshape(-1, values.shape[-1]), (size // 2, size // 2))
    spectrum = torch.stft(flat, size, hop, window=window, center=False, return_complex=True)
    return (spectrum / window.sum()).abs().square().reshape(*values.shape[:-1], *spectrum.shape[-2:])


def clip_image(values: torch.Tensor, *, height: int = 96, width: int = 160) -> torch.Tensor:
    """Images of clips, waveform above spectrogram: (B, C, K) to (B, 3, height + height // 2, width).

    The spectrogram runs from 0 Hz at the bottom to half the rate at the top, over 80 dB below the loudest clip.

    Example:
        >>> clip_image(torch.zeros(2, 1, 1000)).shape
        torch.Size([2, 3, 144, 160])
    """
    mono = values.float().mean(dim=1)
    size = max(16, 2 ** round(math.log2(max(64, min(1024, mono.shape[1] // 16)))))
    hop = max(1, mono.shape[1] // width)
    power = power_spectrogram(mono, size=size, hop=hop)
    decibels = 10 * torch.log10(power.clamp(min=1e-12))
    level = ((decibels - decibels.max()) / _FLOOR + 1).clamp(0, 1)
    level = F.interpolate(level[:, None].flip(2), size=(height, width), mode="bilinear", align_corners=False)[:, 0]
    return torch.cat([_waveform(mono, height=height // 2, width=width), _coloured(level)], dim=2)


def clip_sheet(values: torch.Tensor) -> torch.Tensor:
    """One image of all clips in a grid: (B, C, K) to (3, rows, columns)."""
    return tile(clip_image(values), gap=4)


def _coloured(level: torch.Tensor) -> torch.Tensor:
    """Colors in −1 to 1 of levels in 0 to 1: (B, H, W) to (B, 3, H, W)."""
    table = torch.tensor(_COLOURS, dtype=level.dtype)
    place = level * (len(table) - 1)
    index = place.floor().long().clamp(max=len(table) - 2)
    colour = torch.lerp(table[index], table[index + 1], (place - index)[..., None])
    return 2 * colour.movedim(-1, 1) - 1


def _waveform(mono: torch.Tensor, *, height: int, width: int) -> torch.Tensor:
    """The range of the waveform in each column, from −1 at the bottom to 1 at the top, dark on white."""
    count = mono.shape[1]
    edges = torch.linspace(0, count, width + 1).round().long()
    low, high = [], []
    for a, b in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = mono[:, min(a, count - 1) : max(a + 1, b)]
        low.append(part.amin(dim=1))
        high.append(part.amax(dim=1))
    rows = (1 - (2 * torch.arange(height) + 1) / height)[:, None]
    half = 1 / height  # at least one row is drawn
    low_BW, high_BW = torch.stack(low, dim=1)[:, None], torch.stack(high, dim=1)[:, None]
    inside = (rows >= low_BW - half) & (rows <= high_BW + half)
    return torch.where(inside, -0.7, 1.0)[:, None].expand(-1, 3, -1, -1)


def mel(hertz: float) -> float:
    """Frequency in mel (O'Shaughnessy 1987; the scale of HTK).

    Example:
        >>> round(mel(1000))
        1000
    """
    return 2595 * math.log10(1 + hertz / 700)


def mel_bands(*, count: int, size: int, rate: float) -> torch.Tensor:
    """Weights of triangular bands (count, size // 2 + 1), evenly spaced in mel from 0 to half the rate.

    Each row sums to 1, so that the power of a band is a mean. Bands narrower than a bin take the nearest bin.

    Args:
        count: Number of bands.
        size: Number of samples of a frame.
        rate: Samples per second.

    Example:
        >>> mel_bands(count=40, size=512, rate=16000).shape
        torch.Size([40, 257])
    """
    top = mel(rate / 2)
    edges = torch.tensor([700 * (10 ** (top * k / (count + 1) / 2595) - 1) for k in range(count + 2)])
    bins = torch.arange(size // 2 + 1) * (rate / size)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    weights = torch.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)).clamp(min=0)
    empty = weights.sum(dim=1) <= 0
    nearest = (bins[None] - middle).abs().argmin(dim=1)
    weights[empty, nearest[empty]] = 1.0
    return weights / weights.sum(dim=1, keepdim=True)
