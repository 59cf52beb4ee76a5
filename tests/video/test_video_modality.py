"""The video adapter. Oracles: the public contract, closed forms, the full render, files read back by PyAV."""

import json
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from films import film
from inrgan_modalities.video import Clip, SyntheticClips, video_sheet
from inrgan_modalities.video._synthetic import place

from inrgan import Generator, VideoModality
from inrgan.augmentation import symmetric_views
from inrgan.cli import main
from inrgan.data import AbstractSyntheticSource
from inrgan.errors import ConfigError, NonFiniteError, ShapeError
from inrgan.registry import rebuild
from inrgan.testing import check_modality
from inrgan.training.reals import Reals


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def field():
    torch.manual_seed(0)
    return Generator(VideoModality(resolution=16, frames=8, fps=8), preset="tiny").eval().sample([0, 1])


@pytest.mark.parametrize(
    "m",
    [
        VideoModality(resolution=16, frames=8, fps=8),
        VideoModality(resolution=8, frames=12, fps=30, channels=1, aspect=(4, 3), mirror=True, modulation=False),
    ],
    ids=["square", "wide"],
)
def test_contract_holds(m):
    check_modality(m)


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": 4}, {"frames": 3}, {"fps": 0.0}, {"fps": float("nan")}, {"channels": 2}, {"frames_per_clip": 1},
        {"frames_per_clip": 17}, {"short": "loop"}, {"aspect": (0, 1)},
    ],
    ids=str,
)  # fmt: skip
def test_bad_numbers(changes):
    with pytest.raises(ConfigError):
        VideoModality(**changes)


def test_the_window_has_its_frames_at_any_unit():
    # Also where a second is as long as a unit of x, or the window shorter than a frame is wide.
    for fps in (4, 8, 16, 50):
        m = VideoModality(resolution=16, frames=8, fps=fps)
        assert m.domain.shape(16) == (8, 16, 16) and m.domain.shape(32) == (16, 32, 32)
        assert m.domain.grid((8, 16, 16)).spacing[0, 0].tolist() == pytest.approx([1 / 8, 1 / 8, 1 / fps])
        assert m.at(32).domain.upper == m.domain.upper
        patch = m.domain.patches(8, torch.full((2,), 1 / 8), generator=rng())
        assert patch.shape == (4, 8, 8) and patch.spacing[0, 0, 2].item() == pytest.approx(1 / fps)
        assert m.domain.finest(patch).tolist() == pytest.approx([1 / 8, 1 / 8])


def test_built_in_films_are_functions_of_time():
    low, high = (SyntheticClips(9, size=24, seconds=1.0, rate=r, seed=2) for r in (8.0, 24.0))
    for i in range(6):
        assert torch.equal(low[i].frames([0, 3, 7]), high[i].frames([0, 9, 21]))
    assert {low.label(i) for i in range(9)} == {0, 1, 2} and low.name(3).startswith(low.label_names[low.label(3)])
    # Oracle: the centroid of what differs from the first film's background is where the disc is said to be.
    source = SyntheticClips(60, size=96, seconds=1.0, rate=8.0)
    line = (2 * np.arange(96) + 1) / 96 - 1
    for i in [i for i in range(60) if source.label(i) == 1][:4]:
        f = source.factors(i)
        for k in (0, 5):
            frame = source[i].frames([k])[0].float()
            cx, cy = place(f, k / 8)
            inside = np.hypot(line[None] - cx, line[:, None] - cy) < f["radius"] - 0.03
            colours = frame[:, torch.from_numpy(inside)]
            assert inside.sum() > 50 and float(colours.std(dim=1).max()) < 1  # all of one colour
            assert abs(cx) <= 0.951 - f["radius"] and abs(cy) <= 0.951 - f["radius"]


def ramp(seconds=4.0, rate=24.0, size=16):
    """A video whose gray value is its time."""
    values = torch.arange(round(seconds * rate)) / (seconds * rate) - 0.5
    return Clip(values.reshape(-1, 1, 1, 1).expand(-1, 3, size, size).contiguous(), rate=rate)


class Ramps(AbstractSyntheticSource):
    """Sixteen times the same clip of 4 s."""

    def __init__(self):
        super().__init__(16, seed=0, description="ramps", label_names=("ramp",))

    def __getitem__(self, i):
        return ramp(seconds=4.0)

    def label(self, i):
        return 0


def test_observe_shows_the_frame_on_display():
    m = VideoModality(resolution=16, frames=8, fps=8)
    seen = m.observe([ramp(seconds=1.0)], m.domain.grid((8, 16, 16)))[0, 0, :, 8, 8]
    # Oracle: frame floor(24 t) at the centres of the window's cells.
    expected = np.floor(24 * (np.arange(8) + 0.5) / 8) / 24 - 0.5
    np.testing.assert_allclose(seen.numpy(), expected, atol=1e-6)


