"""Variable density. Oracles: closed-form integrals, brute-force sums, scipy, functions that a method reproduces."""

import math

import numpy as np
import pytest
import torch
from scipy.interpolate import RegularGridInterpolator
from scipy.spatial import cKDTree

from inrgan import Box, Generator, ImageModality
from inrgan.density import (
    ArrayDensity,
    evaluate,
    foveated,
    gradient_magnitude,
    load_density,
    named_density,
    reconstruct,
    sample_density,
)
from inrgan.density.sampling import _invert
from inrgan.errors import ConfigError, DataError, MissingDependency, NonFiniteError, ShapeError
from inrgan.views import scattered

BOXES = [Box(1), Box(2), Box(2, lower=(0, -3), upper=(10, 1)), Box(3)]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def uniform(coords):
    return torch.ones(len(coords))


class ClosedForm:
    """A function of the coordinate that can be seen from a view and rendered, like a field."""

    def __init__(self, function, domain):
        self.function, self.domain = function, domain

    def __call__(self, view):
        return view.unflatten(self.function(view.coords)[..., None])

    def render(self, shape):
        return self(self.domain.grid(shape))


def make_field():
    torch.manual_seed(0)
    modality = ImageModality(resolution=16)
    return Generator(
        modality, z_dim=8, w_dim=8, rank=2, lattices=(4,), widths=(12, 8), depths=(1, 2), hypernetwork="factorized"
    ).sample([0, 1])


# Density maps.


@pytest.mark.parametrize("shape", [(6,), (4, 5), (3, 4, 5), (1, 4)])
def test_array_is_linear_between_cell_centres(shape):
    # Oracle: scipy's multilinear interpolation, at coordinates held inside the outermost centres.
    box, values = Box(len(shape)), torch.rand(shape, generator=rng(), dtype=torch.float64)
    centres = [(2 * np.arange(n) + 1) / n - 1 for n in shape]
    coords = torch.rand(200, len(shape), generator=rng(1), dtype=torch.float64) * 2.4 - 1.2
    held = np.stack([np.clip(coords[:, ~a].numpy(), c[0], c[-1]) for a, c in enumerate(centres)], axis=-1)
    data = values.numpy()
    for axis, n in enumerate(shape):  # scipy wants two entries on every axis
        if n == 1:
            centres[axis], data = np.array([0.0, 1.0]), np.concatenate([data, data], axis=axis)
    expected = RegularGridInterpolator(centres, data)(held)
    np.testing.assert_allclose(ArrayDensity(values, box)(coords), expected, rtol=0, atol=1e-12)


def test_foveated_spacing_doubles():
    # Oracle: the law: spacing, density to the power of -1/D, is 1 at the gaze, 2 at E₂, 4 at three times it.
    for dim in (1, 2, 3):
        along = torch.zeros(3, dim)
        along[:, 0] = torch.tensor([0.0, 0.2, 0.6])
        spacing = foveated([0.0] * dim, domain=Box(dim), doubling=0.2)(along) ** (-1 / dim)
        torch.testing.assert_close(spacing, torch.tensor([1.0, 2.0, 4.0]))


def test_gradient_magnitude_of_a_parabola():
    # Oracle: d/dx of x² is 2x, exactly what central differences of it give inside; one direction only.
    field = ClosedForm(lambda x: x[..., 0] ** 2, Box(2))
    density = gradient_magnitude(field, resolution=20, smoothing=0.0, floor=1e-9, power=1.0)
    x = Box(2).grid((20, 20)).axes[0][0]
    torch.testing.assert_close(density.values[:, 1:-1], (2 * x.abs())[1:-1].expand(20, 18), rtol=1e-4, atol=1e-5)


def test_gradient_magnitude_floor_and_constant():
    step = ClosedForm(lambda x: (x[..., 0] > 0.5).float(), Box(2))
    raw = gradient_magnitude(step, smoothing=1.0, floor=1e-9).values
    floored = gradient_magnitude(step, smoothing=1.0, floor=0.3).values
    torch.testing.assert_close(floored, raw.clamp(min=0.3 * float(raw.mean())))
    flat = gradient_magnitude(ClosedForm(lambda x: 0 * x[..., 0], Box(2))).values
    assert (flat == flat[0, 0]).all() and flat[0, 0] > 0


def test_gradient_magnitude_of_a_field():
    density = gradient_magnitude(make_field(), resolution=24)
    assert density.values.shape == (24, 24) and (density.values > 0).all()


