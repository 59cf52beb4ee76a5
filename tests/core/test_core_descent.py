"""Optimizer steps: clipped updates, skipped updates."""

import copy
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from rank_worker import SCENARIOS

from inrgan import Trainer
from inrgan.training.distribution import Ranks
from inrgan.training.optimization import Optimizer, clip_updates


def floors(weights):
    return [torch.tensor(math.sqrt(x.numel()), dtype=x.dtype) for x in weights]


def test_clipped_by_hand():
    # Oracle: numpy; a tensor counts as at least 1 in root mean square, and short steps stay as they are, bit for bit.
    rng = np.random.default_rng(0)
    before = [rng.normal(size=(8, 5)) * 30, rng.normal(size=(7,)) * 0.1, rng.normal(size=(4, 4))]
    steps = [rng.normal(size=(8, 5)) * 9, rng.normal(size=(7,)) * 5, rng.normal(size=(4, 4)) * 1e-4]
    after = [torch.tensor(b + s) for b, s in zip(before, steps, strict=True)]
    short = after[2].clone()
    old = [torch.tensor(b) for b in before]
    shares = clip_updates(after, before=old, max_update=0.02, floors=floors(after)).tolist()
    assert max(shares[:2]) < shares[2] == 1
    for b, s, a, share in zip(before[:2], steps[:2], after[:2], shares[:2], strict=True):
        size, length = max(1, np.sqrt(np.mean(b**2))), np.sqrt(np.mean(s**2))
        np.testing.assert_allclose(a.numpy(), b + s * 0.02 * size / length, rtol=1e-6)
        assert share == pytest.approx(0.02 * size / length)
    assert torch.equal(after[2], short)


def test_a_step_that_is_infinitely_long_moves_nothing():
    weights = [torch.full((3,), 1e30)]
    (share,) = clip_updates(weights, before=[torch.ones(3)], max_update=0.01, floors=floors(weights)).tolist()
    assert share < 1e-30
    assert torch.equal(weights[0], torch.ones(3))


@pytest.mark.parametrize(("largest", "clipped"), [(0.0, 0.0), (1e3, 0.0), (0.01, 1.0)])
def test_adam_is_adam_up_to_the_limit(largest, clipped):
    # Oracle: torch's own optimiser beside it; beyond the limit the direction is Adam's, and the length the limit's.
    ours, theirs = (torch.nn.Linear(4, 3, bias=False) for _ in range(2))
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    start = ours.weight.detach().clone()
    adam = torch.optim.Adam(theirs.parameters(), lr=0.5, fused=True)
    optimizer = Optimizer(ours, rate=0.5, betas=(0.9, 0.999), ranks=Ranks(), max_update=largest)
    x = torch.ones(2, 4)
    loss = ours(x).square().sum()
    gradients = torch.autograd.grad(loss, list(ours.parameters()))
    finite, _, stats = optimizer.step(gradients, loss=loss, reduce=torch.zeros(1))
    assert bool(finite) and float(stats.get("update_clip_fraction", 0.0)) == clipped
    theirs(x).square().sum().backward()
    adam.step()
    if not clipped:
        assert torch.equal(ours.weight, theirs.weight)
    else:
        moved, whole = ((m.weight.detach() - start).flatten() for m in (ours, theirs))
        assert float(torch.cosine_similarity(moved, whole, dim=0)) == pytest.approx(1, abs=1e-4)
        limit = 0.01 * max(1, float(start.square().mean().sqrt()))
        assert float(moved.square().mean().sqrt()) == pytest.approx(limit, rel=1e-4)


@pytest.mark.parametrize("modality", ["image", "audio"])
def test_no_tensor_of_a_training_moves_further(modality, tmp_path):
    # A rate at which every step of Adam is far too long.
    config = replace(SCENARIOS[modality], generator_rate=10.0, critic_rate=10.0, max_update=0.02)
    trainer = Trainer(config, outdir=tmp_path, quiet=True)
    for _ in range(2):
        weights = [p for network in (trainer.G, trainer.D) for p in network.parameters()]
        before = [p.detach().clone() for p in weights]
        stats = trainer.train_step().stats
        assert (
            float(stats["update_clip_fraction/critic"]) > 0.5 and float(stats["update_clip_fraction/generator"]) > 0.5
        )
        for p, old in zip(weights, before, strict=True):
            limit = 0.02 * max(1.0, float(old.square().mean().sqrt()))
            assert float((p.detach() - old).square().mean().sqrt()) <= limit * 1.001
    trainer.close()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("at", ["loss", "gradient"])
def test_an_update_that_is_not_finite_leaves_everything_unchanged(bad, at):
    # Oracle: the same optimizer without the bad step.
    torch.manual_seed(0)
    layers = [torch.nn.Linear(4, 3) for _ in range(2)]
    layers[1].load_state_dict(layers[0].state_dict())
    ours, theirs = (Optimizer(m, rate=0.1, betas=(0.5, 0.9), ranks=Ranks(), max_update=0.01) for m in layers)
    x = torch.ones(2, 4)
    for step in range(3):
        for layer, optimizer in zip(layers, (ours, theirs), strict=True):
            if step == 1 and optimizer is theirs:
                continue
            loss = layer(x).square().sum()
            gradients = torch.autograd.grad(loss, list(layer.parameters()))
            if step == 1 and at == "gradient":
                gradients[1][0] = bad
            wrong = torch.tensor(bad) if step == 1 and at == "loss" else loss
            finite, _, _ = optimizer.step(gradients, loss=wrong, reduce=torch.zeros(1))
            assert bool(finite) == (step != 1)
    for a, b in zip(layers[0].parameters(), layers[1].parameters(), strict=True):
        assert torch.equal(a, b)
    for a, b in zip(ours.adam.state.values(), theirs.adam.state.values(), strict=True):
        assert all(torch.equal(a[key], b[key]) for key in a)
