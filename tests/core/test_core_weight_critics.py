"""Critics of weights. Oracles: the function's own values, invariance, a slow loop, gradients by differences."""

import pytest
import torch
from toy_modalities import BumpModality

from inrgan import Generator, GeneratorSizes, ImageModality, VideoModality
from inrgan.analysis import flat
from inrgan.discriminators import FlatWeightCritic, UnitWeightCritic
from inrgan.discriminators.weights import UnitLayer, Wiring
from inrgan.errors import ConfigError, ShapeError
from inrgan.inr import LayerUnits, LayerWeights, Units, permuted
from inrgan.inrs import FitOptions, InrSource, NumberSpace, convert
from inrgan.losses import gradient_penalty
from inrgan.views import scattered

TINY = {"z_dim": 8, "w_dim": 16, "rank": 2}
GENERATORS = {
    "two lattices": lambda: Generator(
        BumpModality(), sizes=GeneratorSizes(**TINY, lattices=(3, 6), widths=(12, 10, 8), depths=(2, 1, 3))
    ),
    "pointwise": lambda: Generator(
        ImageModality(resolution=8), sizes=GeneratorSizes(**TINY, backbone="pointwise", widths=(12,), depths=(4,))
    ),
    "polynomial": lambda: Generator(
        BumpModality(), sizes=GeneratorSizes(**TINY, backbone="polynomial", widths=(12,), depths=(4,))
    ),
    "harmonic-bank": lambda: Generator(
        BumpModality(), sizes=GeneratorSizes(**TINY, backbone="harmonic-bank", lattices=(4,), widths=(8,), depths=(2,))
    ),
    "paths": lambda: Generator(
        VideoModality(resolution=8, frames=4),
        sizes=GeneratorSizes(**TINY, lattices=(4,), widths=(12, 8), depths=(2, 1)),
    ),
}


def nowhere(count):
    return scattered(torch.linspace(-1, 1, count)[None, :, None], spacing=0.0)


def shuffles(units, seed=0):
    rng = torch.Generator().manual_seed(seed)
    runs = {run.name: run.count for own in units for run in (*own.rows, *own.columns) if run.name}
    return {name: torch.randperm(count, generator=rng) for name, count in runs.items()}


@pytest.mark.parametrize("name", GENERATORS)
def test_units_that_change_places_leave_the_function_as_it_is(name):
    # Oracle: the function's values. It also says that the sets are right for every backbone.
    torch.manual_seed(0)
    G = GENERATORS[name]().eval()
    field = G.sample([0, 1])
    units = G.inr.units()
    for own, spec in zip(units, G.inr.layers, strict=True):
        assert sum(u.count for u in own.rows) == spec.outputs and sum(u.count for u in own.columns) == spec.inputs
    orders = shuffles(units)
    assert len(orders) >= 2
    other = permuted(field.weights, units, orders)
    assert float((flat(other) - flat(field.weights)).abs().max()) > 0.1
    view = G.modality.domain.grid(G.modality.domain.shape(8))
    with torch.no_grad():
        torch.testing.assert_close(
            type(field)(G.inr, other, domain=field.domain)(view), field(view), rtol=1e-4, atol=1e-5
        )
        # The critic of units says the same of both, and the flat one does not.
        critic = unit_critic(G)
        T = flat(field.weights).shape[1]
        one, two = (critic(flat(w)[:, None], nowhere(T)) for w in (field.weights, other))
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)
        assert float((one[0] - one[1]).abs()) > 1e-3  # it does see functions
        plain = FlatWeightCritic([T], width=16)
        one, two = (plain(flat(w)[:, None], nowhere(T)) for w in (field.weights, other))
        assert float((one - two).abs().min()) > 1e-3


def unit_critic(G, **changes):
    torch.manual_seed(1)
    count = sum(s.outputs * (s.inputs + 1) for s in G.inr.layers)
    options = {
        "offset": torch.zeros(count),
        "scales": [s.inputs**0.5 for s in G.inr.layers],
        "width": 16,
        "features": 4,
    }
    return UnitWeightCritic(G.inr.units(), **{**options, **changes})


def test_only_true_symmetries_are_ignored():
    # A row that moves alone makes another function, and another score; so does an input that moves.
    torch.manual_seed(0)
    G = GENERATORS["two lattices"]().eval()
    critic = unit_critic(G).double()
    weights = [LayerWeights(x.weight.double(), x.bias.double()) for x in G.sample([0]).weights]
    score = critic(flat(weights)[:, None], nowhere(flat(weights).shape[1]))
    same = permuted(weights, G.inr.units(), shuffles(G.inr.units()))
    assert float((critic(flat(same)[:, None], nowhere(flat(same).shape[1])) - score).detach().abs()) < 1e-12
    for k, axis in ((1, 1), (0, 2), (2, 2)):
        changed = list(weights)
        changed[k] = LayerWeights(weights[k].weight.flip(axis), weights[k].bias)
        other = critic(flat(changed)[:, None], nowhere(flat(weights).shape[1]))
        assert float((other - score).detach().abs()) > 1e-6  # not by rounding


