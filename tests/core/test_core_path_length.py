"""Path-length regularisation. Oracles: linear generators by numpy, finite differences, the Frobenius norm."""

import math

import numpy as np
import pytest
import torch
from small_runs import config
from toy_modalities import BlobModality, BumpModality, ToneModality

from inrgan import Box, Generator, GeneratorSizes, Sphere, SphericalModality
from inrgan.errors import ConfigError
from inrgan.losses import PathLengthRegularizer, path_length_penalty, path_lengths

SIZES = GeneratorSizes(z_dim=4, w_dim=6, rank=2, lattices=(2,), widths=(6, 4), depths=(1, 1))


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("view", [Box(1).grid((7,)), Sphere().grid((4, 8))], ids=["even", "by area"])
def test_a_linear_generator_in_closed_form(view):
    # Its Jacobian is its matrix, whatever w is.
    A, w, y = normal(2 * view.count, 5), normal(3, 5, seed=1).requires_grad_(), normal(3, 2, *view.shape, seed=2)
    lengths = path_lengths((w @ A.T).unflatten(1, (2, *view.shape)), w, view, noise=y)
    share = np.ones(view.count) / view.count if view.weights is None else view.weights[0].numpy() / view.count
    assert share.sum() == pytest.approx(1)
    weighed = y.flatten(2).numpy() * np.sqrt(share)
    wanted = np.linalg.norm(weighed.reshape(3, -1) @ A.numpy(), axis=1)
    np.testing.assert_allclose(lengths.detach(), wanted, rtol=1e-6)
    assert float(path_length_penalty(lengths, mean=1.5).detach()) == pytest.approx(np.mean((wanted - 1.5) ** 2))


def test_the_mean_square_is_the_change_of_the_signal_at_any_resolution():
    # Oracle: f(x) = w₀ cos πx + w₁ sin 2πx + w₂ moves by ∫|∂f/∂w|² = ½ + ½ + 1, over means of the domain.
    for n in (16, 64):
        view, w = Box(1).grid((n,)), torch.zeros(20000, 3).requires_grad_()
        x = view.coords[0, :, 0]
        basis = torch.stack([torch.cos(math.pi * x), torch.sin(2 * math.pi * x), torch.ones_like(x)])
        lengths = path_lengths((w @ basis)[:, None], w, view, noise=normal(20000, 1, n, dtype=torch.float32))
        assert float(lengths.detach().square().mean()) == pytest.approx(2, rel=0.03)  # six deviations are 0.042


@pytest.mark.parametrize(
    "modality",
    [
        ToneModality(resolution=8),
        BumpModality(resolution=6),
        BlobModality(resolution=4),
        SphericalModality(resolution=8),
    ],
    ids=lambda m: m.name,
)
def test_the_penalty_is_differentiated_through_the_generator(modality):
    torch.manual_seed(0)
    G = Generator(modality, sizes=SIZES).double()
    view = modality.domain.grid(modality.domain.shape(modality.resolution), dtype=torch.float64)
    noise = normal(2, modality.signal_channels, *view.shape)

    def penalty(w):
        w = w if w.requires_grad else w.requires_grad_()
        return path_length_penalty(path_lengths(G.field(w)(view), w, view, noise=noise), mean=0.3)

    w = normal(2, 6, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(penalty, (w,), atol=1e-6)
    penalty(w).backward()
    weight = G.hypernetwork.head.weight
    place = np.unravel_index(int(weight.grad.abs().argmax()), weight.shape)
    sides = []
    for step in (1e-5, -1e-5):
        with torch.no_grad():
            weight[place] += step
        sides.append(float(penalty(w).detach()))
        with torch.no_grad():
            weight[place] -= step
    assert float(weight.grad[place]) == pytest.approx((sides[0] - sides[1]) / 2e-5, rel=1e-4)


def test_lengths_become_even():
    # Descent on the penalty alone: norms of the derivatives of the same latents differ by less of their mean. The mean
    # over noise of squared lengths is the squared norm.
    torch.manual_seed(0)
    G, view, path = (
        Generator(BumpModality(resolution=8), sizes=SIZES),
        Box(2).grid((8, 8)),
        PathLengthRegularizer(1.0, every=1),
    )
    optimizer = torch.optim.Adam(G.parameters(), lr=3e-3, betas=(0.0, 0.99))

    def lengths(seed, *, noise):
        w = G.mapping(normal(16, 4, seed=seed, dtype=torch.float32))
        return path_lengths(G.field(w)(view), w, view, noise=normal(16, 1, 8, 8, seed=noise, dtype=torch.float32))

    def spread():
        norms = sum(lengths(1000, noise=k).detach().square() for k in range(30)).sqrt()
        return float(norms.std() / norms.mean())

    before = spread()
    for step in range(80):
        found = lengths(step, noise=step)
        loss = path.loss(found)
        path.update(found.mean().detach())
        if step > 0:
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    after = spread()
    assert after < 0.8 * before
    assert path.mean > 0.01  # and they are not made even by becoming nothing


def test_the_running_mean():
    path = PathLengthRegularizer(0.5, every=8)
    assert [path.due(step) for step in (0, 1, 7, 8)] == [True, False, False, True]
    assert not PathLengthRegularizer(0.0, every=8).due(0)
    assert float(path.loss(torch.ones(2))) == 0
    for length in (2.0, 3.0, 5.0):
        path.update(torch.tensor(length))
    path.update(torch.tensor(math.inf))
    path.update(torch.tensor(1.0), valid=torch.tensor(False))
    assert float(path.mean) == pytest.approx(0.99 * (0.99 * 2 + 0.01 * 3) + 0.01 * 5)
    again = PathLengthRegularizer(0.5, every=8)
    again.load_state_dict(path.state_dict())
    lengths = torch.tensor([1.0, 4.0])
    assert again.mean == path.mean and torch.equal(again.loss(lengths), path.loss(lengths))
    # Eight times as strong as if it were in every step.
    assert float(path.loss(lengths)) == pytest.approx(0.5 * 8 * np.mean((np.array([1, 4]) - float(path.mean)) ** 2))
    fresh = PathLengthRegularizer(0.5, every=8)
    again.load_state_dict(fresh.state_dict())
    assert math.isnan(float(again.mean)) and fresh.state_dict() == {"mean": None}


def test_no_signals_to_measure():
    with pytest.raises(ConfigError, match="path_length"):
        config(path_length=1.0, losses=("weights",))
