"""Studies of geometry. Oracles: hand-made generators that translate or fade, scikit-learn, closed forms."""

import json
import math

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.metrics import r2_score

from inrgan import Box, Generator
from inrgan.analysis import (
    Explained,
    Known,
    Stages,
    at_points,
    exact_factors,
    explained_by_flow,
    explained_by_warp,
    linear_probe,
    measure_motion,
    moments,
    sketch,
    some_points,
    stages_of,
    study_geometry,
)
from inrgan.analysis.geometry import _probe
from inrgan.analysis.node_cache import NodeCache
from inrgan.cli import main
from inrgan.domains import Sphere
from inrgan.errors import ConfigError, ShapeError
from inrgan.inr import LayerWeights
from inrgan.registry import modality_class, modality_names
from inrgan.views import scattered


def pattern(x):
    """Two smooth spots of different colours, in any number of dimensions."""
    other = x - 0.3 * torch.tensor([1.0, -1.0, 0.5])[: x.shape[-1]]
    a, b = (torch.exp(-y.square().sum(dim=-1) / (2 * s**2)) for y, s in ((x, 0.3), (other, 0.2)))
    return torch.stack([a, b, a - b], dim=-1)


def made(kind, dim=2):
    """Generators of one linear stage each, whose signal moves, turns or fades with the first latents."""

    def signal(weights, view):
        w, x = weights[0].weight[:, 0], view.coords
        x = x.expand(len(w), -1, -1)
        if kind == "translates":
            values = pattern(x - 0.4 * w[:, None, :dim])
        elif kind == "turns":
            c, s = torch.cos(w[:, :1]), torch.sin(w[:, :1])
            values = pattern(torch.stack([c * x[..., 0] - s * x[..., 1], s * x[..., 0] + c * x[..., 1]], dim=-1))
        else:
            values = (1 - w[:, :1, None]) * pattern(x) + w[:, :1, None] * pattern(1.5 * x + 0.4)
        return view.unflatten(values)

    return Stages(z_dim=4, mapping=lambda z: z, weights=lambda w: [LayerWeights(w[:, None], w[:, :1])], signal=signal)


def explained(kind, dim=2, *, frames=None):
    rng, rows = torch.Generator().manual_seed(0), {}
    for _ in range(3):
        w = torch.randn(2, 4, generator=rng)
        got = measure_motion(made(kind, dim), Box(dim).grid((40,) if dim == 1 else (20,) * 2 if dim == 2 else (8,) * 3),
                             w=w, steps=4, frames=frames)  # fmt: skip
        for method, row in got.items():
            rows.setdefault(method, []).append(row.numpy())
    return {method: Explained(np.stack(r)).score().value for method, r in rows.items()}


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_what_translates_is_motion(dim):
    assert explained("translates", dim) == pytest.approx({"smooth displacement": 1, "affine map": 1}, abs=0.01)


def test_what_turns_is_motion():
    assert explained("turns") == pytest.approx({"smooth displacement": 1, "affine map": 1}, abs=0.01)


def test_what_fades_is_not():
    # Oracle: along a line the generator is the very cross-fade that it is compared with.
    got = explained("fades", frames=Box(2).grid((48, 48)))
    assert got == pytest.approx({"smooth displacement": 0, "affine map": 0, "optical flow": 0}, abs=0.01)


def test_flow_of_what_translates():
    # Pictures know no values between their samples: near 1 is all that they can give.
    assert explained("translates", frames=Box(2).grid((48, 48)))["optical flow"] > 0.9


def test_no_change_and_no_motion():
    x = torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    change, rest = explained_by_flow(x, x)
    assert change.tolist() == rest.tolist() == [0, 0]
    brighter = explained_by_warp(lambda v: 0 * v.coords[0], lambda v: 0 * v.coords[0] + 1, Box(1).grid((40,)))
    # Nothing to move: nothing explained, and nothing breaks.
    assert brighter.change == brighter.affine == brighter.smooth == 1
    with pytest.raises(ShapeError, match="twice"):
        explained_by_flow(x, x[:1])
    with pytest.raises(ConfigError, match="too few"):
        explained_by_warp(lambda v: v.coords[0], lambda v: v.coords[0], Box(1).grid((8,)))


