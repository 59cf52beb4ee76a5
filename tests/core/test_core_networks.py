"""Backbones and hypernetworks. Oracles: slow loops over samples in plain torch, closed forms, scale 1 at the start."""

import json
import math

import numpy as np
import pytest
import torch
from scipy.interpolate import BSpline
from torch.nn import functional as F

from inrgan import Box, Generator, GeneratorSizes, ImageModality
from inrgan._parsing import from_plain, to_plain
from inrgan.encodings import FourierEncoding
from inrgan.errors import ConfigError
from inrgan.hypernetwork import (
    FactorizedHypernetwork,
    FullHypernetwork,
    MappingNetwork,
    StyleHypernetwork,
    demodulate,
)
from inrgan.inr import SILU_GAIN, LayerSpec, LayerWeights, MultiScaleINR, PolynomialINR, linear
from inrgan.inr.base import normalize
from inrgan.views import scattered

W = 6
BOX = Box(2, aspect=(2, 1))


def encode(spacing):
    return FourierEncoding(2, longest_period=BOX.longest_period, spacing=spacing, oblique=4)


def multiscale(lattices, widths, depths):
    return MultiScaleINR(
        BOX, encoding=encode, spacing=2 / 16, channels=3, lattices=lattices, widths=widths, depths=depths
    )


BACKBONES = {
    "one lattice": lambda: multiscale((4,), (12, 8), (2, 2)),
    "two lattices": lambda: multiscale((3, 8), (12, 10, 8), (2, 1, 2)),
    "pointwise": lambda: multiscale((), (12,), (6,)),
    "polynomial": lambda: PolynomialINR(encoding=encode, spacing=2 / 16, channels=3, width=12, depth=3),
}
HYPERNETWORKS = {
    "linear": lambda specs: FactorizedHypernetwork(specs, w_dim=W, rank=3),
    "plain": lambda specs: FactorizedHypernetwork(specs, w_dim=W, rank=3, modulation="plain"),
    "tanh": lambda specs: FactorizedHypernetwork(specs, w_dim=W, rank=3, modulation="tanh"),
    "sigmoid": lambda specs: FactorizedHypernetwork(specs, w_dim=W, rank=3, modulation="sigmoid"),
    "style": lambda specs: StyleHypernetwork(specs, w_dim=W),
    "full": lambda specs: FullHypernetwork(specs, w_dim=W),
}


def slow_weights(h, w):
    """Weights of one sample, from the formulae: row-normalised shared ⊙ m(AB/√r), shared·diag(1+s), shared + Hw."""
    numbers = F.linear(w, h.head.weight / math.sqrt(W), h.head.bias)
    out, at = [], 0

    def take(*shape):
        nonlocal at
        at += math.prod(shape)
        return numbers[at - math.prod(shape) : at].reshape(shape)

    for spec in h.specs:
        outs, ins, shared = spec.outputs, spec.inputs, h.shared[spec.name]
        if isinstance(h, FactorizedHypernetwork):
            pattern = (take(outs, h.rank) @ take(h.rank, ins)) / h.rank**0.5
            factor = {
                "linear": 1 + pattern,
                "plain": pattern,
                "tanh": 1 + pattern.tanh(),
                "sigmoid": 2 / (1 + (-pattern).exp()),
            }[h.modulation]
            weight, bias = shared * factor, h.biases[spec.name] + 0.1 * take(outs)
        elif isinstance(h, StyleHypernetwork):
            weight = shared @ torch.diag(1 + take(ins))
            bias = h.biases[spec.name] + 0.1 * take(outs)
        else:
            weight = shared + take(outs, ins)
            bias = 0.1 * take(outs)
        out.append((weight / weight.norm(dim=1, keepdim=True), bias))
    assert at == numbers.numel()
    return out


def silu(x, normalized):
    """x σ(x) to scale 1: by the gain of a unit normal, or by the root mean square over the point's own features."""
    y = x * torch.sigmoid(x)
    return y / y.square().mean(dim=1, keepdim=True).sqrt() if normalized else 1.6766 * y


def spline(lattice, points, nodes):
    """The dense matrix of B-spline weights, by scipy."""
    basis = BSpline.basis_element([-2, -1, 0, 1, 2], extrapolate=False)
    t = (points[:, None] - nodes[None]).detach().numpy() / np.array(lattice.cell)
    return torch.from_numpy(np.nan_to_num(basis(t)).prod(axis=-1))


def nodes_around(lattice, points):
    """All nodes that any point can reach."""
    ranges = []
    for d in range(2):
        p = (points[:, d] - lattice.origin[d]) / lattice.cell[d] - 0.5
        j = torch.arange(math.floor(p.min()) - 2, math.ceil(p.max()) + 3, dtype=points.dtype)
        ranges.append(lattice.origin[d] + (j + 0.5) * lattice.cell[d])
    return torch.cartesian_prod(*ranges)


