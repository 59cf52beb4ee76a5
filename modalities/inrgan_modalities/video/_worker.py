"""Reader of videos in a separate process, which isolates libraries that stall, crash or leak memory.

It runs as a script and imports nothing of inrgan. Each line of the standard input is one JSON request. The answer on
the standard output is one JSON line, followed by the number of bytes that it states. The answer to a bad file is
``{"error": ...}``. The first line reports that the process is ready.
"""

import json
import os
import sys
from collections import OrderedDict
from typing import Any

import numpy as np

_OPEN = 2
"""Number of decord readers that stay open."""


def main() -> None:
    """Answer requests until the input ends."""
    source = sys.stdin.buffer
    # Output of libraries must not mix with the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    readers: OrderedDict[str, Any] = OrderedDict()
    answers.write(b"ready\n")
    answers.flush()
    for line in source:
        request = json.loads(line)
        payload = b""
        try:
            if request["op"] == "index":
                header = _folder_index(request) if request["files"] else _index(request["path"])
            else:
                frames, by = _frames(request, readers)
                payload = np.ascontiguousarray(frames).tobytes()
                header = {"shape": list(frames.shape), "by": by}
        except Exception as error:  # libraries raise all kinds of errors for a damaged file
            header = {"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]}
        answers.write(json.dumps({**header, "bytes": len(payload)}).encode() + b"\n" + payload)
        answers.flush()


class Refused(Exception):
    """Error of a file that can be read but not used."""


def _index(path: str) -> dict[str, Any]:
    """The index of a video, without decoding more than its last group of frames."""
    import av
    from av.error import FFmpegError

    with av.open(path) as container:
        if not container.streams.video:
            raise Refused("it holds no video stream")
        stream = container.streams.video[0]
        base, declared = float(stream.time_base or 0), stream.frames
        found, broken = [], ""
        try:
            for packet in container.demux(stream):
                if packet.pts is not None and packet.size > 0:
                    found.append((packet.pts, packet.is_keyframe))
        except FFmpegError as error:
            broken = str(error)
        if not found:
            raise Refused(f"it holds no frame{f' ({broken})' if broken else ''}")
    found.sort()
    stamps, keys = [p for p, _ in found], [p for p, key in found if key] or [found[0][0]]
    good, rotation, rows, columns = _good_end(path, stamps, keys)
    intact = [p for p in stamps if p <= good]
    return {
        "times": [(p - intact[0]) * base for p in intact], "stamps": intact, "keys": keys, "rotation": rotation,
        "rows": rows, "columns": columns, "lost": max(declared, len(stamps)) - len(intact),
    }  # fmt: skip


def _good_end(path: str, stamps: list[int], keys: list[int]) -> tuple[int, int, int, int]:
    """The time stamp of the last frame that can be decoded, and the rotation and size of frames."""
    tried = ""
    for key in [k for k in reversed(keys) if k <= stamps[-1]][:8] + keys[:1]:
        last = None
        try:
            for frame in _decoded(path, key):
                last = (frame.pts, int(frame.rotation) % 360, frame.height, frame.width)
        except Exception as error:
            tried = str(error)
        if last is not None:
            pts, rotation, rows, columns = last
            return pts, rotation, *((columns, rows) if rotation in (90, 270) else (rows, columns))
    raise Refused(f"no frame of it can be decoded{f' ({tried})' if tried else ''}")


def _decoded(path: str, key: int) -> Any:
    """Frames of a video, starting at a key frame."""
    import av

    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type = "NONE"
        container.seek(key, stream=stream, backward=True)
        for frame in container.decode(stream):
            if not frame.is_corrupt:
                yield frame


def _frames(request: dict[str, Any], readers: OrderedDict[str, Any]) -> tuple[np.ndarray, str]:
    """Frames (n, C, H, W) by number, in the requested order, and the name of the library that read them."""
    numbers = request["numbers"]
    wanted = sorted(set(numbers))
    if request["files"]:
        read, by = _from_images(request, wanted), "Pillow"
    else:
        read, by = _from_decord(request, wanted, readers) if request["decord"] else None, "decord"
        if read is None:
            read, by = _from_av(request, wanted), "PyAV"
    small = {n: _smaller(x, request["factor"], request["channels"]) for n, x in zip(wanted, read, strict=True)}
    return np.stack([small[n] for n in numbers]), by


def _from_decord(request: dict[str, Any], wanted: list[int], readers: OrderedDict[str, Any]) -> Any:
    """Frames read by decord; None if it cannot be used or finds a different video."""
    try:
        import decord
    except (ImportError, OSError):
        return None
    path = request["path"]
    try:
        reader = readers.pop(path, None) or decord.VideoReader(path, ctx=decord.cpu(0), num_threads=1)
        if len(reader) != request["count"]:
            return None
        frames = reader.get_batch(wanted).asnumpy()
    except Exception:  # whatever decord raises, PyAV is tried next
        return None
    if frames.shape[1:3] != (request["rows"], request["columns"]):
        return None
    readers[path] = reader
    if len(readers) > _OPEN:
        readers.popitem(last=False)
    return frames


def _from_av(request: dict[str, Any], wanted: list[int]) -> Any:
    """Frames read by PyAV, which decodes from the nearest key frame before each frame."""
    stamps, keys = request["stamps"], request["keys"]
    need: dict[int, int] = dict(zip(stamps, wanted, strict=True))
    got: dict[int, np.ndarray] = {}
    for stamp in stamps:
        if need[stamp] in got:
            continue
        before = [k for k in keys if k <= stamp] or keys[:1]
        end = max(s for s in stamps if not any(before[-1] < k <= s for k in keys))
        for frame in _decoded(request["path"], before[-1]):
            if frame.pts in need:
                got[need[frame.pts]] = _turned(frame.to_ndarray(format="rgb24"), request["rotation"])
            if frame.pts is not None and frame.pts >= end:
                break
        if need[stamp] not in got:
            raise Refused(f"frame {need[stamp]} cannot be decoded")
    return [got[n] for n in wanted]


def _turned(frame: np.ndarray, rotation: int) -> np.ndarray:
    return np.rot90(frame, rotation // 90)


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


def _folder_index(request: dict[str, Any]) -> dict[str, Any]:
    first = _image(request["files"][0])
    return {
        "times": [], "stamps": [], "keys": [], "rotation": 0, "rows": first.shape[0], "columns": first.shape[1],
        "lost": 0,
    }  # fmt: skip


def _from_images(request: dict[str, Any], wanted: list[int]) -> list[np.ndarray]:
    out = []
    for n in wanted:
        frame = _image(request["files"][n])
        if frame.shape[:2] != (request["rows"], request["columns"]):
            raise Refused(
                f"image {n} is {frame.shape[1]} x {frame.shape[0]} and the first {request['columns']} x "
                f"{request['rows']}"
            )
        out.append(frame)
    return out


def _image(path: str) -> np.ndarray:
    from PIL import Image, ImageOps

    with Image.open(path, formats=("PNG", "JPEG", "WEBP", "BMP", "TIFF")) as image:
        if image.width * image.height > 100_000_000:
            raise Refused(f"it is {image.width} x {image.height} pixels")
        return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))


if __name__ == "__main__":
    main()
