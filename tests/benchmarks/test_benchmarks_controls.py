"""Controls of the quality benchmarks.

Oracles: slow loops, equations of the papers, symmetries, and what a value may depend on.
"""

import copy
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

from controls import CONTROLS, StyledConv, make_control
from controls.control import halvings
from controls.convolutional import ConvolutionalGenerator, ConvolutionalSynthesis
from controls.gasp import Gasp
from controls.inr_gan import InrGan, ModulatedLinear
from controls.video import MotionCodes
from controls.wavegan import TransposedConv
from inrgan_modalities.spherical import pad_equirectangular

from inrgan import (
    AudioModality,
    CriticSizes,
    Generator,
    ImageModality,
    OccupancyModality,
    SphericalModality,
    TrainConfig,
    Trainer,
    VideoModality,
)
from inrgan.views import scattered

MODALITIES = {
    "image": ImageModality(resolution=8),
    "spherical": SphericalModality(resolution=8),
    "audio": AudioModality(resolution=128, rate=1000),
    "video": VideoModality(resolution=8, frames=4, fps=4, aspect=(2, 1), frames_per_clip=2),
    "occupancy": OccupancyModality(resolution=8),
}
EVERY = [(modality, name) for modality, controls in CONTROLS.items() for name in controls]


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def made(modality, name, **options):
    torch.manual_seed(0)
    return make_control(name, MODALITIES[modality], preset="tiny", **options)


def grid(modality):
    return modality.domain.grid(modality.domain.shape(modality.resolution))


def evaluated(G, *, batch=2, seed=0):
    return G(torch.randn(batch, G.z_dim, generator=rng(seed)))(grid(G.modality))


# --- every control ---


@pytest.mark.parametrize(("modality", "name"), EVERY)
def test_a_control_makes_signals_of_the_modality(modality, name):
    G = made(modality, name)
    values = evaluated(G)
    assert values.shape == (2, G.modality.signal_channels, *G.modality.domain.shape(G.modality.resolution))
    assert values.abs().max() <= 1 and not torch.allclose(values[0], values[1], atol=0.01)
    assert (values.abs() > math.tanh(3)).float().mean() < 0.25  # beyond, a tanh has lost 99% of its slope
    gradients = torch.autograd.grad(values.square().sum(), list(G.parameters()), allow_unused=True)
    unused = [n for (n, _), g in zip(G.named_parameters(), gradients, strict=True) if g is None or not g.any()]
    assert unused == []


@pytest.mark.parametrize(("modality", "name"), EVERY)
def test_a_control_trains(modality, name, tmp_path):
    config = TrainConfig(
        modality=MODALITIES[modality], batch=2, critic=CriticSizes(width=4, max_width=8), device="cpu", workers=1
    )
    trainer = Trainer(config, outdir=tmp_path, quiet=True, generator=made(modality, name))
    before = {n: p.detach().clone() for n, p in trainer.G.named_parameters()}
    for _ in range(2):
        trainer.train_step()
    trainer.save()
    trainer.close()
    assert trainer.health.skipped == 0
    # Adam's first updates move every parameter that has a gradient.
    assert [n for n, p in trainer.G.named_parameters() if torch.equal(p, before[n])] == []
    again = Trainer(config, resume=trainer.run.path, quiet=True, generator=made(modality, name))
    assert again.step == 2 and torch.equal(evaluated(again.ema), evaluated(trainer.ema))
    again.close()


@pytest.mark.parametrize(("modality", "name"), [("audio", "wavegan"), ("spherical", "planar"), ("image", "cips")])
def test_a_control_takes_labels(modality, name):
    G = made(modality, name, labels=("a", "b", "c"))
    z = torch.randn(1, G.z_dim, generator=rng()).expand(3, -1)
    values = G(z, torch.tensor([0, 1, 0]))(grid(G.modality))
    assert G.labels == ("a", "b", "c")
    assert torch.allclose(values[0], values[2], atol=1e-6) and not torch.allclose(values[0], values[1], atol=1e-3)


def test_another_resolution_is_refused():
    G = made("image", "cips")
    with pytest.raises(AssertionError, match="one resolution"):
        G(torch.zeros(1, G.z_dim))(G.modality.domain.grid((16, 16)))


