"""Metrics of sets of shapes. Oracles: slow plain versions, closed forms, sets split in two."""

import itertools
import sys

import numpy as np
import pytest
import torch
from inrgan_modalities.occupancy import (
    Ball,
    SyntheticShapes3D,
    Torus,
    chamfer,
    earth_mover,
    extract,
    sample_grid,
    set_scores,
    shade,
    shape_metrics,
    volumetric_iou,
)
from inrgan_modalities.occupancy._metrics import PairScores, pieces
from inrgan_modalities.occupancy._points import surface_points
from inrgan_modalities.occupancy._shade import sheet, turntable

from inrgan.errors import DataError, MissingDependency, NonFiniteError, ShapeError
from inrgan.images import to_bytes
from inrgan.metrics import Comparison, evaluate, frechet_distance


def sets(count, points, seed):
    return list(np.random.default_rng(seed).normal(size=(count, points, 3)))


def test_chamfer_and_earth_mover_by_hand():
    a, b = sets(3, 5, 0), sets(2, 5, 1)
    c, e = chamfer(a, b), earth_mover(a, b)
    for i, j in itertools.product(range(3), range(2)):
        d = [[np.linalg.norm(p - q) for q in b[j]] for p in a[i]]
        near = np.mean([min(r) ** 2 for r in d]) + np.mean([min(x) ** 2 for x in zip(*d, strict=True)])
        assert c[i, j].item() == pytest.approx(near)
        # Oracle of the assignment: all 120 ways to pair.
        least = min(np.mean([d[k][o] for k, o in enumerate(order)]) for order in itertools.permutations(range(5)))
        assert e[i, j].item() == pytest.approx(least)
    assert torch.equal(chamfer(a, a), chamfer(a, a).T) and chamfer(a, a).diagonal().abs().max() == 0
    with pytest.raises(ShapeError):
        earth_mover(a, sets(1, 4, 2))


def plain(across, reals, fakes):
    """MMD, COV and 1-NNA as written in the papers, one loop at a time."""
    n, m = across.shape
    mmd = sum(min(across[i]) for i in range(n)) / n
    covered = {min(range(n), key=lambda i: across[i][j]) for j in range(m)}
    right = 0
    everything = [("real", i) for i in range(n)] + [("fake", j) for j in range(m)]
    for kind, i in everything:
        best, who = float("inf"), ""
        for other, j in everything:
            if (kind, i) == (other, j):
                continue
            d = (reals if kind == "real" else fakes)[i][j] if kind == other else (
                across[i][j] if kind == "real" else across[j][i])  # fmt: skip
            if d < best:
                best, who = d, other
        right += who == kind
    return mmd, len(covered) / n, right / (n + m)


def test_set_scores_equal_the_plain_version():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 2)), rng.normal(size=(7, 2)) + 0.7
    across, reals, fakes = (torch.from_numpy(np.linalg.norm(a[:, None] - b[None], axis=-1))
                            for a, b in ((x, y), (x, x), (y, y)))  # fmt: skip
    found = set_scores(across, reals=reals, fakes=fakes)
    slow = plain(across.numpy(), reals.numpy(), fakes.numpy())
    assert (found.mmd, found.coverage, found.accuracy) == pytest.approx(slow)
    with pytest.raises(ShapeError):
        set_scores(across[:1], reals=reals[:1, :1], fakes=fakes)


def test_a_set_split_in_two_cannot_be_told_apart():
    # Oracle: 50% within three of the stated standard errors, over many splits within one of the mean's.
    rng = np.random.default_rng(0)
    accuracies, error = [], 0.0
    for _ in range(40):
        x = torch.from_numpy(rng.normal(size=(80, 3)))
        d = torch.cdist(x, x)
        found = set_scores(d[:40, 40:], reals=d[:40, :40], fakes=d[40:, 40:])
        accuracies.append(found.accuracy)
        error = found.error
        assert abs(found.accuracy - 0.5) < 4 * error
    assert abs(np.mean(accuracies) - 0.5) < 4 * error / 40**0.5


def test_surface_points_are_even():
    mesh = extract(Ball(0.6).distance, 32)
    points = surface_points(mesh, 4000, generator=torch.Generator().manual_seed(0))
    assert np.abs(np.linalg.norm(points, axis=1) - 0.6).max() < 0.01
    # Oracle: on a sphere each coordinate is uniform (Archimedes).
    for axis in points.T:
        assert np.abs(np.sort(axis) / 0.6 - np.linspace(-1, 1, 4000)).max() < 0.06


def grids(*solids, n=24):
    return torch.stack([torch.from_numpy((sample_grid(s, n) / 0.2).clip(-1, 1)).float()[None] for s in solids])


def test_iou_and_pieces():
    a, b = grids(Ball(0.6), n=64), grids(Ball(0.3), n=64)
    assert volumetric_iou(a, b).item() == pytest.approx(1 / 8, rel=0.03)
    assert (
        volumetric_iou(a, a).item() == 1 and volumetric_iou(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2)) == 1
    )
    two = torch.minimum(*grids(Ball(0.3, (-0.5, 0, 0)), Ball(0.3, (0.5, 0, 0))))
    assert pieces(two[0]) == 2 and pieces(a[0, 0]) == 1 and pieces(torch.ones(2, 2, 2)) == 0


