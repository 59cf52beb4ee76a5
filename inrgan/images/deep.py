"""Colors of 16 bits, which Pillow reads with 8; PyAV reads all."""

import importlib
import importlib.util
from typing import Any

import numpy as np
from einops import rearrange
from jaxtyping import UInt16

_WHITE = 65535
_CODECS = {"PNG": "png", "TIFF": "tiff"}
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: rearrange(a, "y x c -> x y c"),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: rearrange(a[::-1, ::-1], "y x c -> x y c"),
    8: lambda a: np.rot90(a),
}
"""What undoes each EXIF orientation."""
_LUMA = np.array([0.299, 0.587, 0.114])


# Any, since Pillow is not imported when annotations are evaluated.
def is_deep_color(image: Any) -> bool:
    """Whether a Pillow image that is not decoded yet is stored with colors, or gray and alpha, of 16 bits."""
    return (
        image.format in _CODECS and image.mode in ("RGB", "RGBA", "LA") and any(";16" in str(t[3]) for t in image.tile)
    )


def reads_deep_color() -> bool:
    """Whether PyAV is installed."""
    return importlib.util.find_spec("av") is not None


def read_deep_color(image: Any, data: bytes, channels: int) -> UInt16[np.ndarray, "H W C"] | None:
    """Pixels of 16 bits, upright, with alpha composited over white unless it is asked for.

    Args:
        image: Pillow image of the file, not decoded yet.
        data: Bytes of the file.
        channels: C: 1, 3 or 4.

    Returns:
        Values from 0 to 65535; None where PyAV does not read them with 16 bits.

    Example:
        >>> read_deep_color(image, data, 3).shape
        (64, 48, 3)
    """
    orientation = image.getexif().get(_ORIENTATION)
    codec = _CODECS[image.format]
    image.load()  # raises for files that are cut short, of which PyAV reads the beginning
    av: Any = importlib.import_module("av")
    context = av.CodecContext.create(codec, "r")
    frames = [*context.decode(av.Packet(data)), *context.decode(None)]
    if not frames or not frames[0].format.name.startswith(("rgb48", "rgba64", "ya16")):
        return None
    frame = frames[0].reformat(format="rgba64le") if frames[0].format.name.startswith("ya16") else frames[0]
    array = _UPRIGHT.get(orientation, lambda a: a)(frame.to_ndarray())
    if channels == 4:
        opaque = np.full_like(array[..., :1], _WHITE)
        return array if array.shape[2] == 4 else np.concatenate([array, opaque], axis=2)
    colors = array[..., :3].astype(np.float64)
    if array.shape[2] == 4:
        weight = array[..., 3:] / _WHITE
        colors = weight * colors + (1 - weight) * _WHITE
    if channels == 1:
        colors = (colors @ _LUMA)[..., None]
    return np.round(colors).astype(np.uint16)
