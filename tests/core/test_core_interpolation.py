"""Interpolation paths. Oracles: closed forms, numpy's interp, a planted change of pace."""

import numpy as np
import pytest
import torch

from inrgan import Box
from inrgan.errors import ConfigError, ShapeError
from inrgan.interpolation import linear_path, points_at, uniform_pace


def test_walk_closed_form():
    stops = torch.tensor([[0.0, 0.0], [1.0, 2.0], [5.0, 0.0]])
    got = linear_path(stops, steps=9)
    t = np.linspace(0, 2, 9)
    for c in range(2):
        np.testing.assert_allclose(got[:, c], np.interp(t, [0, 1, 2], stops[:, c]), atol=1e-6)


def test_loop_ends_just_before_its_start():
    stops = torch.tensor([[0.0], [1.0], [4.0]])
    got = linear_path(stops, steps=6, loop=True)[:, 0].tolist()
    assert got == pytest.approx([0, 0.5, 1, 2.5, 4, 2])


@pytest.mark.parametrize("stops, steps", [(1, 5), (2, 1), (0, 3), (3, 0)])
def test_too_little_to_walk(stops, steps):
    with pytest.raises(ConfigError, match="2 or more"):
        linear_path(torch.zeros(stops, 4), steps=steps)


def test_along():
    nodes = torch.tensor([[0.0], [2.0], [10.0]])
    assert points_at(nodes, torch.tensor([0.0, 0.25, 1.0, 1.5, 2.0]))[:, 0].tolist() == [0.0, 0.5, 2.0, 6.0, 10.0]


class Eased:
    """Signals that move as an ease curve of the latent: g(w) times a fixed pattern."""

    def __init__(self, w, curve):
        self.amount = curve(w[:, :1])

    def __call__(self, view):
        pattern = torch.sin(3 * view.coords[0, :, 0])
        return (self.amount * pattern)[:, None]


def test_uniform_pace_undoes_a_planted_ease():
    # Oracle: g(w) = w² on [0, 1]: equal steps of the signal are w = √(k/n). The path's 400 pieces are straight
    # where w² bends by 1/400² each, so that w errs by less than (1/400)² / (2w) <= 1e-4 from w = 0.1 on.
    path = torch.linspace(0, 1, 401)[:, None]
    got = uniform_pace(path, lambda w: Eased(w, torch.square), Box(1).grid((16,)), steps=11)[:, 0]
    expected = torch.linspace(0, 1, 11).sqrt()
    assert (got - expected).abs().max() < 1e-4
    even = linear_path(path[[0, -1]], steps=11)[:, 0]
    assert (even - expected).abs().max() > 0.2


def test_uniform_pace_measures_both_ways():
    # Oracle: there and back: the signal rises to 1 and falls; half of the steps on each side of the turn.
    path = torch.linspace(0, 1, 401)[:, None]
    tent = lambda w: torch.where(w < 0.2, w / 0.2, (1 - w) / 0.8)  # noqa: E731
    got = uniform_pace(path, lambda w: Eased(w, tent), Box(1).grid((16,)), steps=5)[:, 0]
    torch.testing.assert_close(got, torch.tensor([0, 0.1, 0.2, 0.6, 1.0]), rtol=0, atol=1e-3)


def test_uniform_pace_of_a_loop():
    # Oracle: a closed path, w from 0 to 1 and back, at pace w². Its signal's length is 2, the last step missing.
    t = torch.linspace(0, 2, 801)[:-1]
    path = (1 - (t - 1).abs())[:, None]
    got = uniform_pace(path, lambda w: Eased(w, torch.square), Box(1).grid((16,)), steps=4, loop=True)[:, 0]
    expected = torch.tensor([0, 0.5, 1, 0.5]).sqrt()
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-3)


def test_uniform_pace_where_nothing_changes():
    path = torch.linspace(0, 1, 11)[:, None]
    got = uniform_pace(path, lambda w: Eased(w, torch.zeros_like), Box(1).grid((4,)), steps=3)
    assert torch.isfinite(got).all() and got.shape == (3, 1)


def test_uniform_pace_of_a_measured_path():
    # Oracle: the same path, measured by the function itself; and the closed form of the first measurement.
    path, view, calls = torch.linspace(0, 1, 65)[:, None], Box(1).grid((16,)), []

    def field(w):
        calls.append(len(w))
        return Eased(w, torch.square)

    expected = uniform_pace(path, field, view, steps=11)
    before, calls = sum(calls), []
    pattern = torch.sin(3 * view.coords[0, :, 0]).square().mean().sqrt()
    changes = path.square().diff(dim=0)[:, 0] * pattern
    got = uniform_pace(path, field, view, steps=11, changes=changes)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)
    assert sum(calls) == before - len(path)
    with pytest.raises(ShapeError, match="one less"):
        uniform_pace(path, field, view, steps=11, changes=changes[1:])
