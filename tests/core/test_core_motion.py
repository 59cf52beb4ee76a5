"""Axes of another unit, slices, waves that travel, parts of latents. Oracles: closed forms, double loops, gradcheck."""

import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from toy_modalities import _Toy

from inrgan import Box, Generator
from inrgan.data import FolderArchive, open_archive
from inrgan.discriminators import SlicesCritic
from inrgan.discriminators.parts import _groups
from inrgan.domains.box_lattice import OwnNumbers, SharedNumbers, _GatherStencil, _LocalStencil, _ProductStencil
from inrgan.encodings import AxisPaths, FourierEncoding, Path, TravellingEncoding
from inrgan.errors import ConfigError, DataError, ShapeError
from inrgan.losses import LossOptions, gradient_penalty, terms
from inrgan.samplers import FullGrid, RandomResolution, Slices, VariableDensity
from inrgan.views import product_view, scattered

ROOM = Box(3, lower=(-1, -1, 0), upper=(1, 1, 4), units=(None, None, 2.0), patch_shape=(1, 1, 0.5))
"""Two seconds are as long as one of x: 8 samples on a side are a quarter of x and half a second apart."""


@dataclass(frozen=True)
class WheelModality(_Toy):
    """A toy that moves."""

    name: ClassVar[str] = "wheel"
    dim: ClassVar[int] = 3
    latent_parts: ClassVar[tuple[str, ...]] = ("turn", "sway")

    def encoding(self, spacing):
        return TravellingEncoding(
            3, axis=2, longest_period=4, spacing=spacing, axis_spacing=spacing, groups=2, octaves=1, oblique=6
        )

    def paths(self, spacing):
        return AxisPaths(2, start=-1, length=2, spacing=spacing, count=5, octaves=3, part="sway")


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


# Boxes with an axis of another unit.


def test_resolution_counts_the_axes_measured_as_x_is():
    assert ROOM.lengths == (2, 2, 2) and ROOM.spacing(8) == 0.25 and ROOM.shape(8) == (8, 8, 8)
    assert ROOM.grid((8, 8, 8)).spacing[0, 0].tolist() == [0.25, 0.25, 0.5]
    short = Box(3, lower=(-1, -1, 0), upper=(1, 1, 1), units=(None, None, 2.0))
    # The axis of another unit is the shortest, and does not count.
    assert short.shape(8) == (2, 8, 8) and short.spacing(8) == 0.25
    view = product_view([torch.zeros(1, 3)] * 3, spacing=torch.tensor([[0.5, 0.3, 0.4], [0.2, 0.3, 1.0]]))
    assert ROOM.finest(view).tolist() == pytest.approx([0.2, 0.2])  # 0.4 along the third are 0.2 of x
    plain = Box(3, units=(None, None, None))
    assert plain.lengths == plain.sides and torch.equal(plain.finest(view), view.spacing.flatten(1).amin(1))


def test_patches_have_their_own_shape():
    spacing = torch.tensor([0.25, 0.125])
    view = ROOM.patches(6, spacing, generator=rng())
    assert view.shape == (3, 6, 6)
    torch.testing.assert_close(view.spacing[:, 0], torch.tensor([[0.25, 0.25, 0.5], [0.125, 0.125, 0.25]]))
    for d, (low, high) in enumerate(zip(ROOM.lower, ROOM.upper, strict=True)):
        half = view.spacing[:, 0, d] / 2
        assert (view.axes[d][:, 0] - half >= low - 1e-6).all() and (view.axes[d][:, -1] + half <= high + 1e-6).all()
        torch.testing.assert_close(view.axes[d].diff(dim=1), 2 * half[:, None].expand(-1, view.shape[2 - d] - 1))
    # Where the axis of another unit is short, samples along it are as far apart as lets them fit, or fewer.
    for limit, count in ((None, 3), (2, 2)):
        flat = Box(3, lower=(-1, -1, 0), upper=(1, 1, 0.6), units=(None, None, 2.0), patch_shape=(1, 1, 0.5),
                   patch_limit=(None, None, limit))  # fmt: skip
        view = flat.patches(6, torch.tensor([0.25, 0.05]), generator=rng())
        assert view.shape == (count, 6, 6)
        torch.testing.assert_close(view.spacing[:, 0], torch.tensor([[0.25, 0.25, 0.6 / count], [0.05, 0.05, 0.1]]))
        torch.testing.assert_close(view.axes[2][0, 0], torch.tensor(0.3 / count))
    with pytest.raises(ConfigError, match="6 samples"):
        ROOM.patches(6, torch.tensor([0.4]), generator=rng())


