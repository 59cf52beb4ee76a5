"""WAV: a signal of one axis, sample by sample."""

import wave
from pathlib import Path
from typing import final

import numpy as np

from inrgan.errors import ConfigError
from inrgan.rendering._pyramid import Pyramid
from inrgan.rendering._writers import AbstractWriter, Place, Tick

_MOST_BYTES = (1 << 32) - (1 << 10)


@final
class WavWriter(AbstractWriter):
    """``.wav``: one axis, up to two channels, 16 bits; samples per second are samples per coordinate unit.

    A tile is in memory at a time. Nothing beyond Python's own library is needed.
    """

    dtype = np.dtype(np.float32)
    smallest = None

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        if len(shape) != 1 or channels > 2:
            raise ConfigError(
                f".wav holds one axis and 1 or 2 channels, the signal has {len(shape)} and {channels}; render to .zarr"
            )
        if shape[0] * channels * 2 > _MOST_BYTES:
            raise ConfigError(
                f".wav holds 4 GiB, too little for {shape[0]} samples; render to .zarr, or less at a time"
            )

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, place: Place, tick: Tick) -> None:
        rate = 1 / place.spacing[0]
        if round(rate) < 1 or abs(rate - round(rate)) > 1e-6 * rate:
            raise ConfigError(f"the rate is {rate:g} samples per second, and .wav holds whole numbers; give --rate")
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(pyramid.channels)
            file.setsampwidth(2)
            file.setframerate(round(rate))
            for index in pyramid.indices(0):
                tile = np.clip(pyramid.tile(0, index), -1, 1)
                file.writeframes(np.round(tile.T * 32767).astype("<i2").tobytes())
                tick()
