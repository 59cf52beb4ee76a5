"""Views of variable density and shifted views. Oracles: the law in closed form, double loops, scattered points."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from toy_modalities import BlobModality, ToneModality, _Toy

from inrgan import AbstractDomain, Box, CriticSizes, Generator, ImageModality, View, resample
from inrgan.errors import ConfigError
from inrgan.losses import gradient_penalty
from inrgan.resampling import axis_matrix
from inrgan.samplers import DensePatch, FullGrid, RandomResolution, Shifted, VariableDensity
from inrgan.views import product_view, scattered


@dataclass(frozen=True)
class PlateModality(_Toy):
    name: ClassVar[str] = "plate"
    dim: ClassVar[int] = 2


TOYS = [ToneModality(), PlateModality(), BlobModality()]
BOXES = [Box(1), Box(2), Box(2, aspect=(2, 1)), Box(2, lower=(0, -3), upper=(10, 1)), Box(3)]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def warped(box, resolution=24, *, strength=2.0, seed=0):
    return VariableDensity(resolution, strength=strength).draw(box, batch=4, generator=rng(seed))


# The view.


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("strength", [0.5, 3.0])
def test_cells_cover_the_domain(box, strength):
    # Oracle: cells of the spacing's width around the samples lie side by side from one border to the other.
    view = warped(box, 40, strength=strength)
    for d, (x, width) in enumerate(zip(view.axes, view.axis_spacing, strict=True)):
        left, right = (x - width / 2)[0], (x + width / 2)[0]
        torch.testing.assert_close(left[1:], right[:-1], rtol=0, atol=1e-5)
        torch.testing.assert_close(left[0], torch.tensor(box.lower[d]), rtol=0, atol=1e-5)
        torch.testing.assert_close(right[-1], torch.tensor(box.upper[d]), rtol=0, atol=1e-5)
        assert width.min() >= box.spacing(40) * (1 - 1e-5)  # no denser than the resolution
    torch.testing.assert_close(view.extent, torch.tensor([box.sides]), rtol=0, atol=1e-5)
    torch.testing.assert_close(view.weights.mean(), torch.tensor(1.0))
    share = view.spacing.prod(dim=-1) / math.prod(box.sides)
    torch.testing.assert_close(view.weights, share * view.count, rtol=1e-5, atol=0)


def test_spacing_follows_the_law():
    # Oracle: the widths' ratio at distance e from the densest place is 1 + strength e, up to the cells' own size.
    view = warped(Box(1), 2000, strength=3.0)
    x, width = view.axes[0][0], view.axis_spacing[0][0]
    place = x[width.argmin()]
    torch.testing.assert_close(width / width.min(), 1 + 3 * (x - place).abs(), rtol=0.02, atol=0)


@pytest.mark.parametrize("strength, count", [(0.0, 64), (1.0, 35), (2.0, 25), (8.0, 11)])
def test_size(strength, count):
    # Oracle: 64 log(1 + 2s)/(2s), rounded down, for any place.
    if strength:
        assert count == math.floor(64 * math.log(1 + 2 * strength) / (2 * strength))
    for seed in range(5):
        assert warped(Box(2), 64, strength=strength, seed=seed).shape == (count, count)


def test_no_strength_is_the_uniform_grid():
    view, grid = warped(Box(2), 16, strength=0.0), Box(2).grid((16, 16))
    torch.testing.assert_close(view.coords, grid.coords, rtol=0, atol=1e-6)
    torch.testing.assert_close(view.spacing, grid.spacing.expand(1, 256, 2), rtol=1e-5, atol=0)
    torch.testing.assert_close(view.weights, torch.ones(1, 256), rtol=1e-5, atol=0)


def test_places_are_drawn_anew():
    views = [warped(Box(2), seed=s) for s in (0, 0, 1)]
    assert torch.equal(views[0].coords, views[1].coords) and not torch.equal(views[0].coords, views[2].coords)


def test_window_of_a_warped_view():
    view = warped(Box(2, aspect=(2, 1)))
    rows, columns = slice(2, 7), slice(3, 4)
    part = view.window((rows, columns))
    pairs = [(view.coords, part.coords), (view.spacing, part.spacing)]
    for whole, cut in [*pairs, (view.weights[..., None], part.weights[..., None])]:
        assert torch.equal(cut[0].reshape(5, 1, -1), whole[0].reshape(*view.shape, -1)[rows, columns])
    assert part.axes is not None
    torch.testing.assert_close(part.extent[0, 0], view.axis_spacing[0][0, 3])


@pytest.mark.parametrize(
    "kwargs", [{"resolution": 0}, {"strength": -1.0}, {"strength": math.nan}, {"strength": math.inf}]
)
def test_bad_settings(kwargs):
    with pytest.raises(ConfigError, match="expected"):
        VariableDensity(**{"resolution": 8, **kwargs})


def test_too_strong():
    with pytest.raises(ConfigError, match="leaves no sample"):
        warped(Box(2), 4, strength=1000.0)


class Points(AbstractDomain):
    """A domain whose grids are no products."""

    coord_dim = grid_dim = 2
    longest_period = 4.0

    def grid(self, shape, *, region=None, device="cpu", dtype=torch.float32):
        del region, device, dtype
        return scattered(Box(2).grid(shape).coords)

    def shape(self, resolution):
        return (resolution, resolution)

    sample = lattice = spacing = shape


def test_a_domain_without_axes():
    for sampler in (VariableDensity(8), Shifted(FullGrid(8), shift=0.5)):
        with pytest.raises(ConfigError, match="this domain"):
            sampler.draw(Points(), batch=1, generator=rng())


# What is seen from it.


def test_axis_matrix_with_a_spacing_per_position():
    # Oracle: the kernel in a double loop.
    positions, spacing = torch.tensor([-0.9, -0.2, 0.1, 0.85]), torch.tensor([0.05, 0.3, 0.7, 0.2])
    count, own = 20, 0.1
    expected = np.zeros((4, count))
    for i in range(4):
        stretch = max(1.0, float(spacing[i]) / own)
        for j in range(count):
            t = (-1 + (j + 0.5) * own - float(positions[i])) / own / stretch
            expected[i, j] = np.sinc(t) * np.sinc(t / 3) if abs(t) < 3 else 0.0
    expected /= expected.sum(axis=1, keepdims=True)
    got = axis_matrix(positions, count=count, lower=-1.0, upper=1.0, spacing=spacing)
    np.testing.assert_allclose(got.numpy(), expected, rtol=0, atol=1e-6)


def test_resample_each_sample_as_from_a_uniform_grid():
    # Oracle: each sample alone, from a view of that one point with that one spacing.
    view, items = warped(Box(2), 16), torch.rand(2, 3, 40, 40, generator=rng()) - 0.5
    seen = resample(items, view, lower=(-1, -1), upper=(1, 1))
    for i, j in ((0, 0), (3, 4), (5, 1)):
        x, y = view.axes[0][:, j : j + 1], view.axes[1][:, i : i + 1]
        width = torch.stack([view.axis_spacing[0][:, j], view.axis_spacing[1][:, i]], dim=-1)
        alone = resample(items, product_view([x, y], spacing=width), lower=(-1, -1), upper=(1, 1))
        torch.testing.assert_close(seen[..., i, j], alone[..., 0, 0], rtol=0, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("backbone", ["multiscale", "pointwise", "polynomial"])
@pytest.mark.parametrize("modality", [*TOYS, ImageModality(resolution=16, aspect=(2, 1))], ids=lambda m: m.name)
def test_field_equals_its_scattered_points(modality, backbone):
    # Oracle: the same coordinates with the same spacing of each, without the product.
    lattices = {"lattices": (4,), "widths": (12, 8), "depths": (1, 2)}
    flat = {"lattices": (), "widths": (12,), "depths": (3,)}
    torch.manual_seed(0)
    G = Generator(
        modality, z_dim=8, w_dim=8, rank=2, backbone=backbone, **(lattices if backbone == "multiscale" else flat)
    )
    field, view = G.sample([0, 1]), warped(modality.domain, modality.resolution)
    whole = field(view)
    assert whole.shape == (2, modality.signal_channels, *view.shape) and whole.std() > 0.05
    torch.testing.assert_close(view.unflatten(field(view.coords, spacing=view.spacing)), whole, rtol=0, atol=1e-5)
    cut = tuple(slice(1, n - 1) for n in view.shape)
    torch.testing.assert_close(field(view.window(cut)), whole[(slice(None), slice(None), *cut)], rtol=0, atol=1e-5)
    # The band limit acts, and differs from that of the mean spacing.
    even = View(
        shape=view.shape, spacing=view.spacing.mean(dim=1, keepdim=True), center=view.center, extent=view.extent,
        axes=view.axes,
    )  # fmt: skip
    assert (field(even) - whole).abs().max() > 1e-4


@pytest.mark.parametrize("modality", TOYS, ids=lambda m: m.name)
@pytest.mark.parametrize("sampler", ["variable", "shifted"])
def test_toys_are_drawn_observed_and_judged(modality, sampler):
    # Oracle: smooth bumps of known formula: what is seen at a place is about the bump there.
    n = modality.resolution
    sampler = VariableDensity(n, strength=0.5) if sampler == "variable" else Shifted(FullGrid(n), shift=0.5)
    domain, source = modality.domain, modality.source(None)
    view = sampler.draw(domain, batch=2, generator=rng(3))
    honest = sampler.reals_view(view, domain=domain)
    items = [source[0], source[1]]
    seen = modality.observe(items, honest)
    fine = domain.grid((2 * n,) * modality.dim).coords[0]
    nearest = torch.cdist(honest.coords[0], fine).argmin(dim=1)
    expected = torch.stack([item.flatten()[nearest] for item in items]).reshape(2, 1, *honest.shape)
    assert (seen - expected).abs().max() < 0.35 and (seen - expected).abs().mean() < 0.06
    critic = modality.critic(CriticSizes(width=4, max_width=8))
    G = Generator(modality, preset="tiny", z_dim=8, w_dim=8, widths=(8, 8), depths=(1, 1), lattices=(4,), rank=2)
    fakes = G(torch.randn(2, 8))(view)
    assert critic(seen, view).shape == critic(fakes, view).shape == (2,)
    torch.nn.functional.softplus(-critic(fakes, view)).mean().backward()
    slopes = torch.cat([p.grad.flatten() for p in G.parameters() if p.grad is not None])
    assert torch.isfinite(slopes).all() and slopes.abs().max() > 0
    penalty = gradient_penalty(lambda x: critic(x, view), seen, view)
    assert torch.isfinite(penalty) and penalty > 0


@pytest.mark.parametrize("box", BOXES)
def test_penalty_is_as_strong_as_on_a_uniform_grid(box):
    # Oracle: of the score ∫ a(x) f(x) dμ the functional derivative is a, whose squared norm ∫ a² dμ is for a product
    # of 1 + cos(πt) over the unit coordinates (3/2)^D, and stays within 10% on any view.
    def score(view, values):
        t = (view.coords - torch.tensor(box.lower)) / torch.tensor(box.sides)
        a = (1 + torch.cos(math.pi * t)).prod(dim=-1)
        weights = torch.ones(1, 1) if view.weights is None else view.weights
        return (values[:, 0].flatten(1) * a * weights).mean(dim=1)

    for view in (box.grid(box.shape(12)), warped(box, 32, strength=1.0), warped(box, 32, strength=2.0, seed=1)):
        penalty = gradient_penalty(lambda x, v=view: score(v, x), torch.zeros(1, 1, *view.shape), view)
        assert abs(float(penalty) / 1.5**box.coord_dim - 1) < 0.1


# Shifted views.


@pytest.mark.parametrize("box", BOXES)
@pytest.mark.parametrize("inner", [FullGrid(12), RandomResolution(8, 16), VariableDensity(16, strength=1.0)])
def test_shifted_back_is_where_it_was(box, inner):
    # Oracle: the inner sampler's own view, drawn from the same state.
    sampler, first = Shifted(inner, shift=0.5), inner.draw(box, batch=2, generator=rng(5))
    view = sampler.draw(box, batch=2, generator=rng(5))
    assert torch.equal(view.spacing, first.spacing) and view.shape == first.shape
    offset = view.coords - first.coords
    torch.testing.assert_close(offset, offset[:, :1].expand_as(offset), rtol=0, atol=1e-5)
    assert (offset.abs() > 1e-3).any() and (offset.abs() <= 0.5 * torch.tensor(box.sides) + 1e-5).all()
    torch.testing.assert_close(view.center - first.center, offset[:, 0], rtol=0, atol=1e-5)
    back = sampler.reals_view(view, domain=box)
    torch.testing.assert_close(back.coords, first.coords, rtol=0, atol=1e-5)
    assert sampler.fixed == inner.fixed and inner.reals_view(first, domain=box) is first


def test_shifts_reach_out_and_stay_on_their_axis():
    # Oracle: the law: uniform between ± the shift, in extents; 0 along y.
    sampler, box = Shifted(FullGrid(4), shift=(0.75, 0.0)), Box(2, aspect=(2, 1))
    generator = rng()
    centers = torch.cat([sampler.draw(box, batch=1, generator=generator).center for _ in range(150)])
    assert (centers[:, 1] == 0).all() and (centers[:, 0].abs() <= 3).all()
    assert abs(float(centers[:, 0].mean())) < 5 * 3 / math.sqrt(3 * 150)
    assert abs(float(centers[:, 0].std()) / math.sqrt(3) - 1) < 0.15


@pytest.mark.parametrize("shift", [-0.1, math.nan, math.inf, (), (0.5, -0.5)])
def test_bad_shifts(shift):
    with pytest.raises(ConfigError, match="shift"):
        Shifted(FullGrid(8), shift=shift)


def test_shifts_of_another_dimension():
    with pytest.raises(ConfigError, match="3 shifts"):
        Shifted(FullGrid(8), shift=(0.1, 0.1, 0.1)).draw(Box(2), batch=1, generator=rng())


def test_parts_are_not_shifted():
    with pytest.raises(ConfigError, match="whole domain"):
        Shifted(DensePatch(4, 16, coarsest=8), shift=0.5).draw(Box(2), batch=1, generator=rng())