@pytest.mark.parametrize(
    "changes",
    [{"units": (1, 1, 1)}, {"units": (None, None, 0)}, {"units": (None, 1)}, {"patch_shape": (1, 1)},
     {"patch_shape": (1, 1, -1)}, {"patch_limit": (1, 1, 0)}, {"patch_limit": (None, 1)},
     {"units": (None, None, math.nan)}],
    ids=str,
)  # fmt: skip
def test_bad_units(changes):
    with pytest.raises(ConfigError):
        Box(3, **changes)


# Lattices that have no cells along such an axis.


def bspline(t):
    t = abs(t)
    return 2 / 3 - t * t + t**3 / 2 if t < 1 else max(2 - t, 0) ** 3 / 6


def feature(x):
    x = np.asarray(x)
    return np.stack([np.sin(3 * x.sum(axis=-1)), np.cos(2 * x[..., 0]) * x[..., 2]], axis=-1)


def explicit_sum(lattice, points):
    """Over the nodes in reach, by plain loops: of x and y alone."""
    out = []
    for point in points.tolist():
        at = [(point[d] - lattice.origin[d]) / lattice.cell[d] - 0.5 for d in (0, 1)]
        total = 0
        for j in itertools.product(*[range(math.floor(p) - 2, math.floor(p) + 4) for p in at]):
            node = [lattice.origin[d] + (j[d] + 0.5) * lattice.cell[d] for d in (0, 1)]
            total = total + bspline(at[0] - j[0]) * bspline(at[1] - j[1]) * feature([*node, point[2]])
        out.append(total)
    return np.stack(out)


def interpolated(stencil, batch=1):
    features = torch.from_numpy(feature(stencil.nodes.coords.detach().numpy()))
    return stencil.interpolate(features.expand(max(batch, len(features)), -1, -1))


def test_lattices_are_free_along_an_axis_of_another_unit():
    lattice = ROOM.lattice(5)
    assert lattice.cell == (0.4, 0.4, 0) and lattice.free == [2]
    view = ROOM.grid((3, 4, 5), dtype=torch.float64)
    expected = explicit_sum(lattice, view.coords[0])
    cells = torch.tensor([0.4, 0.4, 4 / 3], dtype=torch.float64)
    loose = scattered(view.coords, spacing=view.spacing)
    each = scattered(view.coords, spacing=view.spacing.expand(1, view.count, 3))
    sure = scattered(view.coords.clone().requires_grad_(), spacing=view.spacing)
    for looked, kind in ((view, _ProductStencil), (loose, _GatherStencil), (each, _LocalStencil),
                         (sure, _LocalStencil)):  # fmt: skip
        stencil = lattice.stencil(looked)
        assert isinstance(stencil, kind)
        np.testing.assert_allclose(interpolated(stencil).detach().numpy()[0], expected, atol=1e-12)
        # Along the axis nodes are where the points are, and as far apart.
        assert set(stencil.nodes.coords[0, :, 2].tolist()) == set(view.axes[2][0].tolist())
        torch.testing.assert_close(stencil.nodes.spacing[0, 0], cells)
    assert lattice.stencil(view).nodes.shape[0] == 3


