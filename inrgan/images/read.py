"""Pixels from the bytes of image and .npy files."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange, repeat
from jaxtyping import Shaped
from torch import Tensor

from inrgan.errors import ConfigError, DataError, NonFiniteError
from inrgan.images.coding import png_gamma, refuse_coding, with_gamma
from inrgan.images.color import keeps_colors, to_srgb
from inrgan.images.deep import is_deep_color, read_deep_color, reads_deep_color
from inrgan.images.formats import open_image, pillow
from inrgan.images.npy import channels_first, load_npy

MAX_PIXELS = 200_000_000

# Wide enough for values computed in single precision, far too narrow for another range.
_SLACK = 1e-5
_DEEP = ("I", "F", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class StoredImage:
    """An image with its values as they are stored in the file.

    Attributes:
        values: Shape (C, H, W), or (1, H, W) for a gray file of more than 8 bits.
        low: Stored value of the signal −1; NaN where the kind of number has no range of its own.
        high: Stored value of the signal 1, likewise.
        alpha: Whether the last channel of a full number of channels is alpha.
    """

    values: Shaped[np.ndarray, "C H W"]
    low: float
    high: float
    alpha: bool


def read_image(
    name: str, data: bytes, *, channels: int = 3, low: float | None = None, high: float | None = None
) -> Shaped[Tensor, "C H W"]:
    """Decode an image file.

    The EXIF orientation is applied, an ICC profile is converted to sRGB, and an animation gives its first frame.
    Transparent pixels are composited over white unless ``channels`` is 4. Gray is repeated to RGB; colors become gray
    by their luma (ITU-R 601). Only .npy files have other numbers of channels, which are never converted.

    Args:
        name: Name of the file, whose suffix identifies .npy files.
        data: Bytes of the file.
        channels: C: 1 for gray, 3 for RGB, 4 for RGBA; any with .npy.
        low: Stored value that becomes -1; the least possible one of the format when None. Smaller ones are clipped.
        high: Stored value that becomes 1, likewise; both or neither are given.

    Returns:
        Shape (C, H, W): uint8 from 0 to 255 for files of 8 bits, without ``low`` and ``high``; otherwise float32 from
        -1 to 1. Deeper files are those of 16 bits (0 to 65535), floating-point gray TIFF (-1 to 1) and .npy other than
        uint8. Colors of 16 bits are read with 8 where they have a profile other than sRGB, or PyAV is not installed.

    Raises:
        DataError: The file is damaged, not an image, over 200 megapixels, or has a wrong shape or range.
        NonFiniteError: The file holds NaN or infinity.
        ConfigError: ``channels`` is less than 1.
        MissingDependency: Pillow is not installed.

    Example:
        >>> read_image("a.png", Path("a.png").read_bytes(), channels=3).shape
        torch.Size([3, 256, 192])
    """
    return signal_of(name, read_stored(name, data, channels=channels), channels=channels, low=low, high=high)


def read_stored(name: str, data: bytes, *, channels: int = 3) -> StoredImage:
    """Decode an image file, with its values as they are stored.

    Args:
        name: Name of the file, whose suffix identifies .npy files.
        data: Bytes of the file.
        channels: C, as for ``read_image``.

    Raises:
        DataError: As for ``read_image``, but for the range.
        ConfigError: ``channels`` is less than 1.
        MissingDependency: Pillow is not installed.

    Example:
        >>> read_stored("a.npy", data, channels=5).values.shape
        (5, 64, 48)
    """
    if channels < 1:
        raise ConfigError(f"channels is {channels}; expected at least 1. Give 1, 3 or 4.")
    if name.lower().endswith(".npy"):
        return _read_npy(name, data, channels=channels)
    if channels not in (1, 3, 4):
        raise DataError(
            f"{name} was to be read with {channels} channels, which only .npy files can hold; "
            "expected 1, 3 or 4. Convert the data to .npy, or set another number of channels."
        )
    array = _read_pillow(name, data, channels)
    values = np.ascontiguousarray(rearrange(array, "y x c -> c y x"))
    return StoredImage(values, *_scale(values), alpha=channels == 4)


def signal_of(
    name: str, stored: StoredImage, *, channels: int, low: float | None = None, high: float | None = None
) -> Shaped[Tensor, "C H W"]:
    """Values of a stored image as ``read_image`` returns them.

    Args:
        name: Name of the file, for messages.
        stored: Image as stored.
        channels: C.
        low: Stored value that becomes -1, as for ``read_image``.
        high: Stored value that becomes 1.

    Raises:
        DataError: Values lie outside the range of the format, and ``low`` and ``high`` are not given.
        NonFiniteError: A value is NaN or infinite.

    Example:
        >>> signal_of("a.npy", stored, channels=5, low=0, high=4095).shape
        torch.Size([5, 64, 48])
    """
    values = stored.values
    if low is None or high is None:
        if values.dtype == np.uint8:
            return torch.from_numpy(values)
        if values.dtype.kind == "f":
            signal = check_floats(name, values)
        else:
            _check_integers(name, stored)
            signal = _scaled(values, stored.low, stored.high)
    else:
        if not np.isfinite(values).all():
            raise NonFiniteError(f"{name} holds NaN or infinity; expected finite numbers. Fix the file or remove it.")
        signal = _scaled(values, low, high)
        if stored.alpha and len(values) == channels:
            signal[-1] = _scaled(values[-1], stored.low, stored.high)
    if stored.alpha and len(values) == 1:
        signal = np.concatenate([repeat(signal, "1 y x -> 3 y x"), np.ones_like(signal)])
    elif len(values) < channels:
        signal = repeat(signal, "1 y x -> c y x", c=channels)
    return torch.from_numpy(np.ascontiguousarray(signal))


def _scale(values: np.ndarray) -> tuple[float, float]:
    """Stored values of the signals −1 and 1, by the kind of numbers."""
    if values.dtype == np.uint8:
        return 0.0, 255.0
    if values.dtype.kind == "f":
        return -1.0, 1.0
    return 0.0, 65535.0


def _check_integers(name: str, stored: StoredImage) -> None:
    """Raise DataError for integers that are not those of a 16-bit image."""
    least, most = int(stored.values.min()), int(stored.values.max())
    if math.isnan(stored.low):
        raise DataError(
            f"{name} holds {stored.values.dtype} from {least} to {most}; expected uint8, uint16, or floats in -1 to 1. "
            f"State their range (--low {least} --high {most}), or convert it to one of these."
        )
    if least < 0 or most > 65535:
        raise DataError(
            f"{name} holds integers from {least} to {most}; expected 0 to 65535. State their range (--low {least} "
            f"--high {most}), or save it with 16 bits."
        )


def _scaled(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Values mapped linearly from low to high onto -1 to 1 and clipped, as float32."""
    return np.clip((values.astype(np.float64) - low) * (2 / (high - low)) - 1, -1, 1).astype(np.float32)


