"""Bytes of audio files to samples: by libsndfile, and by FFmpeg's libraries for the formats that it does not read."""

import importlib.util
import io
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from inrgan.errors import DataError, MissingDependency, NonFiniteError

SOUNDFILE = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au", ".caf", ".w64")
"""Suffixes that libsndfile reads."""
PYAV = {".m4a": "mov", ".m4b": "mov", ".aac": "aac", ".wma": "asf", ".mka": "matroska", ".weba": "matroska"}
"""Suffixes that PyAV reads, and FFmpeg's names of their formats: a playlist in disguise could name other files."""
MAX_SAMPLES = 200_000_000
"""Largest number of samples of one file, over all channels."""
COMPLETE = 0.99
"""Fraction of the stated length from which on a file counts as complete."""

_UNKNOWN = 0x7FFFF000
"""Sizes from here on are those of programs that write to a pipe and do not know the length."""
_ESTIMATED = ("aac", "asf")
"""Formats whose length is estimated from their bit rate, or counts silence before the start."""


def suffixes() -> tuple[str, ...]:
    """Suffixes of the files that can be read here."""
    return (*SOUNDFILE, *PYAV) if _has_pyav() else SOUNDFILE


def unread_suffixes() -> Mapping[str, str]:
    """Reasons why files of some suffixes cannot be read here."""
    reason = 'PyAV is not installed: pip install "inrgan[audio]"'
    return {} if _has_pyav() else dict.fromkeys(PYAV, reason)


def decode(name: str, data: bytes) -> tuple[Float[np.ndarray, "C K"], int]:
    """Samples of a file, with full scale from −1 to 1, and its rate.

    Args:
        name: Name of the file, whose suffix decides the library.
        data: Its bytes.

    Raises:
        DataError: The file is not audio, or is damaged, cut short, empty, too long, or has more than 2 channels.
        NonFiniteError: The file holds NaN or infinity.
        MissingDependency: A library is not installed.

    Example:
        >>> decode("a.wav", data)[0].shape
        (1, 8000)
    """
    form = PYAV.get(name[name.rfind(".") :].lower())
    samples, rate, stated = _by_soundfile(name, data) if form is None else _by_pyav(name, data, form)
    if samples.shape[1] == 0:
        raise DataError(f"{name} holds no audio: it has 0 frames. Remove it.")
    if samples.shape[1] < COMPLETE * stated:
        raise DataError(
            f"{name} is not a complete audio file: it states {stated / rate:.4g} seconds and holds "
            f"{samples.shape[1] / rate:.4g}. Copy or create it again, or remove it."
        )
    if not np.isfinite(samples).all():
        raise NonFiniteError(f"{name} holds NaN or infinity; expected finite samples. Fix the file or remove it.")
    return samples, rate


def load_soundfile(*, why: str) -> Any:
    """The soundfile library, which reads and writes audio files.

    Raises:
        MissingDependency: soundfile is not installed.
    """
    try:
        import soundfile
    except (ImportError, OSError) as error:
        raise MissingDependency("soundfile", extra="audio", why=why) from error
    return soundfile


def _has_pyav() -> bool:
    return importlib.util.find_spec("av") is not None


def _by_soundfile(name: str, data: bytes) -> tuple[np.ndarray, int, int]:
    """Samples, rate, and the stated number of frames."""
    soundfile = load_soundfile(why="Reading audio")
    data, stated = _with_size(data)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            frames, channels, rate = file.frames, file.channels, file.samplerate
            _check_size(name, frames, channels)
            samples = file.read(dtype="float32", always_2d=True).T
    except (soundfile.SoundFileError, RuntimeError, TypeError) as error:
        raise _incomplete(name, str(error)) from error
    return samples, rate, max(frames, round(frames * stated))