def test_affine_map_is_recovered():
    # Oracle: the affine map that was planted; a smooth but not affine one is left by the affine fit alone.
    view = Box(2).grid((20, 20))
    turn = torch.tensor([[1.1, 0.1], [-0.05, 0.9]])
    for bend, affine_too in ((0.0, True), (0.15, False)):
        at = lambda x, b=bend: pattern(x @ turn + 0.1 + b * torch.cos(math.pi * x.flip(-1)))  # noqa: E731
        got = explained_by_warp(lambda v: pattern(v.coords[0]), lambda v, at=at: at(v.coords[0]), view)
        assert got.smooth < 1e-3 * got.change and (got.affine < 1e-3 * got.change) == affine_too


def test_only_moving_coordinates_are_displaced():
    # Oracle: a translation along one coordinate, which displacements of the other one alone cannot follow.
    view = Box(2).grid((20, 20))
    shift = torch.tensor([0.2, 0.0])
    for moving, found in (((0,), True), ((1,), False), (None, True)):
        got = explained_by_warp(
            lambda v: pattern(v.coords[0]), lambda v: pattern(v.coords[0] + shift), view, moving=moving
        )
        assert (got.affine < 1e-3 * got.change) == found


def test_change_is_that_of_every_step_where_their_number_is_odd():
    # Oracle: numpy, at the grid itself; of an even number, every second step.
    view, w = Box(2).grid((12, 12)), torch.tensor([[0.1, 0.2, 0.0, 0.0], [0.9, -0.3, 0.0, 0.0]])
    for steps, every in ((3, 1), (4, 2)):
        path = torch.stack([w[0] + (w[1] - w[0]) * k / steps for k in range(steps + 1)])
        stages = made("translates")
        values = stages.signal(stages.weights(path), view).double().numpy()
        expected = np.square(np.diff(values, axis=0)).mean(axis=(1, 2, 3))[::every].sum()
        got = measure_motion(stages, view, w=w, steps=steps, iterations=1)["affine map"]
        assert got[0].item() == pytest.approx(expected, rel=1e-4)


def test_probe_against_scikit_learn():
    # Oracle: ordinary least squares and its R² on the same samples held out, where the penalty has nothing to do.
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 6))
    y = x @ rng.normal(size=6) + rng.normal(size=400)
    order = np.random.default_rng(3).permutation(400)
    test, train = order[:100], order[100:]
    expected = r2_score(y[test], LinearRegression().fit(x[train], y[train]).predict(x[test]))
    got = linear_probe(x, y, seed=3)
    assert got.value == pytest.approx(expected, abs=0.01) and got.low < expected < got.high


def test_probes_of_several_targets_are_those_of_each():
    # Oracle: every target by itself, of which each has a penalty of its own.
    rng = np.random.default_rng(2)
    x = rng.normal(size=(120, 60))
    y = np.stack([x[:, 0] + 0.01 * x[:, 1], rng.normal(size=120), x[:, :40].sum(axis=1) + 5 * rng.normal(size=120)], 1)
    for k, together in enumerate(_probe(x, y, seed=3)):
        alone = linear_probe(x, y[:, k], seed=3)
        assert (together.value, together.low) == pytest.approx((alone.value, alone.low), rel=1e-6)


def test_signals_in_parts_equal_the_whole(monkeypatch):
    # Oracle: the field at all points of all samples at once.
    torch.manual_seed(0)
    G = Generator(modality_class("image")(resolution=16), preset="tiny").eval()
    stages, w = stages_of(G), G.sample_w(range(5))
    shared = torch.rand(1, 30, 2, generator=torch.Generator().manual_seed(1))
    each = torch.rand(5, 30, 2, generator=torch.Generator().manual_seed(2))
    for points in (70, 8):  # two samples at a time, and some points of all samples at a time
        monkeypatch.setattr("inrgan.analysis.stages._POINTS", points)
        for coords in (shared, each):
            with torch.no_grad():
                got, whole = stages.signal(stages.weights(w), scattered(coords)), G.field(w)(scattered(coords))
            torch.testing.assert_close(got, whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["image", "audio", "video", "spherical"])
