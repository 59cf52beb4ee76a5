"""Writing of audio clips."""

from pathlib import Path

import numpy as np
import torch

from inrgan.errors import ConfigError, NonFiniteError, ShapeError
from inrgan.files import known_suffix, replacing
from inrgan.images import ANIMATION_SUFFIXES, WRITE_SUFFIXES, write_animation, write_image
from inrgan_modalities.audio._decode import load_soundfile
from inrgan_modalities.audio._spectrogram import clip_image, clip_sheet

_IMAGES = tuple(s for s in WRITE_SUFFIXES if s != ".npy")
AUDIO_SUFFIXES = (".wav", ".flac")
GAP_SECONDS = 0.25
"""Silence between clips in one file."""


def write_clips(values: torch.Tensor, path: str | Path, *, rate: float, gap: float = GAP_SECONDS) -> None:
    """Write one or several clips to one file; the suffix decides the format.

    ``.wav`` and ``.flac`` hold the clips one after another in 16 bits, with silence between them; ``.npy`` holds all
    values as float32; images are sheets of waveforms and spectrograms. The file is written completely or not at all.

    Args:
        values: Clips (B, C, K).
        path: Path of the file.
        rate: Samples per second; a whole number for audio files.
        gap: Silence between clips, in seconds.

    Raises:
        ConfigError: The suffix cannot be written, or the rate is not a whole number of 1 or more.
        ShapeError: The array is empty, or the format cannot hold the channels.
        NonFiniteError: A value is NaN or infinite.
        WriteError: The path cannot be written.
        MissingDependency: soundfile or Pillow is not installed.

    Example:
        >>> write_clips(torch.zeros(3, 1, 8000), "three.wav", rate=8000)
    """
    path = Path(path)
    suffix = known_suffix(path, (*AUDIO_SUFFIXES, ".npy", *_IMAGES))
    values = _checked(values)
    if suffix in _IMAGES:
        write_image(clip_sheet(values), path)
    elif suffix == ".npy":
        with replacing(path) as temporary:
            np.save(temporary, values[0].numpy() if len(values) == 1 else values.numpy(), allow_pickle=False)
    else:
        write_samples(joined(values, silence=round(gap * rate)), path, rate=rate)


def write_samples(samples: torch.Tensor, path: Path, *, rate: float) -> None:
    """Write one clip (C, K) to .wav or .flac in 16 bits."""
    whole = whole_rate(rate)
    soundfile = load_soundfile(why="Writing audio")
    with replacing(path) as temporary:
        # Rounded here, because a library may scale by 32768 and clip, which changes what was rendered.
        numbers = (samples.clamp(-1, 1) * 32767).round().to(torch.int16).T.contiguous().numpy()
        soundfile.write(str(temporary), numbers, whole, format=path.suffix[1:].upper(), subtype="PCM_16")


def write_interpolation(values: torch.Tensor, path: str | Path, *, rate: float, steps_per_second: float) -> None:
    """Write the steps of an interpolation: clips one after another without gaps, or a video of their spectrograms.

    Raises:
        ConfigError: The suffix cannot be written.
    """
    path = Path(path)
    suffix = known_suffix(path, (*AUDIO_SUFFIXES, ".npy", *ANIMATION_SUFFIXES))
    if suffix in ANIMATION_SUFFIXES:
        write_animation(clip_image(_checked(values), height=192, width=320), path, fps=steps_per_second)
    else:
        write_clips(values, path, rate=rate, gap=0.0)


def joined(values: torch.Tensor, *, silence: int) -> torch.Tensor:
    """Clips (B, C, K) one after another, separated by silence: (C, B·K + (B − 1)·silence)."""
    padded = torch.nn.functional.pad(values, (0, silence)).transpose(0, 1).flatten(1)
    return padded[:, : padded.shape[1] - silence]


def whole_rate(rate: float) -> int:
    """The rate as a whole number, as audio files hold it.

    Raises:
        ConfigError: The rate is not a whole number of 1 or more.
    """
    if round(rate) < 1 or abs(rate - round(rate)) > 1e-6 * rate:
        raise ConfigError(f"the rate is {rate:g} Hz, and an audio file holds whole numbers; give --rate")
    return round(rate)


def _checked(values: torch.Tensor) -> torch.Tensor:
    if values.numel() == 0 or values.ndim != 3:
        raise ShapeError(f"clips of shape {tuple(values.shape)} were to be written; expected (B, C, K), none of them 0")
    if not torch.isfinite(values).all():
        raise NonFiniteError("The values to write hold NaN or infinity; expected -1 to 1. Check the model.")
    return values.detach().float().cpu()
