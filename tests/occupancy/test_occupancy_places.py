"""Patches near surfaces. Oracles: closed forms, containment, binomial counts."""

import numpy as np
import pytest
import torch
from inrgan_modalities.occupancy import Ball, SyntheticShapes3D, sample_grid

from inrgan import Box, ImageModality, OccupancyModality, Trainer, recipes
from inrgan.cli import main
from inrgan.data import epoch_indices
from inrgan.errors import ConfigError
from inrgan.losses import DensePatchTerm, LossOptions
from inrgan.training.reals import Reals


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def item(solid):
    return torch.from_numpy((sample_grid(solid, 64) / 0.2).clip(-1, 1)).float()[None]


def test_places_are_near_the_surface_and_all_over_it():
    # Oracle: a ball's distance in closed form; by Archimedes, heights on a sphere are uniform.
    m, solid = OccupancyModality(resolution=16), Ball(0.6, (0.1, -0.1, 0.2))
    ball, generator = item(solid), rng()
    found = m.regions_of_interest(ball, count=400, generator=generator).double().numpy()
    assert np.abs(solid.distance(found)).max() < 0.2 and np.abs(solid.distance(found)).mean() < 0.02
    for axis, middle in enumerate(solid.center):
        heights = (found[:, axis] - middle) / 0.6
        counts, _ = np.histogram(heights, bins=4, range=(-1, 1))
        assert (np.abs(counts - 100) < 4.5 * (400 * 0.25 * 0.75) ** 0.5).all()
    assert m.regions_of_interest(torch.ones(1, 16, 16, 16), count=2, generator=generator) is None


def test_occupancy_has_places_too():
    m = OccupancyModality(resolution=16, signal="occupancy")
    solid = m.source(None)[0]
    places = m.regions_of_interest(solid, count=20, generator=rng())
    assert places is not None and places.shape == (20, 3) and places.abs().max() < 1


@pytest.mark.parametrize("dim", [1, 3])
def test_patches_hold_their_places(dim):
    box, n = Box(dim), 500
    spacing = 0.02 + 0.2 * torch.rand(n, generator=rng())
    view = box.patches(8, spacing, generator=rng(1))
    places = 1.98 * torch.rand(n, dim, generator=rng(2)) - 0.99
    chosen = torch.arange(n) % 2 == 0
    moved = box.patches_toward(view, places, chosen=chosen, generator=rng(3))
    for a, b in zip(moved.axes, view.axes, strict=True):
        assert torch.equal(a[~chosen], b[~chosen])
        torch.testing.assert_close(a.diff(dim=1), b.diff(dim=1), atol=1e-6, rtol=0)
        assert a.abs().max() < 1
    torch.testing.assert_close(moved.spacing, view.spacing)
    off = (places - moved.center) / (moved.extent / 2)
    assert (off[chosen].abs() <= 1 + 1e-4).all() and (off[~chosen].abs() > 1.01).any()
    # Places in the middle of the box lie anywhere in patches of up to half its side: uniform on -1 to 1.
    there = box.patches_toward(view, torch.zeros(n, dim), chosen=torch.ones(n, dtype=torch.bool), generator=rng(4))
    small = there.extent[:, 0] <= 1
    off = (there.center[small] / (there.extent[small] / 2)).flatten()
    assert len(off) > 100 and abs(float(off.mean())) < 5 * (1 / 3 / len(off)) ** 0.5
    assert abs(float(off.square().mean()) - 1 / 3) < 5 * (4 / 45 / len(off)) ** 0.5


def test_a_share_of_a_term():
    term, domain = DensePatchTerm(64, patch=8, whole=16, near=0.3), Box(3)
    views = term.views(domain, batch=1000, generator=rng(), resolution=64)
    places = torch.full((1000, 3), 0.5)
    places[500:] = torch.nan
    moved = term.toward(views, places[:, None], domain=domain, generator=rng(1))
    assert moved[1] is views[1]
    changed = (moved[0].center - views[0].center).abs().amax(dim=1) > 0
    assert not changed[500:].any() and abs(int(changed.sum()) - 150) < 5 * (500 * 0.3 * 0.7) ** 0.5


def test_places_are_of_other_items():
    # Oracle: the same draws by hand; an order of items of its own.
    m, source = OccupancyModality(resolution=16), SyntheticShapes3D(64, size=16)
    got = Reals(source, m, batch=16, seed=5).regions_of_interest(3, count=2, generator=rng())
    order = epoch_indices(64, batch=16, step=3, seed=6)
    again = rng()
    assert torch.equal(got, torch.stack([m.regions_of_interest(source[i], count=2, generator=again) for i in order]))
    assert list(order) != list(epoch_indices(64, batch=16, step=3, seed=5))


def test_only_where_there_are_places(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "image", "--resolution", "16", "--losses", "full,dense-patch", "--patch-near", "0.5",
              "--outdir", str(tmp_path)])  # fmt: skip
    err = capsys.readouterr().err
    assert stop.value.code == 2 and "--patch-near" in err and not list(tmp_path.iterdir())
    with pytest.raises(ConfigError, match="regions of interest"):
        LossOptions(patch_near=1.5)
    Trainer(recipes.tiny(ImageModality(resolution=16)), outdir=tmp_path, quiet=True).close()
