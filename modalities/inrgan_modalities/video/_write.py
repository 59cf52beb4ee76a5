"""Writing of videos: as videos, as strips of frames with x–t slices, or as arrays."""

import math
from pathlib import Path

import numpy as np
import torch
from einops import rearrange

from inrgan.errors import NonFiniteError, ShapeError
from inrgan.files import known_suffix, replacing
from inrgan.images import ANIMATION_SUFFIXES, WRITE_SUFFIXES, tile, write_animation, write_image

_IMAGES = tuple(s for s in WRITE_SUFFIXES if s != ".npy")
_STRIP = 8
"""Number of frames of a strip."""


def write_videos(values: torch.Tensor, path: str | Path, *, rate: float) -> None:
    """Write one or several videos to one file; the suffix decides the format.

    ``.mp4`` and ``.gif`` show the videos side by side at their rate; ``.npy`` holds all values as float32; images are
    sheets with a row for each video: a strip of frames, then an x–t slice (see ``video_sheet``).

    Args:
        values: Videos (B, C, T, H, W) in −1 to 1; C is 1 or 3, or any number for .npy.
        path: The file.
        rate: Frames per second; at most 50 in a .gif.

    Raises:
        ConfigError: The suffix cannot be written, or the format cannot hold the rate.
        ShapeError: The array is empty, or the format cannot hold the channels.
        NonFiniteError: A value is NaN or infinite.
        WriteError: The path cannot be written.
        MissingDependency: PyAV or Pillow is not installed.

    Example:
        >>> write_videos(torch.zeros(4, 3, 16, 32, 32), "four.mp4", rate=8)
    """
    path = Path(path)
    suffix = known_suffix(path, (*ANIMATION_SUFFIXES, ".npy", *_IMAGES))
    values = _checked(values)
    if suffix in ANIMATION_SUFFIXES:
        write_animation(side_by_side(values), path, fps=rate)
    elif suffix == ".npy":
        with replacing(path) as temporary:
            np.save(temporary, values[0].numpy() if len(values) == 1 else values.numpy(), allow_pickle=False)
    else:
        write_image(video_sheet(values), path)


def write_interpolation(values: torch.Tensor, path: str | Path, *, rate: float, seconds: float) -> None:
    """Write an interpolation that plays while it changes: step k shows its video at k / rate seconds.

    After the last frame the video is played backward, then forward again, so that there is no jump.

    Args:
        values: Videos (K, C, T, H, W), one for each step.
        path: The file.
        rate: Steps per second.
        seconds: Length of the videos.

    Raises:
        ConfigError: The suffix cannot be written.

    Example:
        >>> write_interpolation(torch.zeros(24, 3, 16, 32, 32), "interpolation.gif", rate=12, seconds=2.0)
    """
    path = Path(path)
    suffix = known_suffix(path, (*ANIMATION_SUFFIXES, ".npy"))
    values = _checked(values)
    frames = values.shape[2]
    turns = (torch.arange(len(values)) / rate * frames / seconds).floor().long() % max(1, 2 * frames - 2)
    shown = torch.where(turns < frames, turns, 2 * frames - 2 - turns).clamp(min=0)
    video = values[torch.arange(len(values)), :, shown]
    if suffix == ".npy":
        with replacing(path) as temporary:
            np.save(temporary, video.numpy(), allow_pickle=False)
    else:
        write_animation(video, path, fps=rate)


def side_by_side(values: torch.Tensor) -> torch.Tensor:
    """Videos (B, C, T, H, W) as the frames of one video (T, C, H2, W2), in a grid that is as square as possible.

    Example:
        >>> side_by_side(torch.zeros(4, 3, 16, 32, 32)).shape
        torch.Size([16, 3, 64, 64])
    """
    return torch.stack([tile(frame) for frame in values.unbind(2)])


def video_sheet(values: torch.Tensor, *, gap: int = 2) -> torch.Tensor:
    """A sheet with a row for each video (B, C, T, H, W): eight evenly spaced frames, then an x–t slice.

    The slice is the middle row of every frame, the first on top, stretched to the height of the frames: an object at
    rest is upright, uniform motion is slanted, oscillation is wavy.

    Example:
        >>> video_sheet(torch.zeros(4, 3, 16, 32, 32)).shape
        torch.Size([3, 134, 304])
    """
    frames, rows = values.shape[2], values.shape[3]
    chosen = [round(i * (frames - 1) / (_STRIP - 1)) for i in range(_STRIP)] if frames >= _STRIP else range(frames)
    strip = list(values[:, :, list(chosen)].unbind(2))
    line = values[:, :, :, rows // 2]
    taller = line.repeat_interleave(math.ceil(rows / frames), dim=2)
    slices = torch.nn.functional.interpolate(taller, size=(rows, line.shape[-1]), mode="area")
    cells = rearrange([*strip, slices], "column b c h w -> (b column) c h w")
    return tile(cells, columns=len(strip) + 1, gap=gap)


def _checked(values: torch.Tensor) -> torch.Tensor:
    if values.numel() == 0 or values.ndim != 5:
        raise ShapeError(
            f"videos of shape {tuple(values.shape)} were to be written; expected (B, C, T, H, W), none of them 0"
        )
    if not torch.isfinite(values).all():
        raise NonFiniteError("The values to write hold NaN or infinity; expected -1 to 1. Check the model.")
    return values.detach().float().cpu()