def test_free_axes_of_each_sample():
    # Oracle: every sample by itself.
    lattice, times = ROOM.lattice(5), torch.tensor([[0.1, 0.2, 3.0], [1.0, 2.5, 3.9]], dtype=torch.float64)
    x = torch.linspace(-0.9, 0.9, 4, dtype=torch.float64)[None]
    view = product_view([x, x, times], spacing=torch.tensor([[0.5, 0.5, 0.1], [0.5, 0.5, 0.3]], dtype=torch.float64))
    nodes = lattice.stencil(view).nodes
    assert nodes.batch == 2 and nodes.spacing[:, 0, 2].tolist() == [0.1, 0.3]
    whole = interpolated(lattice.stencil(view))
    points = scattered(view.coords, spacing=view.spacing)
    for i in range(2):
        np.testing.assert_allclose(whole[i].numpy(), explicit_sum(lattice, view.coords[i]), atol=1e-12)
        np.testing.assert_allclose(interpolated(lattice.stencil(points), 2).numpy()[i], whole[i].numpy(), atol=1e-12)
    varied = product_view([x[:, :3], x[:, :2], times[:1]], spacing=[x[:, :3].abs(), x[:, :2].abs(), times[:1] / 9])
    torch.testing.assert_close(lattice.stencil(varied).nodes.axis_spacing[2], times[:1] / 9)


@pytest.mark.parametrize("kind", [_GatherStencil, _LocalStencil])
def test_derivatives_along_a_free_axis(kind):
    lattice = ROOM.lattice(5)
    points = torch.rand(1, 4, 3, generator=rng(), dtype=torch.float64).requires_grad_()

    def looked(p):
        distinct = {2: (p[..., 2], torch.arange(4)[None])}
        if kind is _GatherStencil:
            stencil = kind(lattice, p, SharedNumbers(lattice, p, distinct=distinct, spacing=torch.ones(1, 3)))
        else:
            stencil = kind(lattice, p, OwnNumbers(lattice, p, spacing=torch.ones(1, 1, 3)))
        x = stencil.nodes.coords
        return stencil.interpolate(torch.stack([(x * x).sum(dim=-1), torch.sin(x[..., 2])], dim=-1))

    assert torch.autograd.gradcheck(looked, points)
    (slope,) = torch.autograd.grad(looked(points)[..., 1].sum(), points)
    torch.testing.assert_close(slope[..., 2], torch.cos(points[..., 2]))  # nothing is smoothed along it


# Slices.


def test_slices_are_cells_of_the_view():
    view = Slices(FullGrid(16), axis=2, count=3).draw(ROOM, batch=400, generator=rng())
    assert view.shape == (3, 16, 16) and view.batch == 400 and view.spacing.tolist() == [[[0.125, 0.125, 0.25]]]
    t = view.axes[2]
    gaps = t.diff(dim=1) / 0.25
    torch.testing.assert_close(gaps, gaps.round(), rtol=0, atol=1e-4)
    assert gaps.min() > 0.999 and t.min() >= 0.125 - 1e-6 and t.max() <= 4 - 0.125 + 1e-6
    # Oracle: the outermost distance is uniform on 2 … 15 cells.
    counts = torch.bincount(gaps.sum(dim=1).round().long(), minlength=16)
    assert counts[:2].sum() == 0 and counts[2:].min() >= 10 and counts[2:].max() <= 60
    # Slices lie between cells too: their places in a cell are spread.
    assert ((t[:, 0] / 0.25 - 0.5) % 1).std() > 0.2
    # Every frame is looked at about as often: the ends too.
    assert torch.histc(t, bins=4, min=0, max=4).min() > 200


def test_slices_of_other_samplers():
    drawn = Slices(RandomResolution(8, 16, aspect=2), axis=0, count=2).draw(Box(2), batch=3, generator=rng(3))
    assert drawn.axes[0].shape == (3, 2) and drawn.axes[1].shape[0] == 1
    sampler = Slices(FullGrid(16), axis=2, count=3)
    assert sampler.at_most(8).draw(ROOM, batch=1, generator=rng()).shape == (3, 8, 8)
    assert sampler.finest(ROOM) == FullGrid(16).finest(ROOM)
    again = sampler.draw(ROOM, batch=4, generator=rng(5))
    assert torch.equal(again.axes[2], sampler.draw(ROOM, batch=4, generator=rng(5)).axes[2])
    for bad in (
        lambda: Slices(FullGrid(16), axis=2, count=1),
        lambda: Slices(FullGrid(16), axis=-1, count=3),
        lambda: Slices(FullGrid(2), axis=2, count=3).draw(ROOM, batch=1, generator=rng()),
        lambda: Slices(VariableDensity(16), axis=1, count=3).draw(Box(2), batch=2, generator=rng()),
    ):
        with pytest.raises(ConfigError):
            bad()