def slow_multiscale(inr, weights, points, spacing, stage=None):
    """(features, signal) of a stage at points: earlier stages at every node around, carried by a dense matrix."""
    stage = len(inr.depths) - 1 if stage is None else stage
    x = inr.encodings[stage](scattered(points, spacing=spacing))[0]
    signal = 0
    if stage > 0:
        lattice = inr.lattices[stage - 1]
        nodes = nodes_around(lattice, points)
        cell = torch.tensor(lattice.cell, dtype=points.dtype).reshape(1, 1, 2)
        features, signal = slow_multiscale(inr, weights, nodes, cell, stage - 1)
        carry = spline(lattice, points, nodes)
        x, signal = torch.cat([carry @ features, x], dim=1), carry @ signal
    first = sum(inr.depths[:stage]) + stage
    for i, (weight, bias) in enumerate(weights[first : first + inr.depths[stage]]):
        x = silu(F.linear(x, weight, bias), normalized=i % 3 == 2)
    head = weights[first + inr.depths[stage]]
    return x, signal + F.linear(x, *head) / len(inr.depths) ** 0.5


def slow_polynomial(inr, weights, points, spacing):
    e = inr.encoding(scattered(points, spacing=spacing))[0]
    x = silu(F.linear(e, *weights[0]), normalized=False)
    for k in range(1, inr.depth):
        x = F.linear(x * (1 + F.linear(e, *weights[2 * k - 1])) / 2**0.5, *weights[2 * k])
        x = silu(x, normalized=k % 2 == 1)
    return x, F.linear(x, *weights[-1])


@pytest.mark.parametrize("hypernetwork", HYPERNETWORKS)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_batch_equals_a_slow_loop(backbone, hypernetwork):
    torch.manual_seed(0)
    inr = BACKBONES[backbone]().double()
    h = HYPERNETWORKS[hypernetwork](inr.layers).double()
    for p in h.parameters():  # biases start at zero, which would hide them
        p.data.add_(0.3 * torch.randn_like(p))
    w = torch.randn(3, W, dtype=torch.float64)
    view = BOX.grid((5, 7), dtype=torch.float64)
    with torch.no_grad():
        weights = h(w)
        for spec, layer in zip(inr.layers, weights, strict=True):
            assert layer.weight.shape == (3, spec.outputs, spec.inputs) and layer.bias.shape == (3, spec.outputs)
            torch.testing.assert_close(layer.weight.norm(dim=-1), torch.ones(3, spec.outputs, dtype=torch.float64))
        fast = inr(view, weights)
        for b in range(3):
            own = slow_weights(h, w[b])
            for (weight, bias), layer in zip(own, weights, strict=True):
                torch.testing.assert_close(layer.weight[b], weight, rtol=0, atol=1e-9)
                torch.testing.assert_close(layer.bias[b], bias, rtol=0, atol=1e-9)
            slow = slow_polynomial if backbone == "polynomial" else slow_multiscale
            expected = slow(inr, own, view.coords[0], view.spacing)[1]
            torch.testing.assert_close(fast[b], expected, rtol=0, atol=1e-8)


def test_linear_is_a_map_per_sample():
    g = torch.Generator().manual_seed(0)
    x, w, b = (torch.randn(*s, generator=g) for s in ((2, 5, 3), (2, 4, 3), (2, 4)))
    got = linear(x, LayerWeights(w, b))
    for i in range(2):
        torch.testing.assert_close(got[i], F.linear(x[i], w[i], b[i]))
    torch.testing.assert_close(linear(x[:1], LayerWeights(w, b))[1], F.linear(x[0], w[1], b[1]))


def test_demodulate():
    x = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(demodulate(x), F.normalize(x, dim=-1))


def test_gain_and_settle():
    # Oracle: the second moment of SiLU at a unit normal by the midpoint rule, and settling to just that.
    z = (torch.arange(200_000, dtype=torch.float64) + 0.5) / 10_000 - 10
    density = torch.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    moment = ((z * torch.sigmoid(z)) ** 2 * density).sum().item() / 10_000
    assert abs(SILU_GAIN * moment**0.5 - 1) < 1e-4
    x = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(0)) * 100
    unit, gain = normalize(x)
    torch.testing.assert_close((gain * unit).square().mean(dim=-1), torch.ones(3, 5))
    torch.testing.assert_close(unit, normalize(7 * x)[0])


def test_mapping_is_normalised_and_tracked():
    torch.manual_seed(0)
    mapping = MappingNetwork(z_dim=4, w_dim=8, depth=2, classes=3)
    z, labels = torch.randn(5, 4), torch.tensor([0, 1, 2, 0, 1])
    w = mapping(z, labels)
    torch.testing.assert_close(mapping(7 * z, labels), w)  # z is scaled to a second moment of 1
    assert not torch.allclose(mapping(z, labels.flip(0)), w)
    assert not mapping.w_mean.any()
    mapping.track(w, decay=0.75)
    mapping.track(w, decay=0.5)
    expected = (0.25 * 0.5 + 0.5) * w.mean(dim=0)
    torch.testing.assert_close(mapping.w_mean, expected)
    torch.testing.assert_close(mapping.truncate(w, 0.3), expected + 0.3 * (w - expected))
    assert mapping.truncate(w, 1) is w
    torch.testing.assert_close(mapping.truncate(w, 0.0), expected.expand(5, 8))


