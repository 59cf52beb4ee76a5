"""SphericalModality as users meet it. Oracles: symmetry, geometry, closed forms of the built-in scenes."""

import math

import numpy as np
import pytest
import torch
from inrgan_modalities.spherical import pad_cube, pad_equirectangular
from inrgan_modalities.spherical._synthetic import SyntheticSkies
from PIL import Image

from inrgan import CriticSizes, Generator, ResidualCritic, Sphere, SphericalModality
from inrgan.augmentation import symmetric_views
from inrgan.errors import ConfigError, DataError
from inrgan.losses import gradient_penalty
from inrgan.testing import check_modality
from inrgan.views import scattered

S = Sphere()


def field(resolution=16, *, dtype=torch.float32, **kwargs):
    torch.manual_seed(0)
    return Generator(SphericalModality(resolution=resolution), preset="tiny", **kwargs).to(dtype).sample([0, 1])


@pytest.mark.parametrize(
    "kwargs",
    [{}, {"rotate": "any"}, {"rotate": "axis", "critic_kind": "cube"}, {"channels": 1, "low": 0.0, "high": 1.0},
     {"channels": 2, "low": -5.0, "high": 20.0}, {"channels": 5}],
)  # fmt: skip
def test_contract(kwargs):
    check_modality(SphericalModality(resolution=16, **kwargs))


@pytest.mark.parametrize("backbone", ["multiscale", "pointwise", "polynomial"])
def test_no_seam(backbone):
    # Oracle: longitudes 180° and -180° are one place: values and gradients a hair to either side agree to 1e-5.
    f, hair = field(backbone=backbone, dtype=torch.float64), 1e-9
    latitude = torch.linspace(-1.5, 1.5, 21, dtype=torch.float64)
    sides = []
    for sign in (-1, 1):
        longitude = torch.full_like(latitude, math.pi) * sign - sign * hair
        x = torch.stack([latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()], dim=-1)
        x.requires_grad_()
        values = f(x)
        sides.append((values.detach(), torch.autograd.grad(values.square().sum(), x)[0]))
    torch.testing.assert_close(sides[0], sides[1], rtol=0, atol=1e-5)


@pytest.mark.parametrize("backbone", ["multiscale", "polynomial"])
def test_around_a_pole_the_variance_vanishes_with_the_distance(backbone):
    # Oracle: a differentiable function on a ring of radius r about a pole varies by |gradient| r / √2, so that the
    # variance falls fourfold when the radius halves.
    f = field(backbone=backbone)
    turn = torch.arange(64, dtype=torch.float64) * (2 * math.pi / 64)
    for pole in (1.0, -1.0):
        variances = []
        for radius in (0.02, 0.01, 0.005):
            ring = torch.stack([radius * turn.cos(), radius * turn.sin(), torch.full_like(turn, pole)], dim=-1).float()
            variances.append(float(f(ring).double().var(dim=1).mean()))
        assert (
            variances[0] < 1e-2 and 3.5 < variances[0] / variances[1] < 4.5 and 3.5 < variances[1] / variances[2] < 4.5
        )