def test_terms_look_through_a_sampler():
    made = terms(
        ["full", "random-resolution", "dense-patch"], resolution=16, smallest=3,
        options=LossOptions(whole=16, patch=8, context_size=4, patch_start=0),
        through=lambda s: Slices(s, axis=2, count=3),
    )  # fmt: skip
    for term in made[:2]:
        (view,) = term.views(ROOM, batch=2, generator=rng(), resolution=16)
        assert view.shape[0] == 3 and not term.fixed
    patch, whole = made[2].views(ROOM, batch=2, generator=rng(), resolution=16)
    assert patch.shape == (4, 8, 8) and whole.shape == (4, 4, 4)
    assert LossOptions().context_resolution(["dense-patch"], 32) == LossOptions().whole_resolution(["dense-patch"], 32)


# Their critic.


def critic(**changes):
    torch.manual_seed(0)
    sizes = {"axis": 2, "count": 3, "resolution": 16, "spacing": (0.125, 0.125, 0.25), "width": 8, "max_width": 16}
    return SlicesCritic(3, 2, **{**sizes, **changes})


def test_critic_is_told_distances_and_sees_order():
    D, values = critic(), torch.randn(4, 2, 3, 16, 16, generator=rng())
    view = Slices(FullGrid(16), axis=2, count=3).draw(ROOM, batch=4, generator=rng(1))
    score = D(values, view)
    assert score.shape == (4,)
    for i in range(4):  # neither the batch nor where all of it lies
        torch.testing.assert_close(D(values[i : i + 1], view.row(i))[0], score[i], rtol=1e-4, atol=1e-5)
    moved = product_view([*view.axes[:2], view.axes[2] + 0.3], spacing=view.spacing[:, 0])
    torch.testing.assert_close(D(values, moved), score, rtol=1e-3, atol=1e-4)
    wide = product_view([*view.axes[:2], view.axes[2] * 2], spacing=view.spacing[:, 0])
    assert (D(values, wide) - score).abs().min() > 1e-4
    assert (D(values.flip(2), view) - score).abs().min() > 1e-4
    labelled = critic(classes=3)
    one, two = (labelled(values, view, torch.full((4,), c)) for c in (0, 2))
    assert (one - two).abs().min() > 1e-5


def test_many_slices_are_scored_in_groups():
    # Oracle: the mean over groups, each scored by itself.
    D, values, view = critic(), torch.randn(2, 2, 7, 16, 16, generator=rng()), ROOM.grid((7, 16, 16))
    parts = []
    for group in _groups(7, 3):
        own = product_view([*view.axes[:2], view.axes[2][:, group]], spacing=view.spacing[:, 0])
        parts.append(D(values[:, :, group], own))
    torch.testing.assert_close(D(values, view), torch.stack(parts).mean(dim=0), rtol=1e-4, atol=1e-5)
    for slices, count in itertools.product(range(2, 20), (2, 3, 5)):
        if slices >= count:
            groups = _groups(slices, count)
            assert set(groups.flatten().tolist()) == set(range(slices)) and (groups.diff(dim=1) > 0).all()
    for bad in (values[:, :1], values[:, :, :2], values[0]):
        with pytest.raises((ShapeError, TypeError)):
            D(bad, view)


def test_critic_of_slices_of_a_picture():
    torch.manual_seed(0)
    D = SlicesCritic(2, 1, axis=1, count=3, resolution=16, spacing=(0.1, 0.1), width=4, max_width=8)
    view = Slices(FullGrid(16), axis=1, count=3).draw(Box(2), batch=2, generator=rng())
    values = torch.randn(2, 1, 3, 16, requires_grad=True)
    penalty = gradient_penalty(lambda x: D(x, view), [values], [view])
    assert penalty > 0 and torch.autograd.grad(penalty, D.join.weight)[0].abs().sum() > 0


