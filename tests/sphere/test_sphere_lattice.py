"""Lattices of scattered nodes. Oracles: the kernel sum by plain numpy, gradcheck, properties."""

import math

import numpy as np
import pytest
import torch

from inrgan import Sphere
from inrgan.domains import PointLattice
from inrgan.views import scattered

S = Sphere()


def explicit(lattice, points, feature):
    """Σ w f / Σ w with w = (1 - r²/ρ²)⁴ over all nodes, by numpy."""
    nodes, points = lattice.nodes.numpy(), points.numpy() / np.linalg.norm(points.numpy(), axis=-1, keepdims=True)
    squared = ((points[:, None] - nodes[None]) ** 2).sum(-1)
    weights = np.clip(1 - squared / (2.25 * lattice.spacing) ** 2, 0, None) ** 4
    return weights @ feature(torch.from_numpy(nodes)).numpy() / weights.sum(-1, keepdims=True)


def wave(x):
    return torch.stack([torch.sin(2 * x[..., 0] + x[..., 2]), torch.cos(3 * x[..., 1])], dim=-1)


@pytest.mark.parametrize("resolution", [2, 4, 9])
def test_interpolation_against_the_sum_over_all_nodes(resolution):
    lattice = S.lattice(resolution)
    points = 3 * S.sample(200, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    stencil = lattice.stencil(scattered(points))
    out = stencil.interpolate(wave(stencil.nodes.coords))
    np.testing.assert_allclose(out[0].numpy(), explicit(lattice, points, wave), atol=1e-12)


def test_places_of_their_own_use_their_own_nodes():
    # Oracle: each sample alone; far fewer nodes than the whole lattice has.
    lattice = S.lattice(16)
    view = S.patches(6, torch.tensor([0.02, 0.05, 0.1]), generator=torch.Generator().manual_seed(0))
    stencil = lattice.stencil(view)
    assert stencil.nodes.coords.shape[0] == 3 and stencil.nodes.count < len(lattice.nodes) / 3
    out = stencil.interpolate(wave(stencil.nodes.coords))
    for i in range(3):
        alone = lattice.stencil(view.row(i))
        torch.testing.assert_close(alone.interpolate(wave(alone.nodes.coords)), out[i : i + 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("resolution", [2, 3, 5, 16, 64])
def test_every_point_has_neighbours_and_constants_pass(resolution):
    # Oracle: a constant, also at the poles; and no more than about twice the expected 16 neighbours.
    lattice = S.lattice(resolution)
    assert len(lattice.nodes) == max(4, round(4 * resolution**2 / math.pi))
    points = torch.cat([S.sample(2000, generator=torch.Generator().manual_seed(1)), torch.eye(3), -torch.eye(3)])
    stencil = lattice.stencil(scattered(points))
    out = stencil.interpolate(torch.full((2, stencil.nodes.count, 3), 0.7))
    torch.testing.assert_close(out, torch.full_like(out, 0.7))


def test_twice_differentiable_in_points_and_linear_in_features():
    # Oracle: gradcheck and gradgradcheck, also on a node (no kink), with samples of their own.
    lattice = S.lattice(5)
    points = torch.stack([lattice.nodes[3:6], S.sample(3, generator=torch.Generator(), dtype=torch.float64)])
    points.requires_grad_()

    def value(x):
        stencil = lattice.stencil(scattered(x))
        return stencil.interpolate(wave(stencil.nodes.coords))

    assert torch.autograd.gradcheck(value, (points,)) and torch.autograd.gradgradcheck(value, (points,))
    stencil = lattice.stencil(scattered(points.detach()))
    features = torch.randn(2, stencil.nodes.count, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(stencil.interpolate, (features,))


def test_both_ways_of_summing_agree():
    # Oracle: the differentiable way against the sparse product, forward and backward.
    lattice, points = S.lattice(6), S.sample(50, generator=torch.Generator().manual_seed(0))
    results = []
    for x in (points, points.clone().requires_grad_()):
        stencil = lattice.stencil(scattered(x))
        features = wave(stencil.nodes.coords).detach().repeat(3, 1, 1).requires_grad_()
        out = stencil.interpolate(features)
        results.append((out.detach(), torch.autograd.grad(out.sin().sum(), features)[0]))
    torch.testing.assert_close(results[0], results[1], rtol=0, atol=1e-5)


def test_parts_equal_the_whole():
    # Oracle: the same points within a larger view.
    lattice, view = S.lattice(8), S.grid((32, 64))
    whole = lattice.stencil(view)
    values = whole.interpolate(wave(whole.nodes.coords)).reshape(32, 64, 2)
    for window in ((slice(0, 3), slice(60, 64)), (slice(10, 20), slice(0, 64))):
        part = lattice.stencil(view.window(window))
        out = part.interpolate(wave(part.nodes.coords)).reshape(*values[window].shape)
        torch.testing.assert_close(out, values[window], rtol=0, atol=1e-6)


def test_no_seam_and_no_pole():
    # Oracle: values a hair apart on both sides of the date line and about a pole agree to the hair.
    lattice = S.lattice(8)
    hair = 1e-6
    sides = torch.tensor(
        [[-1, hair, 0.3], [-1, -hair, 0.3], [hair, 0, 1], [-hair, 0, 1], [0, hair, 1]], dtype=torch.float64
    )
    stencil = lattice.stencil(scattered(sides))
    out = stencil.interpolate(wave(stencil.nodes.coords))[0]
    assert float((out[0] - out[1]).abs().max()) < 1e-5
    assert float((out[2:] - out[2]).abs().max()) < 1e-5


def test_nodes_of_any_surface():
    # Oracle: the same sum, on a cylinder, whose points are not brought to unit length.
    angle, height = (
        torch.rand(300, generator=torch.Generator().manual_seed(0)).double() * 6.28,
        torch.linspace(0, 3, 300),
    )
    nodes = torch.stack([2 * angle.cos(), 2 * angle.sin(), height.double()], dim=-1)
    lattice = PointLattice(nodes, spacing=0.6)
    points = nodes[::7] + 0.01
    stencil = lattice.stencil(scattered(points))
    out = stencil.interpolate(wave(stencil.nodes.coords))[0]
    weights = (1 - torch.cdist(points, nodes) ** 2 / (2.25 * 0.6) ** 2).clamp(min=0) ** 4
    torch.testing.assert_close(out, weights @ wave(nodes) / weights.sum(1, keepdim=True), rtol=0, atol=1e-9)


def test_a_zero_vector_and_no_points_at_all():
    lattice = S.lattice(4)
    stencil = lattice.stencil(scattered(torch.zeros(2, 3)))
    assert torch.isfinite(stencil.interpolate(torch.ones(1, stencil.nodes.count, 2))).all()
    empty = lattice.stencil(scattered(torch.zeros(0, 3)))
    assert empty.interpolate(torch.ones(2, empty.nodes.count, 2)).shape == (2, 0, 2)
