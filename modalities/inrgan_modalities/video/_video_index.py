"""Index of a video: the frames that a player shows. Part of the reader process, which imports nothing of inrgan."""

import itertools
from typing import Any

import numpy as np
from _video_decoding import (
    Refused,
    decoded,
    opened,
    packets,
    rgb,
    square_size,
    turn_of,
    turned,
    video_stream,
)

_WHOLE = 20_000_000
"""Number of pixels of all frames up to which a video is decoded whole for its index, and then read by decord if that
agrees. Of longer ones both ends are decoded, and PyAV reads them: as fast for large frames, and it finds damage."""
_BEGINNING = 8
"""Number of frames at the start of a long video that are decoded for its index."""
_MAX_DIFFERENCE, _MAX_SECONDS = 3, 0.002
"""Largest differences between decord and PyAV, of a value of a pixel and of a time."""


def video_index(path: str) -> dict[str, Any]:
    """The index of a video: times, stamps and key frames, and how a picture is made from a stored frame."""
    with opened(path) as container:
        stream = video_stream(container)
        base, declared = float(stream.time_base or 0), stream.frames
        rate = float(stream.average_rate or stream.guessed_rate or 25)
        aspect = float(stream.sample_aspect_ratio or 1)
        pixels = stream.codec_context.width * stream.codec_context.height
        # What an edit list hides is marked to be discarded: it is decoded, since others depend on it, but not shown.
        found = [p for p in packets(container, stream) if p is None or p.size > 0]
        broken = None in found
        found = [(p.pts, p.is_keyframe, p.is_discard) for p in found if p is not None]
    shown = sorted(pts for pts, _, hidden in found if pts is not None and not hidden)
    keys = sorted(pts for pts, key, _ in found if key and pts is not None)
    if not shown and all(pts is not None for pts, _, _ in found):
        raise Refused("it holds no frame")
    seen = None
    if all(pts is not None for pts, _, _ in found) and len(set(shown)) == len(shown) and pixels * len(shown) > _WHOLE:
        seen = _both_ends(path, shown, keys)
    count = max(len(shown), sum(not hidden for _, _, hidden in found))
    seen = _whole(path, count) if seen is None else seen
    stamps, counted = seen["stamps"], seen["counted"]
    if len(stamps) == 1:
        raise Refused("it holds one frame only, which is an image and no video")
    cut = max(0, declared - len(found)) if broken else 0
    index = {
        "times": [n / rate if counted else (p - stamps[0]) * base for n, p in enumerate(stamps)], "stamps": stamps,
        "counted": counted, "keys": [stamps[0]] if counted or not keys else keys,
        "lost": cut + max(0, count - len(stamps)) if broken or seen["damaged"] else 0, **_size(seen, aspect),
    }  # fmt: skip
    return {**index, "decord": _decord_agrees(path, index, seen["samples"])}


def _size(seen: dict[str, Any], aspect: float) -> dict[str, Any]:
    rows, columns = seen["stored"]
    square = square_size(rows, columns, aspect)
    shape = square[::-1] if seen["turn"][0] else square
    return {"stored": [rows, columns], "square": square, "turn": seen["turn"], "rows": shape[0], "columns": shape[1]}


def _first(frame: Any) -> dict[str, Any]:
    """What the first frame says of all."""
    return {"stored": [frame.height, frame.width], "turn": turn_of(frame)}


def _whole(path: str, count: int) -> dict[str, Any]:
    """All frames that are shown; a video that is damaged in its middle is refused, one that ends early is not."""
    stamps, first, damaged, samples = [], {}, 0, {}
    wanted = {0, count // 2, count - 1}
    for frame in decoded(path, colors=True):
        if frame is None:
            damaged += 1
            continue
        if damaged:
            raise Refused(f"it is damaged after frame {len(stamps) - 1}, and goes on behind")
        first = first or _first(frame)
        if [frame.height, frame.width] != first["stored"]:
            raise Refused(f"the size of its frames changes at frame {len(stamps)}")
        if len(stamps) in wanted and _has_decord():
            samples[len(stamps)] = _sample(frame, first["turn"])
        stamps.append(frame.pts)
    if not stamps:
        raise Refused("no frame of it can be decoded")
    counted = None in stamps or any(b <= a for a, b in itertools.pairwise(stamps))
    return {
        **first, "stamps": list(range(len(stamps))) if counted else stamps, "counted": counted, "damaged": damaged > 0,
        "samples": samples if len(stamps) == count and not damaged and not counted else {},
    }  # fmt: skip


def _both_ends(path: str, shown: list[int], keys: list[int]) -> dict[str, Any] | None:
    """The frames of a long video by its packets; None where its first or last frames are others than packets say."""
    first, begun = {}, []
    end = next((k for k in keys if k > shown[0]), None)
    if end is None:  # one group of frames: its end is that of the video
        return None
    expected = [p for p in shown if p < end][:_BEGINNING]
    for frame in decoded(path, colors=True):
        if frame is None or frame.pts is None:
            break
        first = first or _first(frame)
        begun.append(frame.pts)
        if len(begun) == len(expected):
            break
    if begun != expected:
        return None
    for key in [k for k in reversed(keys) if k <= shown[-1]][:8]:
        expected, last = [p for p in shown if p >= key], []
        for frame in decoded(path, key):
            if frame is None or frame.pts is None:
                break
            if frame.pts >= key:
                last.append(frame.pts)
        if last:
            if last != expected[: len(last)]:
                return None
            stamps = [p for p in shown if p <= last[-1]]
            return {**first, "stamps": stamps, "counted": False, "damaged": len(stamps) < len(shown), "samples": {}}
    return None


def _sample(frame: Any, turn: list[bool]) -> np.ndarray | None:
    """A frame for the comparison with decord, which leaves alpha out."""
    opaque = not any(component.is_alpha for component in frame.format.components)
    return turned(rgb(frame), turn) if opaque else None


def _has_decord() -> bool:
    try:
        import decord  # noqa: F401
    except (ImportError, OSError):
        return False
    return True


def _decord_agrees(path: str, index: dict[str, Any], samples: dict[int, np.ndarray | None]) -> bool:
    """Whether decord finds the same frames at the same times; it is faster, but knows no edit list."""
    turns_only = sum(index["turn"]) % 2 == 0  # decord knows no mirrors
    comparable = len(samples) > 0 and all(sample is not None for sample in samples.values())
    if not (comparable and turns_only) or path.lower().endswith(".gif"):
        return False
    import decord

    try:
        reader = decord.VideoReader(path, ctx=decord.cpu(0), num_threads=1)
        count = len(index["stamps"])
        if len(reader) != count:
            return False
        times = np.asarray(reader.get_frame_timestamp(list(range(count))))[:, 0]
        if np.abs(times - times[0] - index["times"]).max() > _MAX_SECONDS:
            return False
        frames = reader.get_batch(sorted(samples)).asnumpy()
    except Exception:  # whatever decord raises, PyAV reads the file
        return False
    return all(
        sample is not None and frame.shape == sample.shape
        and np.abs(frame.astype(np.int16) - sample).max() <= _MAX_DIFFERENCE
        for frame, (_, sample) in zip(frames, sorted(samples.items()), strict=True)
    )  # fmt: skip
