"""Reading of audio files: decoding and preprocessing."""

import math
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import torch
from jaxtyping import Float

from inrgan.errors import MissingDependency
from inrgan_modalities.audio._clip import Clip
from inrgan_modalities.audio._decode import decode

_FRAME_SECONDS = 0.02
_LARGEST_FILTER = 1 << 24


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Decoding and preprocessing of every file.

    Attributes:
        rate: Rate to which files with a higher rate are resampled; others keep theirs.
        channels: Number of channels, 1 or 2.
        trim: Level below the loudest 20 ms, in dB, at which silence at both ends is trimmed; 0 for off.
        loudness: Root mean square to which every clip is scaled, in dB of full scale; 0 for off.
        remove_dc: Whether the mean is subtracted.
    """

    rate: float
    channels: int
    trim: float
    loudness: float
    remove_dc: bool

    def __call__(self, name: str, data: bytes) -> Clip:
        """Decode one file.

        Raises:
            DataError: The file is not audio, or is damaged, cut short, empty, too long, or has more than 2 channels.
            NonFiniteError: The file holds NaN or infinity.
            MissingDependency: A library is not installed.
        """
        return self.clip(*decode(name, data))

    def clip(self, samples: Float[np.ndarray, "C K"], rate: int) -> Clip:
        """The clip of decoded samples.

        Raises:
            MissingDependency: torchaudio cannot be used.
        """
        samples = _mixed(samples, self.channels)
        if self.remove_dc:
            samples = samples - samples.mean(axis=1, keepdims=True)
        if self.trim > 0:
            samples = trimmed(samples, rate, decibels=self.trim)
        samples = _levelled(samples, self.loudness)
        clip = Clip(torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)), rate=float(rate))
        return lowered(clip, self.rate)


def _mixed(samples: np.ndarray, channels: int) -> np.ndarray:
    """The requested number of channels, with values within full scale."""
    if samples.shape[0] != channels:
        samples = np.repeat(samples, 2, axis=0) if channels == 2 else samples.mean(axis=0, keepdims=True)
    # Floating-point files may exceed full scale; clipping would distort them.
    return samples / max(1.0, float(np.abs(samples).max()))


def trimmed(samples: np.ndarray, rate: float, *, decibels: float) -> np.ndarray:
    """The clip without quiet frames of 20 ms at both ends; a silent clip is unchanged.

    Example:
        >>> trimmed(np.eye(1, 8000, 4000), 8000, decibels=40).shape
        (1, 160)
    """
    side = max(1, round(_FRAME_SECONDS * rate))
    count = math.ceil(samples.shape[1] / side)
    padded = np.pad(samples, ((0, 0), (0, count * side - samples.shape[1])))
    power = np.square(padded, dtype=np.float64).reshape(samples.shape[0], count, side).mean(axis=(0, 2))
    loud = np.flatnonzero(power > power.max() * 10 ** (-decibels / 10))
    return samples[:, loud[0] * side : (loud[-1] + 1) * side] if len(loud) else samples


def _levelled(samples: np.ndarray, loudness: float) -> np.ndarray:
    """The clip scaled to a root mean square, as far as full scale allows."""
    peak = float(np.abs(samples).max())
    if loudness == 0 or peak == 0:
        return samples / max(1.0, peak)
    wanted = 10 ** (loudness / 20) / float(np.sqrt(np.square(samples, dtype=np.float64).mean()))
    return samples * min(wanted, 1 / peak)


def lowered(clip: Clip, rate: float) -> Clip:
    """The clip resampled to a lower rate by torchaudio's windowed sinc; a clip of a lower rate is unchanged.

    Raises:
        MissingDependency: torchaudio cannot be used.
    """
    old, new = round(clip.rate), round(rate)
    common = math.gcd(old, new)
    # Rates without a large common divisor need a huge filter bank; the clip may have any rate afterward.
    if clip.rate <= 1.001 * rate or (old // common) * (new // common) > _LARGEST_FILTER:
        return clip
    resampled = _torchaudio().resample(
        clip.samples, old, new, lowpass_filter_width=64, rolloff=0.9476, resampling_method="sinc_interp_kaiser",
        beta=14.77,
    )  # fmt: skip
    return Clip(resampled.clamp(-1, 1), rate=clip.rate * new / old)


def _torchaudio() -> ModuleType:
    try:
        from torchaudio import functional
    except (ImportError, OSError, RuntimeError) as error:
        # torchaudio loads the libraries of the exact torch version that it was built for.
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise MissingDependency(
            f"torchaudio of the same build as torch {torch.__version__} ({reason})", extra="audio",
            why="Resampling audio to a lower rate",
        ) from error  # fmt: skip
    return functional
