"""Fields. Oracles: another way to the same value (tiles, points, batches), gradcheck, a Taylor bound."""

import inspect
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))
from toy_modalities import BlobModality, ToneModality

from inrgan import CriticSizes, Field, Generator, GeneratorSizes, ImageModality, Surface, TrainConfig, Trainer
from inrgan.blocks import blocks
from inrgan.capabilities import MovesAlongAxis
from inrgan.errors import ConfigError, NonFiniteError, ShapeError
from inrgan.inr import base
from inrgan.registry import modality_class, modality_names
from inrgan.views import scattered

SIZES = {
    "multiscale": {"backbone": "multiscale", "lattices": (4, 8), "widths": (16, 12, 8), "depths": (2, 1, 2)},
    "pointwise": {"backbone": "pointwise", "lattices": (), "widths": (12,), "depths": (3,)},
    "polynomial": {"backbone": "polynomial", "lattices": (), "widths": (12,), "depths": (3,)},
}
SHAPES = {1: (3001,), 2: (300, 200), 3: (30, 20, 25)}


def make(modality=None, *, backbone="multiscale", hypernetwork="factorized", seed=0, **kwargs):
    torch.manual_seed(seed)
    modality = modality or ImageModality(resolution=32)
    return Generator(modality, z_dim=16, w_dim=16, rank=4, hypernetwork=hypernetwork, **SIZES[backbone], **kwargs)


def close(a, b, atol=1e-5):
    torch.testing.assert_close(a, b, rtol=0, atol=atol)


def check_purity(G):
    field, domain = G.sample([0, 1]), G.modality.domain
    # Charts of a surface stand one below the other, as many as there are.
    shape = domain.shape(64) if isinstance(domain, Surface) else SHAPES[domain.grid_dim]
    view = domain.grid(shape, device=G.device, dtype=domain.precision)
    whole = field.render(view.shape)
    assert whole.std() > 0.05  # nothing is compared that is constant
    close(field(view), whole)  # in one piece
    for start, stop in ((1, 38), (97, 98), (151, 223)):  # odd tiles
        scale = [n / 300 for n in view.shape]
        window = tuple(slice(int(start * s), max(int(start * s) + 1, int(stop * s))) for s in scale)
        close(field(view.window(window)), whole[(slice(None), slice(None), *window)])
    pick = torch.randperm(view.count, generator=torch.Generator().manual_seed(0))[:3000].to(G.device)
    flat = whole.flatten(2).transpose(1, 2)
    coords = view.coords[0]
    close(field(coords[pick], spacing=view.spacing), flat[:, pick])
    close(field(coords[pick[:2]], spacing=view.spacing), flat[:, pick[:2]])  # few and far: other stencils
    own = torch.stack([coords[pick], coords[pick.flip(0)]])  # coordinates of each sample
    close(field(own, spacing=view.spacing), torch.stack([flat[0, pick], flat[1, pick.flip(0)]]))


def moves(name):
    return isinstance(modality_class(name)(resolution=32), MovesAlongAxis)


PURE = [(n, b) for n in sorted(modality_names()) for b in SIZES if b != "polynomial" or not moves(n)]


@torch.no_grad()
@pytest.mark.parametrize("hypernetwork", ["factorized", "style", "full"])
@pytest.mark.parametrize("name, backbone", PURE)
def test_pure(name, backbone, hypernetwork):
    check_purity(make(modality_class(name)(resolution=32), backbone=backbone, hypernetwork=hypernetwork))


@pytest.mark.parametrize("name", [n for n in sorted(modality_names()) if moves(n)])
def test_backbones_that_cannot_move_are_refused(name):
    with pytest.raises(ConfigError, match="move along an axis"):
        make(modality_class(name)(resolution=32), backbone="polynomial")


