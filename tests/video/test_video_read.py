"""Reading of videos. Oracles: the frame numbers in the frames, the full decode of PyAV, numpy, a stalling script."""

import math
import os
import sys
import textwrap
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from films import film, marked, number, sound_only
from inrgan_modalities.video._decoder import Decoder
from inrgan_modalities.video._source import open_clips
from inrgan_modalities.video._video_file import regular

from inrgan import VideoModality
from inrgan.data import ItemCache
from inrgan.errors import DataError
from inrgan.files import cache_folder
from inrgan.training.reals import ItemCounts, Reals


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


def clips(data, **changes):
    wanted = {"channels": 3, "side": 16, "still_fps": 10.0, "labels": False, "progress": False}
    return open_clips(data, **{**wanted, **changes})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("films")
    film(root / "a.mp4", 16, rate=8)
    film(root / "b.mov", 12, rate=25)
    film(root / "c.webm", 9, rate=10, codec="libvpx")
    film(root / "d.avi", 9, rate=10, codec="mpeg4")
    _gif(root / "e.gif", 8)
    (root / "f").mkdir()
    from PIL import Image

    for k in range(12):
        Image.fromarray(marked(k)).save(root / "f" / f"frame_{k}.png")
    return root


def _gif(path, count):
    from PIL import Image

    first, *rest = [Image.fromarray(marked(k)) for k in range(count)]
    first.save(path, save_all=True, append_images=rest, duration=100, loop=0)