# Paths and waves.


def weights(paths, batch=2, seed=0):
    g = rng(seed)
    draw = lambda *s: torch.randn(*s, generator=g, dtype=torch.float64)  # noqa: E731
    k, n = len(paths.base), paths.constants
    mixture = draw(batch, paths.count, paths.inputs) / paths.inputs**0.5
    return (draw(batch, k, n), draw(batch, k)), (mixture, draw(batch, paths.count))


def test_paths_are_what_they_say():
    paths = AxisPaths(2, start=0, length=4, spacing=0.25, count=3, octaves=4).double()
    rates, (mix, bias) = weights(paths)
    view = ROOM.grid((32, 2, 2), dtype=torch.float64)
    path = paths(view, rates, (mix, bias))
    t = view.axes[2][0] - 2
    # Oracle: the formula, written out for every sample, path and wave.
    for b, p in itertools.product(range(2), range(3)):
        total = mix[b, p, 0] * t * math.sqrt(12) / 4
        for k in range(4):
            f = 2.0**k / 32 * 2 ** (0.75 * math.tanh(float(rates[0][b, k].sum() + rates[1][b, k])))
            passes = 0.5 * (1 + math.cos(math.pi * min(max((2 * f * 0.25 - 0.75) / 0.25, 0), 1)))
            a = passes * math.sqrt(2) / max(1, 2 * f * 4)
            total += a * (mix[b, p, 1 + k] * torch.sin(2 * math.pi * f * t))
            total += a * (mix[b, p, 5 + k] * torch.cos(2 * math.pi * f * t))
        torch.testing.assert_close(path.values[b, :, p], 0.5 * total + bias[b, p], rtol=1e-5, atol=1e-6)
    # Oracle of the slopes: differences.
    ahead, behind = (
        paths(product_view([*view.axes[:2], view.axes[2] + s], spacing=view.spacing[:, 0]), rates, (mix, bias)).values
        for s in (1e-5, -1e-5)
    )
    torch.testing.assert_close(path.slopes, (ahead - behind) / 2e-5, rtol=1e-4, atol=1e-4)
    loose = paths(scattered(view.coords, spacing=view.spacing), rates, (mix, bias))
    torch.testing.assert_close(loose.values.reshape(2, 32, 4, 3)[:, :, 1], path.values)


def test_paths_have_no_period_in_common():
    # Oracle: over a hundred windows a path comes back near to where it was, value and slope, no more than by chance;
    # with fixed frequencies in octaves it would at every multiple of the longest period.
    paths = AxisPaths(2, start=0, length=4, spacing=0.25, count=8).double()
    (wr, br), (mix, bias) = weights(paths, batch=6)
    mix[:, :, 0] = 0  # without the drift, which never comes back
    period = 32.0
    start = torch.linspace(0, 4, 17, dtype=torch.float64)
    at = lambda t: paths(product_view([t[None][:, :1]] * 2 + [t[None]], spacing=torch.full((1, 3), 0.25)),  # noqa: E731
                         (wr, br), (mix, bias)).values  # fmt: skip
    scale = (at(torch.rand(500, dtype=torch.float64, generator=rng()) * 400) - bias[:, None]).std()
    for n in range(1, 12):
        assert (at(start) - at(start + n * period)).square().mean().sqrt() > 0.3 * scale