@pytest.mark.parametrize(
    "values, error",
    [
        ([[1.0, math.nan]], NonFiniteError),
        ([[1.0, math.inf]], NonFiniteError),
        ([[1.0, -0.1]], ConfigError),
        ([[0.0, 0.0]], ConfigError),
        ([1.0, 2.0], ShapeError),
        ([[[1.0]]], ShapeError),
        ([[]], ShapeError),
    ],
)
def test_bad_maps(values, error, tmp_path):
    array = torch.tensor(values)
    with pytest.raises(error):
        ArrayDensity(array, Box(2))
    np.save(tmp_path / "map.npy", array.numpy())
    with pytest.raises(error):
        load_density(tmp_path / "map.npy", domain=Box(2))
    if array.ndim == 2 and array.numel():  # the same from a callable
        with pytest.raises(error):
            sample_density(lambda x: array[0].repeat(len(x))[: len(x)], Box(2), points=5, generator=rng())


def test_bad_files(tmp_path):
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "words.npy", np.array([["a", "b"]]))
    np.save(tmp_path / "objects.npy", np.array([[{}]]), allow_pickle=True)
    with open(tmp_path / "zip.npy", "wb") as file:
        np.savez(file, a=np.ones((2, 2)))
    for name in ("missing.npy", "text.npy", "words.npy", "objects.npy", "zip.npy"):
        with pytest.raises(DataError, match=name):
            load_density(tmp_path / name, domain=Box(2))


@pytest.mark.parametrize("gaze", [(0.0,), (0.0, 0.0, 0.0), (1.5, 0.0), (math.nan, 0.0)])
def test_bad_gaze(gaze):
    with pytest.raises(ConfigError, match="gaze"):
        foveated(gaze, domain=Box(2))


def test_bad_settings():
    field = ClosedForm(lambda x: x[..., 0], Box(2))
    for kwargs in ({"resolution": 1}, {"smoothing": -1.0}, {"floor": 0.0}, {"power": math.nan}):
        with pytest.raises(ConfigError, match="expected"):
            gradient_magnitude(field, **kwargs)
    with pytest.raises(ConfigError, match="doubles"):
        foveated((0, 0), domain=Box(2), doubling=0.0)
    for points in (0, -3):
        with pytest.raises(ConfigError, match=f"{points} points"):
            sample_density(uniform, Box(2), points=points, generator=rng())
    for other in (
        foveated((0.0,), domain=Box(1)),
        ArrayDensity(torch.ones(3), Box(1)),
        foveated((0,) * 3, domain=Box(3)),
    ):
        with pytest.raises(ShapeError, match="make it on this domain"):
            sample_density(other, Box(2), points=4, generator=rng())
    with pytest.raises(ShapeError, match="one each"):
        sample_density(lambda x: x, Box(2), points=4, generator=rng())


def test_named(tmp_path):
    field, coords = make_field(), torch.rand(9, 2, generator=rng())
    np.save(tmp_path / "map.npy", np.arange(1, 7).reshape(2, 3).astype(np.uint8))
    expected = {
        "gradient": gradient_magnitude(field),
        "foveated:0.2,-0.1": foveated((0.2, -0.1), domain=Box(2)),
        str(tmp_path / "map.npy"): load_density(tmp_path / "map.npy", domain=Box(2)),
    }
    for text, density in expected.items():
        assert torch.equal(named_density(text, field=field)(coords), density(coords))
    for text in ("nosuch", "foveated", "foveated:a,b", "foveated:3,3", "map.png"):
        with pytest.raises(ConfigError):
            named_density(text, field=field)


# Points.


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("points", [1, 2, 501])
def test_exactly_so_many_inside(box, points):
    view = sample_density(foveated(box.lower, domain=box), box, points=points, generator=rng())
    coords = view.coords[0]
    assert view.shape == (points,) and len(torch.unique(coords, dim=0)) == points
    assert (coords >= coords.new_tensor(box.lower)).all() and (coords <= coords.new_tensor(box.upper)).all()
    assert view.spacing.shape == (1, points, box.coord_dim) and (view.spacing > 0).all()
    torch.testing.assert_close(view.weights.mean(), torch.tensor(1.0))


