"""Turned spheres. Oracles: scipy's rotations, the law of uniform ones."""

import math

import torch
from inrgan_modalities.spherical._turn import Turn, rotations
from scipy.spatial.transform import Rotation as ScipyRotation

from inrgan import Sphere


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_rotations_are_scipys():
    vectors = Turn("any").draw(16, generator=rng())
    expected = torch.from_numpy(ScipyRotation.from_rotvec(vectors.numpy()).as_matrix())
    torch.testing.assert_close(rotations(vectors), expected, rtol=0, atol=1e-12)


def test_a_turned_sphere_is_seen_where_it_was_before():
    # Oracle: f(x) = ⟨a, x⟩ turned by R is ⟨R a, x⟩.
    vectors = Turn("any").draw(3, generator=rng())
    view, a = Sphere().grid((6, 12)), torch.tensor([0.3, -1.0, 0.5], dtype=torch.float64)
    seen = Turn("any").look(view, vectors).coords.double() @ a
    turned = torch.from_numpy(ScipyRotation.from_rotvec(vectors.numpy()).as_matrix()) @ a
    torch.testing.assert_close(seen, (view.coords.double() @ turned.T[None])[0].T, rtol=0, atol=1e-6)


def test_turns_about_the_axis_keep_the_poles():
    vectors = Turn("axis").draw(8, generator=rng())
    assert float(vectors[:, :2].abs().max()) == 0
    pole = torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(rotations(vectors) @ pole, pole.expand(8, 3), rtol=0, atol=1e-12)


def test_turns_are_uniform():
    # Oracle: a fixed vector turned uniformly is uniform on the sphere (each coordinate is uniform on [-1, 1]: variance
    # 1/3), and the mean of the trace of uniform rotations is 0.
    R = rotations(Turn("any").draw(20_000, generator=rng()))
    image = R[:, :, 0]
    assert float(image.mean(dim=0).abs().max()) < 5 * math.sqrt(1 / 3 / 20_000)
    assert float((image.square().mean(dim=0) - 1 / 3).abs().max()) < 5 * math.sqrt(4 / 45 / 20_000)
    trace = R.diagonal(dim1=1, dim2=2).sum(dim=1)
    assert abs(float(trace.mean())) < 5 / math.sqrt(20_000)
