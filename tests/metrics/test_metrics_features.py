import math
from itertools import pairwise

import pytest
import torch

from inrgan.errors import ConfigError, ShapeError
from inrgan.metrics import RandomConvFeatures, frechet_distance
from inrgan.metrics.features import _calibration_noise, _convolve, _orthogonal


@pytest.mark.parametrize(("dims", "size"), [(1, 160), (2, 192), (3, 256)])
def test_sizes_down_to_eight_samples(dims, size):
    # Oracle: counted by hand; (2 * 4 + 2**dims) * 16.
    extractor = RandomConvFeatures(2, dims=dims)
    assert extractor.size == size
    for side in (8, 9, 20):
        features = extractor(torch.randn(3, 2, *[side] * dims, generator=torch.Generator().manual_seed(0)))
        assert features.shape == (3, size)
        assert torch.isfinite(features).all()


def test_it_is_fixed_by_its_seed_and_leaves_the_global_one_alone():
    # Oracle: property.
    values = torch.randn(3, 1, 32, generator=torch.Generator().manual_seed(0))
    before = torch.get_rng_state()
    first, again, other = (RandomConvFeatures(1, dims=1, seed=s)(values) for s in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_items_do_not_see_each_other():
    # Oracle: property; batches of one and of all agree up to rounding.
    values = torch.randn(5, 2, 16, 16, generator=torch.Generator().manual_seed(0))
    whole, single = (RandomConvFeatures(2, dims=2, batch=b)(values) for b in (64, 1))
    torch.testing.assert_close(whole, single, rtol=1e-9, atol=1e-9)


def test_the_name_states_what_changes_the_values():
    assert RandomConvFeatures(3, dims=2).name == "random-conv-v1(dims=2, channels=3, width=16, seed=0)"


@pytest.mark.parametrize(("rows", "columns"), [(4, 9), (9, 4), (5, 5)])
def test_filters_are_orthonormal(rows, columns):
    # Oracle: definition; Q Q^T = 1 or Q^T Q = 1.
    q = _orthogonal(rows, columns, generator=torch.Generator().manual_seed(0))
    assert q.shape == (rows, columns)
    gram = q @ q.T if rows <= columns else q.T @ q
    torch.testing.assert_close(gram, torch.eye(min(rows, columns), dtype=torch.float64))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_channels_of_the_first_stage_are_calibrated(dims):
    # Oracle: definition; deviation 1 before the ReLU on the noise, which is the first draw of the generator.
    extractor = RandomConvFeatures(1, dims=dims)
    noise = _calibration_noise(1, dims=dims, generator=torch.Generator().manual_seed(0))
    assert float(noise.std()) == pytest.approx(0.5)
    weight, bias = extractor._stages[0]
    response = _convolve(noise, weight, bias=bias).transpose(0, 1).flatten(1)
    torch.testing.assert_close(response.std(1), torch.ones(16, dtype=torch.float64))


def toy_signals(n, *, dims, seed):
    """Waves of random direction, phase and height."""
    generator = torch.Generator().manual_seed(seed)
    place = torch.linspace(0, 1, 16)
    grid = torch.stack(torch.meshgrid(*[place] * dims, indexing="ij"))
    wave = 4 * math.pi * torch.rand(n, dims, generator=generator)
    phase = 2 * math.pi * torch.rand(n, generator=generator)
    height = 0.3 + 0.6 * torch.rand(n, generator=generator)
    angle = torch.einsum("nd,d...->n...", wave, grid) + phase.reshape(-1, *[1] * dims)
    return (height.reshape(-1, *[1] * dims) * angle.sin()).unsqueeze(1)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_the_distance_grows_with_noise_blur_and_offset(dims):
    # Oracle: property; a stronger disturbance of the same kind is further away, and all are further than two
    # draws of one distribution.
    n = 300
    real, same = (toy_signals(n, dims=dims, seed=s) for s in (1, 2))
    extractor = RandomConvFeatures(1, dims=dims)
    reference = extractor(real)
    noise = torch.randn(same.shape, generator=torch.Generator().manual_seed(3))

    def distance(values):
        return frechet_distance(reference, extractor(values))

    for disturbed in (
        [same + amount * noise for amount in (0.0, 0.1, 0.2, 0.4, 0.8)],
        [same + amount for amount in (0.0, 0.2, 0.4, 0.8)],
        [same * gain for gain in (1.0, 0.7, 0.4, 0.1)],
    ):
        distances = [distance(values) for values in disturbed]
        assert all(a < b for a, b in pairwise(distances)), distances


def test_the_distance_sees_a_missing_mode():
    # Oracle: property; a set with half of its kinds dropped is further than a fresh draw of all kinds.
    extractor = RandomConvFeatures(1, dims=2)
    real, same = (toy_signals(300, dims=2, seed=s) for s in (1, 2))
    collapsed = toy_signals(300, dims=2, seed=3)[:20].repeat(15, 1, 1, 1)
    reference = extractor(real)
    assert frechet_distance(reference, extractor(collapsed)) > frechet_distance(reference, extractor(same))


def test_user_errors():
    with pytest.raises(ConfigError, match="dims is 4"):
        RandomConvFeatures(1, dims=4)
    with pytest.raises(ConfigError, match="channels is 0"):
        RandomConvFeatures(0, dims=1)
    extractor = RandomConvFeatures(1, dims=2)
    with pytest.raises(ShapeError, match="at least 8"):
        extractor(torch.zeros(1, 1, 8, 7))
    for shape in ((1, 2, 8, 8), (1, 1, 8), (0, 1, 8, 8)):
        with pytest.raises(ShapeError, match="1 channels"):
            extractor(torch.zeros(shape))
