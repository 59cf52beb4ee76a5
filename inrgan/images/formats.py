"""Image formats: which are read here, and opening one with Pillow."""

import functools
import importlib.util
import io
from types import ModuleType
from typing import Any

from inrgan.errors import MissingDependency

SUFFIXES = (
    ".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".npy",
)  # fmt: skip
"""Suffixes that are read everywhere."""
AVIF, HEIF = (".avif",), (".heic", ".heif")
# Named, so that Pillow never tries formats for which it starts other programs.
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")


def image_suffixes() -> tuple[str, ...]:
    """Suffixes of image files that are read with the libraries that are installed.

    Example:
        >>> ".jfif" in image_suffixes()
        True
    """
    return (*SUFFIXES, *(suffix for suffix in (*AVIF, *HEIF) if suffix not in unread_suffixes()))


def unread_suffixes() -> dict[str, str]:
    """Suffixes of image files that are not read here, and why.

    Example:
        >>> sorted(set(unread_suffixes()) - {".avif", ".heic", ".heif"})
        []
    """
    found = {}
    if not _has_avif():
        found |= dict.fromkeys(AVIF, "this Pillow reads no AVIF; upgrade it to 11.3 or later, or convert the files")
    if importlib.util.find_spec("pillow_heif") is None:
        found |= dict.fromkeys(HEIF, "pillow-heif is not installed: pip install pillow-heif")
    return found


# Any, since Pillow is not imported when annotations are evaluated.
def open_image(data: bytes) -> Any:
    """The Pillow image of a file's bytes, whose pixels are not decoded yet; raises Pillow's many errors.

    Raises:
        MissingDependency: Pillow is not installed.
    """
    return pillow().open(io.BytesIO(data), formats=_formats())


def pillow() -> ModuleType:
    """The module ``PIL.Image``.

    Raises:
        MissingDependency: Pillow is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependency("Pillow", extra="image", why="Reading images") from error
    return Image


@functools.cache
def _formats() -> tuple[str, ...]:
    """Names of Pillow's formats that are tried."""
    found = [*_FORMATS, *(["AVIF"] if _has_avif() else [])]
    if importlib.util.find_spec("pillow_heif") is not None:
        importlib.import_module("pillow_heif").register_heif_opener()
        found.append("HEIF")
    return tuple(found)


@functools.cache
def _has_avif() -> bool:
    try:
        from PIL import features
    except ImportError:
        return True  # reported when a file is read
    return "avif" in features.get_supported_modules()