@pytest.mark.parametrize("box", BOXES)
def test_counts_follow_the_density(box):
    # Oracle: the integral of the map over blocks, summed by brute force on another lattice. Independent draws would
    # be off by about the square root of the expected count; well-spread points must be clearly closer.
    def density(x):
        t = (x - x.new_tensor(box.lower)) / x.new_tensor(box.sides)
        return (0.2 + t[:, 0]) * (1 + torch.sin(5 * t[:, -1]) ** 2)

    N, k, D = 4000, {1: 20, 2: 5, 3: 3}[box.coord_dim], box.coord_dim
    coords = sample_density(density, box, points=N, generator=rng()).coords[0]

    def block(x):
        t = ((x - x.new_tensor(box.lower)) / x.new_tensor(box.sides) * k).long().clamp(max=k - 1)
        return (t * k ** torch.arange(D)).sum(dim=1)

    fine = box.grid((12 * k,) * D, dtype=torch.float64).coords[0]
    share = torch.zeros(k**D, dtype=torch.float64).index_add(0, block(fine), density(fine))
    expected = N * share / share.sum()
    off = (torch.bincount(block(coords), minlength=k**D) - expected) / expected.sqrt()
    assert off.square().mean().sqrt() < 0.6


@pytest.mark.parametrize("box", BOXES)
def test_weighted_means_are_means_over_the_domain(box):
    # Oracle: the integral of x² over the box, (a² + ab + b²)/3 per side. Independent draws would be off by about
    # (b − a)²/(4√N) or more; well-spread points must beat a fifth of that.
    N = 4000
    middle = [(a + b) / 2 for a, b in zip(box.lower, box.upper, strict=True)]
    view = sample_density(foveated(middle, domain=box, doubling=0.5), box, points=N, generator=rng())
    for d, (a, b) in enumerate(zip(box.lower, box.upper, strict=True)):
        exact = (a * a + a * b + b * b) / 3
        got = float((view.coords[0, :, d] ** 2 * view.weights[0]).mean())
        assert abs(got - exact) < 0.05 * (b - a) ** 2 / math.sqrt(N)


def test_spacing_is_of_the_local_density():
    # Oracle: the law (measure/(N p))^(1/D), with p relative to its mean over the box, by brute force.
    box = Box(2, lower=(0, -3), upper=(10, 1))

    def density(x):
        return 1 + x[:, 0]  # mean 6

    view = sample_density(density, box, points=1000, generator=rng())
    expected = (40 / 1000 * 6 / (1 + view.coords[0, :, 0])).sqrt()
    cell = (40 / 2**18) ** 0.5  # the map is read on such cells
    torch.testing.assert_close(view.spacing[0, :, 0], expected, rtol=cell / 2, atol=0)
    assert torch.equal(view.spacing[..., 0], view.spacing[..., 1])


def test_points_keep_their_distance():
    # Oracle: kd-tree. In units of the own spacing, the nearest neighbour of independent points is 1/2 away in the
    # mean with deviation 0.26, and for 1 in 20 nearer than 0.13; no pair of well-spread points is that close.
    view = sample_density(foveated((0.3, 0.2), domain=Box(2)), Box(2), points=3000, generator=rng())
    distance = torch.from_numpy(cKDTree(view.coords[0].numpy()).query(view.coords[0].numpy(), k=2)[0][:, 1])
    relative = distance / view.spacing[0, :, 0]
    assert relative.min() > 0.2 and relative.mean() > 0.65


def test_no_point_where_the_density_is_zero():
    view = sample_density(lambda x: (x[:, 0] * x[:, 1] > 0).float(), Box(2), points=999, generator=rng())
    assert (view.coords[0].prod(dim=-1) > 0).all() and torch.isfinite(view.spacing).all()


def test_inverse_lands_in_a_filled_cell_at_the_very_end():
    # Oracle: a share of one, which rounding can make, belongs to the last cell that has mass.
    mass = torch.tensor([[0.0, 1.0, 3.0, 0.0], [2.0, 2.0, 0.0, 0.0]], dtype=torch.float64)
    cell, part = _invert(mass, torch.tensor([0, 0, 0, 1]), torch.tensor([0.0, 0.625, 1.0, 1.0], dtype=torch.float64))
    assert cell.tolist() == [1, 2, 2, 1] and part.tolist() == [0.0, 0.5, 1.0, 1.0]


def test_the_generator_decides():
    a, b, c = (sample_density(uniform, Box(2), points=50, generator=rng(s)).coords for s in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c)


# Values and rasters.


def test_evaluate_is_the_field_at_its_points():
    # Oracle: the field asked with coordinates and the spacing of each, all at once.
    field = make_field()
    view = sample_density(foveated((0, 0), domain=Box(2)), Box(2), points=300, generator=rng())
    values = evaluate(field, view, max_points=71)
    expected = field(view.coords, spacing=view.spacing).detach().transpose(1, 2)
    torch.testing.assert_close(values, expected, rtol=0, atol=1e-5)
    assert (values - field(scattered(view.coords)).detach()).abs().max() > 1e-3  # the band limit acts