@pytest.mark.parametrize(
    "i, count, rate", [(0, 16, 8), (1, 12, 25), (2, 9, 10), (3, 9, 10), (4, 8, 10), (5, 12, 10)],
    ids=["mp4", "mov", "webm", "avi", "gif", "folder"],
)  # fmt: skip
def test_any_frames_of_any_format(folder, i, count, rate):
    clip = clips(folder)[i]
    assert (clip.shape, clip.count) == ((3, 32, 48), count) and clip.rate == pytest.approx(rate, rel=1e-3)
    wanted = [count - 1, 0, count // 2, count // 2]
    got = clip.frames(wanted)
    assert got.dtype == torch.uint8 and number(got).tolist() == wanted
    assert got[0, :, 2, 2].min() > 200 and got[0, :, -2, 2].max() < 200  # the right way up


@pytest.mark.parametrize("columns", [64, 48])
def test_decord_and_pyav_agree_with_a_whole_decode(tmp_path, monkeypatch, columns):
    film(tmp_path / "a.mp4", 16, size=(32, columns))
    clip = clips(tmp_path)[0]
    whole = np.stack([f.to_ndarray(format="rgb24") for f in av.open(str(tmp_path / "a.mp4")).decode(video=0)])
    answers, ask = [], Decoder.ask
    monkeypatch.setattr(Decoder, "ask", lambda self, request: answers.append(ask(self, request)) or answers[-1])
    for decord in (True, False):
        clip._decord = decord
        for wanted in ([3], [14, 2], list(range(16))):
            assert np.array_equal(clip.frames(wanted).permute(0, 2, 3, 1).numpy(), whole[wanted])
            # decord 0.6 fails on widths that are no multiple of 32.
            assert answers[-1][0]["by"] == ("decord" if decord and columns == 64 else "PyAV")


@pytest.mark.parametrize("decord", [True, False])
@pytest.mark.parametrize("rotation", [90, -90, 180])
def test_rotation_is_honoured(tmp_path, rotation, decord):
    film(tmp_path / "r.mp4", 6, rotation=rotation, size=(32, 64))
    clip = clips(tmp_path)[0]
    clip._decord = decord
    got = clip.frames([2])[0].permute(1, 2, 0).numpy().astype(int)
    # Oracle: numpy turns the picture anti-clockwise, as the display matrix says.
    expected = np.rot90(marked(2, columns=64), rotation // 90 % 4)
    assert got.shape == expected.shape and np.abs(got - expected).mean() < 6


def test_variable_rates_go_by_time_stamps(tmp_path):
    times = [0.0, 0.1, 0.2, 0.3, 0.9, 1.0, 1.1, 1.2]
    film(tmp_path / "v.mp4", 8, times=times, rate=10)
    clip = clips(tmp_path)[0]
    assert clip.rate == pytest.approx(10, rel=0.02) and clip.seconds == pytest.approx(1.3, rel=0.05)
    shown = number(clip.frames(clip.on_display([t + 0.01 for t in (0.0, 0.25, 0.5, 0.85, 0.95, 1.2)])))
    # Oracle: the last time stamp that is not later.
    assert shown.tolist() == [int(np.searchsorted(times, t + 0.01, side="right")) - 1
                              for t in (0.0, 0.25, 0.5, 0.85, 0.95, 1.2)]  # fmt: skip
    assert regular([0.0, 0.04, 0.08, 0.12])[1] == [0, 1, 2, 3]
    with pytest.raises(DataError, match="time stamp"):
        regular([1.0, 1.0, 1.0])


def test_large_frames_are_means_of_blocks(tmp_path):
    film(tmp_path / "l.mp4", 4, size=(144, 192))
    raw = next(av.open(str(tmp_path / "l.mp4")).decode(video=0)).to_ndarray(format="rgb24")
    clip = clips(tmp_path, side=20)[0]  # 144 // 40: blocks of 3 x 3
    expected = raw.reshape(48, 3, 64, 3, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    assert clip.shape == (3, 48, 64) and np.abs(clip.frames([0])[0].numpy() - expected).max() <= 0.51
    assert clips(tmp_path, side=20, channels=1)[0].frames([0]).shape == (1, 1, 48, 64)


def test_zip_equals_folder_and_the_index_is_kept(folder, tmp_path, cache, monkeypatch):
    with zipfile.ZipFile(tmp_path / "films.zip", "w") as file:
        for path in sorted(folder.rglob("*.*")):
            file.write(path, path.relative_to(folder))
    a, b = clips(folder), clips(tmp_path / "films.zip")
    assert [a.name(i) for i in range(len(a))] == [b.name(i) for i in range(len(b))]
    for i in range(6):
        assert torch.equal(a[i].frames([5, 1]), b[i].frames([5, 1]))
    assert len(list(cache.rglob("*.json"))) == 2
    asked = []
    monkeypatch.setattr(Decoder, "ask", lambda self, request: asked.append(request))
    assert len(clips(folder)) == 6 and not asked  # nobody looked through the files again
    film(folder / "a.mp4", 5)  # a changed file is looked through
    with pytest.raises(TypeError):
        clips(folder)
    assert len(asked) == 1
    film(folder / "a.mp4", 16, rate=8)


def test_broken_tail_keeps_the_good_part(tmp_path, caplog):
    path = film(tmp_path / "t.mp4", 30, gop=5, size=(64, 64))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 2 // 3])
    source = clips(tmp_path)
    kept = source[0].count
    assert 5 <= kept < 30 and "ends early" in caplog.text and f"the {kept} frames before" in caplog.text
    assert number(source[0].frames(range(kept))).tolist() == list(range(kept))


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda p: p.write_bytes(b""), "cannot be read"),
        (lambda p: p.write_bytes(b"no film" * 100), "cannot be read"),
        (sound_only, "no video stream"),
        (lambda p: p.write_bytes(film(p, 8).read_bytes()[:300]), "cannot be read"),
        (lambda p: film(p, 1), "one frame only"),
    ],
    ids=["empty", "text", "sound", "head", "one frame"],
)
def test_bad_files_are_named_and_refused(tmp_path, make, said, caplog):
    make(tmp_path / "bad.mp4")
    with pytest.raises(DataError, match=r"1 of the 1 .*bad\.mp4"):
        clips(tmp_path)
    assert said in caplog.text and "bad.mp4" in caplog.text


def test_absurd_sizes_are_refused(folder, monkeypatch, caplog):
    import inrgan_modalities.video._video_file as module

    monkeypatch.setattr(module, "MAX_PIXELS", 1000)
    with pytest.raises(DataError):
        clips(folder)
    assert "48 x 32 pixels" in caplog.text


def test_stalled_and_crashing_readers_are_ended(tmp_path):
    script = tmp_path / "stalls.py"
    script.write_text(
        textwrap.dedent(
            """
            import json, os, sys, time
            print("ready", flush=True)
            for line in sys.stdin:
                path = json.loads(line)["path"]
                name = os.path.basename(path)
                if "stall" in name:
                    time.sleep(600)
                if "crash" in name:
                    os._exit(11)
                if "once" in name and not os.path.exists(path):
                    open(path, "w").close()
                    time.sleep(600)
                print(json.dumps({"bytes": 0}), flush=True)
            """
        )
    )
    decoder = Decoder(index_seconds=1.0, read_seconds=0.7, script=script)
    for name, said in (("stall.mp4", "busy for more than 1 seconds"), ("crash.mp4", "crash")):
        with pytest.raises(DataError, match=said):
            decoder.ask({"op": "index", "path": name, "files": []})
        assert decoder.ask({"op": "index", "path": "good.mp4", "files": []})[0]["bytes"] == 0
    # Over frames it is asked once more.
    assert decoder.ask({"op": "frames", "path": str(tmp_path / "once.mp4"), "files": []})[0]["bytes"] == 0
    with pytest.raises(DataError, match="crash"):
        decoder.ask({"op": "frames", "path": "crash.mp4", "files": []})
    decoder.close()


