"""Metrics of audio clips, in addition to the general ones."""

import math
from collections.abc import Callable
from typing import final

import torch

from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics import AbstractFeatures, Comparison, Metric, frechet_distance
from inrgan_modalities.audio._pitch import HIGHEST, LOWEST, pitches
from inrgan_modalities.audio._spectrogram import mel_bands, power_spectrogram

_BANDS = 32
_FLOOR = 1e-8
_ENVELOPE_BINS = 32

Protocol = dict[str, str | int | float | bool]


@final
class LogMelFeatures(AbstractFeatures):
    """Log-mel features of a clip: level of 32 mel bands in each quarter of the clip, and variation over time.

    Frames last about 32 ms and overlap by three quarters. Power is in units of 10 dB above 10⁻⁸ of full scale. The
    features are the mean of each band in each quarter and its standard deviation over time: 160 for mono. They need
    no weights.

    Args:
        channels: C.
        seconds: Length of the clips, which determines the rate.
        batch: Number of items at a time; it affects the memory alone.

    Example:
        >>> LogMelFeatures(1, seconds=1.0)(torch.zeros(5, 1, 8000)).shape
        torch.Size([5, 160])
    """

    def __init__(self, channels: int, *, seconds: float, batch: int = 64):
        self._channels, self._seconds, self._batch = channels, seconds, batch

    @property
    def name(self) -> str:
        return f"log-mel-v1(bands={_BANDS}, frame=32ms, seconds={self._seconds:g})"

    @property
    def size(self) -> int:
        return 5 * _BANDS * self._channels

    @torch.no_grad()
    def __call__(self, values: torch.Tensor) -> torch.Tensor:
        if values.ndim != 3 or values.shape[1] != self._channels or len(values) == 0 or values.shape[2] < 64:
            raise ShapeError(
                f"got clips of shape {tuple(values.shape)}; expected (items, {self._channels}, 64 samples or more)"
            )
        rate = values.shape[2] / self._seconds
        size = min(2 ** round(math.log2(0.032 * rate)) if rate > 1000 else 32, 2 ** int(math.log2(values.shape[2] / 2)))
        bands = mel_bands(count=_BANDS, size=size, rate=rate).double().to(values.device)
        return torch.cat([self._describe(part.double(), bands, size) for part in values.split(self._batch)])

    def _describe(self, values: torch.Tensor, bands: torch.Tensor, size: int) -> torch.Tensor:
        level = torch.log10((bands @ power_spectrogram(values, size=size, hop=size // 4)).clamp(min=_FLOOR) / _FLOOR)
        quarters = torch.nn.functional.adaptive_avg_pool1d(level.flatten(1, 2), 4)
        return torch.cat([quarters.flatten(1), level.std(dim=-1, unbiased=False).flatten(1)], dim=1)


def audio_metrics(seconds: float) -> dict[str, Metric]:
    """Metrics of clips of a given length, by name."""
    return {
        "spectral-convergence": Metric("lower", lambda c: _spectral_convergence(c, seconds)),
        "envelope": Metric("lower", _envelope),
        "voiced": Metric("lower", lambda c: _voiced(c, seconds)),
        "pitch": Metric("lower", lambda c: _pitch(c, seconds)),
        "fad": Metric("lower", _no_weights),
    }


def wasserstein(a: torch.Tensor, b: torch.Tensor) -> float:
    """The Wasserstein-1 distance between two sets of numbers, which may differ in size.

    Example:
        >>> wasserstein(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0, 2.0, 3.0]))
        2.0
    """
    pooled = torch.cat([a, b]).sort().values.double()
    steps = pooled.diff()
    share = [torch.searchsorted(x.double().sort().values, pooled[:-1], right=True).double() / len(x) for x in (a, b)]
    return float(((share[0] - share[1]).abs() * steps).sum())


def frechet_audio_distance(
    real: torch.Tensor, fake: torch.Tensor, *, embed: Callable[[torch.Tensor], torch.Tensor]
) -> float:
    """Fréchet audio distance (Kilgour et al. 2019) with an embedding that you provide, such as VGGish or CLAP.

    Two numbers are comparable only if embedding, rate, length, reference set and counts agree: report them.

    Args:
        real: Real clips (N, C, K).
        fake: Generated clips (M, C, K).
        embed: Map from clips (n, C, K) to embeddings (m, F), one or several per clip; called with 16 clips at a time.

    Example:
        >>> x = torch.randn(20, 1, 1000)
        >>> frechet_audio_distance(x, x, embed=lambda v: v.unflatten(2, (4, -1)).std(dim=-1)[:, 0])
        0.0
    """
    sets = [torch.cat([embed(part) for part in x.split(16)]).cpu() for x in (real, fake)]
    return frechet_distance(*sets)


def _no_weights(c: Comparison) -> tuple[float, Protocol]:
    del c
    raise ConfigError(
        "fad needs an embedding whose weights do not come with inrgan (VGGish, CLAP); load one and call "
        "inrgan_modalities.audio.frechet_audio_distance, or use frechet, which takes log-mel features"
    )


def _spectral_convergence(c: Comparison, seconds: float) -> tuple[float, Protocol]:
    """‖S_real − S_fake‖ / ‖S_real‖ of the magnitude spectra averaged over items, channels and time."""
    rate = c.real.shape[-1] / seconds
    size = min(1024, 2 ** int(math.log2(c.real.shape[-1] / 2)))
    means = []
    for values in (c.real, c.fake):
        total = sum(
            power_spectrogram(part.double(), size=size, hop=size // 4).sqrt().mean(dim=(1, 3)).sum(dim=0)
            for part in values.split(64)
        )
        assert isinstance(total, torch.Tensor)
        means.append(total / len(values))
    value = float((means[0] - means[1]).norm() / means[0].norm().clamp(min=1e-12))
    return value, {"frame": size, "window": "hann", "rate": round(rate, 3)}


def _envelope(c: Comparison) -> tuple[float, Protocol]:
    """Wasserstein distance of the levels in dB, averaged over 32 parts of the clip."""
    levels = []
    for values in (c.real, c.fake):
        power = torch.nn.functional.adaptive_avg_pool1d(values.double().square().mean(dim=1), _ENVELOPE_BINS)
        levels.append(10 * torch.log10(power.clamp(min=1e-6)))
    value = sum(wasserstein(levels[0][:, k], levels[1][:, k]) for k in range(_ENVELOPE_BINS)) / _ENVELOPE_BINS
    return value, {"unit": "dB", "parts": _ENVELOPE_BINS, "floor": -60}


def _voiced(c: Comparison, seconds: float) -> tuple[float, Protocol]:
    """Absolute difference of the fractions of voiced frames."""
    shares = [float(_heard(x, seconds)[1].double().mean()) for x in (c.real, c.fake)]
    stated: Protocol = {"voiced_real": round(shares[0], 4), "voiced_fake": round(shares[1], 4), **_protocol()}
    return abs(shares[0] - shares[1]), stated


def _pitch(c: Comparison, seconds: float) -> tuple[float, Protocol]:
    """Wasserstein distance of the pitches of voiced frames, in octaves; the full range if a set has none."""
    found = [(hertz[voiced].log2()) for hertz, voiced in (_heard(x, seconds) for x in (c.real, c.fake))]
    stated: Protocol = {
        "unit": "octaves", **{f"median_hz_{name}": round(float(2 ** x.median()), 1) if len(x) else 0.0
                              for name, x in zip(("real", "fake"), found, strict=True)}, **_protocol(),
    }  # fmt: skip
    if min(len(x) for x in found) == 0:
        silent = max(len(x) for x in found) == 0
        return 0.0 if silent else math.log2(HIGHEST / LOWEST), stated
    return wasserstein(*found), stated


def _heard(values: torch.Tensor, seconds: float) -> tuple[torch.Tensor, torch.Tensor]:
    found = pitches(values.cpu(), rate=values.shape[-1] / seconds)
    return found.hertz, found.voiced


def _protocol() -> Protocol:
    return {"method": "autocorrelation", "range_hz": f"{LOWEST:g}-{HIGHEST:g}"}
