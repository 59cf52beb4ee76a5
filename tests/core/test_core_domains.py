"""Boxes, views, lattices, and a domain that is no box. Oracles: closed forms, scipy, explicit sums, gradcheck."""

import inspect
import math
from itertools import product

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline

from inrgan import AbstractDomain, Box, Field, View
from inrgan.domains import BoxLattice, cubic_bspline
from inrgan.domains.box_lattice import (
    OwnNumbers,
    ProductNumbers,
    SharedNumbers,
    _GatherStencil,
    _LocalStencil,
    _ProductStencil,
)
from inrgan.encodings import FourierEncoding
from inrgan.errors import ConfigError, NonFiniteError, ShapeError
from inrgan.hypernetwork import FactorizedHypernetwork
from inrgan.inr import MultiScaleINR
from inrgan.samplers import FullGrid, RandomResolution
from inrgan.views import scattered

BOXES = [
    (Box(1), (7,)),
    (Box(2), (3, 5)),
    (Box(2, aspect=(2, 1)), (4, 6)),
    (Box(2, lower=(0, -3), upper=(10, 1)), (2, 5)),
    (Box(3, aspect=(1, 2, 3)), (2, 3, 4)),
    (Box(4), (2, 1, 3, 2)),
]


@pytest.mark.parametrize("box, shape", BOXES)
def test_grid_is_cell_centred(box, shape):
    # Oracle: a + (i + 1/2)(b - a)/n per axis, put together by numpy's meshgrid.
    view = box.grid(shape, dtype=torch.float64)
    axes = [
        a + (np.arange(n) + 0.5) * (b - a) / n for a, b, n in zip(box.lower, box.upper, reversed(shape), strict=True)
    ]
    mesh = np.meshgrid(*reversed(axes), indexing="ij")  # array order: x last
    expected = np.stack([m.ravel() for m in reversed(mesh)], axis=-1)
    np.testing.assert_allclose(view.coords[0].numpy(), expected, rtol=0, atol=1e-14)
    assert view.shape == shape and view.count == math.prod(shape)
    sides = np.subtract(box.upper, box.lower)
    np.testing.assert_allclose(view.spacing[0, 0].numpy(), sides / shape[::-1])
    np.testing.assert_allclose(view.center[0].numpy(), np.add(box.upper, box.lower) / 2, atol=1e-14)
    np.testing.assert_allclose(view.extent[0].numpy(), sides)


def test_grid_on_the_unit_interval():
    # Oracle: (2i + 1)/n - 1, as the design states it.
    for n in (1, 2, 5, 64):
        expected = [(2 * i + 1) / n - 1 for i in range(n)]
        assert np.allclose(Box(1).grid((n,), dtype=torch.float64).coords[0, :, 0], expected, rtol=0, atol=1e-15)


def test_resolutions_agree_on_a_ramp():
    # Oracle: 3x - 2y rendered at n is the closed form there, and block means of 2n and 3n are the render at n:
    # a shift of half a pixel of either grid would break that.
    def ramp(shape):
        coords = Box(2).grid(shape, dtype=torch.float64).coords[0]
        return (3 * coords[:, 0] - 2 * coords[:, 1]).reshape(shape)

    low = ramp((8, 12))
    y, x = np.mgrid[0:8, 0:12]
    np.testing.assert_allclose(low, 3 * ((2 * x + 1) / 12 - 1) - 2 * ((2 * y + 1) / 8 - 1), atol=1e-14)
    for k in (2, 3):
        blocks = ramp((8 * k, 12 * k)).reshape(8, k, 12, k).mean(dim=(1, 3))
        torch.testing.assert_close(blocks, low, rtol=0, atol=1e-14)


def test_region_is_the_part_of_the_whole():
    # Oracle: the middle half of a 16-grid, point by point.
    whole = Box(2).grid((16, 16)).coords.reshape(16, 16, 2)
    part = Box(2).grid((8, 4), region=(0.0, -0.5, 0.5, 0.5)).coords.reshape(8, 4, 2)
    torch.testing.assert_close(part, whole[4:12, 8:12], rtol=0, atol=1e-7)