@pytest.mark.parametrize("box", BOXES)
def test_reconstruction_keeps_planes(box):
    # Oracle: every interpolant on triangles (and the monotone cubic) reproduces a linear function inside the hull.
    view = sample_density(uniform, box, points=400, generator=rng())
    slope = torch.linspace(0.5, 1.5, box.coord_dim)
    values = torch.stack([view.coords[0] @ slope, -2 * (view.coords[0] @ slope)])[:, None]
    shape = {1: (50,), 2: (20, 30), 3: (7, 8, 9)}[box.coord_dim]
    got = reconstruct(view.coords[0], values, shape=shape, domain=box)
    expected = (box.grid(shape).coords[0] @ slope).reshape(shape)
    inner = tuple(slice(n // 4, -(n // 4)) for n in shape)
    torch.testing.assert_close(got[0, 0][inner], expected[inner], rtol=0, atol=1e-4)
    torch.testing.assert_close(got[1], -2 * got[0], rtol=0, atol=1e-4)


def test_reconstruction_passes_through_the_samples():
    view = sample_density(foveated((0, 0), domain=Box(2)), Box(2), points=60, generator=rng())
    coords = torch.cat([view.coords[0], Box(2).grid((4, 4)).coords[0], torch.zeros(2, 2)])  # also a point twice
    values = torch.rand(1, 3, len(coords), generator=rng())
    values[..., -1] = values[..., -2]
    got = reconstruct(coords, values, shape=(4, 4), domain=Box(2))
    torch.testing.assert_close(got.flatten(2), values[..., 60:76], rtol=0, atol=1e-5)


def test_outside_the_hull_is_the_nearest():
    coords = torch.tensor([[-0.1, -0.1], [0.1, -0.1], [0.0, 0.1]])
    got = reconstruct(coords, torch.tensor([[[1.0, 2.0, 3.0]]]), shape=(2, 2), domain=Box(2))
    assert got[0, 0, 0].tolist() == [1.0, 2.0] and got[0, 0, 1].tolist() == [3.0, 3.0]


@pytest.mark.parametrize("coords", [torch.zeros(5, 2), torch.rand(2, 2), torch.linspace(0, 1, 9)[:, None].expand(9, 2)])
def test_too_few_points_for_a_raster(coords):
    with pytest.raises(ConfigError, match="do not span"):
        reconstruct(coords, torch.zeros(1, 1, len(coords)), shape=(4, 4), domain=Box(2))


def test_coordinates_of_another_domain():
    with pytest.raises(ShapeError, match="expected"):
        reconstruct(torch.zeros(5, 3), torch.zeros(1, 1, 5), shape=(4, 4), domain=Box(2))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_broken_samples(bad):
    coords, values = torch.rand(9, 2, generator=rng()), torch.zeros(1, 1, 9)
    for broken in (coords, values):
        kept = broken[0].clone()
        broken[0] = bad
        with pytest.raises(NonFiniteError, match="expected finite"):
            reconstruct(coords, values, shape=(4, 4), domain=Box(2))
        broken[0] = kept


def test_without_scipy(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("inrgan.density.sampling.importlib.import_module", missing)
    with pytest.raises(MissingDependency, match=r"inrgan\[density\]"):
        reconstruct(torch.rand(9, 2), torch.zeros(1, 1, 9), shape=(4, 4), domain=Box(2))


def test_detail_in_one_place_is_kept():
    # Oracle: the function itself. A ripple in a fiftieth of the area, seen with as many points either way.
    def ripple(x):
        r = (x - x.new_tensor([0.4, 0.4])).square().sum(dim=-1)
        return 0.3 * x[..., 1] + 0.5 * torch.exp(-r / 0.02) * torch.sin(60 * x[..., 0])

    field, box, N = ClosedForm(ripple, Box(2)), Box(2), 1024
    true = field.render((96, 96))
    error = {}
    for name, density in (("uniform", uniform), ("gradient", gradient_magnitude(field))):
        view = sample_density(density, box, points=N, generator=rng())
        raster = reconstruct(view.coords[0], evaluate(field, view), shape=(96, 96), domain=box)
        error[name] = (raster - true).square().mean().sqrt()
    assert error["gradient"] < 0.5 * error["uniform"]