def test_a_layer_by_its_formula():
    # Oracle: loops over units, by the formula of the docstring, for one block between two sets.
    torch.manual_seed(0)
    units = [LayerUnits((Units("a", 3),), (Units("b", 2),))]
    layer = UnitLayer(Wiring(units), 4, centered=False)
    edges, bias = torch.randn(1, 3, 2, 4), torch.randn(1, 3, 4)
    new, new_bias = layer([edges], [bias])
    s = layer.sums
    place = {name: p()[0] for name, p in zip(s.wiring.counts, s.places, strict=True)}
    E, f = edges[0], bias[0]
    a = [(s.rows[0](E[j].mean(dim=0)) + s.biases[0](f[j])) / 2**0.5 + place["a"] for j in range(3)]
    b = [s.columns[0](E[:, k].mean(dim=0)) + place["b"] for k in range(2)]
    g = (torch.stack(a).mean(dim=0) + torch.stack(b).mean(dim=0)) / 2
    for j in range(3):
        for k in range(2):
            x = layer.own[0](E[j, k]) + layer.above[0](a[j]) + layer.below[0](b[k]) + layer.all[0](g)
            torch.testing.assert_close(new[0][0, j, k], torch.nn.functional.leaky_relu(x / 2**0.5, 0.2))
        x = layer.bias_own[0](f[j]) + layer.bias_unit[0](a[j]) + layer.bias_all[0](g)
        torch.testing.assert_close(new_bias[0][0, j], torch.nn.functional.leaky_relu(x / 2**0.5, 0.2))


@pytest.mark.parametrize("kind", ["flat", "units"])
def test_gradients_of_critics(kind):
    # Oracle: finite differences, of the score and of the penalty on its gradient.
    torch.manual_seed(0)
    sizes = GeneratorSizes(**TINY, lattices=(3,), widths=(3, 2), depths=(1, 1))
    G = Generator(BumpModality(), sizes=sizes)
    T = sum(s.outputs * (s.inputs + 1) for s in G.inr.layers)
    critic = (FlatWeightCritic([T], width=6) if kind == "flat" else unit_critic(G, features=2)).double()
    x = torch.randn(2, 1, T, dtype=torch.float64, requires_grad=True)
    direction = torch.randn_like(x)
    step = 1e-6
    with torch.no_grad():
        slope = (critic(x + step * direction, nowhere(T)) - critic(x - step * direction, nowhere(T))).sum() / (2 * step)
    (grad,) = torch.autograd.grad(critic(x, nowhere(T)).sum(), x)
    torch.testing.assert_close((grad * direction).sum(), slope, rtol=1e-4, atol=1e-7)
    penalty = gradient_penalty(lambda v: critic(v, nowhere(T)), x, nowhere(T))
    torch.testing.assert_close(penalty, (grad.square().sum(dim=(1, 2)).mean() * T).float())
    p = critic.score.weight
    (second,) = torch.autograd.grad(penalty, p)
    way = torch.randn_like(p)

    def at(scale):
        with torch.no_grad():
            p.add_(scale * way)
            value = torch.func.grad(lambda v: critic(v, nowhere(T)).sum())(x).square().sum(dim=(1, 2)).mean() * T
            p.add_(-scale * way)
        return value

    torch.testing.assert_close((second * way).sum(), (at(1e-5) - at(-1e-5)) / 2e-5, rtol=1e-3, atol=1e-6)


def test_what_critics_are_shown(tmp_path):
    # Oracle: mean 0 and second moment 1 of the data set itself, group by group; and θ over its size within the critic.
    modality = BumpModality()
    sizes = GeneratorSizes(**TINY, lattices=(4,), widths=(6, 4), depths=(1, 1))
    for fit in ("weights", "modulations"):
        options = FitOptions(fit=fit, init="shared", steps=6, batch=6)
        convert(modality.source(None), tmp_path / fit, modality=modality, sizes=sizes, options=options, count=6)
    source = InrSource(tmp_path / "weights", modality=modality)
    space = NumberSpace(source)
    shown = space.seen(source.vectors)
    # Numbers that hardly vary are divided by a small deviation, and their rounding with them.
    rounding = torch.finfo(shown.dtype).eps * (1 + float((space.mean / space.scale).abs().max()))
    torch.testing.assert_close(shown.mean(dim=0), torch.zeros_like(shown[0]), atol=4 * rounding, rtol=0)
    for part in shown.split(space.groups, dim=2):
        assert float(part.square().mean()) == pytest.approx(1, rel=1e-3)
    critic = space.critic("units", width=8, features=4)
    weights, _ = critic._scaled(shown[:, 0] + critic.offset)
    expected = source.fields(range(6)).weights[0].weight
    torch.testing.assert_close(weights[0] / weights[0].norm(), expected / expected.norm(), rtol=1e-3, atol=1e-5)
    other = permuted(source.fields(range(6)).weights, space.inr.units(), shuffles(space.inr.units()))
    one, two = (critic(x, space.view) for x in (shown, space.seen(flat(other))))
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)
    codes = NumberSpace(InrSource(tmp_path / "modulations", modality=modality))
    assert codes.critic("flat", width=8)(codes.seen(codes.vectors), codes.view).shape == (6,)
    with pytest.raises(ConfigError, match="modulations have no hidden units"):
        codes.critic("units", width=8)
    with pytest.raises(ConfigError, match="unknown critic"):
        space.critic("other", width=8)
    with pytest.raises(ConfigError, match="same --preset"):
        space.check(Generator(modality, sizes=GeneratorSizes(**TINY, lattices=(4,), widths=(6, 5), depths=(1, 1))).inr)
    space.check(Generator(modality, sizes=sizes).inr)
    with pytest.raises(ShapeError):
        critic(shown[:, :, 1:], space.view)
    with pytest.raises(ShapeError):
        space.critic("flat", width=8)(shown[:, :, 1:], space.view)
