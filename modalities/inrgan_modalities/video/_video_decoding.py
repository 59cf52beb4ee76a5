"""Decoding of a video with PyAV, as a player shows it. Part of the reader process, which imports nothing of inrgan."""

from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition

_MATRICES = {0: "RGB", 1: "BT.709", 2: "not stated", 4: "FCC", 5: "BT.470BG", 6: "SMPTE 170M", 7: "SMPTE 240M"}
"""Matrices that are converted; files without one are read with that of BT.601, as FFmpeg does."""
_GAMUTS = {8: "generic film", 9: "BT.2020", 10: "CIE XYZ", 11: "DCI-P3", 12: "Display P3"}
"""Primaries that are refused; those of television before HD differ little from sRGB and are read as it."""
_TRANSFERS = {8: "linear", 9: "logarithmic", 10: "logarithmic", 16: "PQ (HDR)", 17: "SMPTE 428", 18: "HLG (HDR)"}
_MOST_ASPECT = 8.0
"""Largest width of a pixel as a multiple of its height, and the other way round."""


class Refused(Exception):
    """Error of a file that can be read but not used."""


def opened(path: str) -> Any:
    """A container, whose texts may be in any encoding."""
    return av.open(path, metadata_errors="replace")


def video_stream(container: Any) -> Any:
    """The stream that a player shows; covers of audio files are none."""
    stream = container.streams.best("video")
    if stream is None or stream.disposition & Disposition.attached_pic:
        raise Refused("it holds no video stream" + (", only a cover picture" if stream is not None else ""))
    if stream.codec_context is None:
        raise Refused("its codec is not known to FFmpeg")
    return stream


def packets(container: Any, stream: Any) -> Iterator[Any]:
    """Packets of a stream, up to the end or to the first that cannot be read, which is None."""
    source = container.demux(stream)
    while True:
        try:
            packet = next(source)
        except StopIteration:
            return
        except FFmpegError:
            yield None
            return
        yield packet


def decoded(path: str, key: int | None = None, *, colors: bool = False) -> Iterator[Any]:
    """Frames that a player shows, in their order, and None for each that is damaged.

    Damaged frames before the first good one belong to what was cut off, and are left out.

    Args:
        path: Path of the video.
        key: Time stamp of the key frame at which decoding starts; the start of the file when None.
        colors: Whether colors that would look wrong are refused.
    """
    begun = False
    with opened(path) as container:
        stream = video_stream(container)
        stream.thread_type = "NONE"
        if key is not None:
            container.seek(key, stream=stream, backward=True)
        for packet in packets(container, stream):
            try:
                frames = [None] if packet is None else packet.decode()
            except FFmpegError:
                frames = [None]
            for frame in frames:
                good = frame is not None and not frame.is_corrupt
                if good and not begun and colors:  # after which the context has what the frames state
                    check_colors(stream.codec_context)
                if begun or good:
                    yield frame if good else None
                begun = begun or good


def check_colors(context: Any) -> None:
    """Refuse colors that would look wrong as sRGB."""
    matrix, primaries, transfer = int(context.colorspace), int(context.color_primaries), int(context.color_trc)
    found = [_TRANSFERS.get(transfer, ""), _GAMUTS.get(primaries, "")]
    if matrix not in _MATRICES:
        found.append("the matrix of BT.2020" if matrix in (9, 10) else f"matrix {matrix}")
    found = [name for name in found if name]
    if found:
        raise Refused(
            f"its colors are {' and '.join(found)}; expected BT.709, BT.601 or sRGB. Convert it, such as with ffmpeg "
            "-i IN -vf zscale=t=linear:npl=100,format=gbrpf32le,tonemap=hable,zscale=p=bt709:t=bt709:m=bt709:r=tv,"
            "format=yuv420p OUT.mp4"
        )


def turn_of(frame: Any) -> list[bool]:
    """Whether a frame is shown transposed, then mirrored left to right, then upside down."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return [False, False, False]
    a, b, _, c, d, *_ = (int(n) for n in np.frombuffer(bytes(data), dtype=np.int32))
    straight, across = max(abs(a), abs(d)), max(abs(b), abs(c))
    if a and d and across <= 0.01 * straight:
        return [False, a < 0, d < 0]
    if b and c and straight <= 0.01 * across:
        return [True, c < 0, b < 0]
    raise Refused("its display matrix is no quarter turn or mirror. Encode it upright")


def square_size(rows: int, columns: int, aspect: float) -> list[int]:
    """Rows and columns of a stored frame with square pixels: the axis with more pixels per length is reduced.

    Args:
        rows: Stored rows.
        columns: Stored columns.
        aspect: Width of a stored pixel, as a multiple of its height.
    """
    if not 1 / _MOST_ASPECT <= aspect <= _MOST_ASPECT:
        raise Refused(f"its pixels are {aspect:g} times as wide as high; expected 1/8 to 8")
    return [max(1, round(rows / max(1.0, aspect))), max(1, round(columns * min(1.0, aspect)))]


def rgb(frame: Any) -> np.ndarray:
    """A frame as stored, (H, W, 3); alpha is composited over white."""
    if not any(component.is_alpha for component in frame.format.components):
        return frame.to_ndarray(format="rgb24")
    values = frame.to_ndarray(format="rgba").astype(np.uint16)
    alpha = values[..., 3:]
    return ((values[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def turned(frame: np.ndarray, turn: list[bool]) -> np.ndarray:
    """A stored frame as its display matrix shows it."""
    transposed, mirrored, flipped = turn
    frame = frame.transpose(1, 0, 2) if transposed else frame
    frame = frame[:, ::-1] if mirrored else frame
    return frame[::-1] if flipped else frame


def with_square_pixels(frame: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """A frame that is reduced to a number of rows and columns, by means over areas."""
    if frame.shape[:2] == (rows, columns):
        return frame
    from PIL import Image

    picture = Image.fromarray(np.ascontiguousarray(frame))
    return np.asarray(picture.resize((columns, rows), Image.Resampling.BOX))