def test_training_looks_all_over_long_films_and_scores_at_their_middle():
    m = VideoModality(resolution=16, frames=8, fps=8)
    view = m.domain.grid((8, 16, 16))
    middle = m.observe([ramp(seconds=4.0)], view)[0, 0, :, 8, 8]
    assert middle.mean().item() == pytest.approx(0.0, abs=0.02)
    places = torch.rand(64, generator=rng()).tolist()
    excerpts = [m.excerpt(ramp(seconds=4.0), at) for at in places]
    seen = m.observe(excerpts, view)[:, 0, :, 8, 8]
    # Oracle: starts are drawn evenly over the 3 s in which a window of 1 s can begin; rates are kept.
    assert seen.min() < -0.45 and seen.max() > 0.42
    assert seen[:, 0].std().item() == pytest.approx(0.75 / 12**0.5, rel=0.2)
    assert (seen[:, 7] - seen[:, 0] - 21 / 96).abs().max() < 1e-4
    # The frames of a patch and of the whole of one step come from the same part of the film.
    part = view.window((slice(2, 6), slice(0, 8), slice(0, 8)))
    assert torch.equal(m.observe(excerpts, part)[:, 0, :, 3, 3], seen[:, 2:6])


def test_training_draws_windows_anew_for_every_item_and_step():
    # Oracle: even draws have a standard deviation of 3 s / √12, and hardly two are alike.
    m = VideoModality(resolution=16, frames=8, fps=8)
    view = m.domain.grid((8, 16, 16))
    reals = Reals(Ramps(), m, batch=16, seed=3)
    drawn = [reals.draw(step, [view, view.window((slice(2, 6), slice(0, 8), slice(0, 8)))]) for step in range(4)]
    for (full, part), _ in drawn:
        assert torch.equal(part[:, 0, :, 3, 3], full[:, 0, 2:6, 3, 3])
    starts = torch.cat([full[:, 0, 0, 8, 8] for (full, _), _ in drawn])
    assert len(starts.unique()) > 30 and starts.std().item() == pytest.approx(0.75 / 12**0.5, rel=0.25)
    (again, _), _ = reals.draw(2, [view, view])
    assert torch.equal(again, drawn[2][0][0])


def test_mirror_is_the_same_for_all_frames():
    m = VideoModality(resolution=16, frames=8, fps=8, mirror=True)
    x = torch.linspace(-0.5, 0.5, 16).expand(8, 1, 16, 16).contiguous()
    view = m.domain.grid((8, 16, 16))
    (mirrored,) = symmetric_views(m.symmetries(), [view], batch=32, generator=rng())
    seen = m.observe([Clip(x.expand(8, 3, 16, 16), rate=8.0)] * 32, mirrored)
    slope = seen[:, 0, :, :, -1] - seen[:, 0, :, :, 0]
    assert {-1.0, 1.0} == set(slope.flatten(1).sign().unique().tolist())
    assert (slope.flatten(1).sign() == slope.flatten(1)[:, :1].sign()).all()


def test_transforms_are_the_same_for_all_frames():
    # Oracle: what stands still still does, and what moves is on the same frame as before.
    m = VideoModality(resolution=16, frames=8, fps=8)
    picture = torch.rand(1, 3, 16, 16, generator=rng()) - 0.5
    still, view = Clip(picture.expand(8, 3, 16, 16), rate=8.0), m.domain.grid((8, 16, 16))
    dark = torch.full((8, 3, 16, 16), -0.5)
    dark[4] = 0.5
    assert [t.name for t in m.transforms()] == ["flip-0", "shift", "scale", "affine", "tint"]
    for transform in m.transforms():
        drawn = transform.draw(6, generator=rng(1))
        seen = transform.change(m.observe([still] * 6, transform.look(view, drawn)), view, drawn)
        assert seen.diff(dim=2).abs().max() < 1e-5 and (seen[:, :, :1] - picture[:, :, None]).abs().max() > 0.05
        flash = transform.change(m.observe([Clip(dark, rate=8.0)] * 6, transform.look(view, drawn)), view, drawn)
        level = flash.mean(dim=(1, 3, 4))
        assert (level.argmax(dim=1) == 4).all() or transform.name in ("affine", "tint")
    assert len(VideoModality(channels=1).transforms()) == 4


@torch.no_grad()
def test_rates_agree_where_times_coincide(field):
    # Oracle: 24 frames a second are every second of 48, though they are other cells.
    m = VideoModality(resolution=16, frames=8, fps=8)
    slow, fast = (field.render(shape, region=region) for shape, region in (m.window(rate=r) for r in (24, 48)))
    assert slow.shape[2] == 24 and fast.shape[2] == 48 and slow.std() > 0.05
    torch.testing.assert_close(slow, fast[:, :, ::2], rtol=0, atol=1e-5)


