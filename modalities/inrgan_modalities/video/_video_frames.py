"""Frames of a video by number. Part of the reader process, which imports nothing of inrgan."""

import os
from collections import OrderedDict
from typing import Any

import numpy as np
from _still_images import animation_frames, folder_frames
from _video_decoding import Refused, decoded, rgb, turned, with_square_pixels

_OPEN = 2
"""Number of decord readers that stay open."""


def frames(request: dict[str, Any], readers: OrderedDict[str, Any]) -> tuple[np.ndarray, str]:
    """Frames (n, C, H, W) by number, in the requested order, and the name of the library that read them."""
    numbers, index = request["numbers"], request["index"]
    wanted = sorted(set(numbers))
    if request["files"]:
        read, by = folder_frames(request, wanted), "Pillow"
    elif index.get("pillow"):
        read, by = animation_frames(request, wanted), "Pillow"
    else:
        read, by = _from_decord(request, wanted, readers) if request["decord"] and index["decord"] else None, "decord"
        if read is None:
            read, by = _from_av(request, wanted), "PyAV"
    small = {n: _smaller(x, request["factor"], request["channels"]) for n, x in zip(wanted, read, strict=True)}
    return np.stack([small[n] for n in numbers]), by


def _from_decord(request: dict[str, Any], wanted: list[int], readers: OrderedDict[str, Any]) -> Any:
    """Frames read by decord; None if it cannot be used."""
    path, index = request["path"], request["index"]
    try:
        import decord

        key = f"{os.stat(path).st_mtime_ns} {path}"  # a file that was replaced is opened again
        reader = readers.pop(key, None) or decord.VideoReader(path, ctx=decord.cpu(0), num_threads=1)
        if len(reader) != request["count"]:
            return None
        read = reader.get_batch(wanted).asnumpy()
    except Exception:  # whatever decord raises, PyAV is tried next
        return None
    readers[key] = reader
    if len(readers) > _OPEN:
        readers.popitem(last=False)
    square = index["square"][::-1] if index["turn"][0] else index["square"]
    return [with_square_pixels(frame, *square) for frame in read]


def _from_av(request: dict[str, Any], wanted: list[int]) -> list[np.ndarray]:
    """Frames read by PyAV, which decodes from the nearest key frame before each frame."""
    index, stamps, keys = request["index"], request["stamps"], request["keys"]
    need: dict[int, int] = dict(zip(stamps, wanted, strict=True))
    got: dict[int, np.ndarray] = {}
    for stamp in stamps:
        if need[stamp] in got:
            continue
        before = [k for k in keys if k <= stamp][-1:] or keys[:1]
        end = max(s for s in stamps if not any(before[0] < k <= s for k in keys))
        # From the start as well, where seeking leads behind the frame.
        for key in [None] if index["counted"] else [before[0], None]:
            if _collect(request["path"], key, end, need, got, index) or need[stamp] in got:
                break
        if need[stamp] not in got:
            raise Refused(f"frame {need[stamp]} cannot be decoded")
    return [got[n] for n in wanted]


def _collect(
    path: str, key: int | None, end: int, need: dict[int, int], got: dict[int, np.ndarray], index: dict[str, Any]
) -> bool:
    """Decode up to a time stamp and collect the frames that are needed; whether decoding began early enough."""
    early = False
    for number, frame in enumerate(decoded(path, key)):
        if frame is None:
            raise Refused("it is damaged before the frames that are read")
        stamp = number if index["counted"] else frame.pts
        if stamp is None or (key is not None and stamp < key):
            continue
        early = early or key is None or stamp <= min(s for s in need if s >= key)
        if stamp in need:
            if [frame.height, frame.width] != index["stored"]:
                raise Refused(f"frame {need[stamp]} is {frame.width} x {frame.height}, unlike the first")
            square = with_square_pixels(rgb(frame), *index["square"])
            got[need[stamp]] = turned(square, index["turn"])
        if stamp >= end:
            break
    return early


def _smaller(frame: np.ndarray, factor: int, channels: int) -> np.ndarray:
    """Means over blocks, (C, H, W); the remainder is cut off equally at both sides."""
    if channels == 1 and frame.shape[2] == 3:
        frame = (frame.astype(np.float32) @ np.array([[0.299], [0.587], [0.114]], dtype=np.float32)).round()
    rows, columns, depth = frame.shape
    if factor > 1:
        h, w = rows // factor, columns // factor
        top, left = (rows - h * factor) // 2, (columns - w * factor) // 2
        cut = frame[top : top + h * factor, left : left + w * factor]
        frame = cut.reshape(h, factor, w, factor, depth).sum(axis=3, dtype=np.uint16).sum(axis=1, dtype=np.uint32)
        frame = (frame + factor * factor // 2) // (factor * factor)
    return frame.astype(np.uint8).transpose(2, 0, 1)
