import numpy as np
import pytest
import torch
from scipy.stats import wasserstein_distance

from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics import sliced_distance, sliced_wasserstein


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("n", "m"), [(50, 50), (50, 73), (7, 200), (1, 9), (12, 4)])
def test_one_dimension_agrees_with_scipy(n, m):
    # Oracle: scipy.stats.wasserstein_distance; in one dimension every direction is +1 or -1.
    real = torch.randn(n, 1, dtype=torch.float64, generator=seeded(1))
    fake = torch.rand(m, 1, dtype=torch.float64, generator=seeded(2)) * 3
    ours = sliced_distance(real, fake, generator=seeded(), projections=3)
    assert ours == pytest.approx(wasserstein_distance(real[:, 0].numpy(), fake[:, 0].numpy()), rel=1e-12)


def test_many_dimensions_agree_with_scipy_on_the_same_directions():
    # Oracle: scipy on each direction, drawn anew from an equal generator.
    real = torch.randn(40, 5, dtype=torch.float64, generator=seeded(1))
    fake = torch.randn(31, 5, dtype=torch.float64, generator=seeded(2)) + 0.5
    directions = torch.randn(5, 20, generator=seeded(3)).double()
    directions /= directions.norm(dim=0)
    slow = np.mean([wasserstein_distance((real @ d).numpy(), (fake @ d).numpy()) for d in directions.T])
    # The library draws and normalises directions in float32.
    assert sliced_distance(real, fake, generator=seeded(3), projections=20) == pytest.approx(slow, rel=1e-6)


def test_translation_has_a_closed_form():
    # Oracle: closed form; moved by t, each direction u is at |u.t|, whose mean in 2-D is |t| 2 / pi.
    points = torch.randn(30, 2, dtype=torch.float64, generator=seeded(1))
    moved = points + torch.tensor([3.0, 4.0], dtype=torch.float64)
    value = sliced_distance(points, moved, generator=seeded(), projections=20000)
    # The deviation of |cos| is sqrt(1/2 - 4/pi^2) = 0.308; five standard errors of the mean.
    assert value == pytest.approx(5 * 2 / np.pi, abs=5 * 5 * 0.308 / np.sqrt(20000))


@pytest.mark.parametrize("shape", [(6, 2, 64), (6, 3, 32, 40), (4, 1, 16, 17, 16)])
@pytest.mark.parametrize("normalise", [True, False])
def test_equal_sets_are_at_zero(shape, normalise):
    # Oracle: axiom of a distance; holds since both sets are cut at the same places.
    values = torch.rand(shape, generator=seeded()) * 2 - 1
    result = sliced_wasserstein(values, values.clone(), generator=seeded(), normalise=normalise)
    assert result.mean == 0.0
    assert set(result.levels) == {0.0}


def test_contrast_and_offset_matter_only_without_normalisation():
    # Oracle: invariance of (x - mean) / deviation under a positive affine map.
    values = torch.rand(8, 3, 32, 32, generator=seeded()) - 0.5
    other = 0.5 * values + 0.25
    assert sliced_wasserstein(values, other, generator=seeded()).mean == pytest.approx(0, abs=1e-2)
    assert sliced_wasserstein(values, other, generator=seeded(), normalise=False).mean > 10


def test_one_level_of_single_samples_is_the_plain_distance_of_values():
    # Oracle: scipy; a patch of one sample of a constant item is the value of the item.
    real, fake = torch.rand(9, 1, generator=seeded(1)), torch.rand(9, 1, generator=seeded(2))
    ours = sliced_wasserstein(
        real[..., None].expand(9, 1, 8),
        fake[..., None].expand(9, 1, 8),
        generator=seeded(),
        patch=1,
        levels=1,
        normalise=False,
    )
    expected = 1000 * wasserstein_distance(real[:, 0].numpy(), fake[:, 0].numpy())
    assert ours.levels == pytest.approx((expected,), rel=1e-5)


@pytest.mark.parametrize("spatial", [(9,), (9, 8), (7, 9, 8)])
def test_patches_are_cut_where_they_should_be(spatial):
    # Oracle: an independent slow version by slicing; values that name their own place.
    from inrgan.metrics.swd import _draw_places, _patches

    values = torch.arange(2 * 3 * int(np.prod(spatial)), dtype=torch.float32).reshape(2, 3, *spatial)
    places = _draw_places(spatial, items=2, count=5, patch=4, generator=seeded())
    ours = _patches(values, places, level=0, last=True, patch=4)
    slow = [
        values[(item, slice(None), *(slice(int(c), int(c) + 4) for c in places[item, index]))].flatten(1)
        for item in range(2)
        for index in range(5)
    ]
    torch.testing.assert_close(ours, torch.stack(slow), rtol=0, atol=0)
    assert all(int(places[..., axis].max()) <= side - 4 for axis, side in enumerate(spatial))


def test_blur_is_seen_in_the_fine_level_most():
    # Oracle: property; dropping the finest band leaves coarser bands alike.
    values = torch.rand(32, 1, 64, generator=seeded()) - 0.5
    smooth = torch.nn.functional.avg_pool1d(values, 3, stride=1, padding=1)
    result = sliced_wasserstein(values, smooth, generator=seeded(), normalise=False)
    assert len(result.levels) == 3
    assert result.levels[0] > result.levels[1] > result.levels[2]


@pytest.mark.parametrize(("spatial", "levels"), [((64,), 3), ((32, 36), 2)])
def test_an_offset_is_seen_in_the_coarsest_level_only(spatial, levels):
    # Oracle: closed form; bands have no mean, and the remainder takes the whole offset.
    values = torch.rand(6, 2, *spatial, generator=seeded()) - 0.5
    result = sliced_wasserstein(values, values + 0.5, generator=seeded(), normalise=False)
    assert len(result.levels) == levels
    assert result.levels[:-1] == pytest.approx((0.0,) * (levels - 1), abs=1e-3)
    assert result.levels[-1] > 10


def test_sets_of_different_size_and_seeds():
    # Oracle: property; the same seed gives the same number, another seed another.
    real, fake = torch.rand(5, 1, 32, generator=seeded(1)), torch.rand(8, 1, 32, generator=seeded(2))
    first, again, other = (sliced_wasserstein(real, fake, generator=seeded(s)).mean for s in (3, 3, 4))
    assert first == again
    assert first != other


def test_flat_signals_do_not_blow_up():
    # Oracle: closed form; constants 0.3 and 0.3 plus rounding are both flat, so no structure differs.
    flat = torch.full((4, 1, 32), 0.3)
    result = sliced_wasserstein(flat, flat * (1 + 1e-7), generator=seeded())
    assert result.mean < 1000 * 0.1


def test_user_errors():
    values = torch.zeros(2, 1, 32)
    with pytest.raises(ShapeError, match="same channels"):
        sliced_wasserstein(values, torch.zeros(2, 2, 32), generator=seeded())
    with pytest.raises(ShapeError, match="at least 7"):
        sliced_wasserstein(values[..., :6], values[..., :6], generator=seeded())
    with pytest.raises(ShapeError, match="at least 25"):
        sliced_wasserstein(values[..., :24], values[..., :24], generator=seeded(), levels=3)
    with pytest.raises(ConfigError, match="projections is 0"):
        sliced_wasserstein(values, values, generator=seeded(), projections=0)
    with pytest.raises(ShapeError, match="1, 2 or 3 spatial"):
        sliced_wasserstein(values[0], values[0], generator=seeded())
