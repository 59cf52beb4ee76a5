"""The pitch of audio clips, frame by frame, by autocorrelation."""

from dataclasses import dataclass

import torch

from inrgan.errors import ShapeError

LOWEST, HIGHEST = 60.0, 500.0
"""Range of pitches, in Hz."""

_FRAME_SECONDS, _HOP_SECONDS = 0.05, 0.01
_VOICED = 0.5
_QUIET = 1e-3
_OCTAVE_COST = 0.02


@dataclass(frozen=True)
class Pitches:
    """Pitch and voicing of frames that are 10 ms apart.

    Attributes:
        hertz: Pitch (B, T); meaningful where voiced.
        voiced: Frames (B, T) that are loud enough and have an autocorrelation of at least a half.
    """

    hertz: torch.Tensor
    voiced: torch.Tensor


def pitches(values: torch.Tensor, *, rate: float, batch: int = 64) -> Pitches:
    """Pitch from the highest peak of the autocorrelation, divided by that of the window (Boersma 1993).

    Frames last 50 ms, with a Hann window. A frame is silent below a thousandth of full scale or a hundredth of the
    loudest frame of the clip. A penalty of 0.02 of the correlation per octave of the period prevents octave errors.

    Args:
        values: Clips (B, C, K); channels are averaged.
        rate: Samples per second, 1000 or more.
        batch: Number of items at a time; it affects the memory alone.

    Raises:
        ShapeError: The clips are shorter than a frame.

    Example:
        >>> pitches(torch.zeros(2, 1, 8000), rate=8000).hertz.shape
        torch.Size([2, 96])
    """
    frame, hop = round(_FRAME_SECONDS * rate), max(1, round(_HOP_SECONDS * rate))
    if values.shape[-1] < frame:
        raise ShapeError(
            f"clips of {values.shape[-1]} samples are shorter than a pitch frame of {frame}; use longer clips"
        )
    parts = [_pitches(part.double().mean(dim=1), frame, hop, rate) for part in values.split(batch)]
    return Pitches(torch.cat([hertz for hertz, _ in parts]), torch.cat([voiced for _, voiced in parts]))


def _pitches(mono: torch.Tensor, frame: int, hop: int, rate: float) -> tuple[torch.Tensor, torch.Tensor]:
    window = torch.hann_window(frame, dtype=mono.dtype)
    frames = mono.unfold(1, frame, hop)
    loud = frames.square().mean(dim=2).sqrt()
    frames = (frames - frames.mean(dim=2, keepdim=True)) * window
    first, last = max(2, int(rate / HIGHEST)), min(frame // 2, int(rate / LOWEST) + 1)
    correlation = _autocorrelation(frames, last + 2) / _autocorrelation(window, last + 2)
    correlation = correlation / correlation[..., :1].clamp(min=1e-12)
    lags = torch.arange(first, last + 1)
    before, here, after = (correlation[..., lags + k] for k in (-1, 0, 1))
    peak = (here >= before) & (here >= after)
    # The vertex of the parabola through three samples: a period is rarely a whole number of samples.
    bend = (2 * here - before - after).clamp(min=1e-12)
    aside = (0.5 * (after - before) / bend).clamp(-0.5, 0.5)
    height = torch.where(peak, here + 0.25 * (after - before) * aside, torch.full_like(here, -1.0))
    best = (height - _OCTAVE_COST * torch.log2(lags / first)).argmax(dim=-1, keepdim=True)
    exact = (lags + aside).gather(-1, best)
    quiet = torch.maximum(0.01 * loud.amax(dim=1, keepdim=True), torch.full_like(loud[:, :1], _QUIET))
    voiced = (height.gather(-1, best)[..., 0] >= _VOICED) & (loud > quiet)
    return rate / exact[..., 0], voiced


def _autocorrelation(x: torch.Tensor, count: int) -> torch.Tensor:
    """Sums of products at lags 0 to count - 1, along the last axis."""
    spectrum = torch.fft.rfft(x, 2 * x.shape[-1])
    return torch.fft.irfft(spectrum.abs().square(), 2 * x.shape[-1])[..., :count]
