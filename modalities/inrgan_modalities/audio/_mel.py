"""Bands of frequencies as the ear spaces them."""

import math

import torch


def mel(hertz: float) -> float:
    """Pitch as heard, in mel (O'Shaughnessy 1987; the scale of HTK).

    Example:
        >>> round(mel(1000))
        1000
    """
    return 2595 * math.log10(1 + hertz / 700)


def mel_bands(*, count: int, size: int, rate: float) -> torch.Tensor:
    """Weights of triangular bands, evenly spaced in mel from 0 to half the rate: (count, size // 2 + 1).

    Each row sums to 1: a band's power is a mean. Bands narrower than a bin take the bin nearest to their middle.

    Args:
        count: bands.
        size: samples of a frame.
        rate: samples per second.

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
