"""What audio files say of themselves before training: lengths, rates, channels and levels."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from inrgan.data import AbstractInspector, DataReport, Measure
from inrgan_modalities.audio._decode import decode, unread_suffixes
from inrgan_modalities.audio._read import Reading

_WINDOW, _RATE, _CHANNELS, _LEVEL, _MIX = "length", "sample rate", "channels", "level", "mix to mono"
_STEREO, _SILENT, _CANCELS = "stereo", "silent", "stereo whose channels cancel"
_CANCELLED = 0.01
"""Power of the mean of two channels, relative to theirs, below which they cancel."""


@dataclass(frozen=True)
class AudioInspector(AbstractInspector):
    """Inspector of audio files.

    Attributes:
        reading: Decoding and preprocessing of the training.
        window: Number of samples of the training window.

    Example:
        >>> found = {}
        >>> AudioInspector(reading, window=16384).values("a.wav", data, found)
        >>> found["rate"]
        8000.0
    """

    reading: Reading
    window: int

    @property
    def unread(self) -> Mapping[str, str]:  # type: ignore[override]
        return unread_suffixes()

    @property
    def units(self) -> Mapping[str, str]:  # type: ignore[override]
        return {"duration": "s", "rate": "Hz"}

    def values(self, name: str, data: bytes, found: dict[str, Measure]) -> None:
        samples, rate = decode(name, data)
        found["rate"] = float(rate)
        low = rate < self.reading.rate / 1.001  # as training rounds
        found[_RATE] = f"below {self.reading.rate:g} Hz" if low else f"at least {self.reading.rate:g} Hz"
        found[_CHANNELS] = _STEREO if len(samples) == 2 else "mono"
        if len(samples) == 2 and self.reading.channels == 1:
            mean, each = np.square(samples.mean(axis=0)).mean(), np.square(samples).mean()
            found[_MIX] = _CANCELS if each > 0 and mean < _CANCELLED * each else "stereo that can be mixed"
        clip = self.reading.clip(samples, rate)
        smallest, largest = (float(x) for x in clip.samples.aminmax())
        found["duration"], found["values"] = clip.seconds, (smallest, largest)
        found[_LEVEL] = _SILENT if smallest == largest == 0 else "clips with sound"
        seconds = self.window / self.reading.rate
        found[_WINDOW] = f"{'shorter than' if clip.seconds < seconds else 'at least'} {seconds:.4g} s"

    def advice(self, report: DataReport) -> tuple[list[str], list[str]]:
        notes, warned = [], [*self._rates(report)]
        short = report.kinds.get(_WINDOW, {}).get(f"shorter than {self.window / self.reading.rate:.4g} s", 0)
        if short:
            median, rate = report.ranges["duration"].median or 0.0, min(self.reading.rate, report.ranges["rate"].low)
            text = (
                f"{short} of {report.examined} clips are shorter than the window of "
                f"{self.window / self.reading.rate:.4g} s and are followed by silence"
            )
            if 2 * short > report.examined:
                length = max(8, 32 * round(median * rate / 32))
                warned.append(f"{text}; --resolution {length} --rate {rate:g} is the length of half of them")
            else:
                notes.append(text)
        stereo, cancelled = (report.kinds.get(key, {}).get(k, 0) for key, k in ((_CHANNELS, _STEREO), (_MIX, _CANCELS)))
        if cancelled:
            warned.append(
                f"{cancelled} of {stereo} stereo clips nearly vanish when their channels are averaged: one is the "
                "other upside down; --channels 2 keeps them"
            )
        if stereo and self.reading.channels == 1:
            notes.append(
                f"{stereo} of {report.examined} clips are stereo and are mixed to mono; --channels 2 keeps them"
            )
        silent = report.kinds.get(_LEVEL, {}).get(_SILENT, 0)
        if silent:
            notes.append(f"{silent} of the {report.examined} clips that were decoded are silent")
        return notes, warned

    def _rates(self, report: DataReport) -> list[str]:
        low = report.kinds.get(_RATE, {}).get(f"below {self.reading.rate:g} Hz", 0)
        if not low:
            return []
        least = report.ranges["rate"].low
        length = max(8, round(self.window * least / self.reading.rate))
        few = (
            f"{low} of {report.examined} clips have fewer than the {self.reading.rate:g} samples per second of training"
        )
        flags = f"--rate {least:g} --resolution {length}"
        return [
            f"{few}; they are skipped, since none is upsampled; {flags} takes all, at the same length of the window"
        ]
