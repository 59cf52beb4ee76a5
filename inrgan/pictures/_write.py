"""Pixels to an image file, and many images to one."""

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ConfigError, MissingDependency, ShapeError
from inrgan.files import known_suffix, replacing
from inrgan.values import to_bytes

WRITE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".npy")

# Everything is kept that the format can keep; JPEG alone always loses some.
_OPTIONS = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".tif": ("TIFF", {"compression": "tiff_deflate"}),
    ".tiff": ("TIFF", {"compression": "tiff_deflate"}),
    ".webp": ("WEBP", {"lossless": True}),
}


def write_image(values: Float[Tensor, "C H W"], path: str | Path) -> None:
    """Write one image; the path's suffix names the format.

    The file appears whole or not at all, and a missing folder is created. Values outside -1 to 1 are clamped.
    .npy files hold float32 in -1 to 1, all others are rounded to 8 bits.

    Args:
        values: Shape (C, H, W), in -1 to 1. C is 1 (grey), 3 (RGB) or 4 (RGBA, not for JPEG); any for .npy.
        path: Ends in .png, .jpg, .jpeg, .tif, .tiff, .webp or .npy.

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
        raise ShapeError(f"An image of shape {tuple(values.shape)} was to be written; expected at least one pixel.")
    whole = to_bytes(values)
    if suffix == ".npy":
        array = values.detach().float().clamp(-1, 1).cpu().numpy()
        with replacing(path) as temporary:
            np.save(temporary, array, allow_pickle=False)
        return
    name, options = _OPTIONS[suffix]
    allowed = (1, 3) if name == "JPEG" else (1, 3, 4)
    if values.shape[0] not in allowed:
        raise ShapeError(
            f"{path.name} was to hold {values.shape[0]} channels; "
            f"{name} holds {' or '.join(map(str, allowed))}. Write .npy, or choose channels."
        )
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependency("Pillow", extra="image", why="Writing images") from error
    array = whole.permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)
    with replacing(path) as temporary:
        image.save(temporary, format=name, **options)


def tile(values: Float[Tensor, "B C H W"], *, columns: int | None = None, gap: int = 0) -> Float[Tensor, "C H2 W2"]:
    """Lay images out in a grid, row by row; gaps and empty cells are white (+1).

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
    grid = cells.reshape(rows, columns, c, h + gap, w + gap).permute(2, 0, 3, 1, 4)
    grid = grid.reshape(c, rows * (h + gap), columns * (w + gap))
    return grid[:, : grid.shape[1] - gap, : grid.shape[2] - gap].contiguous()