def _by_pyav(name: str, data: bytes, form: str) -> tuple[np.ndarray, int, int]:
    """Samples of the first audio stream, as a player cuts them, its rate, and the stated number of frames."""
    try:
        import av
        from av.error import FFmpegError
    except (ImportError, OSError) as error:
        raise MissingDependency("av", extra="audio", why=f"Reading {name}") from error
    try:
        with av.open(io.BytesIO(data), format=form) as container:
            if not container.streams.audio:
                raise DataError(f"{name} has no sound; expected an audio file. Remove it.")
            stream = container.streams.audio[0]
            if stream.codec_context is None or not stream.rate or not stream.channels:
                raise DataError(f"{name} has sound of a kind that FFmpeg does not know. Convert it, or remove it.")
            rate, channels = stream.rate, stream.channels
            exact = form not in _ESTIMATED
            seconds = float(stream.duration * stream.time_base) if stream.duration and stream.time_base else 0.0
            if not seconds and container.duration:
                seconds, exact = container.duration / 1e6, False  # of the container, with what precedes the sound
            _check_size(name, round(seconds * rate), channels)
            resampler, parts, total = av.AudioResampler(format="fltp"), [], 0
            for frame in container.decode(stream):
                if (frame.sample_rate, len(frame.layout.channels)) != (rate, channels):
                    raise DataError(f"{name} changes its rate or its channels; expected one. Convert it, or remove it.")
                parts += [part.to_ndarray() for part in resampler.resample(frame)]
                total += frame.samples
                _check_size(name, total, channels)
            parts += [part.to_ndarray() for part in resampler.resample(None)] if parts else []
    except (FFmpegError, ValueError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise _incomplete(name, str(error)) from error
    samples = np.concatenate(parts, axis=1) if parts else np.zeros((channels, 0), dtype=np.float32)
    stated = round(seconds * rate)
    if exact and 0 < stated < samples.shape[1]:
        samples = samples[:, :stated]  # the last packet is padded
    return samples.astype(np.float32, copy=False), rate, 0 if form in _ESTIMATED else round(0.98 * stated)


def _check_size(name: str, frames: int, channels: int) -> None:
    if channels > 2:
        raise DataError(f"{name} has {channels} channels; expected 1 or 2. Mix it down, or remove it.")
    if frames * channels > MAX_SAMPLES:
        raise DataError(f"{name} has {frames} frames; expected at most {MAX_SAMPLES} samples. Cut it into parts.")


def _incomplete(name: str, reason: str) -> DataError:
    return DataError(
        f"{name} is not a complete audio file, despite its name ({reason.rstrip('.')}); expected one of "
        f"{' '.join(suffixes())}. Copy or create it again, or remove it."
    )


def _with_size(data: bytes) -> tuple[bytes, float]:
    """A WAV or AIFF file whose samples have a size, and the stated size as a multiple of what is there.

    A program that writes to a pipe, or that was killed, leaves a size of 0 or a huge one.
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        order, wanted = "<", b"data"
    elif data[:4] == b"FORM" and data[8:12] in (b"AIFF", b"AIFC"):
        order, wanted = ">", b"SSND"
    else:
        return data, 1.0
    at = 12
    while at + 8 <= len(data):
        size = struct.unpack(f"{order}I", data[at + 4 : at + 8])[0]
        rest = len(data) - at - 8
        if data[at : at + 4] != wanted:
            at += 8 + size + size % 2
            continue
        if size == 0 and rest and not _is_chunk(data[at + 8 :], order):
            return data[: at + 4] + struct.pack(f"{order}I", rest) + data[at + 8 :], 1.0
        return data, size / rest if rest and size < _UNKNOWN else 1.0
    return data, 1.0


def _is_chunk(data: bytes, order: str) -> bool:
    """Whether bytes are a chunk, so that the one before it is really empty."""
    if len(data) < 8 or not all(32 <= byte < 127 for byte in data[:4]):
        return False
    return struct.unpack(f"{order}I", data[4:8])[0] <= len(data) - 8
