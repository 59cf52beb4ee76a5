"""Videos that are damaged. Oracles: the numbers in the frames, the files that were damaged, the documented counts."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from films import changed_decoder, film, number
from inrgan_modalities.video._decoder import Decoder
from inrgan_modalities.video._source import open_clips

from inrgan import VideoModality
from inrgan.data import SubsetSource
from inrgan.errors import DataError
from inrgan.training.reals import Reals

SMALL = VideoModality(resolution=16, frames=4, fps=4)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def hollow(path, *, start, end):
    """Overwrite a part of a file, given as fractions, with noise."""
    data = bytearray(path.read_bytes())
    a, b = int(start * len(data)), int(end * len(data))
    data[a:b] = np.random.default_rng(0).bytes(b - a)
    path.write_bytes(data)


def test_a_video_that_breaks_in_its_middle_is_skipped_from_the_start(tmp_path, caplog):
    for name in "abc":
        film(tmp_path / f"{name}.mp4", 24, gop=4, size=(64, 64))
    hollow(tmp_path / "b.mp4", start=0.45, end=0.6)
    source = SMALL.source(tmp_path)
    assert source.bad == 1 and "Skipping b.mp4" in caplog.text and "damaged after frame" in caplog.text
    assert source.name(1) == "c.mp4"


def test_a_long_video_that_breaks_in_its_middle_is_refused_where_it_is_read(tmp_path):
    film(tmp_path / "b.mp4", 34, gop=4, size=(64, 64))
    hollow(tmp_path / "b.mp4", start=0.45, end=0.6)
    decoder = changed_decoder(tmp_path, "import _video_index; _video_index._WHOLE = 0")
    clip = open_clips(tmp_path, channels=3, side=16, still_fps=10.0, labels=False, progress=False, decoder=decoder)[0]
    assert number(clip.frames([0, 5, 33])).tolist() == [0, 5, 33]
    with pytest.raises(DataError, match=r"b\.mp4 .*damaged before the frames"):
        for k in range(12, 24):
            clip.frames([k])
    decoder.close()


def break_later(monkeypatch, *names):
    """Make reading frames of some videos fail, as a file does that is changed after it was indexed."""
    ask = Decoder.ask

    def failing(self, request):
        if request["op"] == "frames" and Path(request["path"]).name in names:
            raise DataError(f"{Path(request['path']).name} cannot be read as a video")
        return ask(self, request)

    monkeypatch.setattr(Decoder, "ask", failing)


def test_a_video_that_fails_later_is_replaced_and_counted_once(tmp_path, monkeypatch, caplog):
    for i in range(6):
        film(tmp_path / f"{i}.mp4", 2 * (8 + i), rate=8 + i, size=(32, 32))
    source, views = SMALL.source(tmp_path), [SMALL.domain.grid((4, 16, 16))]
    reals = Reals(source, SMALL, batch=6, seed=0)
    before = reals.draw(3, views)[0][0]
    break_later(monkeypatch, "2.mp4")
    order = source.order(batch=6, step=3, seed=0)
    for fixed in (False, True):
        for _ in range(2):
            fresh = Reals(source, SMALL, batch=6, seed=0, augmented=not fixed)
            after = fresh.draw(3, views, fixed=fixed)[0][0]
            assert source.bad == 1 and caplog.text.count("Skipping 2.mp4") == 1
            if not fixed:  # the others stay, and the next one takes its place, at the same position of the window
                kept = [row for row, i in enumerate(order) if i != 2]
                torch.testing.assert_close(after[kept], before[kept])
                assert not torch.equal(after[order.index(2)], before[order.index(2)])
    # A subset counts in the whole.
    some = SubsetSource(source, [2, 4])
    Reals(some, SMALL, batch=2, seed=0).draw(0, views)
    assert source.bad == 1


def test_a_run_goes_on_with_a_video_that_fails_later_and_stops_when_all_do(tmp_path, monkeypatch):
    for i in range(3):
        film(tmp_path / f"{i}.mp4", 8, size=(32, 32))
    source, views = SMALL.source(tmp_path), [SMALL.domain.grid((4, 16, 16))]
    break_later(monkeypatch, "0.mp4", "1.mp4")
    values, _ = Reals(source, SMALL, batch=3, seed=0).draw(0, views)
    assert torch.isfinite(values[0]).all() and source.bad == 2
    break_later(monkeypatch, "2.mp4")
    with pytest.raises(DataError, match="3 of the 3 files"):
        Reals(source, SMALL, batch=3, seed=0).draw(0, views)


def test_a_file_that_stalled_its_readers_is_refused_without_asking(tmp_path):
    script = tmp_path / "crash.py"
    script.write_text(
        "import json, os, sys\nprint('ready', flush=True)\n"
        "for line in sys.stdin:\n    open(json.loads(line)['path'], 'a').write('x')\n    os._exit(1)\n"
    )
    decoder, path = Decoder(script=script), tmp_path / "asked"
    for _ in range(3):
        with pytest.raises(DataError, match="crash"):
            decoder.ask({"op": "frames", "path": str(path), "files": []})
    assert path.read_text() == "xx"  # twice for the first request, and never again
    decoder.close()


@pytest.mark.parametrize("limit", [10**8, 0], ids=["whole", "ends"])
def test_a_truncated_file_keeps_what_a_player_shows(tmp_path, limit, caplog):
    path = film(tmp_path / "t.mp4", 30, gop=5, size=(64, 64))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    decoder = changed_decoder(tmp_path, f"import _video_index; _video_index._WHOLE = {limit}")
    clip = open_clips(tmp_path, channels=3, side=16, still_fps=10.0, labels=False, progress=False, decoder=decoder)[0]
    assert 5 <= clip.count < 30 and "ends early" in caplog.text
    assert number(clip.frames(range(clip.count))).tolist() == list(range(clip.count))
    decoder.close()