def test_each_thread_has_a_reader_of_its_own(tmp_path):
    # Oracle: both requests are at work at the same time, since each waits for the other's file.
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            """
            import json, os, sys, time
            print("ready", flush=True)
            for line in sys.stdin:
                mine, other = json.loads(line)["files"]
                open(mine, "w").close()
                while not os.path.exists(other):
                    time.sleep(0.01)
                print(json.dumps({"bytes": 0, "pid": os.getpid()}), flush=True)
            """
        )
    )
    decoder = Decoder(index_seconds=20.0, script=script)
    names = [str(tmp_path / name) for name in "ab"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda f: decoder.ask({"op": "index", "path": "x.mp4", "files": f})[0], [names, names[::-1]])
        )
    assert len({answer["pid"] for answer in answers}) == 2
    assert decoder.ask({"op": "index", "path": "x.mp4", "files": names})[0]["pid"] in {a["pid"] for a in answers}
    decoder.close()


def test_short_films_are_skipped_or_held(folder):
    skipping = VideoModality(resolution=16, frames=8, fps=4)
    source, view = skipping.source(folder), skipping.domain.grid((8, 16, 16))
    assert source.bad == 0 and sum(math.isinf(skipping.item_spacing(clip)) for clip in source) == 5
    counts = ItemCounts()
    Reals(source, skipping, batch=6, seed=0).draw(0, [view], counts=counts)
    assert sum(counts.skipped.values()) == 1 + 2 + 3 + 4 + 5  # until the one that is long enough
    held = VideoModality(resolution=16, frames=8, fps=4, short="hold")
    clip = held.source(folder)[1]  # 12 frames at 25 a second
    seen = held.observe([clip], held.domain.grid((8, 16, 16)))[0]
    assert torch.equal(seen[:, 2], seen[:, 7]) and not torch.equal(seen[:, 0], seen[:, 1])


def resident(decoder):
    """MiB of this process and of its reader."""
    import os

    total = 0
    for pid in (os.getpid(), decoder._idle[os.getpid()][0].process.pid):
        total += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return total / 2**20


def growth(folder, *, first, reads, seed=0):
    """By how much resident memory grows over many reads, as a fraction, after some first ones."""
    decoder = Decoder()
    source = clips(folder, decoder=decoder)
    rng = np.random.default_rng(seed)
    start = 0.0
    for k in range(first + reads):
        if k == first:
            start = resident(decoder)
        clip = source[int(rng.integers(len(source)))]
        clip.frames(rng.integers(clip.count, size=3).tolist())
    grown = resident(decoder) / start - 1
    decoder.close()
    return grown


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_memory_stays_flat(folder):
    assert growth(folder, first=60, reads=120) < 0.03


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_memory_stays_flat_over_2000_reads(folder):
    grown = growth(folder, first=100, reads=2000)
    print(f"resident memory grew by {grown:.2%} over 2,000 reads")
    assert abs(grown) < 0.03


def test_a_kept_clip_is_read_once(folder, monkeypatch):
    # Oracle: the numbers in the frames. A cache without room leaves the clip on the disk.
    asked, ask = [], Decoder.ask
    monkeypatch.setattr(Decoder, "ask", lambda self, it: asked.append(it.get("numbers")) or ask(self, it))
    for limit, reads in ((1 << 20, [list(range(16))]), (1000, [[3, 1], [3, 1]])):
        clip = clips(folder)[0]
        asked.clear()
        assert ItemCache(limit).put(0, clip) == (limit > 1000)
        assert [number(clip.frames([3, 1])).tolist() for _ in range(2)] == [[3, 1]] * 2 and asked == reads


def test_no_home_and_no_cache(tmp_path, monkeypatch):
    # Oracle: the files of the folders.
    (tmp_path / "in").mkdir()
    film(tmp_path / "in" / "a.mp4", 16, rate=8)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without HOME and with an unknown user
    assert cache_folder("videos") is None
    source = VideoModality(resolution=16, frames=4, fps=4).source(tmp_path / "in")
    assert len(source) == 1 and sorted(os.listdir(tmp_path)) == ["in"]