def test_stored_node_features_change_nothing(name):
    # Oracle: the fields themselves, without a store.
    torch.manual_seed(0)
    G = Generator(modality_class(name)(**SMALL.get(name, {"resolution": 16})), preset="tiny").eval()
    domain, w = G.modality.domain, G.sample_w(range(2))
    field = G.field(w)
    cache, view = NodeCache(field), some_points(domain.grid(domain.shape(G.modality.resolution)), points=60)[0]
    shift = 0.2 * view.extent[:, None] * torch.rand(1, 60, view.dim, generator=torch.Generator().manual_seed(1))
    if isinstance(domain, Box):
        shift[..., [d for d in range(view.dim) if d not in domain.alike]] = 0
    else:
        shift = 0.05 * shift
    with torch.no_grad():
        for coords in (view.coords, view.coords + shift, view.coords - shift):
            near = scattered(coords, spacing=view.spacing)
            torch.testing.assert_close(cache(near), field(near), rtol=1e-4, atol=1e-5)
        assert len(cache._entries) == 1
        coarse, few = scattered(view.coords, spacing=4 * view.spacing), scattered(view.coords[:, :9])
        for other in (coarse, few, domain.grid(domain.shape(8))):
            torch.testing.assert_close(cache(other), field(other), rtol=1e-4, atol=1e-5)
        if isinstance(domain, Box):  # points beyond what is stored
            far = scattered(view.coords + 3 * shift / 0.2, spacing=view.spacing)
            torch.testing.assert_close(cache(far), field(far), rtol=1e-4, atol=1e-4)


def test_probe_of_more_features_than_samples():
    # Oracle: scikit-learn's ridge with the best of many penalties on the samples held out, which the probe cannot see.
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 500))
    y = x[:, :5].sum(axis=1) * 3 + x @ rng.normal(size=500) * 0.1
    order = np.random.default_rng(0).permutation(200)
    test, train = order[:50], order[50:]
    scores = [r2_score(y[test], Ridge(alpha=a).fit(x[train], y[train]).predict(x[test])) for a in 10.0 ** np.arange(6)]
    assert max(scores) - 0.08 < linear_probe(x, y).value <= max(scores) + 0.01
    nothing = linear_probe(x, rng.normal(size=200)).value
    assert -0.3 < nothing < 0.2  # what is not there is not found, and costs little
    with pytest.raises(ConfigError, match="20 or more"):
        linear_probe(x[:10], y[:10])
    with pytest.raises(ShapeError):
        linear_probe(x, y[:10])


def test_sketch_keeps_inner_products():
    rng = torch.Generator().manual_seed(0)
    weights = [LayerWeights(torch.randn(3, 200, 100, generator=rng), torch.randn(3, 200, generator=rng))]
    whole = torch.cat([weights[0].weight.flatten(1), weights[0].bias], dim=1)
    torch.testing.assert_close(sketch(weights, size=1 << 20), whole)
    small = sketch(weights, size=4096)
    assert small.shape == (3, 4096)
    # Oracle: the exact ones; the standard error of an inner product is about |a||b|/√4096 of it.
    error = (small @ small.T - whole @ whole.T) / whole.square().sum(dim=1).mean()
    assert error.abs().max() < 5 / 64


@pytest.mark.parametrize("points", [None, 3000])
def test_moments_of_a_blob(points):
    # Oracle: the closed form: mass exp(−x²/s²) of a blob exp(−x²/2s²) has a variance of s²/2 along each axis.
    box = Box(2)
    view = box.grid((64, 64)) if points is None else scattered(box.sample(points, generator=torch.Generator()))
    x = view.coords[0]
    angle, long, short = 0.5, 0.3, 0.15
    axis = torch.tensor([math.cos(angle), math.sin(angle)])
    away = x - torch.tensor([0.2, -0.1])
    along, across = away @ axis, away @ torch.tensor([-axis[1], axis[0]])
    values = torch.exp(-((along / long) ** 2) / 2 - (across / short) ** 2 / 2)
    got = {k: float(v) for k, v in moments(values.reshape(1, 1, *view.shape), view).items()}
    slack = 0.003 if points is None else 0.02
    assert got["centroid 0"] == pytest.approx(0.2, abs=slack) and got["centroid 1"] == pytest.approx(-0.1, abs=slack)
    assert got["extent"] == pytest.approx(math.sqrt((long**2 + short**2) / 2), abs=slack)
    stretch = (long**2 - short**2) / (long**2 + short**2) / 2
    assert got["shape 00"] == pytest.approx(stretch * math.cos(2 * angle), abs=4 * slack)
    assert got["shape 01"] == pytest.approx(stretch * math.sin(2 * angle), abs=4 * slack)


def test_moments_weigh_by_measure():
    # Oracle: on a sphere, the mean of a step at a latitude is its share of the area.
    view = Sphere().grid((64, 128))
    values = (view.coords[..., 2] > 0.5).double().reshape(1, 1, *view.shape)
    assert float(moments(values, view)["level 0"]) == pytest.approx(0.25, abs=0.01)


