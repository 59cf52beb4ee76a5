"""Surfaces as a domain. Oracles: planes, unrolled tubes, the sphere's own domain, closed forms of areas."""

import math
from typing import final

import pytest
import torch
from inrgan_modalities.surface._content import torus
from inrgan_modalities.surface._synthetic import SyntheticTextures
from surface_meshes import square, surface, tube

from inrgan import Box, Generator, Sphere, Surface, SurfaceModality
from inrgan.domains import AbstractSurfaceSignal, TriangleMesh
from inrgan.errors import ConfigError, NonFiniteError, ShapeError


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_area_of_a_torus():
    # Oracle: 4 π² R r, from which inscribed triangles of sides h are short by O(h²).
    mesh = TriangleMesh(*torus())
    exact = 4 * math.pi**2 * 0.45
    assert 0 < 1 - mesh.area / exact < 5e-3
    finer = mesh.area / TriangleMesh(mesh.vertices, mesh.faces).split().area
    assert finer == pytest.approx(1, abs=1e-12)  # splitting flat triangles changes nothing


def test_a_patch_of_a_plane_is_a_grid():
    # Oracle: the plane's own grid of the same place, spacing and turn, over 512 triangles.
    view = surface("square").tangent((6, 8), center=(0.1, -0.2, 0.5), side=0.9, roll=30)
    step = 0.9 / 6
    v, u = torch.meshgrid((2.5 - torch.arange(6.0)) * step, (torch.arange(8.0) - 3.5) * step, indexing="ij")
    cos, sin = math.cos(math.radians(30)), math.sin(math.radians(30))
    x, y = cos * u - sin * v + 0.1, sin * u + cos * v - 0.2
    expected = torch.stack([x, y, torch.zeros_like(x)], dim=-1).reshape(-1, 3)
    torch.testing.assert_close(view.coords[0], expected, rtol=0, atol=1e-6)
    torch.testing.assert_close(view.weights, torch.ones(1, 48), rtol=0, atol=1e-5)
    assert view.center[0].tolist() == pytest.approx([0.1, -0.2, 0.0])


def test_paths_are_reflected_at_an_edge():
    # Oracle: the plane folded at x = 1.
    view = surface("square").tangent((2, 8), center=(0.9, 0.0, 0.0), side=0.2)
    x = 0.9 + (torch.arange(8.0) - 3.5) * 0.1
    folded = torch.where(x > 1, 2 - x, x)
    torch.testing.assert_close(view.coords[0, :8, 0], folded, rtol=0, atol=1e-6)


def test_paths_on_a_tube_are_those_of_the_plane_that_it_unrolls_to():
    # Oracle: a prism of n sides of length s is developable: along the plane by u is round it by u / s sides.
    n, radius = 48, 0.5
    mesh = TriangleMesh(*tube(n=n, radius=radius))
    side = 2 * radius * math.sin(math.pi / n)
    face, inside = mesh.draw(200, generator=rng())
    start = mesh.positions(face, inside)
    keep = start[:, 2].abs() < 0.4
    face, inside, start = face[keep], inside[keep], start[keep]
    angle = 2 * math.pi * torch.rand(len(face), generator=rng(1), dtype=torch.float64)
    normal, z = mesh.normals[face], torch.tensor([0.0, 0, 1]).double().expand(len(face), 3)
    along = torch.linalg.cross(z, normal)
    length = 0.55
    heading = length * (torch.cos(angle)[:, None] * along + torch.sin(angle)[:, None] * z)
    end = mesh.positions(*mesh.walk(face, inside, (mesh.slopes[face] @ heading[..., None])[..., 0]))

    def unrolled(p):
        turn = torch.atan2(p[:, 1], p[:, 0]) / (2 * math.pi) * n
        k = turn.floor()
        a, b = (2 * math.pi * (k + j) / n for j in (0, 1))
        first = torch.stack([radius * torch.cos(a), radius * torch.sin(a)], dim=-1)
        edge = torch.stack([radius * torch.cos(b), radius * torch.sin(b)], dim=-1) - first
        return (k + ((p[:, :2] - first) * edge).sum(-1) / side**2) * side

    outward = torch.where((normal[:, :2] * start[:, :2]).sum(-1) > 0, 1.0, -1.0)
    moved = (unrolled(end) - unrolled(start) - outward * (length * torch.cos(angle))) / (n * side)
    torch.testing.assert_close(moved, moved.round(), rtol=0, atol=1e-9)
    torch.testing.assert_close(end[:, 2] - start[:, 2], length * torch.sin(angle), rtol=0, atol=1e-9)


