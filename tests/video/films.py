"""Videos for tests: frames that show their number, in files written by PyAV and Pillow."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from inrgan_modalities.video._decoder import Decoder


def marked(k, *, rows=32, columns=48):
    """Frame k: a bright block in the upper left on a grey that grows with k, in steps that compression keeps apart."""
    frame = np.full((rows, columns, 3), 40 + 6 * k, dtype=np.uint8)
    frame[: rows // 4, : columns // 4] = 250
    return frame


def number(frames):
    """Which frame each of (n, C, H, W) is: the inverse of ``marked``, from its lower right corner."""
    grey = np.asarray(frames)[..., -8:, -8:].astype(np.float64).mean(axis=(1, 2, 3))
    return np.round((grey - 40) / 6).astype(int)


def film(
    path, count=16, *, rate=8, times=None, rotation=0, gop=5, codec="libx264", size=(32, 48), container=None,
    b_frames=0, mirrored=False, aspect=None, colors=None, front=True, picture=marked,
):  # fmt: skip
    """Write ``count`` pictures, by default marked frames.

    ``times`` in seconds make the rate variable, ``aspect`` is that of a pixel, ``colors`` are the numbers of matrix,
    primaries and transfer, and ``front`` puts the boxes of an mp4 before the frames.
    """
    options = {"movflags": "faststart"} if front and Path(path).suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", format=container, options=options) as out:
        stream = out.add_stream(codec, rate=Fraction(rate).limit_denominator(1000))
        stream.height, stream.width = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.gop_size, context.max_b_frames = gop, b_frames
        if codec == "libx264":
            # Scene cuts would make further key frames, and an adaptive encoder fewer B-frames than asked for.
            stream.options = {"crf": "10", "preset": "ultrafast", "sc_threshold": "0", "b_strategy": "0"}
        if aspect is not None:
            context.sample_aspect_ratio = Fraction(aspect)
        if colors is not None:
            context.colorspace, context.color_primaries, context.color_trc = colors
        if times is not None:
            stream.time_base = context.time_base = Fraction(1, 1000)
        if rotation or mirrored:
            stream.set_display_rotation(rotation, mirrored)
        for k in range(count):
            frame = av.VideoFrame.from_ndarray(picture(k, rows=size[0], columns=size[1]), format="rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[k]), Fraction(1, 1000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return Path(path)


def edited(path, *edits):
    """Give an mp4, whose boxes lie behind its frames, another edit list.

    An edit is a pair of seconds: its length, and the time of the media at which it starts, None for an empty edit.
    Times of the media begin with the time at which the first frame is shown.
    """
    data = path.read_bytes()
    moov = _box(data, b"moov")
    track = _box(data, b"trak", moov)
    inside = data[track[0] + 8 : track[1]]
    movie_scale = int.from_bytes(data[(start := _box(data, b"mvhd", moov)[0] + 20) : start + 4], "big")
    header = _box(data, b"mdhd", _box(data, b"mdia", track))
    scale = int.from_bytes(data[header[0] + 20 : header[0] + 24], "big")
    old, first = _box(inside, b"edts", (-8, len(inside))), 0
    if old is not None:
        first = int.from_bytes(inside[old[0] + 28 : old[0] + 32], "big")  # the delay of B-frames
        inside = inside[: old[0]] + inside[old[1] :]
    entries = b"".join(
        round(seconds * movie_scale).to_bytes(4, "big")
        + (b"\xff" * 4 if start is None else (first + round(start * scale)).to_bytes(4, "big")) + b"\0\1\0\0"
        for seconds, start in edits
    )  # fmt: skip
    content = _boxed(b"elst", bytes(4) + len(edits).to_bytes(4, "big") + entries)
    track_new = _boxed(b"trak", inside + _boxed(b"edts", content))
    new = data[moov[0] + 8 : track[0]] + track_new + data[track[1] : moov[1]]
    path.write_bytes(data[: moov[0]] + _boxed(b"moov", new) + data[moov[1] :])
    return path


def _boxed(name, content):
    return (8 + len(content)).to_bytes(4, "big") + name + content


def _box(data, name, within=None):
    """Start and end of a box of an mp4, or None."""
    place, end = (0, len(data)) if within is None else (within[0] + 8, within[1])
    while place < end:
        size = int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] == name:
            return place, place + size
        place += max(8, size)
    return None


def changed_decoder(folder, code):
    """A decoder whose reader processes run a line of code before they answer."""
    script = Path(Decoder()._script)
    (folder / "reader").mkdir()
    changed = folder / "reader" / "worker.py"
    text = script.read_text(encoding="utf-8")
    changed.write_text(text.replace("if __name__", f"sys.path.insert(0, {str(script.parent)!r})\n{code}\nif __name__"))
    return Decoder(script=changed)


def decoder_without_decord(folder):
    """A decoder as on machines for which decord has no package."""
    return changed_decoder(folder, "sys.modules['decord'] = None")


def sound_only(path):
    """Write a file with sound and no picture."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), dtype=np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
