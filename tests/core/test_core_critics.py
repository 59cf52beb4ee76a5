"""Critics, losses and penalties. Oracles: torch's own convolutions, closed forms, gradgradcheck, equal strength."""

import math

import pytest
import torch
from torch.nn import functional as F

from inrgan import Box, CriticSizes, ResidualCritic, View
from inrgan.discriminators import EqualizedConv, halve, pool_to
from inrgan.errors import ConfigError, ShapeError
from inrgan.losses import NonSaturatingLoss, RelativisticLoss, adversarial_loss, gradient_penalty, terms


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def critic(dims, **kwargs):
    torch.manual_seed(0)
    sizes = {"resolution": 8, "spacing": [2 / 8] * dims, "width": 4, "max_width": 8, **kwargs}
    return ResidualCritic(dims, 2, **sizes)


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("kernel", [1, 3, 5])
def test_equalized_conv(dims, kernel):
    # Oracle: torch's convolution with the weight over the root of its fan-in.
    torch.manual_seed(0)
    conv = EqualizedConv(dims, 3, 4, kernel=kernel)
    conv.bias.data.normal_()
    x = torch.randn(2, 3, *[6, 7, 5][:dims])
    plain = (F.conv1d, F.conv2d, F.conv3d)[dims - 1]
    expected = plain(x, conv.weight / (3 * kernel**dims) ** 0.5, conv.bias, padding=kernel // 2)
    torch.testing.assert_close(conv(x), expected)


def test_own_padding_replaces_zeros():
    # Oracle: circular padding makes convolution commute with rolling.
    torch.manual_seed(0)
    conv = EqualizedConv(1, 1, 1, kernel=3, padding=lambda x, n: F.pad(x, (n, n), mode="circular"))
    x = torch.randn(1, 1, 8)
    torch.testing.assert_close(conv(x.roll(3, dims=-1)), conv(x).roll(3, dims=-1))


def test_halve():
    # Oracle: means of pairs; the last of an odd number alone; an axis of one stays.
    x = torch.tensor([[[1.0, 3.0, 5.0, 9.0, 20.0]]])
    assert halve(x).tolist() == [[[2.0, 7.0, 20.0]]]
    assert halve(torch.full((1, 1, 1, 4), 3.0)).tolist() == [[[[3.0, 3.0]]]]
    y = torch.randn(1, 2, 6, 8, 4, generator=rng())
    torch.testing.assert_close(halve(y), F.avg_pool3d(y, 2))


def test_pool_to():
    x = torch.arange(8.0)[None, None]
    assert pool_to(x, 4).tolist() == [[[0.5, 2.5, 4.5, 6.5]]]
    assert pool_to(x[..., :1], 4).tolist() == [[[0.0] * 4]]


@pytest.mark.parametrize("dims", [1, 2, 3])
@pytest.mark.parametrize("sizes", [(4, 4, 4), (5, 7, 4), (8, 8, 8), (9, 13, 6)])
def test_any_size_from_the_smallest(dims, sizes):
    shape = sizes[:dims]
    D, view, x = critic(dims), Box(dims).grid(shape), torch.randn(3, 2, *shape, generator=rng())
    scores = D(x, view)
    assert scores.shape == (3,) and torch.isfinite(scores).all()
    for i in range(3):  # a score is its own sample's
        torch.testing.assert_close(D(x[i : i + 1], view), scores[i : i + 1], rtol=0, atol=1e-5)
    assert len({round(s, 4) for s in scores.tolist()}) == 3


@pytest.mark.parametrize("shape", [(1, 2, 3, 8), (1, 2, 8, 3), (1, 3, 8, 8), (1, 2, 8), (1, 2, 8, 8, 8)])
def test_refuses_what_does_not_fit(shape):
    with pytest.raises(ShapeError, match="the critic got"):
        critic(2)(torch.zeros(shape), Box(2).grid((8, 8)))


def test_is_told_the_density():
    # The same values from another spacing score differently; at the nominal spacing, density adds nothing.
    D, x = critic(2), torch.randn(2, 2, 8, 8, generator=rng())
    nominal = D(x, Box(2).grid((8, 8)))
    zoomed = D(x, Box(2).grid((8, 8), region=(0, 0, 0.5, 0.5)))
    assert not torch.allclose(nominal, zoomed)
    D.trunk.facts.weight.data.zero_()
    torch.testing.assert_close(D(x, Box(2).grid((8, 8))), nominal)


def test_labels_enter_by_projection():
    # Oracle: linear in the label's embedding: the score of e + e' is that of both, less the unconditional one.
    D, x, view = critic(2, classes=3), torch.randn(2, 2, 8, 8, generator=rng()), Box(2).grid((8, 8))
    table = D.labels.weight.data
    table[2] = table[0] + table[1]
    scores = [D(x, view, torch.full((2,), k)) for k in range(3)]
    table[0] = 0
    torch.testing.assert_close(scores[2], scores[0] + scores[1] - D(x, view, torch.zeros(2, dtype=torch.long)))


@pytest.mark.parametrize("dims", [1, 2])
def test_twice_differentiable(dims):
    # Oracle: finite differences of the gradient in float64. Leaky ReLU has kinks, on which random values do not lie.
    D, view = critic(dims).double(), Box(dims).grid([5, 4][:dims], dtype=torch.float64)
    x = torch.randn(2, 2, *[5, 4][:dims], dtype=torch.float64, generator=rng(), requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: D(v, view), (x,))
    assert torch.autograd.gradgradcheck(lambda v: D(v, view).square(), (x,))


@pytest.mark.parametrize("sizes", [{"width": 0}, {"max_width": 0}, {"classes": -1}])
def test_bad_sizes(sizes):
    with pytest.raises(ConfigError):
        CriticSizes(**sizes)


# --- losses ---


def test_adversarial_closed_forms():
    # Oracle: softplus(t) = log(1 + e^t), by math.
    real, fake = torch.tensor([1.0, -2.0]), torch.tensor([0.5, 3.0])

    def softplus(*ts):
        return sum(math.log1p(math.exp(t)) for t in ts) / len(ts)

    r, n = RelativisticLoss(), NonSaturatingLoss()
    assert r.critic(real, fake).item() == pytest.approx(softplus(-0.5, 5.0))
    assert r.generator(real, fake).item() == pytest.approx(softplus(0.5, -5.0))
    assert n.critic(real, fake).item() == pytest.approx(softplus(-1.0, 2.0) + softplus(0.5, 3.0))
    assert n.generator(real, fake).item() == pytest.approx(softplus(-0.5, -3.0))
    assert r.critic(real + 9, fake + 9).item() == pytest.approx(r.critic(real, fake).item(), rel=1e-5)


def test_adversarial_by_name():
    assert isinstance(adversarial_loss("relativistic"), RelativisticLoss)
    assert isinstance(adversarial_loss("non-saturating"), NonSaturatingLoss)
    with pytest.raises(ConfigError, match="hinge"):
        adversarial_loss("hinge")


def test_terms():
    two = terms(["full", "random-resolution"], resolution=32, smallest=4)
    assert [t.weight for t in two] == [0.5, 0.5]
    assert [t.sampler.fixed for t in two] == [True, False]
    assert two[1].sampler.lowest == 16 and two[1].sampler.highest == 32
    for bad in ([], ["full", "full"], ["dense"]):
        with pytest.raises(ConfigError, match="losses"):
            terms(bad, resolution=32, smallest=4)


def test_penalty_closed_form():
    # Oracle: a linear critic Σ aᵢxᵢ over N samples has the gradient a, and the penalty N Σ a².
    a = torch.randn(2, 3, 4, generator=rng())
    got = gradient_penalty(lambda x: (a * x).sum(dim=(1, 2, 3)), torch.zeros(5, 2, 3, 4), Box(2).grid((3, 4)))
    assert got.item() == pytest.approx(12 * a.square().sum().item(), rel=1e-5)


def weighted(view):
    n = view.count
    return view.weights[0] / n if view.weights is not None else torch.full((n,), 1 / n)


def functional(view):
    """Σᵢ μᵢ sin(2 vᵢ) + (Σᵢ μᵢ vᵢ)²: a functional of the signal and of nothing else."""

    def score(x):
        v, mu = x.flatten(1), weighted(view)
        return (torch.sin(2 * v) * mu).sum(dim=1) + (v * mu).sum(dim=1) ** 2

    return score


def signal(view):
    x, y = view.coords[0].unbind(dim=-1)
    return (0.5 * torch.sin(3 * x + y) + 0.2 * y)[None, None].reshape(1, 1, *view.shape)


def penalty_at(n):
    view = Box(2).grid((n, n), dtype=torch.float64)
    return gradient_penalty(functional(view), signal(view), view).item()


def test_penalty_does_not_depend_on_the_resolution():
    # Oracle: the limit. Midpoint sums of smooth functions err as h²; the design asks for 10%.
    strengths = [penalty_at(n) for n in (16, 32, 64, 256)]
    assert all(abs(s / strengths[-1] - 1) < 0.01 for s in strengths)
    plain = [s / n**2 for s, n in zip(strengths, (16, 32, 64, 256), strict=True)]
    assert plain[0] / plain[-1] > 200  # what a plain sum of squares would do


def test_penalty_of_duplicated_points():
    # Oracle: each point twice at half its weight is the same measure.
    view = Box(1).grid((8,), dtype=torch.float64)
    w = torch.rand(1, 8, dtype=torch.float64, generator=rng()) + 0.5
    w = w / w.mean()
    once = View(shape=(8,), spacing=view.spacing, center=view.center, extent=view.extent, axes=view.axes, weights=w)
    twice = View(
        shape=(16,), spacing=view.spacing, center=view.center, extent=view.extent,
        points=view.coords.repeat_interleave(2, dim=1), weights=w.repeat_interleave(2, dim=1),
    )  # fmt: skip
    x = torch.randn(3, 1, 8, dtype=torch.float64, generator=rng(1))
    a = gradient_penalty(functional(once), x, once)
    b = gradient_penalty(functional(twice), x.repeat_interleave(2, dim=2), twice)
    torch.testing.assert_close(a.float(), b.float())


def test_penalty_trains_the_critic():
    # Oracle: finite differences of the penalty in one weight.
    D, view = critic(1).double(), Box(1).grid((8,), dtype=torch.float64)
    x = torch.randn(4, 2, 8, dtype=torch.float64, generator=rng())
    weight = D.score.weight
    # Gradients are summed in float32, which leaves relative 1e-7 of the value: a step of 1e-2 and 1e-3 of tolerance.
    gradient_penalty(lambda v: D(v, view), x, view).backward()
    values = []
    for step in (1e-2, -1e-2):
        with torch.no_grad():
            weight[0, 0] += step
        values.append(gradient_penalty(lambda v: D(v, view), x, view).item())
        with torch.no_grad():
            weight[0, 0] -= step
    assert weight.grad[0, 0].item() == pytest.approx((values[0] - values[1]) / 2e-2, rel=1e-3, abs=1e-4)