def test_patches_of_a_ball_are_those_of_the_sphere():
    # Oracle: on the sphere a path of length r ends at an angle r, from its middle as much as along it.
    view = surface("ball").tangent((9, 9), center=(0.3, 0.2, 0.9), side=1.2)
    p = view.coords[0].double()
    p = p / p.norm(dim=-1, keepdim=True)
    angle = torch.acos((p @ p[40]).clamp(-1, 1))
    step = 1.2 / 9
    v, u = torch.meshgrid(torch.arange(9.0) - 4, torch.arange(9.0) - 4, indexing="ij")
    torch.testing.assert_close(angle, torch.hypot(u, v).flatten().double() * step, rtol=0, atol=5e-3)
    # The area about a sample goes as sin r / r.
    r = torch.hypot(u, v)[1:-1, 1:-1].flatten().double() * step
    expected = torch.where(r > 0, torch.sin(r) / r.clamp(min=1e-9), 1.0)
    inner = view.weights[0].reshape(9, 9)[1:-1, 1:-1].flatten().double()
    torch.testing.assert_close(inner / inner[24], expected, rtol=0, atol=0.05)


@pytest.mark.parametrize("kind", ["square", "tube", "ball"])
def test_charts_cover_everything_and_weigh_by_area(kind):
    domain = surface(kind)
    view = domain.grid(domain.shape(32))
    # Oracle: every point of the surface has a sample of some chart within the diagonal of a cell.
    points = domain.sample(500, generator=rng())
    nearest = torch.cdist(points, view.coords[0]).amin(dim=1)
    assert float(nearest.max()) < 1.5 * domain.side / view.shape[1]
    # Oracle: means over many uniform points, whose errors are below 1/√N.
    many = domain.sample(200_000, generator=rng(1)).double()
    own = view.coords[0].double()
    for f in (lambda p: p[:, 0] ** 2, lambda p: p[:, 2], lambda p: torch.cos(3 * p[:, 1] + p[:, 2])):
        assert float((f(own) * view.weights[0]).mean()) == pytest.approx(float(f(many).mean()), abs=0.01)


def test_sampling_is_uniform_by_area():
    # Oracle: Archimedes: z is uniform on the sphere; chi square of 20 bins, 99.9% quantile 43.8.
    z = surface("ball").sample(20_000, generator=rng())[:, 2]
    counts = torch.histc(z, 20, -1, 1)
    assert float(((counts - 1000).square() / 1000).sum()) < 43.8


def test_even_points_are_more_even_than_chance():
    # Oracle: independent points of 64 equal squares vary by √(N / 64); even ones must by less.
    mesh = TriangleMesh(*square())
    p = mesh.positions(*mesh.even(4096))
    cell = ((p[:, :2] + 1) * 4).floor().long().clamp(0, 7)
    counts = torch.bincount(cell[:, 0] * 8 + cell[:, 1], minlength=64).double()
    assert float(counts.std()) < 0.5 * math.sqrt(64)


def test_resolutions_are_those_of_a_square_picture():
    # Oracle: a square mesh against Box(2).
    assert surface("square").spacing(32) == pytest.approx(Box(2).spacing(32))
    domain = surface("ball")
    view = domain.grid(domain.shape(32))
    assert float(view.spacing.amax()) >= domain.spacing(32)


def test_a_lattice_node_stands_for_its_area():
    domain = surface("ball")
    lattice = domain.lattice(8)
    stencil = lattice.stencil(domain.grid(domain.shape(16)))
    ones = torch.ones(1, stencil.nodes.count, 2)
    torch.testing.assert_close(stencil.interpolate(ones), torch.ones(1, domain.grid(domain.shape(16)).count, 2))
    # Nodes are spread: none closer than half a spacing, none farther than one from the next.
    apart = torch.cdist(lattice.nodes, lattice.nodes).fill_diagonal_(9).amin(dim=1)
    assert 0.5 * domain.spacing(8) < float(apart.min()) and float(apart.max()) < 1.3 * domain.spacing(8)