def test_region_may_reach_outside():
    assert Box(1).grid((4,), region=(1.0, 3.0)).coords[0, :, 0].tolist() == [1.25, 1.75, 2.25, 2.75]


@pytest.mark.parametrize("shape", [(0, 4), (4, -1), (4,), (4, 4, 4)])
def test_bad_shapes(shape):
    with pytest.raises(ShapeError, match="positive sizes"):
        Box(2).grid(shape)


@pytest.mark.parametrize("region", [(0, 0, 0, 1), (0, 1, 1, 0), (0, 0, 1), (0, 0, 1, math.nan), (0, 0, 1, math.inf)])
def test_bad_regions(region):
    with pytest.raises(ConfigError, match="region"):
        Box(2).grid((4, 4), region=region)


@pytest.mark.parametrize("resolution", [0, -3])
def test_bad_resolutions(resolution):
    for ask in (Box(2).shape, Box(2).spacing, Box(2).lattice, FullGrid):
        with pytest.raises(ConfigError, match=f"resolution is {resolution}"):
            ask(resolution)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"dim": 0},
        {"dim": 2, "aspect": (1, 0)},
        {"dim": 2, "aspect": (1, 2, 3)},
        {"dim": 2, "aspect": (1, math.nan)},
        {"dim": 2, "lower": (0, 0), "upper": (1, 0)},
        {"dim": 2, "lower": (0,)},
        {"dim": 1, "lower": (0,), "upper": (math.inf,)},
        {"dim": 1, "aspect": (1,), "lower": (0,)},
    ],
)
def test_bad_boxes(kwargs):
    with pytest.raises(ConfigError):
        Box(**kwargs)


def test_shape_and_spacing_follow_the_shortest_side():
    box = Box(2, aspect=(2, 1))
    assert box.shape(64) == (64, 128) and box.spacing(64) == 2 / 64
    assert Box(2, aspect=(1, 3)).shape(8) == (24, 8)
    assert Box(1, lower=(0,), upper=(4,)).spacing(16) == 0.25


def test_sample_is_uniform_on_the_box():
    # Oracle: mean (a+b)/2 and variance (b-a)²/12 within 5 standard errors of 20,000 draws.
    box = Box(2, lower=(0, -3), upper=(10, 1))
    x = box.sample(20_000, generator=torch.Generator().manual_seed(0))
    side = torch.tensor(box.sides)
    assert ((x.mean(0) - torch.tensor([5.0, -1.0])).abs() < 5 * side / math.sqrt(12 * 20_000)).all()
    assert ((x.var(0) / (side**2 / 12) - 1).abs() < 5 * math.sqrt(0.8 / 20_000)).all()  # kurtosis of a box is 1.8


def test_window_is_a_block_of_the_view():
    view = Box(2).grid((7, 9))
    block = view.window((slice(2, 5), slice(4, 9)))
    whole = view.coords.reshape(7, 9, 2)
    assert torch.equal(block.coords.reshape(3, 5, 2), whole[2:5, 4:9])
    assert torch.equal(block.spacing, view.spacing) and block.shape == (3, 5)


def test_unflatten_puts_x_last():
    view = Box(2).grid((2, 3))
    picture = view.unflatten(view.coords)
    assert torch.equal(picture[0, 0, 0], view.axes[0][0]) and torch.equal(picture[0, 1, :, 0], view.axes[1][0])


def test_scattered_refuses_bad_coordinates():
    with pytest.raises(NonFiniteError, match="2 of 4"):
        scattered(torch.tensor([[0.0], [math.nan], [1.0], [math.inf]]))
    with pytest.raises(ShapeError):
        inspect.unwrap(scattered)(torch.zeros(3))  # past the type checks of the tests


def test_log2_density():
    assert Box(2).grid((8, 32)).log2_density.tolist() == [[4.0, 2.0]]