# --- scale at initialisation ---


def sizes_of(backbone, depth):
    if backbone == "one lattice":
        return {"backbone": "multiscale", "lattices": (8,), "widths": (48, 32), "depths": (depth // 2, depth // 2)}
    if backbone == "two lattices":
        depths = (depth // 2, depth // 4, depth // 4)
        return {"backbone": "multiscale", "lattices": (4, 16), "widths": (48, 32, 24), "depths": depths}
    return {"backbone": backbone, "lattices": (), "widths": (32,), "depths": (depth,)}


@torch.no_grad()
@pytest.mark.parametrize("hypernetwork", ["factorized", "style", "full"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_activations_start_at_scale_one(backbone, hypernetwork):
    # The design's criterion: every layer's standard deviation lies in 0.5 to 2 at any depth and rank, untrained.
    m = ImageModality(resolution=32)
    view = m.domain.grid((12, 12))
    for depth in (4, 8, 16):
        for rank in (1, 4, 16) if hypernetwork == "factorized" else (1,):
            for seed in (0, 1, 2):
                torch.manual_seed(seed)
                G = Generator(m, z_dim=16, w_dim=16, hypernetwork=hypernetwork, rank=rank, **sizes_of(backbone, depth))
                trace = G.sample(range(6)).activations(view)
                assert len(trace) == depth + 1
                for layer, x in trace.items():
                    assert 0.5 < x.std() < 2, f"{layer}: {x.std():.2f} at depth {depth}, rank {rank}, seed {seed}"


@torch.no_grad()
def test_without_demodulation_the_scale_of_layers_grows_with_the_latent():
    # The counter-example that demodulation is for: a product modulation passes on the scale of w; rows show it.
    torch.manual_seed(0)
    specs = [LayerSpec(name="a", inputs=32, outputs=32)]
    free = FactorizedHypernetwork(specs, w_dim=W, rank=4, modulation="plain", demodulated=False)
    w = torch.randn(4, W)
    assert free(10 * w)[0].weight.norm() > 50 * free(w)[0].weight.norm()
    bound = FactorizedHypernetwork(specs, w_dim=W, rank=4, modulation="plain")
    torch.testing.assert_close(bound(10 * w)[0].weight.norm(), bound(w)[0].weight.norm())


# --- sizes that make no sense ---


def test_full_hypernetwork_too_large():
    # Oracle: 5 layers of 512 x 512 and w of 512: 0.67 billion, over the limit of 0.5.
    specs = [LayerSpec(name=f"l{i}", inputs=512, outputs=512) for i in range(5)]
    with pytest.raises(ConfigError, match="672 million parameters"):
        FullHypernetwork(specs, w_dim=512)


@pytest.mark.parametrize(
    "changes",
    [
        {"z_dim": 0},
        {"w_dim": -1},
        {"mapping_depth": 0},
        {"mapping_rate": 0.0},
        {"mapping_rate": math.nan},
        {"rank": 0},
        {"widths": (8, 8)},
        {"widths": (8, 8, 0)},
        {"widths": ()},
        {"depths": (1, 1)},
        {"depths": (0, 1, 1)},
        {"depths": ()},
        {"lattices": (1, 8)},
        {"lattices": (4,)},
        {"preset": "huge"},
        {"backbone": "pointwise", "lattices": (4,), "widths": (8,)},
        {"backbone": "polynomial", "widths": (8, 8), "depths": (1, 1)},
        {"backbone": "polynomial", "widths": (0,)},
    ],
    ids=str,
)
def test_bad_sizes(changes):
    with pytest.raises(ConfigError):
        Generator(ImageModality(resolution=32), **{"preset": "tiny", **changes})


@pytest.mark.parametrize("field", ["backbone", "hypernetwork", "modulation"])
def test_unknown_kinds(field):
    from inrgan.generator import _backbone, _hypernetwork

    sizes = GeneratorSizes(lattices=(4,), widths=(8, 8), depths=(1, 1))
    object.__setattr__(sizes, field, "nosuch")  # past the type checks of the tests, as a checkpoint's JSON comes
    m = ImageModality(resolution=32)
    with pytest.raises((ConfigError, TypeError), match="nosuch"):
        _hypernetwork(sizes, _backbone(sizes, m), m)


def test_sizes_from_plain_values_refuse_what_it_does_not_know():
    sizes = GeneratorSizes(widths=(3,), rank=2)
    assert from_plain(GeneratorSizes, json.loads(json.dumps(to_plain(sizes))), what="x") == sizes
    for broken in ({"colour": 3}, {"z_dim": "64"}, {"widths": 3}):
        with pytest.raises(ConfigError, match=next(iter(broken))):
            from_plain(GeneratorSizes, broken, what="the generator")
    with pytest.raises(ConfigError, match="table"):
        from_plain(GeneratorSizes, [], what="the generator")
