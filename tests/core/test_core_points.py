"""Scattered points: their groups, critic and loss. Oracles: scipy's tree, slow loops, gradgradcheck, invariances."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial import KDTree

import inrgan.discriminators.scattered as groups_module
from inrgan import Box, ImageModality, Sphere, Trainer, recipes
from inrgan.cli import main
from inrgan.discriminators import PointBlock, ScatteredCritic
from inrgan.discriminators.scattered import along_curve, group, nearest
from inrgan.domains import Surface
from inrgan.errors import ConfigError, ShapeError
from inrgan.losses import LossOptions, PointsTerm, gradient_penalty, terms
from inrgan.samplers import ScatteredPoints
from inrgan.views import scattered

DOMAINS = {"line": Box(1), "flat": Box(2, aspect=(2, 1)), "solid": Box(3), "sphere": Sphere()}


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def critic(domain=None, channels=2, **kwargs):
    torch.manual_seed(0)
    sizes = {"count": 128, "resolution": 16, "width": 4, "max_width": 8, "neighbours": 6, **kwargs}
    return ScatteredCritic(domain or Box(2), channels, **sizes)


def drawn(domain, count=60, batch=3, dtype=torch.float32):
    view = ScatteredPoints(count, resolution=16).draw(domain, batch=batch, generator=rng(1))
    values = torch.randn(batch, 2, count, generator=rng(2), dtype=dtype)
    return values, replace(view, points=view.points.to(dtype), spacing=view.spacing.to(dtype))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_neighbours_are_those_of_a_tree(dims, monkeypatch):
    points = torch.rand(2, 90, dims, generator=rng(), dtype=torch.float64)
    present = torch.rand(2, 90, generator=rng(1)) > 0.3
    monkeypatch.setattr(groups_module, "_AT_ONCE", 2 * 90 * 7)  # in pieces of 7
    got = nearest(points[:, :20], points, present=present, count=5)
    for b in range(2):
        names = present[b].nonzero()[:, 0].numpy()
        _, index = KDTree(points[b][names].numpy()).query(points[b, :20].numpy(), k=5)
        np.testing.assert_array_equal(got[b].numpy(), names[index])


def test_groups_equal_the_plain_version():
    # Oracle: the definition, point by point.
    points, shares = torch.rand(2, 30, 2, generator=rng()), torch.rand(2, 30, generator=rng(1))
    shares[:, 20:] = 0
    got = group(points, shares, neighbours=4, stride=4)
    for b in range(2):
        order = along_curve(points, shares)[b].tolist()
        assert sorted(order[:20]) == list(range(20))
        for m, start in enumerate(range(0, 30, 4)):
            stretch = order[start : start + 4]
            assert got.center[b, m] == stretch[0]
            assert got.share[b, m].item() == pytest.approx(sum(float(shares[b, i]) for i in stretch))
            if shares[b, stretch[0]] == 0:
                continue
            away = {i: float((points[b, i] - points[b, stretch[0]]).norm()) for i in range(20)}
            near = sorted(away, key=away.get)[:4]
            total = sum(float(shares[b, i]) for i in near)
            reach = sum(float(shares[b, i]) / total * away[i] ** 2 for i in near) ** 0.5
            assert got.near[b, m].tolist() == near and got.reach[b, m].item() == pytest.approx(reach, rel=1e-4)
            for k, i in enumerate(near):
                assert got.part[b, m, k].item() == pytest.approx(float(shares[b, i]) / total, rel=1e-4)
                expected = (points[b, i] - points[b, stretch[0]]) / reach
                torch.testing.assert_close(got.offset[b, m, k], expected, rtol=1e-4, atol=1e-5)


def test_curve_keeps_near_points_together():
    # Oracle: a grid of 2^k cells is gone through block by block: each quarter of the curve is one quarter of the box.
    grid = Box(2).grid((8, 8)).coords
    order = along_curve(grid, torch.ones(1, 64))[0]
    for part in order.split(16):
        assert len({tuple(p) for p in (grid[0, part] > 0).tolist()}) == 1


def test_block_is_a_sum_over_neighbours():
    # Oracle: the layers applied to one neighbour at a time.
    torch.manual_seed(0)
    block, points = PointBlock(2, 3, 5), torch.rand(1, 12, 2, generator=rng())
    x, place = torch.randn(1, 12, 3, generator=rng(1)), torch.randn(1, 3, 2, generator=rng(2))
    groups = group(points, torch.rand(1, 12, generator=rng(3)), neighbours=4, stride=4)
    got, leaky = block(x, groups, place), torch.nn.LeakyReLU(0.2)
    for m in range(3):
        sums, mean = torch.zeros(8, 3), torch.zeros(3)
        for k, i in enumerate(groups.near[0, m].tolist()):
            weights = block.basis(leaky(block.hidden(groups.offset[0, m, k])))
            sums += groups.part[0, m, k] * torch.outer(weights, leaky(block.first(x[0, i])))
            mean += groups.part[0, m, k] * x[0, i]
        facts = torch.cat([place[0, m], groups.reach[0, m, None].log2() / 4])
        expected = leaky(block.second(sums.flatten()) + block.facts(facts)) + block.skip(mean)
        torch.testing.assert_close(got[0, m], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DOMAINS)
def test_order_is_no_matter(name):
    domain = DOMAINS[name]
    (x, view), D = drawn(domain), critic(domain)
    order = torch.randperm(60, generator=rng(3))
    spacing = view.spacing.expand(3, 60, -1) * (1 + torch.rand(3, 60, 1, generator=rng(4)))
    one = replace(view, spacing=spacing, weights=torch.rand(3, 60, generator=rng(5)))
    other = replace(one, points=one.points[:, order], spacing=spacing[:, order], weights=one.weights[:, order])
    scores = D(x, one)
    torch.testing.assert_close(D(x[..., order], other), scores, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(D(x[..., order], one), scores, atol=1e-3)  # which value lies where matters
    for i in range(3):  # a score is its own sample's
        torch.testing.assert_close(D(x[i : i + 1], one.row(i)), scores[i : i + 1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", DOMAINS)
def test_holes_are_no_part_of_the_signal(name):
    # Oracle: the same points without them. What the holes hold is NaN, and their places are anywhere.
    domain = DOMAINS[name]
    (x, view), D = drawn(domain), critic(domain)
    holes = torch.zeros(3, 60, dtype=torch.bool)
    holes[:, [3, 10, 11, 30, 58]] = True
    masked = replace(view, weights=(~holes).float() * 60 / 55)
    filled = torch.where(holes[:, None], torch.nan, x)
    keep = ~holes[0]
    without = scattered(view.points[:, keep], spacing=view.spacing)
    torch.testing.assert_close(D(filled, masked), D(x[..., keep], without), rtol=1e-4, atol=1e-5)
    # Of the same stations with gaps of their own, only the weights have a batch.
    same = replace(view.row(0), weights=masked.weights)
    assert D(filled, same).shape == (3,)
    penalty = gradient_penalty(lambda v: D(v, masked), torch.where(holes[:, None], 5.0, x), masked)
    assert torch.isfinite(penalty) and penalty > 0


def test_holes_of_one_sample_only():
    x, view = drawn(Box(2))
    weights = torch.ones(3, 60)
    weights[1, 20:] = 0
    scores = critic()(x, replace(view, weights=weights))
    few = scattered(view.points[1:2, :20], spacing=view.spacing)
    torch.testing.assert_close(critic()(x[1:2, :, :20], few), scores[1:2], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["flat", "sphere"])
def test_twice_differentiable(name):
    # Oracle: finite differences of the gradient in float64. Leaky ReLU has kinks, on which random values do not lie.
    domain = DOMAINS[name]
    D, (x, view) = critic(domain, count=32).double(), drawn(domain, count=9, batch=2, dtype=torch.float64)
    x.requires_grad_()
    assert torch.autograd.gradcheck(lambda v: D(v, view), (x,))
    assert torch.autograd.gradgradcheck(lambda v: D(v, view).square(), (x,))


def test_penalty_by_either_way_is_the_same():
    # What torch.compile traces takes gradients by torch.func.
    D, (x, view) = critic(), drawn(Box(2))
    a, b = (gradient_penalty(lambda v: D(v, view), x, view, functional=f) for f in (False, True))
    torch.testing.assert_close(a, b)
    a.backward()
    slopes = [p.grad for p in D.parameters() if p.grad is not None]
    assert all(torch.isfinite(g).all() for g in slopes) and any(g.any() for g in slopes)


def test_penalty_hardly_depends_on_the_number_of_points():
    # Oracle: of one smooth signal the functional derivative is the same. Averaged over first weights.
    norms = {}
    for count in (256, 1024):
        view = ScatteredPoints(count, resolution=32).draw(Box(2), batch=4, generator=rng())
        x = torch.sin(3 * view.coords.sum(dim=-1, keepdim=True)).transpose(1, 2)
        values = []
        for seed in range(12):
            torch.manual_seed(seed)
            D = ScatteredCritic(Box(2), 1, count=count, resolution=32, width=8, max_width=32)
            values.append(gradient_penalty(lambda v, D=D, w=view: D(v, w), x, view).item())
        norms[count] = sum(values) / len(values)
    assert 0.5 < norms[1024] / norms[256] < 2  # a plain sum of squares would be a quarter


def test_is_told_place_density_and_label():
    D, (x, view) = critic(classes=3), drawn(Box(2))
    labels = torch.tensor([0, 1, 2])
    scores = D(x, view, labels)
    assert not torch.allclose(D(x, replace(view, spacing=view.spacing / 4), labels), scores, atol=1e-4)
    assert not torch.allclose(D(x, replace(view, points=view.points + 0.5), labels), scores, atol=1e-4)
    assert not torch.allclose(D(x, view, labels.flip(0)), scores, atol=1e-4)
    assert torch.isfinite(D(x, replace(view, spacing=torch.zeros_like(view.spacing)), labels)).all()


def test_no_seam_on_the_sphere():
    # Oracle: the groups of a turned sphere are the turned groups, except that the curve begins elsewhere: neighbours of
    # a point at the date line lie on both sides of it.
    points = Sphere().fibonacci(400).coords
    line = points[0, :, 1].abs().add(points[0, :, 0].clamp(min=0)).argmin()
    near = nearest(points[:, line : line + 1], points, present=torch.ones(1, 400) > 0, count=12)[0, 0]
    assert (points[0, near, 1] > 0.02).any() and (points[0, near, 1] < -0.02).any()
    assert (points[0, near] - points[0, line]).norm(dim=-1).max() < 0.5


def test_any_number_of_points():
    D = critic()
    for count in (1, 2, 5, 200):
        x, view = drawn(Box(2), count=count)
        assert D(x, view).shape == (3,) and torch.isfinite(D(x, view)).all()
    same = torch.zeros(3, 4, 2)
    assert torch.isfinite(D(torch.randn(3, 2, 4, generator=rng()), scattered(same))).all()
    grid = Box(2).grid((6, 5))  # a grid is points, too
    assert D(torch.randn(3, 2, 6, 5, generator=rng()), grid).shape == (3,)
    for bad in (torch.zeros(3, 1, 30), torch.zeros(3, 2, 29), torch.zeros(3, 2)):
        with pytest.raises(ShapeError, match="the critic got"):
            D(bad, grid)


def test_surface_and_film_domains():
    corners = torch.tensor([[1.0, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]])
    surface = Surface(corners, torch.tensor([[0, 1, 2], [0, 3, 1], [0, 2, 3], [1, 3, 2]]))
    x, view = drawn(surface)
    assert critic(surface)(x, view).shape == (3,)
    # A sample of time counts as much as one of space.
    film = Box(3, lower=(-1, -1, 0), upper=(1, 1, 2), units=(None, None, 0.5))
    assert film.spacings(8) == (0.25, 0.25, 0.125)


def test_sampler_is_uniform():
    # Oracle: counts in cells of equal measure, by the binomial deviation.
    view = ScatteredPoints(500, resolution=8).draw(Box(2, aspect=(2, 1)), batch=8, generator=rng())
    x, y = view.coords.flatten(0, 1).unbind(-1)
    counts = torch.histogramdd(torch.stack([x / 2, y], dim=1), bins=[4, 2], range=[-1.0, 1.0, -1.0, 1.0]).hist
    assert (counts - 500).abs().max() < 5 * (4000 / 8 * 7 / 8) ** 0.5
    assert view.spacing.flatten().tolist() == [0.25, 0.25]
    assert ScatteredPoints(5, resolution=64).at_most(16).finest(Box(2)) == 2 / 16
    for bad in ((0, 8), (8, 0)):
        with pytest.raises(ConfigError):
            ScatteredPoints(bad[0], resolution=bad[1])


def test_a_share_of_points_lies_at_places():
    term = PointsTerm(16, count=40, near=0.25)
    views = term.views(Box(3), batch=2, generator=rng(), resolution=16)
    places = torch.full((2, term.places, 3), 0.5)
    places[1, 4:] = torch.nan
    (moved,) = term.toward(views, places, domain=Box(3), generator=rng())
    assert term.places == 10 and torch.equal(moved.coords[:, 10:], views[0].coords[:, 10:])
    assert (moved.coords[0, :10] == 0.5).all() and (moved.coords[1, :4] == 0.5).all()
    assert torch.equal(moved.coords[1, 4:], views[0].coords[1, 4:])
    assert PointsTerm(16, count=1, near=0.25).near == 0


def test_by_name():
    two = terms(["full", "points"], resolution=16, smallest=4, options=LossOptions(points=9))
    assert [t.weight for t in two] == [0.5, 0.5] and two[1].sampler.count == 9
    for bad in ({"points": 0}, {"points_near": 1.5}, {"points_near": -1}):
        with pytest.raises(ConfigError, match="points"):
            LossOptions(**bad)


def test_train_pictures_at_points(tmp_path):
    config = replace(
        recipes.tiny(ImageModality(resolution=16, mirror=True)), kimg=0.008, batch=4, device="cpu", losses=("points",),
        views=LossOptions(points=48), augment="fixed", augment_p=0.5,
    )  # fmt: skip
    trainer = Trainer(config, outdir=tmp_path, quiet=True)
    before = [p.detach().clone() for p in trainer.D.parameters()]
    trainer.fit()
    trainer.close()
    assert list(trainer.D) == ["points"]
    assert any(not torch.equal(a, b) for a, b in zip(before, trainer.D.parameters(), strict=True))


@pytest.mark.parametrize(
    ("flags", "told"),
    [(["image", "--resolution", "16", "--points-near", "0.5"], "--points-near"),
     (["audio", "--resolution", "256", "--rate", "4000"], "audio has no critic of scattered points"),
     (["video", "--resolution", "16", "--frames", "4"], "video has no critic of scattered points")],
    ids=lambda x: x[0] if isinstance(x, list) else x,
)  # fmt: skip
def test_where_there_are_none(flags, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", *flags, "--losses", "points", "--outdir", str(tmp_path)])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and told in err and err.count("\n") == 1 and not list(tmp_path.iterdir())
