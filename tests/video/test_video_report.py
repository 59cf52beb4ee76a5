"""What is said of videos before training, and which files are videos. Oracle: what was written, and that flags hold."""

import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))
from films import film, marked, number

from inrgan import VideoModality
from inrgan.cli import main
from inrgan.errors import DataError
from inrgan.training.reals import ItemCounts, Reals


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return film(tmp_path_factory.mktemp("made") / "a.mp4", 8, size=(32, 32))


SMALL = VideoModality(resolution=16, frames=4, fps=4, still_fps=8)


def picture(path, size=(96, 54), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(str(path.name)))
    Image.fromarray(rng.integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)).save(path, **options)


@pytest.mark.parametrize(
    "thumbnail",
    ["clip{}.jpg", "clip{}.png", "clip{}.webp", "clip{}.mp4.jpg", "clip{}-thumb.jpg", "other{}.png",
     "thumbs/clip{}.jpg", "thumbs/{}.jpg", "images/clip{}.webp", "images/clip{}_poster.jpg",
     "Cover.jpg", "one/image.png"],
)  # fmt: skip
def test_images_beside_videos_are_no_videos(tmp_path, made, thumbnail):
    for i in range(3):
        shutil.copy(made, tmp_path / f"clip{i}.mp4")
        picture(tmp_path / thumbnail.format(i))
    source = SMALL.source(tmp_path)
    assert [source.name(i) for i in range(len(source))] == ["clip0.mp4", "clip1.mp4", "clip2.mp4"] and source.bad == 0
    report = source.report()
    (unused,) = report.unused
    count = 3 if "{" in thumbnail else 1
    assert (unused.suffix, unused.count) == (Path(thumbnail).suffix, count) and "another kind" in unused.reason
    assert report.used == {".mp4": 3}


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "with videos"])
@pytest.mark.parametrize("name", ["frame_{}.png", "clip0_{}.png", "{}.png", "²{}.png"])
def test_folders_of_frames_stay_videos(tmp_path, made, name, beside):
    if beside:
        for video in ("clip0.mp4", "1.mp4", "2.mp4"):
            shutil.copy(made, tmp_path / video)
    (tmp_path / "clip0").mkdir()
    for k in range(12):
        Image.fromarray(marked(k)).save(tmp_path / "clip0" / name.format(k))
    source = SMALL.source(tmp_path)
    names = [source.name(i) for i in range(len(source))]
    assert names == (["1.mp4", "2.mp4", "clip0", "clip0.mp4"] if beside else ["clip0"])
    clip = source[names.index("clip0")]
    assert clip.count == 12 and number(clip.frames([10, 2])).tolist() == [10, 2]
    assert source.report().used[".png"] == 12 and not source.report().unused


def test_frames_at_the_top_are_one_video_and_a_single_image_is_none(tmp_path):
    picture(tmp_path / "0.png")
    with pytest.raises(DataError, match=r"no video in .*1 images"):
        SMALL.source(tmp_path)
    for k in range(8):
        picture(tmp_path / f"{k}.png")
    assert len(SMALL.source(tmp_path)) == 1 and SMALL.source(tmp_path)[0].count == 8
    picture(tmp_path / "8.png", size=(32, 32))
    with pytest.raises(DataError):  # of several sizes: refused before training, not in its middle
        SMALL.source(tmp_path)


def test_animations_are_videos_and_stills_are_none(tmp_path, caplog):
    frames = [Image.fromarray(marked(k)) for k in range(6)]
    for name in ("a.gif", "b.webp"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=250, lossless=True)
    frames[0].save(tmp_path / "c.gif")
    frames[0].save(tmp_path / "d.webp", lossless=True)
    source = SMALL.source(tmp_path)
    assert source.bad == 1 and "c.gif" in caplog.text and "one frame only" in caplog.text
    for i in range(2):
        assert (source[i].count, source[i].rate) == (6, pytest.approx(4)) and source[i].stored == (32, 48)
        assert np.abs(number(source[i].frames(range(6))) - np.arange(6)).max() == 0
    (unused,) = source.report().unused
    assert unused.suffix == ".webp" and unused.count == 1


def test_what_does_not_fit_and_the_flags_that_take_all(tmp_path):
    repeated = {"picture": lambda k, rows, columns: marked(k % 30, rows=rows, columns=columns)}
    film(tmp_path / "long.mp4", 48, rate=24, size=(64, 64), **repeated)
    film(tmp_path / "short.mp4", 20, rate=20, size=(64, 64))
    film(tmp_path / "slow.mp4", 10, rate=5, size=(64, 64))
    film(tmp_path / "small.mp4", 48, rate=24, size=(24, 48), **repeated)
    wanted = {"resolution": 32, "frames": 16, "fps": 8.0}
    source = VideoModality(**wanted).source(tmp_path)
    report = source.report()
    assert source.bad == 0 and report.items == 4 and not report.bad
    assert str(report.ranges["duration"]) == "1 to 2 s (median 2)" and report.ranges["rate"].low == pytest.approx(5)
    assert str(report.ranges["width"]) == "48 to 64 pixels (median 64)" and report.used == {".mp4": 4}
    assert [w.split()[:3] for w in report.warnings] == [["1", "of", "4"]] * 3
    flags = {m[0]: float(m[1]) for w in report.warnings for m in re.findall(r"--(\w+) (\d\S*) ?(?=--|takes)", w)}
    assert flags == {"resolution": 24, "fps": 5, "frames": 5}  # the last are of the shortest
    taking = VideoModality(resolution=24, frames=5, fps=5.0)
    assert not taking.source(tmp_path).report().warnings
    counts = ItemCounts()
    taken = taking.source(tmp_path)
    Reals(taken, taking, batch=4, seed=0).draw(0, [taking.domain.grid((5, 24, 24))], counts=counts)
    assert not counts.skipped
    held = VideoModality(**{**wanted, "short": "hold"}).source(tmp_path).report()
    assert not any("shorter than" in w for w in held.warnings)
    with pytest.raises(DataError, match=r"none of the 4 items.* length"):
        none = VideoModality(resolution=16, frames=64, fps=4)
        Reals(none.source(tmp_path), none, batch=1, seed=0).check(none.domain.spacing(16))


def test_the_command_says_it_in_20_lines(tmp_path, made, capsys):
    for i in range(3):
        shutil.copy(made, tmp_path / f"clip{i}.mp4")
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    picture(tmp_path / "clip0.jpg")
    (tmp_path / "notes.txt").write_text("x")
    main(["info", str(tmp_path), "--modality", "video", "--resolution", "16", "--frames", "4", "--fps", "4"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 20 and lines[0].endswith("4 items") and "used: 4 .mp4" in lines
    assert any(line.startswith("cannot be read: 1 of") and "broken.mp4" in line for line in lines)
    assert "not used: 1 .jpg: another kind: images beside videos, which are no frames of one" in lines
    assert "duration: 1 s" in lines and "rate: 8 frames per second" in lines