def test_carry_reproduces_linear_functions():
    # Oracle: constants exactly, the coordinates themselves to a fraction of a cell.
    domain = surface("ball")
    view, where = domain.grid(domain.shape(16)), domain.patches(5, torch.tensor([0.05, 0.1]), generator=rng())
    values = torch.cat([view.coords.transpose(1, 2), torch.ones(1, 1, view.count)], dim=1).unflatten(2, view.shape)
    out = domain.carry(values.expand(2, -1, -1, -1), where)
    torch.testing.assert_close(out[:, 3], torch.ones(2, 5, 5), rtol=0, atol=1e-5)
    assert float((out[:, :3].flatten(2).transpose(1, 2) - where.coords).norm(dim=-1).max()) < 0.03
    x = torch.randn(2, 1, *view.shape, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: domain.carry(v, where).square().sum(), (x,), fast_mode=True)


@pytest.mark.parametrize("backbone", ["multiscale", "pointwise", "polynomial"])
def test_fields_are_functions_of_the_point(backbone):
    # Oracle: tiles equal the whole; derivatives against differences.
    torch.manual_seed(0)
    G = Generator(SurfaceModality(resolution=16), preset="tiny", backbone=backbone)
    field = G.sample([0, 1])
    shape = G.modality.domain.shape(32)
    window = (slice(17, 30), slice(2, 9))
    torch.testing.assert_close(field.render(shape, window=window), field.render(shape)[:, :, 17:30, 2:9])
    double = G.double().sample([0])
    x = G.modality.domain.sample(3, generator=rng(), dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: double(p), (x,), fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda p: double(p).sum(), (x,), fast_mode=True)


def test_parts_and_seams():
    # Two squares apart, one of them cut along a line by doubled vertices: paths cross the cut, not the gap.
    v, f = square(4)
    far = Surface(torch.cat([v, v + torch.tensor([5.0, 0, 0])]), torch.cat([f, f + len(v)]))
    view = far.grid(far.shape(16))
    assert float((view.coords[0, :, 0] > 2).float().mean()) == pytest.approx(0.5, abs=0.25)
    own = v[f].reshape(-1, 3)  # every triangle with vertices of its own
    cut = Surface(own, torch.arange(len(own)).reshape(-1, 3))
    whole = surface("square", n=4)
    a, b = (d.tangent((5, 5), center=(0.1, 0.15, 0), side=1.0).coords for d in (cut, whole))
    torch.testing.assert_close(a, b, rtol=0, atol=1e-6)


def test_even_points_of_large_triangles_are_even_and_in_line():
    # Oracle: one of a thousand points to each equal cell, counted; groups of neighbours are as wide as their share.
    mesh = TriangleMesh(
        torch.tensor([[0.0, 0, 0], [2, 0, 0], [2, 2, 0], [0, 2, 0]]), torch.tensor([[0, 1, 2], [0, 2, 3]])
    )
    points = mesh.positions(*mesh.even(1024))[:, :2]
    cells = torch.bincount((points * 4).long() @ torch.tensor([8, 1]), minlength=64)
    assert int(cells.min()) >= 10 and int(cells.max()) <= 24  # 16 each
    assert float(torch.pdist(points).min()) > 0.3 * 2 / 32
    groups = points.unflatten(0, (-1, 4))
    spread = (groups - groups.mean(dim=1, keepdim=True)).norm(dim=-1).amax(dim=1)
    assert float(spread.max()) < 3 * 2 / 32


def test_textures_finer_than_large_triangles_are_seen_whole():
    # Oracle: on one triangle, a constant, and the built-in textures' own values far from their edges.
    domain = Surface(torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2]]))
    source = SyntheticTextures(domain, resolution=64)
    view = domain.grid(domain.shape(16))
    seen = domain.observe([source[i] for i in range(4)], view)
    face, inside = domain.mesh.nearest(view.coords[0])
    for i in range(4):
        own = source[i].at(domain.mesh, face, inside)
        assert float((seen[i].flatten(1) - own).abs().median()) < 0.1 and bool(torch.isfinite(seen[i]).all())


