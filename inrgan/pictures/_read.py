"""Pixels from an image file's bytes."""

import io
from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from inrgan.errors import ConfigError, DataError, MissingDependency
from inrgan.pictures._npy import check_floats, read_npy, scale_16_bits

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".npy")
MAX_PIXELS = 200_000_000

# Named, so that Pillow never tries formats for which it starts other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_image(name: str, data: bytes, *, channels: int = 3) -> Shaped[Tensor, "C H W"]:
    """Decode an image file.

    The EXIF orientation is applied, and of an animation the first frame is taken. Transparent pixels are laid
    over white unless ``channels`` is 4. Grey is repeated into colours; colours become grey by their luma
    (ITU-R 601). Other channel counts come from .npy files alone, whose channels are never converted.

    Args:
        name: The file's name; its suffix tells .npy files from the rest.
        data: The file's bytes.
        channels: C: 1 grey, 3 RGB, 4 RGBA; any with .npy.

    Returns:
        Shape (C, H, W). Files of 8 bits give uint8 in 0 to 255. Deeper ones, which are 16-bit grey (0 to
        65535), floating-point grey TIFF (-1 to 1) and .npy other than uint8, give float32 in -1 to 1. Pillow
        reads 16-bit colour with 8 bits.

    Raises:
        DataError: The file is damaged, no image, over 200 megapixels, or of the wrong shape or range.
        NonFiniteError: It holds NaN or infinity.
        ConfigError: ``channels`` is less than 1.
        MissingDependency: Pillow is not installed.

    Example:
        >>> read_image("a.png", Path("a.png").read_bytes(), channels=3).shape
        torch.Size([3, 256, 192])
    """
    if channels < 1:
        raise ConfigError(f"channels is {channels}; expected at least 1. Give 1, 3 or 4.")
    if name.lower().endswith(".npy"):
        return read_npy(name, data, channels=channels, max_pixels=MAX_PIXELS)
    if channels not in (1, 3, 4):
        raise DataError(
            f"{name} was to be read with {channels} channels, which only .npy files can hold; "
            "expected 1, 3 or 4. Convert the data to .npy, or set another number of channels."
        )
    return _read_pillow(name, data, channels)


def _read_pillow(name: str, data: bytes, channels: int) -> Shaped[Tensor, "C H W"]:
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingDependency("Pillow", extra="image", why="Reading images") from error
    # Pillow's decoders fail in many ways on damaged files (OSError, SyntaxError, ValueError, struct.error and
    # more); all of them mean the same to the user.
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            width, height = image.size
            if width * height <= MAX_PIXELS:
                array = _pixels(ImageOps.exif_transpose(image), channels)
            else:
                array = None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} has more pixels than Pillow accepts ({error}). Make it smaller.") from error
    except Image.UnidentifiedImageError as error:
        raise DataError(
            f"{name} is not an image file, whatever its name says; expected one of {' '.join(_FORMATS)}. Remove it."
        ) from error
    except Exception as error:
        raise DataError(
            f"{name} is damaged or cut short ({type(error).__name__}: {error}). Copy or download it "
            "again, or remove it."
        ) from error
    if array is None:
        raise DataError(
            f"{name} is {width} x {height} pixels; expected at most {MAX_PIXELS // 10**6} megapixels. Make it smaller."
        )
    if array.dtype != np.uint8:
        array = _deep(name, array, channels)
    return torch.from_numpy(np.ascontiguousarray(array.transpose(2, 0, 1)))


# Any, since Pillow is not imported when the annotations are looked at.
def _pixels(image: Any, channels: int) -> np.ndarray:
    """Return (H, W, C) uint8, or (H, W, 1) of a deeper grey image."""
    if image.mode in _DEEP:
        return np.array(image)[..., None]
    if channels == 4:
        return np.array(image.convert("RGBA"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = image.copy()
        white.paste((255, 255, 255, 255), (0, 0, *image.size))
        white.alpha_composite(image)
        image = white.convert("RGB")
    # By way of RGB, since palettes and CMYK do not all convert to grey directly.
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return np.array(image.convert("L"))[..., None] if channels == 1 else np.array(image.convert("RGB"))


def _deep(name: str, array: np.ndarray, channels: int) -> np.ndarray:
    """Bring (H, W, 1) deep grey to (H, W, C) in -1 to 1."""
    if array.dtype.kind == "f":
        grey = check_floats(name, array)
    elif array.min() >= 0 and array.max() <= 65535:
        grey = scale_16_bits(array)
    else:
        raise DataError(
            f"{name} holds integers from {array.min()} to {array.max()}; expected 0 to 65535. Save it with 16 bits."
        )
    grey = np.repeat(grey, min(channels, 3), axis=2)
    return grey if channels < 4 else np.concatenate([grey, np.ones_like(grey[..., :1])], axis=2)