def test_gradients_are_tangential():
    # Oracle: values do not depend on the length of a point, so that the derivative along it is zero.
    f = field()
    x = S.sample(20, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(f(x).sum(), x)
    assert float((slope * x).sum(-1).detach().abs().max()) < 1e-5 * float(slope.norm(dim=-1).max())
    torch.testing.assert_close(f(3 * x), f(x), rtol=0, atol=1e-5)
    assert torch.isfinite(f(torch.zeros(1, 3))).all()


def test_turned_coordinates_are_the_turned_sphere():
    # Oracle: a pointwise field is a function of features that turn with frequencies and harmonics; asked at R x it is
    # the sphere turned by R⁻¹, so that a render of it from a turned camera is the render of the turned field. Lattices
    # hold no such symmetry in their nodes, but their field is a function of the point as well: both hold.
    f = field()
    camera = S.tangent((8, 8), center=(30, 40), fov=80)
    angle = math.radians(75)
    about = torch.tensor([[math.cos(angle), -math.sin(angle), 0], [math.sin(angle), math.cos(angle), 0], [0, 0, 1]])
    turned = S.tangent((8, 8), center=(105, 40), fov=80)
    torch.testing.assert_close(camera.coords @ about.T, turned.coords, rtol=0, atol=1e-6)
    torch.testing.assert_close(f(camera.coords[0] @ about.T), f(turned.coords[0]), rtol=0, atol=1e-4)


def test_tiles_equal_the_whole():
    f = field()
    whole = f.render((24, 48))
    for window in ((slice(0, 5), slice(40, 48)), (slice(12, 24), slice(0, 48))):
        torch.testing.assert_close(f.render((24, 48), window=window), whole[(..., *window)], rtol=0, atol=1e-6)
    part = f(S.grid((24, 48)).window((slice(0, 7), slice(30, 48))))
    torch.testing.assert_close(part, whole[..., :7, 30:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("rotate", ["axis", "any"])
def test_reals_are_turned(rotate):
    # Oracles: the angles between points, and points and centre, are kept; about the axis z is kept; patch and whole
    # turn alike; no two samples are turned alike; uniform rotations take the pole anywhere.
    m = SphericalModality(resolution=16, rotate=rotate)
    patch, whole = S.patches(4, torch.full((5,), 0.1), generator=torch.Generator().manual_seed(0)), S.grid((4, 8))
    seen = symmetric_views(m.symmetries(), [patch, whole], batch=5, generator=torch.Generator().manual_seed(7))
    for before, after in zip((patch, whole), seen, strict=True):
        assert after.coords.shape[0] == 5 and after.shape == before.shape
        a, b = (v.coords.expand(5, -1, -1) for v in (before, after))
        torch.testing.assert_close(a @ a.transpose(1, 2), b @ b.transpose(1, 2), rtol=0, atol=1e-5)
        if rotate == "axis":
            torch.testing.assert_close(a[..., 2], b[..., 2], rtol=0, atol=1e-6)
    both = [
        torch.cat([p.coords.expand(5, -1, -1), w.coords.expand(5, -1, -1)], dim=1) for p, w in ((patch, whole), seen)
    ]
    torch.testing.assert_close(both[0] @ both[0].mT, both[1] @ both[1].mT, rtol=0, atol=1e-5)
    torch.testing.assert_close(seen[0].center[:, None] @ seen[0].coords.mT, patch.center[:, None] @ patch.coords.mT,
                               rtol=0, atol=1e-5)  # fmt: skip
    assert len({round(float(x), 4) for x in seen[1].coords[:, 0, 0]}) == 5
    (many,) = symmetric_views(m.symmetries(), [S.fibonacci(1)], batch=2000, generator=torch.Generator().manual_seed(1))
    many = many.coords[:, 0]
    spread = many.mean(0)[:2] if rotate == "axis" else many.mean(0)
    assert float(spread.abs().max()) < 5 * math.sqrt(1 / 2000)
    if rotate == "any":
        counts = np.histogram(many[:, 2].numpy(), bins=10, range=(-1, 1))[0]
        assert ((counts - 200) ** 2 / 200).sum() < 27.9  # 99.9%, 9 degrees


def test_observe_mixed_sizes_from_places_of_their_own():
    # Oracle: each item alone.
    m = SphericalModality(resolution=16)
    items = [SyntheticSkies(size=n)[i] for i, n in enumerate((16, 32, 16))]
    view = S.patches(5, torch.tensor([0.2, 0.1, 0.25]), generator=torch.Generator().manual_seed(0))
    seen = m.observe(items, view)
    for i in range(3):
        torch.testing.assert_close(m.observe([items[i]], view.row(i)), seen[i : i + 1], rtol=0, atol=1e-5)
    assert m.item_spacing(items[1]) == pytest.approx(math.pi / 32)


def test_built_in_spheres():
    # Oracles: a sphere twice as fine has the same scene (its blocks' means, up to the edges); the background depends
    # on latitude alone; no two alike; grey is the mean of the colours.
    low, high = SyntheticSkies(size=32), SyntheticSkies(size=64)
    for i in range(5):
        blocks = high[i].float().unflatten(1, (32, 2)).unflatten(3, (64, 2)).mean(dim=(2, 4))
        assert float((blocks - low[i].float()).abs().mean()) < 1.5
        image = low[i].float()
        median = image.median(dim=2, keepdim=True).values
        assert float(((image - median).abs() < 2).float().mean()) > 0.4
    assert not torch.equal(low[0], low[1]) and torch.equal(low[3], SyntheticSkies(size=32)[3])
    assert not torch.equal(SyntheticSkies(size=32, seed=1)[0], low[0])
    grey = SyntheticSkies(size=32, channels=1)[2].float()
    torch.testing.assert_close(grey[0], low[2].float().mean(dim=0), rtol=0, atol=1.0)
    assert {low.label(i) for i in range(20)} == {0, 1} and low.name(0).startswith(low.label_names[low.label(0)])
    for bad in ({"count": 0}, {"size": 0}, {"seed": -1}, {"channels": 2}):
        with pytest.raises(ConfigError):
            SyntheticSkies(**bad)
    with pytest.raises(IndexError):
        low[len(low)]


def test_padding_of_rows_and_columns():
    # Oracle: the neighbours' positions on the sphere: samples beyond the border lie where the grid would go on.
    x = S.grid((6, 12), dtype=torch.float64).coords.reshape(1, 6, 12, 3).permute(0, 3, 1, 2)
    padded = pad_equirectangular(x, 2)
    latitude = math.pi / 2 - (torch.arange(-2, 8, dtype=torch.float64) + 0.5) * math.pi / 6
    longitude = -math.pi + (torch.arange(-2, 14, dtype=torch.float64) + 0.5) * math.pi / 6
    expected = torch.stack([
        latitude.cos()[:, None] * longitude.cos(), latitude.cos()[:, None] * longitude.sin(),
        latitude.sin()[:, None].expand(-1, 16),
    ])  # fmt: skip
    torch.testing.assert_close(padded[0], expected, rtol=0, atol=1e-12)
    odd = pad_equirectangular(torch.arange(5.0).expand(1, 1, 4, 5), 1)
    # Half a turn on from column 0 lies between columns 2 and 3, and so on; columns 4 and 0 are the outer ones.
    assert odd[0, 0, 0].tolist() == [1.5, 2.5, 3.5, 2.0, 0.5, 1.5, 2.5] and odd[0, 0, 1].tolist() == [
        4,
        0,
        1,
        2,
        3,
        4,
        0,
    ]


@pytest.mark.parametrize("side, count", [(8, 1), (5, 1), (16, 2)])
def test_padding_of_cubes(side, count):
    # Oracle: positions: each added sample comes from another face and lies within a sample of where the plane goes on.
    x = S.cube(side, dtype=torch.float64).coords.reshape(6, side, side, 3).permute(0, 3, 1, 2)
    padded = pad_cube(torch.cat([x, 2 * x]), count)
    assert torch.equal(padded[:6, :, count:-count, count:-count], x) and torch.equal(padded[6:], 2 * padded[:6])
    t = (2 * torch.arange(side + 2 * count, dtype=torch.float64) + 1 - side - 2 * count) / side
    front = torch.stack([torch.ones(len(t), len(t)).double(), t.expand(len(t), -1), -t[:, None].expand(-1, len(t))])
    front = front / front.norm(dim=0)
    distance = (padded[0] - front).norm(dim=0)
    assert float(distance.max()) < 1.2 * 2 / side
    assert float(padded[0][0].min()) < float(x[0][0].min())  # something of the neighbours is there


@pytest.mark.parametrize("kind", ["equirectangular", "cube"])
def test_critics_see_no_seam(kind):
    # Oracle: turning the sphere by a quarter about its axis, with the signal, is a roll of the columns. The critic of
    # rows pools to four cells, which the quarter permutes, and so do the faces of the cube: up to the last linear layer
    # features are the same in another order; here only the share of the gradient at the date line is compared.
    m = SphericalModality(resolution=16, critic_kind=kind)
    torch.manual_seed(0)
    critic, view = m.critic(CriticSizes(width=8, max_width=32)), S.grid((16, 32))
    values = torch.randn(64, 3, 16, 32, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (slope,) = torch.autograd.grad(critic(values, view).sum(), values)
    columns = slope.square().mean(dim=(0, 1, 2))
    assert 0.3 < float((columns[0] + columns[-1]) / 2 / columns.mean()) < 3


def test_the_penalty_does_not_grow_with_the_rows():
    # Oracle: the penalty is a norm of a functional derivative, the same at every density where a critic weighs by
    # area; without, its share at the poles grows, since a sample counts there as anywhere and stands for less.
    found = {}
    for by_measure in (False, True):
        torch.manual_seed(0)
        critic = ResidualCritic(2, 3, resolution=16, spacing=[S.spacing(16)] * 3, width=8, max_width=32,
                                padding=pad_equirectangular, by_measure=by_measure)  # fmt: skip
        for rows in (16, 64):
            view = S.grid((rows, 2 * rows))
            values = view.unflatten(torch.sin(2 * view.coords) * 0.5)
            penalty = gradient_penalty(lambda x, v=view, c=critic: c(x, v), values, view)
            found[by_measure, rows] = float(penalty.detach())
    assert 0.67 < found[True, 64] / found[True, 16] < 1.5 < found[False, 64] / found[False, 16]


def test_folders_of_panoramas(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(3):
        Image.fromarray(rng.integers(0, 255, (32, 64, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    m = SphericalModality(resolution=16)
    source = m.source(tmp_path)
    assert len(source) == 3 and source[0].shape == (3, 32, 64)
    m.write(m.observe([source[0], source[1]], S.grid((16, 32))), tmp_path / "two.png")
    with Image.open(tmp_path / "two.png") as image:
        assert image.size[0] >= 32


@pytest.mark.parametrize("kwargs", [{"resolution": 4}, {"channels": 0}, {"low": 1.0}, {"low": 2.0, "high": 1.0}])
def test_bad_options(kwargs):
    with pytest.raises(ConfigError):
        SphericalModality(**kwargs)


@pytest.mark.parametrize("change", [{"rotate": "some"}, {"critic_kind": "flat"}])
def test_bad_choices(change):
    m = SphericalModality()
    for name, value in change.items():  # past the type checks of the tests
        object.__setattr__(m, name, value)
    with pytest.raises(ConfigError, match="expected"):
        m.__post_init__()


def test_missing_data(tmp_path):
    for bad in (tmp_path / "nothing", tmp_path):
        with pytest.raises(DataError):
            SphericalModality(resolution=16).source(bad)


def test_built_in_fields_of_any_number_of_channels():
    # Oracle: the same point of another grid; waves have size at most 1.
    fine, coarse = (SphericalModality(resolution=n, channels=5).source(None) for n in (48, 16))
    assert fine[3].shape == (5, 48, 96) and float(fine[3].abs().max()) <= 1
    assert torch.allclose(fine[3][:, 1::3, 1::3], coarse[3], atol=1e-6)  # every third cell center is a coarser one
    assert {coarse.label(i) for i in range(20)} == {0, 1} and not torch.equal(coarse[0], coarse[1])


def test_points_of_wrong_shape():
    from inrgan.errors import ShapeError

    with pytest.raises(ShapeError, match="3"):
        field()(torch.zeros(5, 2))
    assert field()(scattered(torch.eye(3))).shape == (2, 3, 3)
