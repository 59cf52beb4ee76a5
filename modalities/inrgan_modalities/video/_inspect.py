"""What videos say of themselves before training: sizes, rates and durations, and which fit the window."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

from inrgan.data import AbstractInspector, DataReport, Measure
from inrgan_modalities.video._video_file import VideoFile

_DURATION, _RATE, _SAMPLES, _FRAMES = "duration", "rate", "samples along the shorter side", "frames"
_MIDDLE, _FLAT = "contrast", "middle frames of one color"
_SHORT, _SLOW, _SIZE = "length", "frame rate", "size"
_LEAST_FRAMES, _LEAST_RESOLUTION = 4, 8


@dataclass(frozen=True, kw_only=True)
class Window:
    """Window of training, with which videos are compared.

    Attributes:
        frames: Number of frames.
        fps: Frames per second.
        resolution: Samples along the shorter side of the domain.
        samples: Function from rows and columns to the samples of a video along the shorter side of the domain.
        hold: Whether shorter videos hold their last frame.

    Example:
        >>> Window(frames=16, fps=8.0, resolution=32, samples=min, hold=False).seconds
        2.0
    """

    frames: int
    fps: float
    resolution: int
    samples: Callable[[int, int], float]
    hold: bool

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return self.frames / self.fps


@final
@dataclass(frozen=True)
class VideoInspector(AbstractInspector):
    """Inspector of videos, whose index says all but the values.

    Attributes:
        read: Function from a name and paths to a video.
        window: Window of training, if any.

    Example:
        >>> VideoInspector(read, window=None).header("a.mp4", b'["clips/a.mp4"]')["duration"]
        4.0
    """

    read: Callable[[str, bytes], VideoFile]
    window: Window | None

    reads_headers = True

    @property
    def units(self) -> Mapping[str, str]:  # type: ignore[override]
        return {"width": "pixels", "height": "pixels", _DURATION: "s", _RATE: "frames per second"}

    def header(self, name: str, data: bytes) -> Mapping[str, Measure] | None:
        try:
            json.loads(data)
        except ValueError:  # a list of many frames that was cut
            return None
        video = self.read(name, data)
        rows, columns = video.stored
        found: dict[str, Measure] = {
            "width": columns, "height": rows, _FRAMES: video.count, _DURATION: video.seconds, _RATE: video.rate,
        }  # fmt: skip
        if self.window is None:
            return found
        window, samples = self.window, self.window.samples(rows, columns)
        found[_SAMPLES] = math.floor(samples * 1.001)
        found[_SIZE] = "below the resolution" if samples * 1.001 < window.resolution else "at the resolution or above"
        short = not window.hold and video.seconds < 0.999 * window.seconds
        found[_SHORT] = "shorter than the window" if short else "as long as the window"
        found[_SLOW] = "below --fps" if video.rate * 1.001 < window.fps else "at --fps or above"
        return found

    def values(self, name: str, data: bytes, found: dict[str, Measure]) -> None:
        video = self.read(name, data)
        middle = video.frames([video.count // 2])
        found[_MIDDLE] = _FLAT if int(middle.min()) == int(middle.max()) else "middle frames that vary"

    def advice(self, report: DataReport) -> tuple[list[str], list[str]]:
        flat = report.kinds.get(_MIDDLE, {}).get(_FLAT, 0)
        notes = [f"{flat} of the {report.examined} middle frames have one color only"] if flat else []
        if self.window is None or not report.headers:
            return notes, []
        window, kinds = self.window, report.kinds
        small = kinds.get(_SIZE, {}).get("below the resolution", 0)
        slow = kinds.get(_SLOW, {}).get("below --fps", 0)
        short = kinds.get(_SHORT, {}).get("shorter than the window", 0)
        warned = []
        if small:
            least = int(report.ranges[_SAMPLES].low)
            flag = f"; --resolution {least} takes all" if least >= _LEAST_RESOLUTION else f" (the smallest has {least})"
            warned.append(
                f"{small} of {report.headers} videos have fewer than the {window.resolution} samples along the shorter "
                f"side that training needs; they are skipped, since none is upsampled{flag}"
            )
        fps = min(window.fps, math.floor(report.ranges[_RATE].low * 100) / 100) if slow else window.fps
        if slow:
            warned.append(
                f"{slow} of {report.headers} videos have fewer than {window.fps:g} frames per second and are skipped "
                f"at the full rate; --fps {fps:g} --frames {max(_LEAST_FRAMES, round(window.seconds * fps))} takes all"
            )
        if short:
            frames = math.floor(report.ranges[_DURATION].low * fps * 1.0005)
            rate = f"--fps {fps:g} " if slow else ""
            fewer = f"--frames {frames} takes all, and so does " if frames >= _LEAST_FRAMES else ""
            warned.append(
                f"{short} of {report.headers} videos are shorter than the window of {window.seconds:g} s (--frames "
                f"{window.frames} at --fps {window.fps:g}) and are skipped; {rate if fewer else ''}{fewer}--short hold"
                f"{'' if fewer else ' takes all'}"
            )
        return notes, warned