@pytest.mark.parametrize("law", ["uniform", "log"])
def test_random_resolution_covers_its_range(law):
    # Oracle: chi-squared over the sizes 16, 20 ... 32, at the probabilities of the law; 5 sizes, 4 degrees.
    draws = 1000
    sampler, rng = RandomResolution(16, 32, law=law), torch.Generator().manual_seed(0)
    sizes = [sampler.draw(Box(1), batch=1, generator=rng).shape[0] for _ in range(draws)]
    k = np.arange(4, 9)
    p = np.full(5, 0.2) if law == "uniform" else np.log((k + 1) / k) / np.log(9 / 4)
    counts = np.array([sizes.count(4 * n) for n in k])
    assert counts.sum() == draws
    assert ((counts - draws * p) ** 2 / (draws * p)).sum() < 18.5  # the 99.9% quantile


@pytest.mark.parametrize("args", [(0, 4), (8, 4), (5, 7)])
def test_random_resolution_refuses(args):
    with pytest.raises(ConfigError):
        RandomResolution(*args)
    with pytest.raises(ConfigError, match="law"):
        RandomResolution(4, 8, law="normal")


# --- lattices ---


def reference_bspline(t):
    """scipy's cubic B-spline on the knots -2 ... 2."""
    basis = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    return np.nan_to_num(basis(np.asarray(t)))


def test_cubic_bspline_against_scipy():
    t = torch.linspace(-3, 3, 1201, dtype=torch.float64)
    np.testing.assert_allclose(cubic_bspline(t).numpy(), reference_bspline(t), atol=1e-15)


def explicit_sum(lattice, points, feature):
    """Σ_j β(p - j) f(x_j) for every node in reach, by plain loops; feature is a function of node coordinates."""
    out = []
    for point in points.tolist():
        position = [(x - o) / c - 0.5 for x, o, c in zip(point, lattice.origin, lattice.cell, strict=True)]
        total = 0
        for j in product(*[range(math.floor(p) - 2, math.floor(p) + 4) for p in position]):
            weight = np.prod([reference_bspline(p - k) for p, k in zip(position, j, strict=True)])
            node = [o + (k + 0.5) * c for k, o, c in zip(j, lattice.origin, lattice.cell, strict=True)]
            total = total + weight * feature(np.array(node))
        out.append(total)
    return np.stack(out)


def feature(x):
    s = np.asarray(x).sum(axis=-1)
    return np.stack([np.sin(3 * s), np.cos(2 * np.asarray(x)[..., 0]), s], axis=-1)


def interpolated(stencil):
    return stencil.interpolate(torch.from_numpy(feature(stencil.nodes.coords.numpy())))


def gather_stencil(lattice, points):
    return _GatherStencil(lattice, points, SharedNumbers(lattice, points))


def local_stencil(lattice, points):
    return _LocalStencil(lattice, points, OwnNumbers(lattice, points))


@pytest.mark.parametrize("dim", [1, 2, 3])
@pytest.mark.parametrize("outside", [False, True])
def test_stencils_against_an_explicit_sum(dim, outside):
    box = Box(dim, aspect=[1, 2, 1.5][:dim])
    lattice = box.lattice(4)
    region = None if not outside else [0.7] * dim + [2.9] * dim
    view = box.grid([5, 4, 3][:dim], region=region, dtype=torch.float64)
    expected = explicit_sum(lattice, view.coords[0], feature)
    for stencil in (
        _ProductStencil(lattice, view.axes, ProductNumbers(lattice, view.axes)),
        gather_stencil(lattice, view.coords),
        local_stencil(lattice, view.coords),
    ):
        np.testing.assert_allclose(interpolated(stencil)[0].numpy(), expected, atol=1e-12)