def test_some_points_are_samples_of_the_grid():
    grid = Sphere().grid((8, 16))
    view, chosen = some_points(grid, points=20)
    assert view.count == 20 and len(set(chosen.tolist())) == 20
    torch.testing.assert_close(view.coords, grid.coords[:, chosen])
    assert view.spacing.shape == grid.spacing.shape == (1, 1, 3)
    torch.testing.assert_close(view.weights, grid.weights[:, chosen])
    assert some_points(grid, points=999)[0].count == 128 and at_points(grid, torch.tensor([3])).count == 1


def test_study_of_a_generator_that_translates():
    # Its latents are where the pattern is: everything is read from them; what has no part in it is not.
    rng = torch.Generator().manual_seed(0)
    view = Box(2).grid((16, 16))
    z = 0.8 * torch.rand(120, 4, generator=rng) - 0.4
    study = study_geometry(made("translates"), view, z=z, ends=torch.rand(2, 2, 4, generator=rng), steps=2)
    for d in "01":
        assert all(x.value > 0.95 for x in study.probes[f"centroid {d}"].values())
    assert study.motion["smooth displacement"].score().value == pytest.approx(1, abs=0.01)
    with pytest.raises(ConfigError, match="too few"):
        study_geometry(made("turns"), view, z=z, ends=z[:2].reshape(1, 2, 4))


def test_exact_factors_of_built_in_reals():
    # Oracle: the numbers that the built-in set draws its items from.
    modality = modality_class("image")(resolution=32)
    source = modality.source(None, seed=5)
    factors = exact_factors(source, range(160))
    np.testing.assert_array_equal(factors["x"], [source.factors(i)["x"] for i in range(160)])
    view = modality.domain.grid((32, 32))
    known = Known(modality.observe([source[i] for i in range(160)], view), factors)
    z = torch.rand(60, 4, generator=torch.Generator().manual_seed(0)) - 0.5
    study = study_geometry(made("translates"), view, z=z, ends=z[:4].reshape(2, 2, 4), steps=2, known=known)
    assert study.readable["x"].value > 0.9 and study.readable["y"].value > 0.9
    # What is read off the generated signals moves as they do: by 0.4 of a latent.
    assert study.probes["exact x"]["z"].value > 0.9
    assert "exact background_angle" not in study.probes
    assert exact_factors(modality_class("occupancy")(resolution=16).source(None), range(2)) == {}


SMALL = {"audio": {"resolution": 2048, "rate": 4000}, "video": {"resolution": 16, "frames": 8, "fps": 8}}


@pytest.mark.parametrize("name", sorted(modality_names()))
def test_every_modality(name):
    torch.manual_seed(0)
    G = Generator(modality_class(name)(**SMALL.get(name, {"resolution": 16})), preset="tiny").eval()
    domain = G.modality.domain
    view, _ = some_points(domain.grid(domain.shape(G.modality.resolution)), points=40)
    moving = domain.alike if isinstance(domain, Box) else None
    ends = G.latents(range(4)).reshape(2, 2, -1)
    study = study_geometry(stages_of(G), view, z=G.latents(range(20)), ends=ends, steps=2, moving=moving, iterations=1)
    assert math.isfinite(study.motion["smooth displacement"].score().value)
    assert {"centroid 0", "extent"} <= set(study.probes)


def test_command(tmp_path, capsys):
    main(["train", "image", "--resolution", "16", "--kimg", "0.016", "--batch", "16", "--quiet", "--outdir",
          str(tmp_path)])  # fmt: skip
    run = tmp_path / "00000-image-shapes-tiny"
    flags = ["--paths", "2", "--steps", "2", "--samples", "24", "--points", "64", "--out", str(tmp_path / "out")]
    main(["analyze", str(run), "geometry", *flags])
    assert "optical flow" in capsys.readouterr().out
    found = json.loads((tmp_path / "out" / "geometry.json").read_text())
    assert found["readable_on_reals"]["x"]["value"] > 0.5 and "optical flow" in found["motion"]
    assert "<svg" in (tmp_path / "out" / "geometry.html").read_text()
    with pytest.raises(SystemExit) as stop:
        main(["analyze", str(run), "geometry", *flags, "--samples", "3"])
    assert stop.value.code == 2 and "20 or more" in capsys.readouterr().err
