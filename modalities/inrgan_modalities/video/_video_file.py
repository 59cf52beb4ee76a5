"""A video in a file or in a folder of images, of which only the needed frames are read."""

import bisect
from collections.abc import Sequence
from typing import Any, final

import numpy as np
import torch

from inrgan.errors import DataError
from inrgan_modalities.video._clip import AbstractClip
from inrgan_modalities.video._decoder import Decoder

MAX_PIXELS, MAX_FRAMES = 50_000_000, 10_000_000
"""Largest number of pixels of a frame, and of frames of a video."""
_MAX_KEPT = 32 << 20
"""Largest size in bytes of a video that the cache holds completely decoded."""


@final
class VideoFile(AbstractClip):
    """A video with its index: number of frames, times and key frames.

    Videos of a variable rate get a regular one, that of their shortest usual frames: a frame is displayed until the
    next, as in a player. Frames are reduced to means over blocks that leave at least twice ``side``.

    Args:
        path: Path of the file or folder.
        index: Index of the file, from the decoder.
        files: Images of a folder, in order; empty for a file.
        still_rate: Frames per second of folders of images.
        channels: Number of channels, 1 or 3.
        side: Samples along the shorter side in training.
        decoder: Reader of the frames.

    Attributes:
        stored: Rows and columns of a frame upright and with square pixels, before it is reduced.

    Raises:
        DataError: The video is too large or has no duration.
    """

    def __init__(
        self, path: str, index: dict[str, Any], *, files: Sequence[str], still_rate: float, channels: int, side: int,
        decoder: Decoder,
    ):  # fmt: skip
        rows, columns = index["rows"], index["columns"]
        if rows * columns > MAX_PIXELS or max(len(files), len(index["times"])) > MAX_FRAMES:
            raise DataError(
                f"{path} has frames of {columns} x {rows} pixels; expected at most {MAX_PIXELS // 10**6} megapixels "
                f"and {MAX_FRAMES} frames. Make it smaller."
            )
        self._path, self._index, self._files, self._decoder = path, index, list(files), decoder
        self._decord, self._keep, self._frames = True, False, None
        self.stored = (rows, columns)
        self._factor = max(1, min(rows, columns) // (2 * side))
        self.shape = (channels, rows // self._factor, columns // self._factor)
        self._picture = {name: value for name, value in index.items() if name not in ("times", "stamps", "keys")}
        self._numbers: list[int] | None = None  # the frame of the file for each frame of the regular rate
        if files:
            self.rate, self.count = still_rate, len(files)
        else:
            self.rate, self._numbers = regular(index["times"])
            self.count = len(self._numbers)

    @property
    def nbytes(self) -> int:
        channels, rows, columns = self.shape
        whole = self.count * channels * rows * columns
        return whole if whole <= _MAX_KEPT else 0  # frames of longer videos are read each time

    def keep(self) -> None:
        self._keep = self.nbytes > 0

    def frames(self, numbers: Sequence[int]) -> torch.Tensor:
        if self._keep and self._frames is None:
            self._frames = self._read(range(self.count))
        return self._frames[list(numbers)] if self._frames is not None else self._read(numbers)

    def _read(self, numbers: Sequence[int]) -> torch.Tensor:
        index = self._index
        frame_numbers = list(numbers) if self._numbers is None else [self._numbers[n] for n in numbers]
        stamps = [index["stamps"][n] for n in sorted(set(frame_numbers))] if index["stamps"] else []
        near = []
        if stamps:  # only the key frames that may be needed
            keys = index["keys"]
            near = keys[max(0, bisect.bisect_right(keys, stamps[0]) - 1) : bisect.bisect_right(keys, stamps[-1])]
            near = near or keys[:1]
        _, array = self._decoder.ask(
            {
                "op": "frames", "path": self._path, "files": self._files, "numbers": frame_numbers, "stamps": stamps,
                "keys": near, "count": len(index["stamps"]), "factor": self._factor, "channels": self.shape[0],
                "decord": self._decord, "index": self._picture,
            }
        )  # fmt: skip
        return torch.from_numpy(array.copy())


def regular(times: Sequence[float]) -> tuple[float, list[int]]:
    """A regular rate for frames at given times, and the number of the frame displayed at each of its instants.

    Example:
        >>> regular([0.0, 0.1, 0.2, 0.5])
        (10.0, [0, 1, 2, 2, 2, 3])
    """
    if len(times) < 2:
        return 1.0, [0]
    t = np.asarray(times, dtype=np.float64)
    steps = np.diff(t)
    steps = steps[steps > 0]
    if len(steps) == 0:
        raise DataError("all frames have the same time stamp; expected rising time stamps. Encode the video again.")
    mean = (t[-1] - t[0]) / (len(t) - 1)
    if np.abs(t - t[0] - mean * np.arange(len(t))).max() < 0.25 * mean:
        return float(1 / mean), list(range(len(t)))
    rate = min(1 / float(np.quantile(steps, 0.1)), 240.0)
    instants = t[0] + np.arange(int(np.floor((t[-1] - t[0]) * rate + 1e-6)) + 1) / rate
    shown = np.searchsorted(t, instants + 1e-6, side="right") - 1
    return rate, [int(n) for n in shown]