def test_stencils_take_coordinates_of_each_sample():
    lattice = Box(2).lattice(5)
    points = torch.rand(3, 6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3 - 1.5
    expected = np.stack([explicit_sum(lattice, p, feature) for p in points])
    gather, local = gather_stencil(lattice, points), local_stencil(lattice, points)
    nodes = torch.from_numpy(feature(gather.nodes.coords.numpy())).expand(3, -1, -1)
    np.testing.assert_allclose(gather.interpolate(nodes).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(interpolated(local).numpy(), expected, atol=1e-12)
    axes = (points[:, :, 0].sort(dim=1).values, points[:, :4, 1].sort(dim=1).values)
    view = View(shape=(4, 6), spacing=torch.ones(1, 1, 2), center=torch.zeros(3, 2), extent=torch.ones(3, 2), axes=axes)
    expected = np.stack([explicit_sum(lattice, p, feature) for p in view.coords])
    np.testing.assert_allclose(
        interpolated(_ProductStencil(lattice, axes, ProductNumbers(lattice, axes))).numpy(), expected, atol=1e-12
    )


def test_features_of_a_batch_stay_apart():
    # Oracle: samples interpolated one by one, with gather indices of their own.
    rng = torch.Generator().manual_seed(1)
    points = torch.rand(2, 5, 2, dtype=torch.float64, generator=rng)
    stencil = gather_stencil(Box(2).lattice(4), points)
    features = torch.rand(2, stencil.nodes.count, 3, dtype=torch.float64, generator=rng)
    together = stencil.interpolate(features)
    for b in range(2):
        dense = []
        for p in points[b]:
            w = cubic_bspline((p - stencil.nodes.coords[0]) / torch.tensor([0.5, 0.5]).double()).prod(dim=-1)
            dense.append(w @ features[b])
        torch.testing.assert_close(together[b], torch.stack(dense), rtol=0, atol=1e-12)


@pytest.mark.parametrize("count, kind", [(2000, _GatherStencil), (2, _LocalStencil)])
def test_partition_of_unity(count, kind):
    # Oracle: B-splines on the integers sum to 1, so constants stay; the choice of stencil is by the points.
    points = torch.rand(count, 2, generator=torch.Generator().manual_seed(0)) * 8 - 4
    stencil = Box(2).lattice(32).stencil(scattered(points))
    assert isinstance(stencil, kind)
    ones = stencil.interpolate(torch.ones(1, stencil.nodes.count, 1))
    torch.testing.assert_close(ones, torch.ones(1, count, 1), rtol=0, atol=2e-6)


@pytest.mark.parametrize("kind", [gather_stencil, local_stencil])
def test_stencils_are_twice_differentiable(kind):
    lattice = Box(2).lattice(4)
    points = torch.rand(1, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    features = torch.from_numpy(feature(kind(lattice, points.detach()).nodes.coords.numpy())).requires_grad_()

    def f(p, x):
        return kind(lattice, p).interpolate(x)

    assert torch.autograd.gradcheck(f, (points, features))
    assert torch.autograd.gradgradcheck(f, (points, features))


# --- a domain that is no box ---


class Sphere(AbstractDomain):
    """Unit vectors in R³; a grid has rows of latitude and columns of longitude."""

    coord_dim, grid_dim, longest_period = 3, 2, 4.0

    def grid(self, shape, *, region=None, device="cpu", dtype=torch.float32):
        rows, columns = shape
        latitude = ((torch.arange(rows, dtype=torch.float64) + 0.5) / rows - 0.5) * math.pi
        longitude = ((torch.arange(columns, dtype=torch.float64) + 0.5) / columns - 0.5) * 2 * math.pi
        a, b = torch.meshgrid(latitude, longitude, indexing="ij")
        points = torch.stack([a.cos() * b.cos(), a.cos() * b.sin(), a.sin()], dim=-1).reshape(1, -1, 3)
        return View(
            shape=(rows, columns),
            spacing=torch.full((1, 1, 3), math.pi / rows, dtype=dtype),
            center=torch.zeros(1, 3, dtype=dtype),
            extent=torch.full((1, 3), 2.0, dtype=dtype),
            points=points.to(dtype),
            weights=(a.cos() / a.cos().mean()).reshape(1, -1).to(dtype),
        )

    def sample(self, count, *, generator, dtype=torch.float32):
        x = torch.randn(count, 3, generator=generator, dtype=dtype)
        return x / x.norm(dim=-1, keepdim=True)

    def lattice(self, resolution):
        return BoxLattice(origin=(-1, -1, -1), cell=[math.pi / resolution] * 3)

    def spacing(self, resolution):
        return math.pi / resolution

    def shape(self, resolution):
        return (resolution, 2 * resolution)


def sphere_field():
    torch.manual_seed(0)
    sphere = Sphere()
    inr = MultiScaleINR(
        sphere,
        encoding=lambda s: FourierEncoding(3, longest_period=4.0, spacing=s, oblique=8),
        spacing=sphere.spacing(16), channels=2, lattices=(4,), widths=(16, 12), depths=(2, 2),
    )  # fmt: skip
    weights = FactorizedHypernetwork(inr.layers, w_dim=8, rank=2)(torch.randn(3, 8))
    return Field(inr, weights, domain=sphere)


@torch.no_grad()
def test_a_sphere_is_a_domain():
    # Oracle: tiles, single points and the far sides of the seam agree with the whole; values vary.
    field = sphere_field()
    view = field.domain.grid((9, 18))
    whole = field(view)
    assert whole.shape == (3, 2, 9, 18) and whole.std() > 0.05
    torch.testing.assert_close(field.render((9, 18)), whole, rtol=0, atol=1e-5)
    for window in ((slice(0, 4), slice(3, 18)), (slice(8, 9), slice(0, 1))):
        part = field(view.window(window))
        torch.testing.assert_close(part, whole[(slice(None), slice(None), *window)], rtol=0, atol=1e-5)
    spots = field(view.coords[0], spacing=view.spacing)
    torch.testing.assert_close(view.unflatten(spots), whole, rtol=0, atol=1e-5)
    # The field is a function of the unit vector: half a step east of the last column is half a step west of the first.
    seam = [math.cos(math.pi), math.sin(math.pi)], [math.cos(-math.pi), math.sin(-math.pi)]
    west, east = (field(torch.tensor([[x, y, 0.0]])) for x, y in seam)
    torch.testing.assert_close(west, east, rtol=0, atol=1e-5)


def test_window_of_a_view_that_is_no_product():
    view = Sphere().grid((6, 8))
    block = view.window((slice(1, 3), slice(2, 7)))
    assert block.shape == (2, 5)
    assert torch.equal(block.coords.reshape(2, 5, 3), view.coords.reshape(6, 8, 3)[1:3, 2:7])
    assert torch.equal(block.weights.reshape(2, 5), view.weights.reshape(6, 8)[1:3, 2:7])
    assert torch.equal(block.spacing, view.spacing)
    own = View(
        shape=(2, 3), spacing=torch.arange(18.0).reshape(1, 6, 3), center=torch.zeros(1, 3), extent=torch.ones(1, 3),
        points=torch.arange(18.0).reshape(1, 6, 3),
    ).window((slice(1, 2), slice(0, 2)))  # fmt: skip
    assert torch.equal(own.spacing, own.coords) and own.coords[0, :, 0].tolist() == [9.0, 12.0]


def test_a_sphere_field_is_twice_differentiable():
    field = sphere_field()
    x = field.domain.sample(4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(field(x).sum(), x, create_graph=True)
    (bend,) = torch.autograd.grad(slope.square().sum(), x)
    assert torch.isfinite(bend).all() and bend.any()


def test_product_stencil_of_samples_far_apart_needs_four_nodes_each_and_agrees_with_scattered_points():
    """Property: the same points through the gather-free and the per-point paths; nodes are 4 per sample and axis."""
    lattice = Box(2).lattice(16)
    view = Box(2).grid((3, 5), region=(-100.0, -90.0, 110.0, 80.0), dtype=torch.float64)
    product, points = lattice.stencil(view), lattice.stencil(scattered(view.coords))
    assert product.nodes.shape == (12, 20)

    def wave(nodes):
        return torch.sin(0.3 * nodes.coords).sum(dim=-1, keepdim=True)

    torch.testing.assert_close(product.interpolate(wave(product.nodes)), points.interpolate(wave(points.nodes)))
