"""The built-in audio clips: plucked strings, vowels and glides, synthesized from random factors."""

import math
from typing import final

import numpy as np
import torch

from inrgan.data import AbstractSyntheticSource
from inrgan.errors import ConfigError
from inrgan_modalities.audio._clip import Clip

_KINDS = ("pluck", "vowel", "glide")
_FORMANTS = ((730, 1090, 2440), (270, 2290, 3010), (300, 870, 2240), (530, 1840, 2480))
"""Formants of the vowels a, i, u and e, in Hz (Peterson & Barney 1952, men)."""
_HIGHEST = 6000.0
"""Highest frequency of a partial, in Hz."""


@final
class SyntheticAudio(AbstractSyntheticSource):
    """Short clips of three kinds, as sums of partials in closed form.

    Clip i depends on ``seed`` and i alone, and is the same function of time at every rate: partials fade out between
    3/4 of the Nyquist frequency and the Nyquist frequency. Sample k lies at (k + ½)/rate seconds.

    Args:
        count: Number of clips.
        seconds: Length of every clip.
        rate: Samples per second.
        channels: Number of channels: 1, or 2 for clips with a stereo position.
        seed: Seed of all factors.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> SyntheticAudio(100, seconds=0.5, rate=8000)[7].samples.shape
        torch.Size([1, 4000])
    """

    def __init__(
        self, count: int = 4096, *, seconds: float = 1.0, rate: float = 16000.0, channels: int = 1, seed: int = 0
    ):
        if count < 1 or seed < 0 or channels not in (1, 2) or not (0 < seconds < math.inf and 0 < rate < math.inf):
            raise ConfigError(
                f"{count} built-in clips of {channels} channels, {seconds} seconds, {rate} Hz and seed {seed}; "
                "expected positive numbers, and 1 or 2 channels"
            )
        super().__init__(count, seed=seed, description="sounds", label_names=_KINDS)
        self._seconds, self._rate, self._channels = seconds, rate, channels

    def __getitem__(self, i: int) -> Clip:
        """Clip i."""
        f = self.factors(i)
        t = (np.arange(max(1, round(self._seconds * self._rate))) + 0.5) / self._rate
        mono = _waveform(f, t, seconds=self._seconds, rate=self._rate)
        angle = math.pi / 4 * (1 + f["side"])
        gains = np.array([[1.0]] if self._channels == 1 else [[math.cos(angle)], [math.sin(angle)]])
        return Clip(torch.from_numpy((gains * mono).astype(np.float32)), rate=self._rate)

    def label(self, i: int) -> int:
        return int(self.factors(i)["kind"])

    def factors(self, i: int) -> dict[str, float]:
        """The factors of clip i.

        ``kind`` indexes ``label_names``; ``pitch`` is in Hz at the onset, ``bend`` in octaves from there to the end;
        ``onset`` and ``length`` are fractions of the clip; ``colour`` (0 to 1) chooses the timbre, ``side`` (−1 to
        1) the position between left and right, ``phase`` (radians) that of the first partial.

        Example:
            >>> sorted(SyntheticAudio().factors(0))[:3]
            ['bend', 'colour', 'kind']
        """
        rng = self._rng(i)
        u = [float(value) for value in rng.random(8)]
        kind = min(int(3 * u[0]), 2)
        low, high = ((150, 600), (90, 260), (250, 900))[kind]
        bend = (0.0, 0.3, 1.0)[kind] * (2 * u[2] - 1)
        if kind == 2:  # the pitch of a glide always changes
            bend = math.copysign(0.4 + 0.6 * abs(bend), bend)
        return {
            "kind": float(kind),
            "pitch": low * (high / low) ** u[1],
            "bend": bend,
            "onset": 0.02 + 0.1 * u[3],
            "length": 0.55 + 0.3 * u[4],
            "colour": u[5],
            "side": 2 * u[6] - 1,
            "phase": 2 * math.pi * u[7],
        }


def _waveform(f: dict[str, float], t: np.ndarray, *, seconds: float, rate: float) -> np.ndarray:
    """The clip at times t, between −1 and 1."""
    after = t - f["onset"] * seconds
    length = f["length"] * seconds
    # The pitch changes exponentially; its integral, the phase in turns, has a closed form.
    speed = f["bend"] * math.log(2) / length
    moved = after.clip(0, length)
    turns = f["pitch"] * (moved if speed == 0 else np.expm1(speed * moved) / speed)
    if f["kind"] == 1:  # vibrato of 5 Hz and a hundredth of the pitch
        turns = turns + 0.01 * f["pitch"] * (1 - np.cos(2 * math.pi * 5 * moved)) / (2 * math.pi * 5)
    top = f["pitch"] * max(1.0, 2 ** f["bend"])
    edge = np.minimum(1, after.clip(0) / 0.005) * np.minimum(1, (length - after).clip(0) / (0.1 * length))
    gate = 0.5 - 0.5 * np.cos(math.pi * edge)
    total, bound = np.zeros_like(t), 0.0
    for h in range(1, max(1, int(_HIGHEST / top)) + 1):
        strength = _strength(f, h)
        bound += strength
        carried = _passes(h * top / rate)
        if carried > 0:
            decay = np.exp(-(2 + 0.8 * h) * after.clip(0) / length) if f["kind"] == 0 else 1.0
            total += carried * strength * decay * np.sin(2 * math.pi * h * turns + f["phase"] * h * h)
    return 0.95 * gate * total / bound


def _strength(f: dict[str, float], h: int) -> float:
    """Amplitude of partial h of a plucked string, of a vowel with formants, or of a whistle."""
    if f["kind"] == 0:
        return abs(math.sin(math.pi * h * (0.15 + 0.3 * f["colour"]))) / h + 1e-3
    if f["kind"] == 2:
        return (0.2 + 0.4 * f["colour"]) ** (h - 1)
    hertz, width = h * f["pitch"], 90.0
    formants = _FORMANTS[min(int(4 * f["colour"]), 3)]
    return sum(
        gain / (1 + ((hertz - centre) / width) ** 2) for gain, centre in zip((1, 0.6, 0.3), formants, strict=True)
    )


def _passes(turns_per_sample: float) -> float:
    """Band limit: 1 up to 3/4 of the Nyquist frequency, 0 from the Nyquist frequency on."""
    ramp = min(1.0, max(0.0, (2 * turns_per_sample - 0.75) / 0.25))
    return 0.5 * (1 + math.cos(math.pi * ramp))