@torch.no_grad()
@pytest.mark.parametrize("hypernetwork", ["factorized", "style", "full"])
@pytest.mark.parametrize("backbone", SIZES)
def test_batch_does_not_matter(backbone, hypernetwork):
    G = make(backbone=backbone, hypernetwork=hypernetwork)
    together, view = G.sample([3, 1, 4, 1, 5], truncation=0.7), G.modality.domain.grid((24, 20))
    seen = together(view)
    for i, seed in enumerate([3, 1, 4, 1, 5]):
        close(G.sample([seed], truncation=0.7)(view)[0], seen[i])
        close(together[i](view)[0], seen[i])
    close(together[1:3](view), seen[1:3])
    close(together[-1](view)[0], seen[-1])


@pytest.mark.parametrize("backbone", SIZES)
def test_blocks_of_points_change_nothing(backbone, monkeypatch):
    # Oracle: the evaluation that is differentiated, which is never cut.
    G = make(backbone=backbone)
    view, weights = G.modality.domain.grid((20, 24)), G.sample([0, 1]).weights
    whole = G.inr(view, weights).detach()
    for numbers in (100, 3001, 1 << 20):
        monkeypatch.setitem(base.BLOCK, "cpu", numbers)
        with torch.no_grad():
            close(G.inr(view, weights), whole)


@torch.no_grad()
def test_seeds_are_latents():
    # Oracle: the seed's own torch generator, on the CPU.
    G = make()
    z = torch.randn(16, generator=torch.Generator().manual_seed(7))
    assert torch.equal(G.latents([2, 7])[1], z)
    view = G.modality.domain.grid((8, 8))
    close(G.sample([7])(view), G(z[None])(view))
    w = G.mapping(z[None])
    close(G.field(w)(view), G(z[None])(view))


@torch.no_grad()
def test_labels():
    G = make(labels=("cat", "dog", "3"))
    view = G.modality.domain.grid((8, 8))
    turns = G.sample([0, 1, 2])(view)  # seed s takes class s mod 3
    for seed, label in ((0, "cat"), (1, "dog"), (2, "3"), (2, 3)):
        close(G.sample([seed], label=label)(view)[0], turns[seed])
    assert not torch.allclose(G.sample([0], label="dog")(view)[0], turns[0])
    for bad in ("bird", 2, 4, -1):  # where a class is named by a number, numbers are names
        with pytest.raises(ConfigError, match="unknown label"):
            G.sample([0], label=bad)
    with pytest.raises(ConfigError, match="without labels"):
        make().sample([0], label=0)


@pytest.mark.parametrize("seeds", [[], [-1], [0, -5]])
def test_bad_seeds(seeds):
    with pytest.raises(ConfigError, match="seeds"):
        make().sample(seeds)


@pytest.mark.parametrize("truncation", [float("nan"), float("inf")])
def test_bad_truncation(truncation):
    with pytest.raises(ConfigError, match="truncation"):
        make().sample([0], truncation=truncation)


@torch.no_grad()
def test_truncation_to_the_mean():
    G = make()
    G.mapping.track(G.mapping(torch.randn(64, 16)), decay=0.0)
    view = G.modality.domain.grid((8, 8))
    mean = G.sample([0, 1], truncation=0.0)(view)
    close(mean[0], mean[1])
    assert not torch.allclose(*G.sample([0, 1])(view))


def test_a_batch_is_a_sequence():
    field = make().sample([0, 1, 2])
    assert len(field) == 3 and [len(f) for f in field] == [1, 1, 1]
    for index in (3, -4):
        with pytest.raises(IndexError):
            field[index]


def test_bad_coordinates():
    field = make().sample([0, 1])
    call = inspect.unwrap(Field.__call__)  # past the type checks of the tests
    for shape in ((5, 3), (3, 5, 2), (2,), (1, 1, 5, 2)):
        with pytest.raises(ShapeError, match="expected"):
            call(field, torch.zeros(shape))
    with pytest.raises(NonFiniteError):
        field(torch.tensor([[0.0, float("nan")]]))
    for shape in ((0, 4), (4,)):
        with pytest.raises(ShapeError):
            field.render(shape)
    with pytest.raises(ConfigError, match="empty"):
        field.render((4, 4), region=(0, 0, 0, 1))