def test_evaluate_by_name():
    source = SyntheticShapes3D(24, size=16)
    real = torch.stack([source[i] for i in range(12)])
    fake = torch.stack([source[i] for i in range(12, 24)])
    fake[0] = 1.0  # nothing
    fake[1] = torch.minimum(*grids(Ball(0.3, (-0.5, 0, 0)), Ball(0.3, (0.5, 0, 0)), n=16))
    names = ["mmd", "cov", "1-nna", "mmd-emd", "one-piece", "shaded-swd", "iou"]
    found = {s.name: s for s in evaluate(real, fake, metrics=names, others=shape_metrics())}
    assert found["one-piece"].value == pytest.approx(10 / 12) and found["one-piece"].protocol["of_reals"] == 1
    assert found["mmd"].protocol["empty_fake"] == 1 and 0 < found["mmd"].value < 0.2
    assert 0 < found["cov"].value <= 1 and 0 < found["1-nna"].value <= 1
    same = evaluate(real, real, metrics=["mmd", "shaded-swd", "cov"], others=shape_metrics())
    assert same[0].value < 0.02 and same[1].value == 0 and same[2].value > 0.7


def test_shaded_ball():
    # Oracle: the area of a disc; the light's side is the brighter; what turns does not change.
    one = grids(Ball(0.6), n=32)
    a, b = shade(one, azimuth=0, size=96)[0], shade(one, azimuth=73, elevation=-40, size=96)[0]
    for picture in (a, b):
        covered = float((picture.mean(dim=0) < 0.999).float().mean()) * (2 * 1.3) ** 2
        assert covered == pytest.approx(np.pi * 0.6**2, rel=0.02)
    assert a[:, 36, 40].mean() > a[:, 60, 60].mean() + 0.3


def test_shaded_sides():
    # Oracle: where a small ball has to appear: x to the right, y up; from 90 degrees, x looks at the viewer.
    one = grids(Ball(0.25, (0.6, 0.5, 0.0)), n=32)

    def middle(picture):
        rows, columns = torch.nonzero(picture.mean(dim=0) < 0.999, as_tuple=True)
        return float(columns.float().mean()) / 48 - 1, 1 - float(rows.float().mean()) / 48

    x, y = middle(shade(one, azimuth=0, elevation=0, size=96)[0])
    assert (1.3 * x, 1.3 * y) == (pytest.approx(0.6, abs=0.04), pytest.approx(0.5, abs=0.04))
    x, y = middle(shade(one, azimuth=90, elevation=0, size=96)[0])
    assert (1.3 * x, 1.3 * y) == (pytest.approx(0.0, abs=0.04), pytest.approx(0.5, abs=0.04))
    x, y = middle(shade(one, azimuth=0, elevation=90, size=96)[0])  # from above: z comes down
    assert (1.3 * x, 1.3 * y) == (pytest.approx(0.6, abs=0.04), pytest.approx(0.0, abs=0.04))


def test_sheets_and_turns():
    two = grids(Ball(0.6), Torus(ring=0.5, tube=0.2), n=16)
    assert sheet(two, size=32, angles=(0, 90)).shape == (3, 32, 64 + 2 + 64)
    film = turntable(two, frames=4, size=32)
    assert film.shape == (4, 3, 32, 64)
    assert (shade(torch.ones(1, 1, 8, 8, 8), size=16) == 1).all()
    with pytest.raises(ShapeError):
        shade(torch.ones(1, 2, 8, 8, 8))
    with pytest.raises(NonFiniteError):
        shade(torch.full((1, 1, 8, 8, 8), torch.nan))


@pytest.fixture
def fidelity(inception):
    return inception(lambda x: x.mean(dim=3)[:, 0, ::16])


def test_shaded_fid_is_the_mean_over_sides(fidelity, hub):
    # Oracle: our own distances, on the rows' means that the fake network hands back, one side after the other.
    torch.save({}, hub / "weights-inception-2015-12-05-6726825d.pth")
    source = SyntheticShapes3D(8, size=16)
    real, fake = (torch.stack([source[i] for i in part]) for part in (range(4), range(4, 8)))
    found = {s.name: s for s in evaluate(real, fake, metrics=["shaded-fid"], others=shape_metrics())}["shaded-fid"]
    each = [
        [to_bytes(shade(v, azimuth=side, size=128)).float().mean(dim=3)[:, 0, ::16] for v in (real, fake)]
        for side in (35.0, 125.0, 215.0, 305.0)
    ]
    assert found.value == pytest.approx(sum(frechet_distance(*pair) for pair in each) / 4, rel=1e-4) and found.value > 1
    assert "torch-fidelity 9.9" in found.protocol["extractor"] and not found.protocol["covariance_full_rank"]
    assert evaluate(real, real, metrics=["shaded-fid"], others=shape_metrics())[0].value == pytest.approx(0, abs=1e-3)


def test_shaded_fid_without_weights_says_so(fidelity, hub, monkeypatch):
    values = torch.ones(2, 1, 8, 8, 8)
    with pytest.raises(DataError, match="no Inception weights"):
        shape_metrics()["shaded-fid"].measure(Comparison(values, values))
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(MissingDependency, match="torch-fidelity"):
        shape_metrics()["shaded-fid"].measure(Comparison(values, values))


def test_solids_split_in_two_cannot_be_told_apart():
    # Oracle: 50%, within four of the stated standard errors; balls of one size are told apart from them.
    source = SyntheticShapes3D(48, size=16, seed=5)
    values = torch.stack([source[i] for i in range(48)])
    scores = PairScores(chamfer, items=24, points=96)
    found, stated = scores.accuracy(Comparison(values[::2], values[1::2]))
    assert stated["standard_error"] == pytest.approx(0.5 / 48**0.5, abs=1e-4)
    assert abs(found - 0.5) < 4 * stated["standard_error"]
    few = grids(*(Ball(0.3 + 0.001 * i) for i in range(24)), n=16)
    assert scores.accuracy(Comparison(values[::2], few))[0] > 0.5 + 4 * stated["standard_error"]