@pytest.mark.parametrize(("shape", "factor", "smallest"), [((24, 32), 2, 3), ((46, 92), 2, 3), ((8192,), 4, 8)])
def test_arrays_are_halved_while_they_are_whole(shape, factor, smallest):
    n = halvings(shape, factor=factor, smallest=smallest)
    assert all(s % factor**n == 0 and s // factor**n >= smallest for s in shape)
    assert any(s % factor ** (n + 1) or s // factor ** (n + 1) < smallest for s in shape)


# --- convolutions ---


@pytest.mark.parametrize("dims", [2, 3])
@pytest.mark.parametrize("demodulated", [True, False])
def test_modulated_convolutions_are_those_of_the_paper(dims, demodulated):
    # Oracle: Karras et al. 2020, eq. 1 and 3, with a kernel for each sample.
    conv = StyledConv(3, 4, kernel=3, w_dim=5, dims=dims, demodulated=demodulated)
    x, w = torch.randn(2, 3, *[4] * dims, generator=rng()), torch.randn(2, 5, generator=rng(1))
    expected = []
    for i in range(2):
        kernel = conv.weight / math.sqrt(3 * 3**dims) * conv.style(w[i : i + 1]).reshape(1, 3, *[1] * dims)
        if demodulated:
            kernel = kernel / (kernel.flatten(1).square().sum(dim=1) + 1e-8).sqrt().reshape(4, 1, *[1] * dims)
        expected.append((F.conv2d, F.conv3d)[dims - 2](x[i : i + 1], kernel, conv.bias, padding=1))
    assert torch.allclose(conv(x, w), torch.cat(expected), atol=1e-5)


@pytest.mark.parametrize("pad", [pad_equirectangular, None])
def test_a_turned_constant_gives_a_turned_sphere(pad):
    synthesis = ConvolutionalSynthesis(1, shape=(8, 16), w_dim=4, widths=(6, 5), pad=pad)
    turned = copy.deepcopy(synthesis)
    turned.constant.data = synthesis.constant.data.roll(3, dims=3)
    w = torch.randn(2, 4, generator=rng())
    # A column of the constant is two of the map.
    difference = (turned(w) - synthesis(w).roll(6, dims=3)).abs().max()
    assert (difference < 1e-5) if pad else (difference > 1e-2)


def test_upsampling_goes_over_the_poles():
    # Oracle: interpolation of the map continued by more samples than it needs.
    synthesis = ConvolutionalSynthesis(1, shape=(8, 16), w_dim=4, widths=(6, 5), pad=pad_equirectangular)
    x = torch.randn(1, 2, 4, 8, generator=rng())
    above, below = x[:, :, :3].flip(2).roll(4, dims=3), x[:, :, -3:].flip(2).roll(4, dims=3)
    tall = torch.cat([above, x, below], dim=2)
    wide = torch.cat([tall, tall, tall], dim=3)
    expected = F.interpolate(wide, scale_factor=2, mode="bilinear")[:, :, 6:-6, 16:-16]
    assert torch.allclose(synthesis.upsample(x), expected, atol=1e-6)


def test_the_control_of_shapes_is_convolutional_in_all_three_axes():
    torch.manual_seed(0)
    G = ConvolutionalGenerator(OccupancyModality(resolution=8), z_dim=4, w_dim=8, widths=(4, 4))
    view, w = G.modality.domain.grid((8, 8, 8)), torch.randn(1, 8, generator=rng())
    before = G.synthesize(w, view)
    with torch.no_grad():
        G.constant[:, :, 0, 0, 0] += 1
    moved = (G.synthesize(w, view) - before).abs()[0, 0] > 1e-6
    # The constant reaches 2 samples by its convolutions, then twice 3 by upsampling and the others.
    for axis in range(3):
        reached = moved.movedim(axis, 0).flatten(1).any(dim=1)
        assert reached[0] and reached[4]


def test_audio_layers_are_transposed_convolutions():
    # Oracle: every input sample adds its kernel, four samples further each.
    layer = TransposedConv(2, 3)
    x = torch.randn(1, 2, 5, generator=rng())
    long = np.zeros((3, 4 * 4 + 25))
    for n in range(5):
        for i in range(2):
            long[:, 4 * n : 4 * n + 25] += x[0, i, n].item() * layer.weight[i].detach().numpy() * layer.scale
    y = layer(x)[0].detach().numpy()
    assert y.shape == (3, 20) and np.allclose(y, long[:, 11:31], atol=1e-5)


# --- INRs ---


def test_modulation_is_of_low_rank():
    layer, w = ModulatedLinear(6, 5, w_dim=4, rank=2), torch.randn(3, 4, generator=rng())
    factor = layer.weights(w) / (layer.weight / math.sqrt(6)) / 2
    assert (factor > 0).all() and (factor < 1).all()
    values = torch.linalg.svdvals(torch.logit(factor.double()))
    assert (values[:, 1] > 1e-2).all() and (values[:, 2:] < 1e-4).all()
    x = torch.randn(3, 7, 6, generator=rng(1))
    expected = torch.einsum("bni,boi->bno", x, layer.weights(w)) + layer.bias(w)[:, None]
    assert torch.allclose(layer(x, w), expected, atol=1e-5)


def test_pixels_of_a_grid_do_not_see_each_other():
    G = made("image", "inr-gan")
    w, order = torch.randn(2, G.w_dim, generator=rng()), torch.randperm(16, generator=rng())
    x = torch.randn(2, 16, G.stages[0][0].weight.shape[1], generator=rng(1))
    assert torch.allclose(G.stage(0, x[:, order], w), G.stage(0, x, w)[:, order], atol=1e-5)


def test_a_coarse_pixel_is_repeated_for_the_finer_ones():
    torch.manual_seed(0)
    G = InrGan(ImageModality(resolution=16), z_dim=4, w_dim=8, widths=(6, 5, 4), rank=2, learned=3)
    view, w = G.modality.domain.grid((16, 16)), torch.randn(1, 8, generator=rng())
    before = G.synthesize(w, view)
    G.features[0].coords[0, 1 * 4 + 2] += 0.1  # row 1, column 2 of 4 x 4
    moved = ((G.synthesize(w, view) - before).abs() > 1e-7).any(dim=1)[0]
    block = torch.zeros(16, 16, dtype=torch.bool)
    block[4:8, 8:12] = True
    assert torch.equal(moved, block)


def test_waves_of_a_grid_are_below_its_nyquist_frequency():
    G = InrGan(ImageModality(resolution=64), z_dim=4, w_dim=8, widths=(4, 4, 4))
    for features, n in zip(G.features, (16, 32, 64), strict=True):
        highest = float(features.axes.max())
        # Radians from sample to sample, against half a turn.
        assert highest * 2 / n <= math.pi / 2 + 1e-6 and highest * 2 / n > math.pi / 8


def test_a_pixel_of_cips_depends_on_its_latent_and_itself():
    G = made("image", "cips")
    view, w = G.modality.domain.grid((8, 8)), torch.randn(2, G.w_dim, generator=rng())
    before = G.synthesize(w, view)
    with torch.no_grad():
        G.embeddings[:, :, 3, 5] += 1
    moved = ((G.synthesize(w, view) - before).abs() > 1e-7).any(dim=1)
    assert moved.sum() == 2 and moved[:, 3, 5].all()
    after, other = G.synthesize(w, view), w.clone()
    other[1] += 1
    assert torch.allclose(G.synthesize(other, view)[0], after[0], atol=1e-5)


def test_gasp_is_a_small_network_at_every_point():
    torch.manual_seed(0)
    G = Gasp(OccupancyModality(resolution=8), z_dim=4, w_dim=6, hidden=(5, 7), width=4, depth=2, waves=3)
    points = torch.rand(5, 3, generator=rng()) * 2 - 1
    w = torch.randn(2, 6, generator=rng(1))
    values = G.field(w)(scattered(points)).detach().double().numpy()

    def leaky(x):
        return math.sqrt(2) * (x if x > 0 else 0.2 * x)

    parameters = {n: p.detach().double().numpy() for n, p in G.named_parameters()}
    for b in range(2):
        h = [float(v) for v in w[b]]
        for k in range(3):
            name = f"hidden.{k}" if k < 2 else "weights"
            weight, bias = parameters[f"{name}.weight"], parameters[f"{name}.bias"]
            h = [np.dot(row, h) / math.sqrt(len(h)) + c for row, c in zip(weight, bias, strict=True)]
            h = [leaky(v) for v in h] if k < 2 else [v / math.sqrt(2) for v in h]
        for n, point in enumerate(points.tolist()):
            phases = [sum(f * p for f, p in zip(wave, point, strict=True)) for wave in G.basis.tolist()]
            x, at = [math.sqrt(2) * f(p) for f in (math.sin, math.cos) for p in phases], 0
            for inputs, outputs in ((6, 4), (4, 4), (4, 1)):
                weights, biases = h[at : at + inputs * outputs], h[at + inputs * outputs : at + (inputs + 1) * outputs]
                at += (inputs + 1) * outputs
                x = [
                    sum(x[i] * weights[i * outputs + o] for i in range(inputs)) / math.sqrt(inputs) + 0.1 * biases[o]
                    for o in range(outputs)
                ]
                x = x if outputs == 1 else [leaky(v) for v in x]
            assert at == len(h) and math.tanh(x[0]) == pytest.approx(values[b, 0, n], abs=1e-5)


# --- videos ---


def test_motion_codes_are_those_of_the_paper():
    # Oracle: the equations, number by number.
    codes = MotionCodes(anchor=3, size=2, count=4, seconds=6.0)  # anchors at 0, 2, 4 and 6
    anchors, times = torch.randn(1, 4, 3, generator=rng()), torch.tensor([[0.5, 2.0, 3.0, 5.9, 6.0]])
    found = codes(anchors, times)[0]
    for t, code in zip(times[0].tolist(), found, strict=True):
        k = min(int(t / 2), 2)
        u, start, end = t / 2 - k, anchors[0, k], anchors[0, k + 1]

        def wave(v, start=start):
            turn = codes.octaves * (1 + torch.tanh(codes.frequency(start)))
            return codes.amplitude(start) * torch.sin(turn * v + codes.phase(start))

        interpolated = (1 - u) * codes.aligned(start) + u * codes.aligned(end)
        expected = interpolated + wave(u) - (1 - u) * wave(0.0) - u * wave(1.0)
        assert torch.allclose(code, expected, atol=1e-5)


def test_motion_is_continuous_and_has_no_period():
    codes = MotionCodes(anchor=16, size=16, count=5, seconds=4.0)
    anchors = torch.randn(2, 5, 16, generator=rng())
    inner = torch.tensor([[1.0, 2.0, 3.0]])
    before, after = codes(anchors, inner - 1e-5), codes(anchors, inner + 1e-5)
    assert (before - after).abs().max() < 1e-3
    apart = (codes(anchors, inner - 0.5) - codes(anchors, inner + 0.5)).abs().amax(dim=2)
    assert (apart > 0.1).all()


def test_a_frame_is_the_same_alone():
    G = made("video", "convolutional")
    w = G.mapping(torch.randn(2, G.z_dim, generator=rng()))
    domain = G.modality.domain
    full = domain.grid(domain.shape(8))
    frames = G.field(w)(full)
    assert frames.shape == (2, 3, 4, 8, 16) and not torch.allclose(frames[:, :, 0], frames[:, :, 2], atol=1e-3)
    alone = G.field(w)(full.window([slice(2, 3), slice(None), slice(None)]))
    assert torch.allclose(alone[:, :, 0], frames[:, :, 2], atol=1e-5)


# --- spheres ---


def test_the_planar_control_is_an_image_generator_that_loads(tmp_path):
    G = made("spherical", "planar")
    z = torch.randn(2, G.z_dim, generator=rng())
    values = G(z)(G.modality.domain.grid((8, 16)))
    assert torch.equal(values, G.image(z)(ImageModality(resolution=8, aspect=(2, 1)).domain.grid((8, 16))))
    G.save_pretrained(tmp_path / "saved")
    loaded = Generator.from_pretrained(tmp_path / "saved")
    assert torch.allclose(loaded(z)(loaded.modality.domain.grid((8, 16))), values, atol=1e-6)


def test_the_planar_control_shows_full_maps_alone():
    G = made("spherical", "planar")
    part = G.modality.domain.grid((8, 16), region=(-90.0, -45.0, 90.0, 45.0))
    with pytest.raises(AssertionError, match="full maps"):
        G(torch.zeros(1, G.z_dim))(part)