def test_no_coordinates():
    assert make().sample([0, 1])(torch.zeros(0, 2)).shape == (2, 0, 3)


@torch.no_grad()
def test_region_is_a_part_of_a_finer_whole():
    field = make().sample([0])
    whole = field.render((128, 128))
    close(field.render((32, 64), region=(0.0, -0.5, 1.0, 0.0)), whole[:, :, 32:64, 64:128])
    outside = field.render((8, 8), region=(0.5, 0.5, 2.5, 2.5))
    assert torch.isfinite(outside).all() and outside.abs().max() <= 1


@pytest.mark.parametrize(
    "shape",
    [
        (7,),
        (140_000,),
        (300, 200),
        (
            513,
            1,
        ),
        (33, 64, 65),
        (17, 3, 16, 1),
    ],
)
def test_blocks_cover_once(shape):
    # Oracle: counting; and a window meets exactly the blocks that hold one of its samples.
    seen = torch.zeros(shape, dtype=torch.int)
    for block in blocks(shape):
        assert 0 < seen[block].numel() <= 1 << 16
        seen[block] += 1
    assert (seen == 1).all()
    window = tuple(slice(n // 3, n // 3 + n // 2 + 1) for n in shape)
    inside = torch.zeros(shape, dtype=torch.bool)
    inside[window] = True
    assert list(blocks(shape, window=window)) == [b for b in blocks(shape) if inside[b].any()]


WINDOWS = {
    1: [(slice(0, 1),), (slice(65_530, 65_540),), (slice(1, 100_000),)],
    2: [(slice(0, 1), slice(0, 1)), (slice(250, 270), slice(3, 299)), (slice(-30, None), slice(255, 257))],
    3: [(slice(0, 40), slice(31, 33), slice(0, 5)), (slice(33, 40), slice(None), slice(7, 35))],
}


@torch.no_grad()
@pytest.mark.parametrize("backbone", SIZES)
@pytest.mark.parametrize("dim, shape", [(1, (100_000,)), (2, (290, 300)), (3, (40, 34, 35))])
def test_windows_of_a_render_equal_the_whole_bit_for_bit(dim, shape, backbone):
    # Oracle: the whole array. The batch is large enough to be cut, too.
    modality = {1: ToneModality, 2: lambda: ImageModality(resolution=32), 3: BlobModality}[dim]()
    field = make(modality, backbone=backbone).sample(range(6))
    region = [-0.7] * dim + [1.9] * dim
    whole = field.render(shape, region=region)
    for window in WINDOWS[dim]:
        part = field.render(shape, region=region, window=window)
        assert part.shape[2:] == whole[(..., *window)].shape[2:]
        assert torch.equal(part, whole[(slice(None), slice(None), *window)])
    assert whole.std() > 0.05


def test_bad_windows():
    field = make().sample([0])
    four = slice(0, 4)
    for window in ((four,), (four, slice(4, 4)), (slice(0, 8, 2), four), (slice(9, 12), four)):
        with pytest.raises(ShapeError, match="window"):
            field.render((8, 8), window=window)


def test_samples_that_single_precision_cannot_tell_apart_are_refused():
    # Oracle: numpy's spacing of single-precision numbers; the closest distinct grid is accepted.
    field = make().sample([0])
    ulp = float(np.spacing(np.float32(0.5)))
    fine = field.domain.grid((1, 4), region=(0.5, 0, 0.5 + 8 * ulp, 1))  # centres on every second number
    assert fine.axes[0][0].tolist() == [0.5 + k * ulp for k in (1, 3, 5, 7)]
    for n in (16, 1000):
        with pytest.raises(ConfigError, match="larger region"):
            field.render((1, n), region=(0.5, 0, 0.5 + 8 * ulp, 1))
    with pytest.raises(ConfigError, match="distinguish"):
        field.domain.grid((1, 8), region=(1e9, 0, 1e9 + 1, 1))


def test_the_coordinates_of_a_wide_grid_are_rounded_once():
    # Oracle: (2i + 1)/n - 1 in exact rational arithmetic, rounded to single precision.
    n = 65_536 + 17
    view = make().modality.domain.grid((2, n))
    part = view.window((slice(0, 2), slice(40_000, 40_300))).axes[0][0]
    exact = [np.float32(float(Fraction(2 * i + 1, n) - 1)) for i in range(40_000, 40_300)]
    assert part.tolist() == [float(x) for x in exact]
    assert torch.equal(part, view.axes[0][0, 40_000:40_300])


@pytest.mark.parametrize("backbone", SIZES)
def test_twice_differentiable_in_coordinates(backbone):
    # Oracle: finite differences in float64 of the field and of its gradient, at points in and outside the box.
    field = make(backbone=backbone).double().sample([0, 1])
    x = torch.rand(3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2.4 - 1.2
    x.requires_grad_()
    assert torch.autograd.gradcheck(field, (x,))
    assert torch.autograd.gradgradcheck(field, (x,))


def test_gradient_is_continuous_across_lattice_nodes():
    # Oracle: cubic splines: on both sides of a knot second derivatives agree to what third ones can change.
    field = make().double().sample([0])
    knot = -1 + 2 / 8  # a node of the 4-lattice

    def bend(x):
        p = torch.tensor([[x, 0.1]], dtype=torch.float64, requires_grad=True)
        (slope,) = torch.autograd.grad(field(p).sum(), p, create_graph=True)
        return torch.autograd.grad(slope[0, 0], p)[0][0, 0]

    left, right = bend(knot - 1e-7), bend(knot + 1e-7)
    assert abs(left - right) < 1e-4 * max(1.0, abs(left))


def test_resolutions_agree(tmp_path):
    """Means of 4x4 samples at 256 differ from the samples at 64 by no more than the field's curvature allows.

    The sixteen offsets d of a cell come in pairs +d and -d, whose mean is f(c) + d'H(x)d/2 for some x in the cell, so
    that the mean over the cell lies within E|d|² max|H|/2 = h² (5/64) max|H| of the centre's value, with h = 2/64 and
    E|d|² = 2 h² (1/64 + 9/64)/2. max|H| is taken over the centre and the 16 samples, plus its spread among them.
    Both resolutions are above the training's 32, so that no band limit acts.
    """
    config = TrainConfig(
        modality=ImageModality(resolution=32), kimg=0.02, batch=4,
        generator=GeneratorSizes(z_dim=16, w_dim=16, rank=4, **SIZES["multiscale"]),
        critic=CriticSizes(width=4, max_width=8),
    )  # fmt: skip
    trainer = Trainer(config, outdir=tmp_path, quiet=True)
    trainer.fit()
    trainer.close()
    field = trainer.G.sample([0, 1])
    fine, coarse = field.render((256, 256)), field.render((64, 64))
    pooled = torch.nn.functional.avg_pool2d(fine, 4)
    rows, columns = torch.randint(64, (2, 40), generator=torch.Generator().manual_seed(0))
    h = 2 / 64
    centre = torch.stack([(columns + 0.5) * h - 1, (rows + 0.5) * h - 1], dim=-1)
    offset = (torch.arange(4) - 1.5) * h / 4
    offsets = torch.cat([torch.zeros(1, 2), torch.cartesian_prod(offset, offset)])
    points = (centre[:, None] + offsets).reshape(1, -1, 2).expand(2, -1, -1).clone().requires_grad_()
    for c in range(3):
        value = field(points)[..., c].sum()
        (slope,) = torch.autograd.grad(value, points, create_graph=True)
        hessian = torch.stack([torch.autograd.grad(slope[..., d].sum(), points, retain_graph=True)[0] for d in (0, 1)])
        norm = hessian.square().sum(dim=(0, 3)).sqrt().reshape(2, 40, 17)
        largest = norm.amax(dim=2) + norm.amax(dim=2) - norm.amin(dim=2)
        bound = h**2 * 5 / 64 * largest + 2e-6  # rounding of values below 1
        difference = (pooled - coarse)[:, c, rows, columns].abs()
        assert (difference <= bound).all()
        # The bound is sharp enough to see a shift: by one fine sample, the mean leaves it almost everywhere.
        shifted = torch.nn.functional.avg_pool2d(fine.roll(1, dims=-1), 4)
        assert ((shifted - coarse)[:, c, rows, columns].abs() > bound).float().mean() > 0.5


@torch.no_grad()
def test_activations_are_of_the_view():
    field = make().sample([0, 1])
    view = field.domain.grid((5, 6))
    trace = field.activations(view)
    close(torch.tanh(view.unflatten(trace["signal"])), field(view))
    assert list(trace)[:3] == ["stage0_layer0", "stage0_layer1", "stage1_layer0"]


@torch.no_grad()
def test_coarse_views_fade_features():
    # Oracle: with a spacing beyond every wave, a pointwise field is a constant.
    field = make(backbone="pointwise").sample([0])
    points = torch.rand(50, 2)
    seen = field(scattered(points, spacing=100.0))
    close(seen, seen[..., :1].expand_as(seen), atol=1e-6)
    assert field(points).std(dim=1).max() > 0.05


@pytest.mark.gpu
@torch.no_grad()
@pytest.mark.parametrize("backbone", SIZES)
def test_gpu_equals_cpu(backbone):
    # Oracle: the CPU. 1e-4 where the GPU multiplies in TF32-free fp32.
    torch.backends.cuda.matmul.allow_tf32 = False
    G = make(backbone=backbone)
    expected = G.sample([0, 1]).render((64, 48))
    G = G.to("cuda")
    close(G.sample([0, 1]).render((64, 48)).cpu(), expected, atol=1e-4)
    check_purity(G)


@pytest.mark.gpu
@torch.no_grad()
@pytest.mark.parametrize("backbone", SIZES)
def test_windows_on_a_gpu_equal_the_whole_bit_for_bit(backbone):
    # Oracle: the whole array, rendered twice.
    field = make(backbone=backbone).to("cuda").sample(range(6))
    whole = field.render((700, 300))
    assert torch.equal(field.render((700, 300)), whole)
    for window in WINDOWS[2]:
        assert torch.equal(field.render((700, 300), window=window), whole[(slice(None), slice(None), *window)])


COMPILED = """
import torch
from inrgan import Generator, ImageModality
torch.manual_seed(0)
for backbone in ("multiscale", "polynomial"):
    G = Generator(ImageModality(resolution=16), preset="tiny", backbone=backbone)
    z, view = torch.randn(2, G.z_dim), G.modality.domain.grid((12, 16))
    heads = [next(G.hypernetwork.parameters())]
    def look():
        seen = G(z)(view)
        return seen.detach(), torch.autograd.grad(seen.square().sum(), heads)[0]
    expected = look()
    G.inr.compile_layers(backend="aot_eager")
    for got, was in zip(look(), expected):
        torch.testing.assert_close(got, was, atol=1e-4, rtol=1e-4)
print("equal")
"""


def test_compiled_layers_equal_eager_ones():
    # Oracle: the network before it is compiled. In a process of its own, since the checks of shapes that these tests
    # install cannot be traced. The backend traces and generates no code, for which a compiler of C++ would be needed.
    done = subprocess.run(
        [sys.executable, "-c", COMPILED], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.stdout.strip().endswith("equal"), done.stderr