def test_waves_travel():
    enc = TravellingEncoding(3, axis=2, longest_period=4, spacing=0.1, axis_spacing=0.25, groups=3, oblique=10).double()
    view = ROOM.grid((6, 5, 4), dtype=torch.float64)
    flat = FourierEncoding(2, longest_period=4, spacing=0.1, octaves=3, oblique=10).double()
    still = enc(view).reshape(6, 20, -1)
    # Oracle: without paths, or with paths of 0, the encoding of pictures at every time.
    plane = product_view(view.axes[:2], spacing=view.spacing[:, 0, :2])
    for k in range(6):
        torch.testing.assert_close(still[k], flat(plane)[0], rtol=1e-6, atol=1e-6)
    nothing = Path(torch.zeros(1, 6, 4).double(), torch.zeros(1, 6, 4).double(), torch.full((1, 1), 0.25).double())
    torch.testing.assert_close(enc(view, nothing).reshape(6, 20, -1), still)
    # Oracle: a group that is displaced sees the picture from elsewhere; the first stands still.
    where = torch.tensor([0.3, -0.2, 0.0, 0.5], dtype=torch.float64)
    moved = enc(view, Path(where.expand(1, 6, 4), torch.zeros(1, 6, 4).double(), nothing.spacing)).reshape(6, 20, -1)
    waves = len(enc.group)
    for group, shift in ((0, (0, 0)), (1, (0.3, -0.2)), (2, (0.0, 0.5))):
        own = torch.nonzero(enc.group == group)[:, 0]
        own = torch.cat([own, own + waves])
        elsewhere = product_view([a + s for a, s in zip(plane.axes, shift, strict=True)], spacing=plane.spacing[:, 0])
        torch.testing.assert_close(moved[2][:, own], flat(elsewhere)[0][:, own], rtol=1e-5, atol=1e-5)


def test_fast_waves_are_blurred():
    enc = TravellingEncoding(3, axis=2, longest_period=4, spacing=0.1, axis_spacing=0.25, groups=2, oblique=10).double()
    view = ROOM.grid((6, 5, 4), dtype=torch.float64)
    moving = torch.nonzero(enc.group == 1)[:, 0]
    moving = torch.cat([moving, moving + len(enc.group)])
    f = enc.frequencies[enc.group == 1][:, 0].abs().double()
    for speed, spacing in ((1.0, 0.05), (1.0, 0.25), (1.0, 0.5), (20.0, 0.05)):
        path = Path(
            torch.zeros(1, 6, 2).double(), torch.tensor([speed, 0.0]).double().expand(1, 6, 2),
            torch.full((1, 1), spacing).double(),
        )  # fmt: skip
        power = enc(view, path)[0].square()[:, moving].unflatten(-1, (2, -1)).sum(dim=1).mean(dim=0)
        rest = enc(view)[0].square()[:, moving].unflatten(-1, (2, -1)).sum(dim=1).mean(dim=0)
        # Oracle: the fade of frequency times spacing, training's where it is the coarser.
        ramp = ((2 * f * speed * max(spacing, 0.25) - 0.75) / 0.25).clamp(0, 1)
        torch.testing.assert_close(power, rest * (0.5 * (1 + torch.cos(math.pi * ramp))) ** 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: AxisPaths(-1, start=0, length=1, spacing=0.1), lambda: AxisPaths(0, start=0, length=0, spacing=0.1),
        lambda: AxisPaths(0, start=0, length=1, spacing=0), lambda: AxisPaths(0, start=0, length=1, spacing=1, count=0),
        lambda: TravellingEncoding(1, axis=0, longest_period=4, spacing=0.1, axis_spacing=1),
        lambda: TravellingEncoding(3, axis=3, longest_period=4, spacing=0.1, axis_spacing=1),
        lambda: TravellingEncoding(3, axis=2, longest_period=4, spacing=0.1, axis_spacing=1, groups=0),
    ],
)  # fmt: skip
def test_bad_motions(make):
    with pytest.raises(ConfigError):
        make()


# Parts of a latent.


