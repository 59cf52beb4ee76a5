"""Image files, sheets of images, and animations."""

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, UInt8
from torch import Tensor

from inrgan.errors import ConfigError, MissingDependency, NonFiniteError, ShapeError
from inrgan.files import known_suffix, replacing

WRITE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".npy")
ANIMATION_SUFFIXES = (".gif", ".mp4")
# GIF counts in hundredths of a second, and viewers slow down what is shorter than two of them.
_FASTEST_GIF = 50
_BT709, _LIMITED = 1, 1
"""Number of BT.709 as matrix, primaries and transfer, and of the range of television, in video files."""

# Everything is kept that the format can keep; JPEG alone always loses some.
_OPTIONS = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
    ".webp": ("WEBP", {"lossless": True}),
}


def to_bytes(values: Float[Tensor, "..."]) -> UInt8[Tensor, "..."]:
    """Round -1 to 1 to 0 to 255, clamping what lies outside.

    Raises:
        NonFiniteError: a value is NaN or infinite.

    Example:
        >>> to_bytes(torch.zeros(3, 8, 8)).shape
        torch.Size([3, 8, 8])
    """
    if not torch.isfinite(values).all():
        raise NonFiniteError("The values to write hold NaN or infinity; expected -1 to 1. Check the model.")
    return ((values.detach().float() + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def write_image(values: Float[Tensor, "C H W"], path: str | Path) -> None:
    """Write one image, in the format of the path's suffix.

    The file appears complete or not at all, and a missing folder is created. Values outside -1 to 1 are clamped.
    .npy files hold float32 in -1 to 1, all others are rounded to 8 bits.

    Args:
        values: Shape (C, H, W), in -1 to 1. C is 1 (gray), 3 (RGB) or 4 (RGBA, not for JPEG); any for .npy.
        path: Path that ends in .png, .jpg, .jpeg, .tif, .tiff, .webp or .npy.

    Raises:
        ConfigError: The suffix is none of these.
        WriteError: The path cannot be written.
        ShapeError: The format cannot hold C channels, or there are no pixels.
        NonFiniteError: A value is NaN or infinite.
        MissingDependency: Pillow is not installed.

    Example:
        >>> write_image(torch.zeros(3, 64, 48), "grey.png")
    """
    path = Path(path)
    suffix = known_suffix(path, WRITE_SUFFIXES)
    if values.numel() == 0:
        raise ShapeError(f"An image of shape {tuple(values.shape)} cannot be written; expected at least one pixel.")
    pixels = to_bytes(values)
    if suffix == ".npy":
        array = values.detach().float().clamp(-1, 1).cpu().numpy()
        with replacing(path) as temporary:
            np.save(temporary, array, allow_pickle=False)
        return
    name, options = _OPTIONS[suffix]
    allowed = (1, 3) if name == "JPEG" else (1, 3, 4)
    if values.shape[0] not in allowed:
        raise ShapeError(
            f"{path.name} cannot hold {values.shape[0]} channels; "
            f"{name} holds {' or '.join(map(str, allowed))}. Write .npy, or choose channels."
        )
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependency("Pillow", extra="image", why="Writing images") from error
    array = rearrange(pixels, "c y x -> y x c").cpu().numpy()
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    with replacing(path) as temporary:
        image.save(temporary, format=name, **options)


def tile(values: Float[Tensor, "B C H W"], *, columns: int | None = None, gap: int = 0) -> Float[Tensor, "C H2 W2"]:
    """A sheet of images in a grid, row by row; gaps and empty cells are white (+1).

    Args:
        values: Shape (B, C, H, W), in -1 to 1.
        columns: Images per row; as square a grid as possible when None.
        gap: Pixels between neighbours.

    Returns:
        Shape (C, rows * H + (rows - 1) * gap, columns * W + (columns - 1) * gap).

    Raises:
        ShapeError: B is 0.
        ConfigError: ``columns`` is less than 1 or ``gap`` negative.

    Example:
        >>> tile(torch.zeros(6, 3, 32, 32), columns=3, gap=2).shape
        torch.Size([3, 66, 100])
    """
    b, c, h, w = values.shape
    if b == 0:
        raise ShapeError("A grid of 0 images was asked for; expected at least 1.")
    columns = math.ceil(math.sqrt(b)) if columns is None else columns
    if columns < 1 or gap < 0:
        raise ConfigError(f"columns is {columns} and gap {gap}; expected columns >= 1 and gap >= 0. Change them.")
    rows = -(-b // columns)
    cells = values.new_ones(rows * columns, c, h + gap, w + gap)
    cells[:b, :, :h, :w] = values
    grid = rearrange(cells, "(rows columns) c y x -> c (rows y) (columns x)", rows=rows)
    return grid[:, : grid.shape[1] - gap, : grid.shape[2] - gap].contiguous()


def write_animation(frames: Float[Tensor, "T C H W"], path: str | Path, *, fps: float) -> None:
    """Write frames as a GIF or an MP4, by the path's suffix.

    A GIF has 256 colors per frame, repeats forever, and joins equal neighboring frames into a longer one.
    An MP4 is H.264 (MPEG-4 part 2 if PyAV has no libx264) with halved color resolution; the last column or
    row is repeated to make an odd size even. It is converted by the matrix of BT.709 to the limited range, and says so,
    with the primaries and transfer of BT.709. The file appears complete or not at all.

    Args:
        frames: Shape (T, C, H, W), in -1 to 1, clamped. C is 1 or 3.
        path: Path that ends in .gif or .mp4.
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
            f"Frames of shape {tuple(frames.shape)} cannot be written; expected (T, 1 or 3, H, W) with T >= 1."
        )
    array = rearrange(to_bytes(frames).expand(-1, 3, -1, -1), "t c y x -> t y x c").cpu().numpy()
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
        context = stream.codec_context
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED
        if x264:
            stream.options = {"crf": "16"}
        else:
            stream.bit_rate = max(10**6, int(fps * stream.height * stream.width))
        for frame in array:
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")
            # The range of RGB has to be said: otherwise it is taken as limited already.
            picture = picture.reformat(
                format="yuv420p", src_color_range="JPEG", dst_colorspace="ITU709", dst_color_range="MPEG"
            )
            picture.colorspace, picture.color_range = _BT709, _LIMITED
            container.mux(stream.encode(picture))
        container.mux(stream.encode())
