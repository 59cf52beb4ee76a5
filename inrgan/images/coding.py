"""Codings of color beside profiles: CICP code points of AVIF, HEIF and PNG, and the gamma of PNG."""

import struct
from typing import Any

from inrgan.errors import DataError

_TRANSFERS = {16: "PQ", 18: "HLG"}
_PRIMARIES = {9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
_BOX = b"colrnclx"
_SRGB_GAMMA, _SAME = 1 / 2.2, 0.05


# Any, since Pillow is not imported when annotations are evaluated.
def refuse_coding(name: str, image: Any, data: bytes) -> None:
    """Refuse images whose colors are not those that Pillow returns.

    Args:
        name: Name of the file.
        image: Pillow image of the file.
        data: Bytes of the file.

    Raises:
        DataError: The image is HDR, or of a wide gamut without a profile.
    """
    found = _png_code(data) if image.format == "PNG" else _box_code(data) if image.format in ("AVIF", "HEIF") else None
    if found is None:
        return
    primaries, transfer = found
    if transfer in _TRANSFERS:
        raise DataError(f"{name} is HDR ({_TRANSFERS[transfer]}); expected sRGB. Convert it with a tone mapping.")
    if primaries in _PRIMARIES and not image.info.get("icc_profile"):
        raise DataError(
            f"{name} has the primaries of {_PRIMARIES[primaries]} and no profile; expected sRGB. Convert it."
        )


def png_gamma(image: Any) -> float | None:
    """Gamma of a PNG file that viewers apply; None where there is none, or that of sRGB.

    Example:
        >>> png_gamma(Image.open("photo.jpg")) is None
        True
    """
    gamma = image.info.get("gamma")
    if not gamma or image.format != "PNG" or "srgb" in image.info or "icc_profile" in image.info:
        return None
    return None if abs(gamma / _SRGB_GAMMA - 1) < _SAME else float(gamma)


def with_gamma(image: Any, gamma: float) -> Any:
    """An image whose values are light to the power of ``gamma``, as sRGB; alpha stays."""
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    light = [(k / 255) ** (1 / gamma) for k in range(256)]
    curve = [round(255 * (12.92 * x if x <= 0.0031308 else 1.055 * x ** (1 / 2.4) - 0.055)) for x in light]
    return image.point(curve * 3 + list(range(256)) * (image.mode == "RGBA"))


def _png_code(data: bytes) -> tuple[int, int] | None:
    place = 8
    while place + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        if kind == b"cICP" and size == 4:
            return data[place + 8], data[place + 9]
        if kind == b"IDAT":
            return None
        place += size + 12
    return None


def _box_code(data: bytes) -> tuple[int, int] | None:
    place = data.find(_BOX, 0, 1 << 16)
    if place < 0 or place + 12 > len(data):
        return None
    primaries, transfer = struct.unpack_from(">HH", data, place + len(_BOX))
    return primaries, transfer