@torch.no_grad()
@pytest.mark.parametrize("hypernetwork", ["factorized", "style", "full"])
def test_parts_of_a_latent(hypernetwork):
    torch.manual_seed(0)
    G = Generator(
        WheelModality(), z_dim=16, w_dim=24, rank=2, hypernetwork=hypernetwork, lattices=(4,), widths=(12, 8),
        depths=(1, 2), labels=("a", "b"),
    )  # fmt: skip
    z = G.latents([1, 2])
    # Oracle: the last quarter of z is that of the last part, the quarter before it that of the first.
    swapped = G.latents([1, 2], parts={"turn": [7], "sway": [8, 9]})
    assert torch.equal(swapped[:, :8], z[:, :8])
    assert torch.equal(swapped[:, 8:12], G.latents([7, 7])[:, 8:12])
    assert torch.equal(swapped[:, 12:], G.latents([8, 9])[:, 12:])
    w, other = G.mapping(z, torch.tensor([0, 1])), G.mapping(swapped, torch.tensor([0, 1]))
    assert w.shape == (2, 24) and torch.equal(w[:, :12], other[:, :12])
    assert not torch.allclose(w[:, 12:18], other[:, 12:18]) and not torch.allclose(w[:, 18:], other[:, 18:])
    labelled = G.mapping(z, torch.tensor([1, 0]))
    assert torch.equal(labelled[:, 12:], w[:, 12:]) and not torch.allclose(labelled[:, :12], w[:, :12])
    # No layer asks for the first part, and those of the paths alone for the second.
    a = G.hypernetwork(w)
    for name, start, stop in (("turn", 12, 18), ("sway", 18, 24)):
        changed = w.clone()
        changed[:, start:stop] += 1
        differ = {s.name for s, x, y in zip(G.inr.layers, a, G.hypernetwork(changed), strict=True)
                  if not (torch.equal(x.weight, y.weight) and torch.equal(x.bias, y.bias))}  # fmt: skip
        assert differ == {s.name for s in G.inr.layers if s.part == name} and (name == "sway") == bool(differ)


def test_moving_fields_are_smooth_and_the_same_everywhere():
    torch.manual_seed(0)
    G = Generator(WheelModality(), z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(12, 8), depths=(1, 2)).double()
    field = G.sample([0, 1])
    points = (torch.rand(5, 3, generator=rng(), dtype=torch.float64) * 2 - 1).requires_grad_()
    assert torch.autograd.gradcheck(lambda p: field(p, spacing=0.1), points)
    with torch.no_grad():
        whole = field.render((6, 5, 4))
        view = G.modality.domain.grid((6, 5, 4), dtype=torch.float64)
        torch.testing.assert_close(
            view.unflatten(field(view.coords[0], spacing=view.spacing)), whole, atol=1e-5, rtol=0
        )
        assert whole.diff(dim=2).abs().mean() > 0.01


def test_paths_ask_for_an_encoding_that_travels():
    class Still(WheelModality):
        def encoding(self, spacing):
            return FourierEncoding(3, longest_period=4, spacing=spacing, octaves=1, oblique=2)

    with pytest.raises(ConfigError, match="TravellingEncoding"):
        Generator(Still(), preset="tiny")


# Files for libraries that read files alone.


def test_entries_as_files(tmp_path):
    import zipfile

    (tmp_path / "data" / "a").mkdir(parents=True)
    (tmp_path / "data" / "a" / "x.bin").write_bytes(b"123")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        file.write(tmp_path / "data" / "a" / "x.bin", "a/x.bin")
    folder, packed = (open_archive(tmp_path / name, suffixes=(".bin",)) for name in ("data", "data.zip"))
    assert isinstance(folder, FolderArchive) and folder.local("a/x.bin", tmp_path) == tmp_path / "data" / "a" / "x.bin"
    (tmp_path / "scratch").mkdir()
    own = packed.local("a/x.bin", tmp_path / "scratch")
    assert own.parent == tmp_path / "scratch" and own.suffix == ".bin" and own.read_bytes() == b"123"
    assert packed.local("a/x.bin", tmp_path / "scratch") == own and len(list((tmp_path / "scratch").iterdir())) == 1
    for archive in (folder, packed):
        with pytest.raises(DataError):
            archive.local("b.bin", tmp_path / "scratch")


def test_pooled_values_stay_in_range():
    # The critic pools slices to eight samples or fewer: every resolution from the smallest on works.
    D = critic()
    for size in (3, 5, 8, 33):
        view = product_view([torch.linspace(-1, 1, size)[None]] * 2 + [torch.tensor([[0.0, 1.0, 3.0]])],
                            spacing=torch.tensor([[2 / size, 2 / size, 0.25]]))  # fmt: skip
        values = F.pad(torch.ones(1, 2, 3, 1, 1), (0, size - 1, 0, size - 1), value=1.0)
        assert torch.isfinite(D(values, view)).all()
