"""What is read of a video is what a player shows. Oracles: the numbers in frames, numpy, PyAV's whole decode."""

import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from films import decoder_without_decord, edited, film, marked, number
from inrgan_modalities.video._decoder import Decoder
from inrgan_modalities.video._source import open_clips

from inrgan.errors import DataError


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(params=["decord", "PyAV"])
def decoder(request, tmp_path_factory):
    made = Decoder() if request.param == "decord" else decoder_without_decord(tmp_path_factory.mktemp("decoder"))
    yield made
    made.close()


def clip_of(folder, decoder=None, **changes):
    wanted = {"channels": 3, "side": 64, "still_fps": 10.0, "labels": False, "progress": False, "decoder": decoder}
    return open_clips(folder, **{**wanted, **changes})[0]


def disc(k, *, rows, columns, aspect=1.0):
    """A white disc on black, round if pixels have an aspect ratio; a corner shows which way is up."""
    y, x = np.mgrid[:rows, :columns]
    inside = ((x - columns / 2 + 0.5) * aspect) ** 2 + (y - rows / 2 + 0.5) ** 2 < (
        0.3 * min(rows, columns * aspect)
    ) ** 2
    frame = np.where(inside, 255, 0)[..., None].repeat(3, -1).astype(np.uint8)
    frame[: rows // 8, : columns // 8] = (200, 30, 30)
    return frame


def whole_decode(path):
    """All frames (n, C, H, W) and their times in seconds, as PyAV decodes them from the start."""
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    pixels = np.stack([f.to_ndarray(format="rgb24") for f in frames]).transpose(0, 3, 1, 2)
    return pixels, [float(f.pts * f.time_base) if f.pts is not None else None for f in frames]


EDITS = {
    "none": ([], range(16)),
    "trimmed": ([(1.25, 0.625)], range(5, 15)),
    "late": ([(0.5, None), (2.0, 0.0)], range(16)),
    "late and trimmed": ([(0.25, None), (1.0, 0.5)], range(4, 12)),
    "two parts": ([(0.5, 0.25), (0.5, 1.25)], [2, 3, 4, 5, 10, 11, 12, 13]),
    "swapped parts": ([(0.5, 1.0), (0.5, 0.25)], [8, 9, 10, 11, 2, 3, 4, 5]),
}


@pytest.mark.parametrize("edits", EDITS, ids=str)
@pytest.mark.parametrize("b_frames, gop", [(0, 16), (2, 16), (2, 4)])
def test_edit_lists(tmp_path, decoder, edits, b_frames, gop):
    path = film(tmp_path / "a.mp4", 16, b_frames=b_frames, gop=gop, size=(32, 64), front=False)
    wanted, shown = EDITS[edits][0], list(EDITS[edits][1])
    if wanted:
        edited(path, *wanted)
    whole, times = whole_decode(path)  # the oracle, which the numbers confirm
    assert number(whole).tolist() == shown
    clip = clip_of(tmp_path, decoder)
    # Between parts with B-frames, FFmpeg's times have a gap, in which the frame before stays, or are not in order.
    ordered = bool((np.diff(times) > 0).all())
    count = 1 + round(8 * (times[-1] - times[0])) if ordered else len(shown)
    assert clip.rate == pytest.approx(8) and clip.count == count and len(shown) <= count <= len(shown) + 1
    on_display = clip.on_display([t - times[0] for t in times]) if ordered else list(range(count))
    assert np.array_equal(clip.frames(on_display).numpy(), whole)
    assert number(clip.frames([count - 1])).tolist() == shown[-1:]


@pytest.mark.parametrize(
    "suffix, codec", [("avi", "libx264"), ("mkv", "libx264"), ("avi", "mpeg4"), ("mpg", "mpeg2video")]
)
def test_frames_are_in_the_order_of_the_decoder(tmp_path, decoder, suffix, codec):
    # An avi has no time stamps of frames: those of B-frames are in a wrong order.
    path = film(tmp_path / f"a.{suffix}", 12, b_frames=2, gop=12, rate=25, codec=codec, size=(64, 64))
    whole, _ = whole_decode(path)
    assert np.abs(number(whole) - np.arange(12)).max() <= 1 and (np.diff(number(whole)) >= 0).all()
    clip = clip_of(tmp_path, decoder)
    assert clip.count == 12 and clip.rate == pytest.approx(25, rel=0.01)
    assert np.array_equal(clip.frames(range(12)).numpy(), whole) and np.array_equal(clip.frames([7, 2]), whole[[7, 2]])


def test_packets_that_show_nothing_are_no_frames(tmp_path, decoder):
    # libvpx adds frames that others refer to and that are never shown.
    path = tmp_path / "a.webm"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx", rate=8, options={"auto-alt-ref": "1", "lag-in-frames": "16", "b": "200k"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for k in range(32):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(marked(k, rows=64, columns=64), format="rgb24")))
        out.mux(stream.encode())
    with av.open(str(path)) as container:
        assert sum(p.size > 0 for p in container.demux(video=0)) >= 32
    assert number(clip_of(tmp_path, decoder).frames(range(32))).tolist() == list(range(32))


@pytest.mark.parametrize("rotation", [0, 90])
@pytest.mark.parametrize("aspect", ["2", "1/2", "64/45", "8/9"])
def test_pixels_become_square(tmp_path, decoder, aspect, rotation):
    ratio, size = float(Fraction(aspect)), (96, 128)
    draw = lambda k, rows, columns: disc(k, rows=rows, columns=columns, aspect=ratio)  # noqa: E731
    film(tmp_path / "a.mp4", 4, size=size, aspect=aspect, rotation=rotation, picture=draw)
    frame = clip_of(tmp_path, decoder).frames([1])[0].float().mean(dim=0).numpy()
    expected = (round(96 / max(1, ratio)), round(128 * min(1, ratio)))  # the finer axis is reduced
    assert frame.shape == (expected[::-1] if rotation else expected)
    inside = frame > 128
    height, width = inside.any(axis=1).sum(), inside.any(axis=0).sum()
    assert abs(int(height) - int(width)) <= 2


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_rotations_and_mirrors(tmp_path, decoder, rotation, mirrored):
    film(tmp_path / "a.mp4", 4, size=(32, 64), rotation=rotation, mirrored=mirrored)
    frame = clip_of(tmp_path, decoder).frames([1])[0].permute(1, 2, 0).numpy().astype(int)
    # PyAV's matrix turns the stored frame anti-clockwise, then mirrors it, as ffmpeg shows it.
    upright = np.rot90(marked(1, columns=64), rotation // 90)
    expected = upright[:, ::-1] if mirrored else upright
    assert frame.shape == expected.shape and np.abs(frame - expected).mean() < 6


@pytest.mark.parametrize(
    "colors, said",
    [
        ((9, 9, 16), "PQ"), ((9, 9, 18), "HLG"), ((9, 9, 1), "BT.2020"), ((1, 12, 1), "Display P3"),
        ((1, 1, 8), "linear"),
    ],
)  # fmt: skip
def test_colors_that_would_look_wrong_are_refused_by_name(tmp_path, colors, said, caplog):
    film(tmp_path / "hdr.mp4", 4, colors=colors)
    with pytest.raises(DataError):
        clip_of(tmp_path)
    assert "hdr.mp4" in caplog.text and said in caplog.text and "Convert it" in caplog.text


@pytest.mark.parametrize("matrix, name", [(1, "ITU709"), (6, "ITU601")])
def test_the_stated_matrix_is_used(tmp_path, decoder, matrix, name):
    red = np.full((64, 64, 3), (200, 60, 40), np.uint8)
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=8, options={"crf": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        stream.codec_context.colorspace = stream.codec_context.color_primaries = matrix
        stream.codec_context.color_range = 1
        for _ in range(4):
            frame = av.VideoFrame.from_ndarray(red, format="rgb24")
            out.mux(stream.encode(frame.reformat(format="yuv420p", dst_colorspace=name, dst_color_range="MPEG")))
        out.mux(stream.encode())
    assert np.abs(clip_of(tmp_path, decoder).frames([2])[0, :, 20, 20].numpy().astype(int) - (200, 60, 40)).max() <= 3


def test_a_cover_picture_is_no_video(tmp_path, caplog):
    # The boxes of the cover of an m4a, which PyAV cannot write: moov/udta/meta/ilst/covr.
    from io import BytesIO

    from films import _box, _boxed, sound_only
    from PIL import Image

    path, picture = tmp_path / "song.mp4", BytesIO()
    sound_only(path)
    Image.new("RGB", (32, 32), "red").save(picture, "PNG")
    cover = _boxed(b"covr", _boxed(b"data", (14).to_bytes(4, "big") + bytes(4) + picture.getvalue()))
    handler = _boxed(b"hdlr", bytes(8) + b"mdirappl" + bytes(10))
    data = path.read_bytes()
    start, end = _box(data, b"moov")
    new = _boxed(
        b"moov", data[start + 8 : end] + _boxed(b"udta", _boxed(b"meta", bytes(4) + handler + _boxed(b"ilst", cover)))
    )
    path.write_bytes(data[:start] + new + data[end:])
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    with pytest.raises(DataError):
        clip_of(tmp_path)
    assert "only a cover picture" in caplog.text


def test_titles_of_any_encoding(tmp_path, decoder):
    path = film(tmp_path / "a.mp4", 4)
    with av.open(str(path)) as old, av.open(str(tmp_path / "b.mp4"), "w") as new:
        new.metadata["title"] = "Caf\u00e9"
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    (tmp_path / "b.mp4").write_bytes((tmp_path / "b.mp4").read_bytes().replace(b"Caf\xc3\xa9", b"Caf\xe9 "))
    path.unlink()
    assert number(clip_of(tmp_path, decoder).frames([3])).tolist() == [3]