def _read_pillow(name: str, data: bytes, channels: int) -> Shaped[np.ndarray, "H W C"]:
    Image = pillow()
    from PIL import ImageOps

    # Pillow's decoders fail in many ways on damaged files (OSError, SyntaxError, ValueError, struct.error and
    # more), which all mean the same to the user.
    try:
        with open_image(data) as image:
            width, height = image.size
            profile, array = image.info.get("icc_profile"), None
            refuse_coding(name, image, data)
            if width * height <= MAX_PIXELS:
                gamma = png_gamma(image)
                if is_deep_color(image) and reads_deep_color() and gamma is None and keeps_colors(image, profile):
                    array = read_deep_color(image, data, channels)
                if array is None:
                    ImageOps.exif_transpose(image, in_place=True)
                    array = _pixels(image, profile, gamma, channels)
    except DataError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise DataError(f"{name} has more pixels than Pillow accepts ({error}). Make it smaller.") from error
    except Image.UnidentifiedImageError as error:
        raise DataError(
            f"{name} is not an image file of a format that is read here, whatever its name says. Convert or remove it."
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
    return array


# Any, since Pillow is not imported when annotations are evaluated.
def _pixels(image: Any, profile: bytes | None, gamma: float | None, channels: int) -> Shaped[np.ndarray, "H W C"]:
    """Pixels in uint8 and sRGB, or one channel of a deeper gray image, whose values are data and keep their numbers."""
    if image.mode in _DEEP:
        return np.array(image)[..., None]
    image = to_srgb(image, profile) if gamma is None else with_gamma(image, gamma)
    if channels == 4:
        return np.array(image.convert("RGBA"))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = image.copy()
        white.paste((255, 255, 255, 255), (0, 0, *image.size))
        white.alpha_composite(image)
        image = white.convert("RGB")
    # Through RGB, since not all palettes and CMYK images convert to gray directly.
    mode = "L" if channels == 1 else "RGB"
    if image.mode not in ("1", "L", "RGB"):
        image = image.convert("RGB")
    array = np.array(image if image.mode == mode else image.convert(mode))
    return array[..., None] if channels == 1 else array


def _read_npy(name: str, data: bytes, *, channels: int) -> StoredImage:
    array = channels_first(name, load_npy(name, data), channels)
    if array.shape[1] * array.shape[2] > MAX_PIXELS:
        raise DataError(
            f"{name} has shape {array.shape}; expected at most {MAX_PIXELS} pixels. Make it smaller or cut it up."
        )
    native = array.dtype.newbyteorder("=")
    if native.kind not in "fuib":
        raise DataError(
            f"{name} holds {array.dtype}; expected uint8, uint16, or floats in -1 to 1. Convert it to one of these."
        )
    # A copy, since the bytes of the file are read-only and a tensor is not.
    values = np.array(array, dtype=np.uint8 if native.kind == "b" else native, order="C")
    low, high = _scale(values) if native in (np.uint8, np.uint16) or native.kind == "f" else (math.nan, math.nan)
    return StoredImage(values, low, high, alpha=False)


def check_range(low: float | None, high: float | None) -> None:
    """Raise ConfigError unless both ends of a range are given, finite and in order, or neither is."""
    if low is None and high is None:
        return
    if low is None or high is None:
        raise ConfigError(f"low is {low} and high is {high}; give both --low and --high, or neither")
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ConfigError(f"low is {low} and high is {high}; expected two numbers, low below high")


def check_floats(name: str, array: np.ndarray) -> np.ndarray:
    """Floats in -1 to 1 as float32; raises NonFiniteError or DataError for others."""
    if not np.isfinite(array).all():
        raise NonFiniteError(f"{name} holds NaN or infinity; expected finite numbers. Fix the file or remove it.")
    low, high = float(array.min()), float(array.max())
    if max(-low, high) > 1 + _SLACK:
        raise DataError(
            f"{name} holds floats from {low:.4g} to {high:.4g}; expected -1 to 1. State their range (--low and --high, "
            "where there are such flags), rescale it, or save it as uint8."
        )
    return np.ascontiguousarray(array.clip(-1, 1), dtype=np.float32)
