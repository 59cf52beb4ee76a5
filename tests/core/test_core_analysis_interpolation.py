"""Studies of interpolation. Oracles: planted jumps and eases, closed forms, scipy, the normal interval."""

import json
import re
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from planted import eased, ends, planted
from scipy.spatial import geometric_slerp
from toy_modalities import BumpModality

from inrgan import Box, Generator, ImageModality
from inrgan.analysis import (
    STAGES,
    bootstrap,
    jump_score,
    measure_speed,
    probe_grid,
    probe_view,
    require_plots,
    stages_of,
    study_interpolation,
)
from inrgan.cli import main
from inrgan.errors import ConfigError, MissingDependency
from inrgan.interpolation import slerp_path
from inrgan.registry import modality_class, modality_names
from inrgan.views import scattered

VIEW = Box(2).grid((6, 6))


def test_jump_scores():
    assert jump_score(torch.tensor([[2.0, 2, 2, 2], [1, 1, 1, 7]])).tolist() == [1, 7]
    assert jump_score(torch.tensor([0.0, 0, 0])) == 1
    assert jump_score(torch.tensor([0.0, 0, 0, 3])).item() == pytest.approx(1e6)


def test_speeds_in_closed_form():
    # Oracle: of a linear generator, norms of differences by numpy.
    stages, z = planted("nowhere"), torch.randn(5, 8, generator=torch.Generator().manual_seed(1))
    profile = measure_speed(stages, VIEW, z=z)
    w = stages.mapping(z)
    theta = np.concatenate([stages.weights(w)[0].weight[:, 0], stages.weights(w)[0].bias], axis=1)
    signal = stages.signal(stages.weights(w), VIEW).flatten(1).numpy()
    for k, (x, norm) in enumerate(((z.numpy(), 1), (w.numpy(), 1), (theta, 1), (signal, signal.shape[1] ** 0.5))):
        np.testing.assert_allclose(profile.speeds[k], 4 * np.linalg.norm(np.diff(x, axis=0), axis=1) / norm, rtol=1e-4)
        np.testing.assert_allclose(profile.chords[k], np.linalg.norm(x[-1] - x[0]) / norm, rtol=1e-4)
    many = measure_speed(stages, VIEW, z=torch.randn(40, 8, generator=torch.Generator().manual_seed(1)))
    assert many.speeds.shape == (4, 39)  # across the seams of the pieces that are evaluated together, too


@pytest.mark.parametrize("where", STAGES)
def test_a_planted_jump_is_located(where):
    study = study_interpolation(planted(where), VIEW, ends=ends(8), steps=64)
    assert study.abrupt_stages()[where] == 1 and where in study.verdict
    jumps = {name: jump.value for name, jump in study.stage_jumps().items()}
    assert max(jumps, key=jumps.get) == where and jumps[where] > 5
    assert all(jump < 3 for name, jump in jumps.items() if name != where)


def test_nothing_planted_nothing_found():
    study = study_interpolation(planted("nowhere"), VIEW, ends=ends(8), steps=64)
    assert study.abrupt_stages() == {} and study.verdict.startswith("No path")
    # Oracle: what is linear and preserves lengths has a gain of 1 everywhere; straight lines are straight.
    assert study.stage_jumps()["z→w"].value == pytest.approx(1, abs=1e-3)
    assert all(p.speeds[0].max() / p.speeds[0].min() == pytest.approx(1, abs=1e-3) for p in study.lines)


def test_a_jump_in_a_real_generator_is_located(toy):
    stages, z = stages_of(toy), torch.randn(2, 2, 64, generator=torch.Generator().manual_seed(3))
    z[:, 0, 0], z[:, 1, 0] = -1.5, 1.5
    view = probe_view(toy.modality, points=16)
    assert study_interpolation(stages, view, ends=z, steps=32).abrupt_stages() == {}
    push = torch.randn(toy.sizes.w_dim, generator=torch.Generator().manual_seed(4))
    jumpy = {
        STAGES[0]: {"mapping": lambda x: stages.mapping(x) + 2 * torch.sigmoid(400 * x[:, :1]) * push},
        # The coordinates that the encoding gets move by a quarter of the domain.
        STAGES[2]: {"signal": lambda made, v: stages.signal(made, _moved(v, made))},
    }
    middle = stages.weights(stages.mapping(slerp_path(z[0], steps=3)))[0].bias[1, 0]

    def _moved(v, made):
        shift = 0.5 * torch.sigmoid(1e4 * (made[0].bias[:, :1, None] - middle))
        return scattered(v.coords + shift, spacing=v.spacing)

    for where, changed in jumpy.items():
        parts = {"z_dim": 64, "mapping": stages.mapping, "weights": stages.weights, "signal": stages.signal, **changed}
        study = study_interpolation(type(stages)(**parts), view, ends=z[:1].repeat(2, 1, 1), steps=32)
        assert study.abrupt_stages()[where] == 1, where


def test_uniform_pace_takes_a_planted_ease_away():
    # Oracle: the signal is a curve times a pattern, so that its speed is the curve's slope: 0.25 k at most.
    curve = lambda x: torch.sigmoid(12 * x)  # noqa: E731
    study = study_interpolation(eased(curve), VIEW, ends=ends(6), steps=64)
    walks = study.jumps_by_path()
    assert walks["line in w"].value > 5
    assert all(0.9 <= score <= 1.1 for score in study.paced)


