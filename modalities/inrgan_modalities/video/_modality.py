"""Videos: f(x, y, t)."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from inrgan.augmentation import AbstractTransform, Affine, Flip, Scale, Shift, Tint
from inrgan.capabilities import HasLongItems, HasSymmetries, HasTime, HasTransforms, MovesAlongAxis
from inrgan.data import AbstractSource, DataPath
from inrgan.discriminators import AbstractCritic, SlicesCritic
from inrgan.domains import Box
from inrgan.encodings import AxisPaths, TravellingEncoding
from inrgan.errors import ConfigError, DataError
from inrgan.metrics import Metric
from inrgan.modality import CriticSizes, Modality
from inrgan.resampling import resample
from inrgan.samplers import AbstractSampler, Slices
from inrgan.views import View, product_view
from inrgan_modalities.video._clip import AbstractClip, Excerpt
from inrgan_modalities.video._inspect import Window
from inrgan_modalities.video._metrics import video_metrics
from inrgan_modalities.video._source import open_clips
from inrgan_modalities.video._synthetic import SyntheticClips
from inrgan_modalities.video._write import write_interpolation, write_videos


@dataclass(frozen=True)
class VideoModality(Modality, HasLongItems, HasSymmetries, HasTime, HasTransforms, MovesAlongAxis):
    """Videos of any size, frame rate and length.

    The domain is x and y as in an image, and the time from 0 to ``frames / fps`` seconds. Longer videos are cropped:
    training draws a new window in every step, and evaluation takes the middle. Shorter videos serve no view, or hold
    their last frame with ``short="hold"``. Real frames are those displayed at the times of the view, never blends.

    Raises:
        ConfigError: A number is out of range.

    Example:
        >>> VideoModality(resolution=32, frames=16, fps=8).domain.shape(32)
        (16, 32, 32)
    """

    name: ClassVar[str] = "video"
    requires: ClassVar[tuple[str, ...]] = ("PIL", "av", "cv2")
    default_metrics: ClassVar[tuple[str, ...]] = (
        "swd", "frame-swd", "frechet", "temporal-spectrum", "warping", "precision", "recall",
    )  # fmt: skip
    real_filter: ClassVar[str] = "lanczos3 in space, the frame on display in time"
    latent_parts: ClassVar[tuple[str, ...]] = ("motion",)
    renamed_fields: ClassVar[Mapping[str, str]] = {"looked_at": "frames_per_clip"}

    resolution: int = 32
    """Samples along the shorter side of a frame in training; rendering may use any other size."""
    frames: int = 16
    """Number of frames of the training window; rendering may use any other number."""
    fps: float = 8.0
    """Frames per second in training; rendering may use any other rate."""
    channels: int = 3
    """Number of channels: 1 for grayscale, 3 for color."""
    aspect: tuple[float, float] = (1.0, 1.0)
    """Aspect ratio, width to height."""
    mirror: bool = False
    """Flip all frames of a real left to right with probability 1/2; for data that mirrors leave plausible."""
    frames_per_clip: int = 3
    """Number of frames of each clip, at random times, that the full-domain critic sees in a step."""
    modulation: bool = True
    """Whether time modulates the generated weights, in addition to moving waves and shifting layers."""
    short: str = "refuse"
    """Policy for videos shorter than the training window: refuse (skip them), or hold (repeat the last frame)."""
    still_fps: float = 25.0
    """Frames per second of folders of images, which have no rate of their own."""

    def __post_init__(self):
        if self.resolution < 8 or self.frames < 4:
            raise ConfigError(
                f"the video resolution is {self.resolution} and the window {self.frames} frames; expected 8 or more "
                "and 4 or more"
            )
        if not (0 < self.fps < math.inf and 0 < self.still_fps < math.inf):
            raise ConfigError(f"fps is {self.fps} and still_fps {self.still_fps}; expected positive numbers")
        if self.channels not in (1, 3):
            raise ConfigError(f"videos of {self.channels} channels; expected 1 (gray) or 3 (color)")
        if not 2 <= self.frames_per_clip <= self.frames:
            raise ConfigError(
                f"frames_per_clip is {self.frames_per_clip}; expected 2 to {self.frames}, the frames of the window"
            )
        if self.short not in ("refuse", "hold"):
            raise ConfigError(f"short is {self.short!r}; expected refuse or hold")
        self.domain  # noqa: B018 - fails early on an invalid aspect ratio

    @property
    def seconds(self) -> float:
        """Length of the training window."""
        return self.frames / self.fps

    @property
    def domain(self) -> Box:
        width, height = Box(2, aspect=self.aspect).upper
        # Time is scaled so that frames and pixels have the same spacing: 2 / resolution corresponds to 1 / fps seconds.
        unit = self.resolution / (2 * self.fps)
        return Box(
            3, lower=(-width, -height, 0.0), upper=(width, height, self.seconds), units=(None, None, unit),
            patch_shape=(1.0, 1.0, 0.5), patch_limit=(None, None, self.frames), precision=torch.float64,
        )  # fmt: skip

    @property
    def signal_channels(self) -> int:
        return self.channels

    @property
    def preview_suffix(self) -> str:
        return ".png"

    def previews(self) -> tuple[str, ...]:
        return (".png", ".mp4")

    def source(self, data: DataPath | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        if data is None:
            # Four video frames per training frame, so that times are off by at most an eighth of a training frame.
            return SyntheticClips(
                size=max(32, self.resolution),
                seconds=self.seconds,
                rate=4 * self.fps,
                channels=self.channels,
                seed=seed,
            )
        window = Window(
            frames=self.frames, fps=self.fps, resolution=self.resolution, samples=self._samples,
            hold=self.short == "hold",
        )  # fmt: skip
        return open_clips(
            data, channels=self.channels, side=self.resolution, still_fps=self.still_fps, labels=labels, window=window
        )

    def _samples(self, rows: int, columns: int) -> float:
        """Samples of a video along the shorter side of the domain."""
        return self.domain.spacing(1) / self._pixel(rows, columns)

    def observe(self, items: Sequence[AbstractClip], view: View) -> torch.Tensor:
        return torch.stack([self._seen(clip, view.row(i)) for i, clip in enumerate(items)])

    def _seen(self, clip: AbstractClip, view: View) -> torch.Tensor:
        """One clip (C, T, H, W), positioned so that its window covers the domain."""
        assert view.axes is not None, "videos are observed at views that are products of space and time"
        x, y, times = view.axes
        start = max(0.0, clip.seconds - self.seconds) * clip.position
        numbers = clip.on_display((times[0].double() + start).tolist())
        once = sorted(set(numbers))
        frames = clip.frames(once)
        flat = product_view([x, y], spacing=view.spacing[:, 0, :2])
        lower, upper = self._extent(clip)
        seen = resample(frames, flat, lower=lower, upper=upper)
        return seen[[once.index(n) for n in numbers]].transpose(0, 1)

    def excerpt(self, item: AbstractClip, position: float) -> AbstractClip:
        return Excerpt(item, position=position)

    def _extent(self, clip: AbstractClip) -> tuple[tuple[float, float], tuple[float, float]]:
        """Extent of a frame that has square pixels and just covers the domain."""
        _, rows, columns = clip.shape
        pixel = self._pixel(rows, columns)
        x, y = pixel * columns / 2, pixel * rows / 2
        return (-x, -y), (x, y)

    def _pixel(self, rows: int, columns: int) -> float:
        width, height, _ = self.domain.sides
        return max(width / columns, height / rows)

    def item_spacing(self, item: AbstractClip) -> float:
        """Spacing of frames and pixels; infinite for a video that is too short, which serves no view then."""
        if self.short == "refuse" and item.seconds < 0.999 * self.seconds:
            return math.inf
        return max(self._pixel(*item.shape[1:]), 1 / item.rate / self.domain.units[2])

    def symmetries(self) -> tuple[AbstractTransform, ...]:
        return (Flip(self.domain, axis=0, beyond="open"),) if self.mirror else ()

    def transforms(self) -> tuple[AbstractTransform, ...]:
        # All frames of a video get the same transform; times are unchanged.
        box, tints = self.domain, (Tint(),) if self.channels == 3 else ()
        moves = (Flip(box, axis=0), Shift(box, most=(0.125, 0.125, 0.0)), Scale(box, scaled=(True, True, False)))
        return (*moves, Affine(), *tints)

    def encoding(self, spacing: float) -> TravellingEncoding:
        width, height, _ = self.domain.sides
        return TravellingEncoding(
            3, axis=2, longest_period=2 * max(width, height), spacing=spacing,
            axis_spacing=1 / self.fps,
        )  # fmt: skip

    def paths(self, spacing: float) -> AxisPaths:
        del spacing
        return AxisPaths(
            2, start=0.0, length=self.seconds, spacing=1 / self.fps, gains=self.modulation, part=self.latent_parts[0]
        )

    def whole_sampler(self, sampler: AbstractSampler) -> AbstractSampler:
        return Slices(sampler, axis=2, count=self.frames_per_clip)

    def critic(self, sizes: CriticSizes) -> SlicesCritic:
        step = self.domain.spacing(self.resolution)
        return SlicesCritic(
            3, self.channels, axis=2, count=self.frames_per_clip, resolution=self.resolution,
            spacing=(step, step, 1 / self.fps), width=sizes.width, max_width=sizes.max_width, classes=sizes.classes,
        )  # fmt: skip

    def points_critic(self, sizes: CriticSizes, *, count: int) -> AbstractCritic:
        raise ConfigError("video has no critic of scattered points; leave points out of --losses")

    def view_sizes(self) -> dict[str, int]:
        half = max(8, self.resolution // 2)
        return {"patch": min(32, half), "whole": min(128, self.resolution), "context_size": min(32, half)}

    def at(self, resolution: int) -> "VideoModality":
        factor = resolution / self.resolution
        frames = max(4, round(self.frames * factor))
        return replace(
            self, resolution=resolution, frames=frames, fps=frames / self.seconds,
            frames_per_clip=min(self.frames_per_clip, frames),
        )  # fmt: skip

    def array_shape(self, text: str | None) -> tuple[int, ...]:
        """Shape of ``64`` or ``64x96`` (rows x columns), with the training frames, or of ``48x64x96`` with its own."""
        if text is None or not re.fullmatch(r"[1-9]\d*(x[1-9]\d*)?", text):
            return super().array_shape(text)
        rows, *columns = (int(n) for n in text.split("x"))
        if columns:
            return self.frames, rows, columns[0]
        return self.frames, *self.domain.shape(rows)[1:]

    def window(
        self, *, rate: float | None = None, seconds: float | None = None, resolution: str | None = None
    ) -> tuple[tuple[int, ...], tuple[float, ...]]:
        rate, seconds = self.fps if rate is None else rate, self.seconds if seconds is None else seconds
        if not 0 < rate < math.inf or not 0 < seconds < math.inf:
            raise ConfigError(f"the rate is {rate:g} and the length {seconds:g} seconds; expected positive numbers")
        _, rows, columns = self.array_shape(resolution)
        count = max(1, round(rate * seconds))
        (x0, y0, _), (x1, y1, _) = self.domain.lower, self.domain.upper
        # Samples are cell centers: the cells of frames at k / rate begin half a frame earlier.
        return (count, rows, columns), (x0, y0, -0.5 / rate, x1, y1, (count - 0.5) / rate)

    def over(self, shape: Sequence[int], region: Sequence[float] | None) -> "VideoModality":
        seconds = self.seconds if region is None else region[5] - region[2]
        return replace(self, frames=max(4, shape[0]), fps=shape[0] / seconds, frames_per_clip=2)

    def metrics(self) -> dict[str, Metric]:
        return video_metrics(self.seconds)

    def write(self, values: torch.Tensor, path: str | Path) -> None:
        write_videos(values, path, rate=self._rate(values))

    def write_interpolation(self, values: torch.Tensor, path: str | Path, *, rate: float) -> None:
        write_interpolation(values, path, rate=rate, seconds=values.shape[2] / self._rate(values))

    def _rate(self, values: torch.Tensor) -> float:
        """Frames per second of an array that covers the window."""
        if values.ndim != 5:
            raise DataError(f"videos of shape {tuple(values.shape)}; expected (B, C, T, H, W)")
        return values.shape[2] / self.seconds
