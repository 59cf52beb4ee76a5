"""Frames to a moving picture."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ConfigError, MissingDependency, ShapeError
from inrgan.files import known_suffix, replacing
from inrgan.values import to_bytes

ANIMATION_SUFFIXES = (".gif", ".mp4")
# GIF counts in hundredths of a second, and viewers slow down what is shorter than two of them.
_FASTEST_GIF = 50


def write_animation(frames: Float[Tensor, "T C H W"], path: str | Path, *, fps: float) -> None:
    """Write frames as a GIF or an MP4; the path's suffix names the format.

    A GIF has 256 colours per frame, repeats for ever, and joins equal neighbouring frames into a longer one.
    An MP4 is H.264 (MPEG-4 part 2 where PyAV has no libx264) with halved colour resolution; a last column or
    row is repeated to make an odd size even. The file appears whole or not at all.

    Args:
        frames: Shape (T, C, H, W), in -1 to 1, clamped. C is 1 or 3.
        path: Ends in .gif or .mp4.
        fps: Frames per second; at most 50 for GIF.

    Raises:
        ConfigError: The suffix is neither, or ``fps`` is out of range.
        WriteError: The path cannot be written.
        ShapeError: There is no frame, or C is neither 1 nor 3.
        NonFiniteError: A value is NaN or infinite.
        MissingDependency: Pillow (GIF) or PyAV (MP4) is not installed.

    Example:
        >>> write_animation(torch.zeros(24, 3, 64, 64), "still.mp4", fps=24)
    """
    path = Path(path)
    suffix = known_suffix(path, ANIMATION_SUFFIXES)
    if not 0 < fps <= (_FASTEST_GIF if suffix == ".gif" else 1000):
        raise ConfigError(f"fps is {fps}; expected 0 to {_FASTEST_GIF} for .gif, to 1000 for .mp4. Change it.")
    if frames.numel() == 0 or frames.shape[1] not in (1, 3):
        raise ShapeError(
            f"Frames of shape {tuple(frames.shape)} were to be written; expected (T, 1 or 3, H, W) with T >= 1."
        )
    array = to_bytes(frames).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).cpu().numpy()
    if suffix == ".gif":
        _write_gif(array, path, fps)
    else:
        _write_mp4(array, path, fps)


def _write_gif(array: np.ndarray, path: Path, fps: float) -> None:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependency("Pillow", extra="image", why="Writing GIFs") from error
    # Differences of rounded times, so that rounding does not add up over a long animation.
    times = [round(100 * i / fps) for i in range(len(array) + 1)]
    durations = [10 * (end - start) for start, end in pairwise(times)]
    first, *rest = [Image.fromarray(np.ascontiguousarray(frame)) for frame in array]
    with replacing(path) as temporary:
        first.save(temporary, format="GIF", save_all=True, append_images=rest, duration=durations, loop=0)


def _write_mp4(array: np.ndarray, path: Path, fps: float) -> None:
    try:
        import av
    except ImportError as error:
        raise MissingDependency("PyAV", extra="image", why="Writing MP4 files") from error
    # Two bytes are all that MPEG-4 has for the parts of a frame rate.
    rate = Fraction(fps).limit_denominator(60)
    height, width = array.shape[1:3]
    array = np.pad(array, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    x264 = "libx264" in av.codecs_available
    with replacing(path) as temporary, av.open(str(temporary), "w", format="mp4") as container:
        stream = container.add_stream("libx264" if x264 else "mpeg4", rate=rate)
        stream.height, stream.width = array.shape[1:3]
        stream.pix_fmt = "yuv420p"
        if x264:
            stream.options = {"crf": "16"}
        else:
            stream.bit_rate = max(10**6, int(fps * stream.height * stream.width))
        for frame in array:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