def test_arc_against_scipy():
    z = np.random.default_rng(0).normal(size=(2, 5))
    unit = z / np.linalg.norm(z, axis=1, keepdims=True)
    length = np.linspace(*np.linalg.norm(z, axis=1), 9)[:, None]
    expected = geometric_slerp(*unit, np.linspace(0, 1, 9)) * length
    np.testing.assert_allclose(slerp_path(torch.from_numpy(z), steps=9), expected, atol=1e-9)


def test_arcs_at_their_limits():
    z = torch.tensor([[1.0, 2.0]])
    torch.testing.assert_close(slerp_path(torch.cat([z, 3 * z]), steps=3)[1:2], 2 * z)
    assert slerp_path(torch.eye(3), steps=6, loop=True).shape == (6, 3)
    with pytest.raises(ConfigError, match="opposite"):
        slerp_path(torch.cat([z, -z]), steps=3)


def test_bootstrap_of_a_mean():
    # Oracle: the normal interval, of which that of a resampled mean of 400 draws is within a few percent.
    x = np.random.default_rng(5).normal(size=400)
    got, half = bootstrap(x), 1.96 * x.std() / 20
    assert got.value == pytest.approx(x.mean()) and got.high - got.low == pytest.approx(2 * half, rel=0.08)


@pytest.fixture(scope="module")
def toy():
    torch.manual_seed(0)
    return Generator(BumpModality(), preset="tiny").eval()


SMALL = {"audio": {"resolution": 2048, "rate": 4000}, "video": {"resolution": 16, "frames": 8, "fps": 8}}


@pytest.fixture(scope="module", params=sorted(modality_names()))
def any_generator(request):
    torch.manual_seed(0)
    return Generator(
        modality_class(request.param)(**SMALL.get(request.param, {"resolution": 16})), preset="tiny"
    ).eval()


def test_every_modality(any_generator):
    G = any_generator
    view = probe_view(G.modality, points=16)
    assert view.count == 16 and torch.isfinite(view.coords).all()
    study = study_interpolation(stages_of(G), view, ends=G.latents(range(4)).unflatten(0, (2, 2)), steps=4)
    assert all(float(p.speeds.min()) > 0 for p in study.arcs)  # everything moves, and is seen to
    assert max(study.paced) < 1.5


@pytest.mark.parametrize(("name", "shape"), [("image", (10, 10)), ("occupancy", (4, 4, 4)), ("audio", (100,))])
def test_jittered_grid(name, shape):
    # Oracle: one position in each equal part of every axis, uniform there; what probe_view says of the band limit.
    modality = modality_class(name)(**SMALL.get(name, {"resolution": 16}))
    view, box = probe_grid(modality, points=100, seed=3), modality.domain
    assert view.shape == shape
    for axis, low, high in zip(view.axes, box.lower, box.upper, strict=True):
        place = (axis[0] - low) / (high - low) * axis.shape[1]
        assert place.floor().tolist() == list(range(axis.shape[1]))
    within = torch.cat([(probe_grid(modality, points=100, seed=s).axes[0][0] - box.lower[0]) for s in range(40)])
    within = within / (box.upper[0] - box.lower[0]) * view.axes[0].shape[1] % 1
    assert float(within.mean()) == pytest.approx(0.5, abs=5 * (1 / 12 / len(within)) ** 0.5)
    torch.testing.assert_close(view.spacing, probe_view(modality, points=1).spacing)


def test_jittered_grid_of_other_domains():
    modality = modality_class("spherical")(resolution=16)
    assert torch.equal(probe_grid(modality, points=9, seed=1).coords, probe_view(modality, points=9, seed=1).coords)


def test_bad_input(toy):
    with pytest.raises(ConfigError, match="1 or more"):
        probe_view(toy.modality, points=0)
    with pytest.raises(ConfigError, match="without labels"):
        stages_of(toy, label="cat")
    with pytest.raises(ConfigError, match="too few"):
        study_interpolation(stages_of(toy), VIEW, ends=torch.zeros(1, 2, 64))


@pytest.fixture
def run(tmp_path):
    torch.manual_seed(0)
    Generator(ImageModality(resolution=16), preset="tiny").save_pretrained(tmp_path / "run")
    return tmp_path / "run"


def test_command(run, tmp_path, capsys):
    main(["analyze", str(run), "interpolation", "--paths", "2", "--steps", "4", "--points", "32"])
    assert "θ→signal" in capsys.readouterr().out
    found = json.loads((run / "analysis" / "interpolation.json").read_text())
    assert set(found["jump_of_stages"]) == set(STAGES) and len(found["arcs"][0]["signal"]) == 4
    page = (run / "analysis" / "interpolation.html").read_text()
    assert "<svg" in page and "θ→signal" in page and not re.search("(src|href)=.?http", page)
    for more in (["--path", "arc", "--pace", "uniform"], ["--path", "arc", "--loop"]):
        main(["interpolate", str(run), "--seeds", "1,2", "--frames", "3", "--out", str(tmp_path / "w.gif"), *more])
        with Image.open(tmp_path / "w.gif") as gif:
            assert gif.n_frames >= 2  # equal frames are one
    with pytest.raises(SystemExit) as stop:
        main(["analyze", str(run), "interpolation", "--paths", "1"])
    err = capsys.readouterr().err.splitlines()
    assert stop.value.code == 2 and err[-1].startswith("inrgan: 1 paths")


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingDependency, match=r"inrgan\[studies\]"):
        require_plots()