@torch.no_grad()
def test_frames_alone_equal_those_of_a_film(field):
    m = VideoModality(resolution=16, frames=8, fps=8)
    shape, region = m.window(rate=30, seconds=2.0)
    whole = field.render(shape, region=region)
    for k in (0, 17, 59):
        alone = field.render(shape, region=region, window=(slice(k, k + 1), slice(0, 16), slice(0, 16)))
        torch.testing.assert_close(alone, whole[:, :, k : k + 1], rtol=0, atol=1e-5)
        x0, y0, _, x1, y1, _ = region
        t = k / 30
        view = m.domain.grid((1, 16, 16), region=(x0, y0, t - 0.5 / 30, x1, y1, t + 0.5 / 30), dtype=torch.float64)
        torch.testing.assert_close(field(view), whole[:, :, k : k + 1], rtol=0, atol=1e-5)
        points = field(view.coords[0], spacing=view.spacing)
        torch.testing.assert_close(view.unflatten(points), whole[:, :, k : k + 1], rtol=0, atol=1e-5)


@torch.no_grad()
def test_motion_has_a_latent_of_its_own():
    m = VideoModality(resolution=16, frames=8, fps=8)
    torch.manual_seed(0)
    G = Generator(m, preset="tiny").eval()
    own = G.sample([3, 4])
    assert torch.equal(G.latents([3, 4], parts={"motion": [3, 4]}), G.latents([3, 4]))
    other = G.sample([3, 4], parts={"motion": [9]})
    still = [s.name for s in own.inr.layers if not s.part]
    changed = [s.name for s, a, b in zip(own.inr.layers, own.weights, other.weights, strict=True)
               if not torch.equal(a.weight, b.weight)]  # fmt: skip
    # Exactly the layers that are said to depend on the part do; they are those of the paths.
    assert set(changed) == {s.name for s in own.inr.layers} - set(still) and all("paths" in n for n in changed)
    assert not torch.allclose(own.render((8, 16, 16)), other.render((8, 16, 16)), atol=1e-2)
    again = G.sample([4], parts={"motion": [9]}).weights[-1].weight
    torch.testing.assert_close(again, other.weights[-1].weight[1:])
    for parts, said in (({"sound": [1]}, "it has motion"), ({"motion": [1, 2, 3]}, "as many, or one")):
        with pytest.raises(ConfigError, match=said):
            G.sample([0, 1], parts=parts)


def test_writing_and_reading_back(tmp_path):
    m = VideoModality(resolution=16, frames=8, fps=8)
    values = torch.linspace(-1, 1, 8).reshape(1, 1, 8, 1, 1).expand(4, 3, 8, 16, 16)
    m.write(values, tmp_path / "a.mp4")
    with av.open(str(tmp_path / "a.mp4")) as file:
        stream = file.streams.video[0]
        assert stream.average_rate == 8 and stream.codec_context.name == "h264"
        grey = [f.to_ndarray(format="gray").mean() for f in file.decode(stream)]
        assert (stream.height, stream.width) == (32, 32)
    np.testing.assert_allclose(grey, 127.5 * (np.linspace(-1, 1, 8) + 1), atol=4)
    shape, region = m.window(rate=24)
    m.over(shape, region).write(values.repeat_interleave(3, dim=2), tmp_path / "b.gif")
    with av.open(str(tmp_path / "b.gif")) as file:
        assert file.streams.video[0].duration * file.streams.video[0].time_base == pytest.approx(1.0, abs=0.02)
    m.write(values, tmp_path / "c.npy")
    assert np.array_equal(np.load(tmp_path / "c.npy"), values.numpy())
    m.write_interpolation(values[:, :, :, :, :].expand(4, 3, 8, 16, 16), tmp_path / "w.mp4", rate=4)
    with av.open(str(tmp_path / "w.mp4")) as file:
        assert len(list(file.decode(video=0))) == 4
    for bad, error in (("a.wav", ConfigError), ("a.gif", ShapeError), ("n.mp4", NonFiniteError)):
        broken = values[:0] if bad == "a.gif" else values * (float("nan") if bad == "n.mp4" else 1)
        with pytest.raises(error):
            m.write(broken, tmp_path / bad)
        assert not (tmp_path / bad).exists()
    with pytest.raises(ConfigError, match="50"):
        m.write(values.repeat_interleave(8, dim=2), tmp_path / "fast.gif")


