"""Hand-made generators with a known answer."""

import math

import torch

from inrgan.analysis import STAGES, Stages
from inrgan.inr import LayerWeights

Z = 8


def step(x):
    """A jump at 0, passed within about 1/50 of a unit."""
    return torch.sigmoid(400 * x)


def waves(view):
    """Eight smooth functions of the coordinates."""
    x = view.coords.sum(dim=-1)
    return torch.stack([torch.cos(math.pi * (k + 1) / 2 * x + k) for k in range(8)], dim=-1)


def planted(where):
    """Linear maps, smooth functions, and a jump in one stage where the first entry of its input is 0."""
    rng = torch.Generator().manual_seed(0)
    # Turns that let the first entry through, so that every path meets the jump once.
    turns = (torch.linalg.qr(torch.randn(Z - 1, Z - 1, generator=rng))[0] for _ in range(2))
    A, B = (torch.block_diag(torch.ones(1, 1), turn) for turn in turns)

    def mapping(z):
        return z @ A + (4 * step(z[:, :1]) if where == STAGES[0] else 0)

    def weights(w):
        theta = w @ B + (4 * step(w[:, :1]) if where == STAGES[1] else 0)
        return [LayerWeights(theta[:, None], theta[:, :1])]

    def signal(made, view):
        theta = made[0].weight[:, 0]
        coefficients = theta + (4 * step(theta[:, :1]) if where == STAGES[2] else 0)
        return (waves(view) @ coefficients[..., None])[..., 0][:, None]

    return Stages(z_dim=Z, mapping=mapping, weights=weights, signal=signal)


def eased(curve):
    """A pattern times a curve of the latent's first entry."""

    def weights(w):
        return [LayerWeights(curve(w[:, :1])[..., None], torch.zeros(len(w), 1))]

    def signal(made, view):
        return (made[0].weight[:, 0] * waves(view)[..., 0])[:, None]

    return Stages(z_dim=Z, mapping=lambda z: z, weights=weights, signal=signal)


def ends(count, *, seed=0):
    """Pairs of latents whose first entry goes from below to above 0."""
    z = torch.randn(count, 2, Z, generator=torch.Generator().manual_seed(seed))
    z[:, 0, 0], z[:, 1, 0] = -1 - z[:, 0, 0].abs(), 1 + z[:, 1, 0].abs()
    return z