def test_two_sides_of_a_thin_sheet_are_told_apart():
    # A sheet 0.01 thick, red above and blue below; samples lie 0.1 apart.
    v, f = square(20)
    sheet = Surface(torch.cat([v, v - torch.tensor([0, 0, 0.01])]), torch.cat([f, f.flip(1) + len(v)]))
    item = torch.cat([torch.ones(len(v)), -torch.ones(len(v))])[None].float()
    view = sheet.grid(sheet.shape(28))
    seen = sheet.observe([item], view)[0].flatten()
    above = view.coords[0, :, 2] > -0.005
    assert float(seen[above].min()) > 0.99 and float(seen[~above].max()) < -0.99


@final
class Sided(AbstractSurfaceSignal):
    """1 on the first two triangles, −1 on the others."""

    spacing = 1 / 64

    def at(self, mesh, face, inside):
        return torch.where(face < 2, 1.0, -1.0)[None]


def test_fine_signals_on_two_sides_of_large_triangles_are_told_apart():
    # A plate 0.01 thick of two triangles a side; groups of points that are averaged first stay on their side.
    v, f = torch.tensor([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]), torch.tensor([[0, 1, 2], [0, 2, 3]])
    plate = Surface(torch.cat([v, v - torch.tensor([0, 0, 0.01])]), torch.cat([f, f.flip(1) + 4]))
    view = plate.grid(plate.shape(16))
    seen, above = plate.observe([Sided()], view)[0].flatten(), view.coords[0, :, 2] > -0.005
    assert float(seen[above].min()) > 0.99 and float(seen[~above].max()) < -0.99


def test_reals_are_seen_as_by_the_sphere():
    # Oracle: a smooth function itself; Sphere's harmonics would pass it whole.
    domain = surface("ball")
    f = lambda p: torch.stack([p[..., 0] * p[..., 1], (3 * p[..., 2] ** 2 - 1) / 2])  # noqa: E731
    item = f(domain.mesh.vertices).float()
    for n in (16, 24):
        view = domain.grid(domain.shape(n))
        expected = f(view.coords[0] / view.coords[0].norm(dim=-1, keepdim=True)).unflatten(1, view.shape)
        torch.testing.assert_close(domain.observe([item], view)[0], expected, rtol=0, atol=0.05)
    assert domain.spacing(24) == pytest.approx(math.sqrt(4 * math.pi) / 24, rel=1e-2)
    assert Sphere().coord_dim == domain.coord_dim


def test_reals_finer_than_the_view_do_not_alias():
    # Oracle: a wave of half the view's Nyquist period and finer vanishes; one of 8 samples keeps 90% of its height.
    domain = surface("square", n=64)
    view = domain.grid(domain.shape(16))
    x = domain.mesh.vertices[:, 0]
    fine, slow = (torch.cos(2 * math.pi * x / (k * domain.spacing(16)))[None].float() for k in (1.0, 8.0))
    seen = domain.observe([fine, slow], view)
    inner = (view.coords[0, :, :2].abs() < 0.7).all(dim=1)
    deviation = seen.flatten(1)[:, inner].square().mean(dim=1).sqrt()
    assert float(deviation[0]) < 0.08 and 0.9 < float(deviation[1]) / math.sqrt(0.5) < 1.02


def test_errors():
    v, f = square(2)
    with pytest.raises(ShapeError, match="vertex indices"):
        Surface(v, f + 1)
    with pytest.raises(ShapeError, match="no area"):
        Surface(torch.zeros(3, 3), torch.tensor([[0, 1, 2]]))
    with pytest.raises(NonFiniteError):
        Surface(v.masked_fill(v > 0.9, math.nan), f)
    with pytest.raises(ShapeError, match="charts"):
        surface("square").grid((7, 5))
    with pytest.raises(ConfigError, match="region"):
        surface("square").grid(surface("square").shape(16), region=(0, 0, 1, 1))
    with pytest.raises(ConfigError, match="more area"):
        surface("square").patches(64, torch.tensor([0.1]), generator=rng())
    with pytest.raises(ConfigError, match="distinguish"):
        far = Surface(v + 1e6, f)
        far.grid(far.shape(64))
    many = torch.cat([v + torch.tensor([3.0 * i, 0, 0]) for i in range(70)])
    with pytest.raises(ConfigError, match="parts"):
        parts = Surface(many, torch.cat([f + len(v) * i for i in range(70)]))
        parts.shape(16)
