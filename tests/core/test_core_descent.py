"""Steps of an optimiser that are too long for the weights they move."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from rank_worker import SCENARIOS

from inrgan import Trainer
from inrgan.training._descent import Descent, shorten
from inrgan.training._ranks import Ranks


def test_shortened_by_hand():
    # Oracle: numpy; a tensor counts as at least 1 in root mean square, and short steps stay as they are, bit for bit.
    rng = np.random.default_rng(0)
    before = [rng.normal(size=(8, 5)) * 30, rng.normal(size=(7,)) * 0.1, rng.normal(size=(4, 4))]
    steps = [rng.normal(size=(8, 5)) * 9, rng.normal(size=(7,)) * 5, rng.normal(size=(4, 4)) * 1e-4]
    after = [torch.tensor(b + s) for b, s in zip(before, steps, strict=True)]
    short = after[2].clone()
    shares = shorten(after, before=[torch.tensor(b) for b in before], largest=0.02)
    assert max(shares[:2]) < shares[2] == 1
    for b, s, a, share in zip(before[:2], steps[:2], after[:2], shares[:2], strict=True):
        size, length = max(1, np.sqrt(np.mean(b**2))), np.sqrt(np.mean(s**2))
        np.testing.assert_allclose(a.numpy(), b + s * 0.02 * size / length, rtol=1e-6)
        assert share == pytest.approx(0.02 * size / length)
    assert torch.equal(after[2], short)


def test_a_step_that_is_infinitely_long_moves_nothing():
    weights = [torch.full((3,), 1e30)]
    (share,) = shorten(weights, before=[torch.ones(3)], largest=0.01)
    assert share < 1e-30
    assert torch.equal(weights[0], torch.ones(3))


@pytest.mark.parametrize(("largest", "shortened"), [(0.0, 0.0), (1e3, 0.0), (0.01, 1.0)])
def test_adam_is_adam_up_to_the_limit(largest, shortened):
    # Oracle: torch's own optimiser beside it; beyond the limit the direction is Adam's, and the length the limit's.
    ours, theirs = (torch.nn.Linear(4, 3, bias=False) for _ in range(2))
    theirs.load_state_dict(copy.deepcopy(ours.state_dict()))
    start = ours.weight.detach().clone()
    adams = [torch.optim.Adam(m.parameters(), lr=0.5) for m in (ours, theirs)]
    descent, x = Descent(adams[0], ranks=Ranks(), largest=largest), torch.ones(2, 4)
    descent.begin()
    loss = ours(x).square().sum()
    loss.backward()
    assert descent.finish(loss).shortened == shortened
    theirs(x).square().sum().backward()
    adams[1].step()
    if not shortened:
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
        stats = trainer.train_step()
        assert float(stats["shortened/critic"]) > 0.5 and float(stats["shortened/generator"]) > 0.5
        for p, old in zip(weights, before, strict=True):
            limit = 0.02 * max(1.0, float(old.square().mean().sqrt()))
            assert float((p.detach() - old).square().mean().sqrt()) <= limit * 1.001
    trainer.close()