def test_sheets_show_frames_and_a_slice():
    # Oracle: a bar that moves a pixel a frame is a diagonal in the slice, one that stays an upright.
    values = torch.full((2, 3, 16, 16, 16), -1.0)
    for t in range(16):
        values[0, :, t, :, t] = values[1, :, t, :, 5] = 1.0
    sheet = video_sheet(values, gap=2)
    assert sheet.shape == (3, 2 * 16 + 2, 9 * 16 + 8 * 2)
    assert torch.equal(sheet[0, :16, 144:], 2 * torch.eye(16) - 1)
    assert sheet[0, 18:, 144 + 5].min() == 1 and sheet[0, 18:, 144 + 6].max() == -1
    assert torch.equal(sheet[:, :16, :16], values[0, :, 0]) and torch.equal(sheet[:, :16, 126:142], values[0, :, 15])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("video")
    (folder / "clips").mkdir()
    for i in range(8):
        film(folder / "clips" / f"{i}.mp4", 16, rate=16, size=(32, 64))
    import os

    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    try:
        main(
            ["train", "video", "--data", str(folder / "clips"), "--resolution", "16", "--frames", "8", "--fps", "8",
             "--kimg", "0.016", "--batch", "4", "--losses", "random-resolution,dense-patch", "--stretch", "2",
             "--patch-start", "0", "--grow-from", "8", "--grow-kimg", "0.008",
             "--augment", "fixed", "--augment-p", "0.5", "--quiet", "--device", "cpu",
             "--outdir", str(folder / "runs")]
        )  # fmt: skip
    finally:
        os.environ.pop("XDG_CACHE_HOME")
        if before is not None:
            os.environ["XDG_CACHE_HOME"] = before
    return folder / "runs" / "00000-video-clips-tiny"


def test_train(run):
    arguments = json.loads((run / "config.json").read_text())["modality"]["arguments"]
    assert (arguments["frames"], arguments["fps"]) == (8, 8)
    names = {p.name for p in run.iterdir()}
    assert {"reals.png", "reals.mp4", "fakes-00000.016.png", "fakes-00000.016.mp4"} <= names


def probe(path):
    with av.open(str(path)) as file:
        stream = file.streams.video[0]
        return len(list(file.decode(stream))), stream.height, stream.width, float(stream.average_rate)


def test_sample_at_any_size_rate_and_length(run, tmp_path):
    out = tmp_path / "a.mp4"
    for flags, expected in (
        ([], (8, 16, 16, 8)),
        (["--resolution", "24"], (8, 24, 24, 8)),
        (["--resolution", "24", "--fps", "30", "--seconds", "2"], (60, 24, 24, 30)),
        (["--resolution", "16x32", "--rate", "12"], (12, 16, 32, 12)),
        (["--resolution", "5x16x16"], (5, 16, 16, 5)),
    ):
        main(["sample", str(run), "--seeds", "0", "--out", str(out), *flags])
        assert probe(out) == expected
    main(["sample", str(run), "--seeds", "3", "--motion-seed", "0-2", "--out", str(tmp_path / "m.npy")])
    three = np.load(tmp_path / "m.npy")
    assert three.shape == (3, 3, 8, 16, 16) and not np.array_equal(three[0], three[1])
    frames = []
    for flags in (["--motion-seed", "7"], ["--motion-seed=7"], ["--part-seeds", "motion=7"], ["--seeds", "0"]):
        main(["sample", str(run), "--seeds", "0", "--out", str(tmp_path / "m.npy"), *flags])
        frames.append(np.load(tmp_path / "m.npy"))
    assert np.array_equal(frames[0], frames[1]) and np.array_equal(frames[0], frames[2])
    assert not np.array_equal(frames[0], frames[3])
    main(["interpolate", str(run), "--frames", "5", "--fps", "10", "--out", str(out)])
    assert probe(out) == (5, 16, 16, 10)


def test_evaluate(run, tmp_path, capsys):
    main(["evaluate", str(run), "--count", "8", "--metrics", "temporal-spectrum,warping,frame-frechet", "--sheet",
          str(tmp_path / "s.mp4")])  # fmt: skip
    out = capsys.readouterr().out
    assert "warping" in out and "of_reals" in out and probe(tmp_path / "s.mp4")[0] == 8
    with pytest.raises(SystemExit):
        main(["evaluate", str(run), "--count", "8", "--metrics", "fvd"])
    assert "I3D" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--fps", "0"], ["--seconds", "-1"], ["--resolution", "0"], ["--resolution", "2x3x4x5"],
        ["--seconds", "1", "--region=-1,-1,0,1,1,1"], ["--motion-seed", "x"], ["--sound-seed", "1"],
        ["--motion-seed", "1,2,3"], ["--part-seeds", "3"], ["--fps", "51"],
    ],
    ids=" ".join,
)  # fmt: skip
def test_bad_flags_are_one_line(run, tmp_path, flags, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["sample", str(run), "--seeds", "0-1", "--out", str(tmp_path / "x.gif"), *flags])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.startswith("inrgan: ") and err.count("\n") == 1


def test_fields_of_earlier_versions_still_load():
    assert rebuild("video", {"frames": 8, "looked_at": 2}) == VideoModality(frames=8, frames_per_clip=2)
