"""Folders of frames, and animated WebP, read by Pillow. Part of the reader process, which imports nothing of inrgan."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from _video_decoding import Refused

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
_MAX_PIXELS = 100_000_000
_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_USUAL_MILLISECONDS = 100
"""Duration of a frame that states none, or less than 10 ms, as browsers show it."""


def folder_index(files: Sequence[str]) -> dict[str, Any]:
    """The index of a folder of frames, from the headers of all images."""
    from PIL import Image

    first = None
    for n, path in enumerate(files):
        try:
            with Image.open(path, formats=_FORMATS) as image:
                if getattr(image, "n_frames", 1) > 1:
                    raise Refused(f"image {n} of it has several frames or pages itself")
                columns, rows = image.size
                if image.getexif().get(_ORIENTATION) in _TURNED:
                    rows, columns = columns, rows
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise Refused(f"image {n} of it cannot be read ({error})".splitlines()[0]) from None
        first = first or (rows, columns)
        if (rows, columns) != first:
            raise Refused(f"image {n} is {columns} x {rows} and the first {first[1]} x {first[0]}")
    assert first is not None, "a folder of frames holds images"
    return {"times": [], "stamps": [], "keys": [], "rows": first[0], "columns": first[1], "lost": 0}


def folder_frames(request: dict[str, Any], wanted: Sequence[int]) -> list[np.ndarray]:
    """Images of a folder by number."""
    return [_image(request["files"][n]) for n in wanted]


def _image(path: str) -> np.ndarray:
    from PIL import Image, ImageOps

    with Image.open(path, formats=_FORMATS) as image:
        _check(image)
        return _over_white(ImageOps.exif_transpose(image))


def animation_index(path: str) -> dict[str, Any]:
    """The index of an animated WebP, which FFmpeg does not read."""
    from PIL import Image, ImageSequence

    with Image.open(path, formats=("WEBP",)) as image:
        _check(image)
        columns, rows = image.size
        durations = []
        for frame in ImageSequence.Iterator(image):
            frame.load()
            stated = int(frame.info.get("duration", 0))
            durations.append(stated if stated >= 10 else _USUAL_MILLISECONDS)
    if len(durations) == 1:
        raise Refused("it holds one frame only, which is an image and no video")
    times = [t / 1000 for t in itertools.accumulate(durations[:-1], initial=0)]
    return {
        "times": times, "stamps": list(range(len(times))), "keys": [0], "rows": rows, "columns": columns, "lost": 0,
        "pillow": True,
    }  # fmt: skip


def animation_frames(request: dict[str, Any], wanted: Sequence[int]) -> list[np.ndarray]:
    """Frames of an animated WebP by number."""
    from PIL import Image

    out = []
    with Image.open(request["path"], formats=("WEBP",)) as image:
        for n in wanted:
            image.seek(n)
            out.append(_over_white(image))
    return out


def _check(image: Any) -> None:
    if image.width * image.height > _MAX_PIXELS:
        raise Refused(f"it is {image.width} x {image.height} pixels")


def _over_white(image: Any) -> np.ndarray:
    """Pixels (H, W, 3); alpha is composited over white."""
    from PIL import Image

    if not image.has_transparency_data:
        return np.asarray(image.convert("RGB"))
    shown = image.convert("RGBA")
    return np.asarray(Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown).convert("RGB"))
