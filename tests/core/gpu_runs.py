"""Small trainings on a GPU, of every modality whose libraries are installed."""

import copy
import dataclasses
import functools

import pytest
import torch

from inrgan import TrainConfig
from inrgan.errors import MissingDependency, UnknownModality
from inrgan.recipes import recipe
from inrgan.registry import modality_class

MODALITIES = {
    "image": {"resolution": 16},
    "spherical": {"resolution": 16},
    "surface": {"resolution": 16},
    "audio": {"resolution": 2048, "rate": 4000},
    "video": {"resolution": 16, "frames": 8, "fps": 8},
    "occupancy": {"resolution": 16},
}


def each_modality(test):
    """The test for every modality; it is skipped where a library is missing, with its name."""

    @pytest.mark.parametrize("name", MODALITIES)
    @functools.wraps(test)
    def run(**arguments):
        try:
            test(**arguments)
        except (MissingDependency, UnknownModality) as error:  # the second where a modality cannot be imported
            pytest.skip(str(error))

    return run


def config(name, **changes) -> TrainConfig:
    """Configuration of a small training in full fp32; patches from the first step on, and three random resolutions."""
    made = recipe("tiny", modality_class(name)(**MODALITIES[name]))
    lowest = MODALITIES[name]["resolution"] - 8
    views = dataclasses.replace(made.views, patch_start=0.0, patch_ramp=0.0, lowest=lowest)
    base = {"device": "cuda", "batch": 4, "kimg": 1, "snapshot_kimg": 1, "losses": ("full", "dense-patch")}
    return dataclasses.replace(made, views=views, tf32=False, **{**base, **changes})


def weights(made):
    """Weights of the generator, the critics and the averaged generator, each in one tensor in double precision."""
    networks = (made.G, made.D, made.ema)
    return [torch.cat([v.detach().double().flatten() for v in n.parameters()]).cpu() for n in networks]


def distance(found, expected, *, before):
    """Largest distance of a network's weights from the expected ones, relative to their change."""
    parts = zip(found, expected, before, strict=True)
    return max(float((x - y).norm() / (y - y0).norm()) for x, y, y0 in parts)


def follow(made, leader):
    """Continue from the state of another training."""
    for name, part in leader._state_parts().items():
        made._state_parts()[name].load_state_dict(copy.deepcopy(part.state_dict()))
    made.networks.scale_rates(1.0)  # the optimizers' own tensors again
    made.step = leader.step


def differences(leader, follower, *, steps):
    """Distances between the weights after steps of one training and after the same steps of another one.

    Before each step the follower takes over the leader's state, so that rounding does not add up: small networks
    amplify it, and after ten steps some differ by half of what they learned. A step with another batch, or other
    weights than the follower's, has a distance near 1.
    """
    found = []
    for _ in range(steps):
        follow(follower, leader)
        before = weights(leader)
        leader.train_step()
        follower.train_step()
        found.append(distance(weights(follower), weights(leader), before=before))
    for made in (leader, follower):
        made.read_results()
        assert made.health.skipped == 0
    return found
