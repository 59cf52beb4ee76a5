"""Pixels from the bytes of image and .npy files."""

import io
import math
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Shaped
from torch import Tensor

from inrgan.errors import ConfigError, DataError, MissingDependency, NonFiniteError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".npy")
MAX_PIXELS = 200_000_000

# Named, so that Pillow never tries formats for which it starts other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
# Wide enough for values computed in single precision, far too narrow for another range.
_SLACK = 1e-5
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


def read_image(name: str, data: bytes, *, channels: int = 3) -> Shaped[Tensor, "C H W"]:
    """Decode an image file.

    The EXIF orientation is applied, and an animation gives its first frame. Transparent pixels are composited over
    white unless ``channels`` is 4. Gray is repeated to RGB; colors become gray by their luma (ITU-R 601). Only .npy
    files have other numbers of channels, which are never converted.

    Args:
        name: Name of the file, whose suffix identifies .npy files.
        data: Bytes of the file.
        channels: C: 1 for gray, 3 for RGB, 4 for RGBA; any with .npy.

    Returns:
        Shape (C, H, W): uint8 from 0 to 255 for files of 8 bits; float32 from -1 to 1 for deeper ones, which are
        16-bit gray (0 to 65535), floating-point gray TIFF (-1 to 1) and .npy other than uint8. Pillow reads 16-bit
        color with 8 bits.

    Raises:
        DataError: The file is damaged, not an image, over 200 megapixels, or has a wrong shape or range.
        NonFiniteError: The file holds NaN or infinity.
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
    # more), which all mean the same to the user.
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
    return torch.from_numpy(np.ascontiguousarray(rearrange(array, "y x c -> c y x")))


# Any, since Pillow is not imported when annotations are evaluated.
def _pixels(image: Any, channels: int) -> np.ndarray:
    """Pixels (H, W, C) in uint8, or (H, W, 1) of a deeper gray image."""
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
    # Through RGB, since not all palettes and CMYK images convert to gray directly.
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    return np.array(image.convert("L"))[..., None] if channels == 1 else np.array(image.convert("RGB"))


def _deep(name: str, array: np.ndarray, channels: int) -> np.ndarray:
    """Deep gray (H, W, 1) as (H, W, C) in -1 to 1."""
    if array.dtype.kind == "f":
        gray = check_floats(name, array)
    elif array.min() >= 0 and array.max() <= 65535:
        gray = scale_16_bits(array)
    else:
        raise DataError(
            f"{name} holds integers from {array.min()} to {array.max()}; expected 0 to 65535. Save it with 16 bits."
        )
    gray = repeat(gray, "y x 1 -> y x c", c=min(channels, 3))
    return gray if channels < 4 else np.concatenate([gray, np.ones_like(gray[..., :1])], axis=2)


def read_npy(name: str, data: bytes, *, channels: int, max_pixels: int) -> Shaped[Tensor, "C H W"]:
    """Pixels of a .npy file of shape (C, H, W), (H, W, C) or, for one channel, (H, W).

    Args:
        name: Name of the file, for messages.
        data: Bytes of the file.
        channels: C.
        max_pixels: Largest H times W.

    Returns:
        uint8 0 to 255 as stored; uint16 0 to 65535 and floats -1 to 1 as float32 in -1 to 1. Shape (C, H, W).

    Raises:
        DataError: The file is not a plain .npy file, has another shape or dtype, or floats outside -1 to 1.
        NonFiniteError: The file holds NaN or infinity.

    Example:
        >>> read_npy("a.npy", data, channels=5, max_pixels=10**6).shape
        torch.Size([5, 64, 48])
    """
    array = _channels_first(name, load_npy(name, data), channels)
    if math.prod(array.shape[1:]) > max_pixels:
        raise DataError(
            f"{name} has shape {array.shape}; expected at most {max_pixels} pixels. Make it smaller or cut it up."
        )
    if array.dtype == np.uint8:
        # A copy, since the bytes of the file are read-only and a tensor is not.
        return torch.from_numpy(np.array(array, order="C"))
    if array.dtype.newbyteorder("=") == np.uint16:
        return torch.from_numpy(scale_16_bits(array))
    if array.dtype.kind == "f":
        return torch.from_numpy(check_floats(name, array))
    raise DataError(
        f"{name} holds {array.dtype}; expected uint8, uint16, or floats in -1 to 1. Convert it to one of these."
    )


def scale_16_bits(array: np.ndarray) -> np.ndarray:
    """Integers from 0 to 65535 as float32 in -1 to 1."""
    return np.ascontiguousarray(array.astype(np.float64) / 32767.5 - 1, dtype=np.float32)


def check_floats(name: str, array: np.ndarray) -> np.ndarray:
    """Floats in -1 to 1 as float32; raises NonFiniteError or DataError for others."""
    if not np.isfinite(array).all():
        raise NonFiniteError(f"{name} holds NaN or infinity; expected finite numbers. Fix the file or remove it.")
    low, high = float(array.min()), float(array.max())
    if max(-low, high) > 1 + _SLACK:
        raise DataError(
            f"{name} holds floats from {low:.4g} to {high:.4g}; expected -1 to 1. Rescale it, or save it as uint8."
        )
    return np.ascontiguousarray(array.clip(-1, 1), dtype=np.float32)


def load_npy(name: str, data: bytes) -> np.ndarray:
    """The array of a .npy file's bytes; nothing in the file is executed.

    Raises:
        DataError: The file is not a plain .npy file, cut short, empty, or does not hold numbers.

    Example:
        >>> load_npy("a.npy", data).shape
        (5, 64, 48)
    """
    # The header is read separately: no pickle is ever loaded, and a header that promises more than the file holds
    # cannot reserve memory.
    file = io.BytesIO(data)
    try:
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except Exception as error:  # the header is parsed as Python's literals, by a tokenizer with errors of its own
        raise DataError(f"{name} is not a complete .npy file ({error}); expected one from numpy.save.") from error
    if dtype.hasobject or dtype.itemsize == 0:
        raise DataError(f"{name} holds {dtype}; expected uint8, uint16 or floats. Save plain numbers.")
    count = math.prod(shape)
    if min(shape, default=0) < 1:
        raise DataError(f"{name} has shape {shape}; expected at least one pixel. Remove the file.")
    if count * dtype.itemsize > len(data) - file.tell():
        raise DataError(f"{name} is cut short: its header promises shape {shape}. Copy or make it again.")
    return np.frombuffer(data, dtype, count, file.tell()).reshape(shape, order="F" if fortran else "C")


def _channels_first(name: str, array: np.ndarray, channels: int) -> np.ndarray:
    if array.ndim == 2 and channels == 1:
        return array[None]
    first = array.ndim == 3 and array.shape[0] == channels
    last = array.ndim == 3 and array.shape[2] == channels
    if first != last:
        return array if first else rearrange(array, "y x c -> c y x")
    plain = ", or (H, W)" * (channels == 1)
    state = "may have its channels first or last" if first else "does not fit"
    raise DataError(
        f"{name} has shape {array.shape}, which {state}; "
        f"expected ({channels}, H, W) or (H, W, {channels}){plain}. "
        "Reshape it, or set another number of channels."
    )
