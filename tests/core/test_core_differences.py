"""The comparison of captured steps with eager ones. Oracles: equal steps, and steps with a planted mistake."""

import contextlib

import pytest
from gpu_runs import config, differences, distance, weights
from recorded_steps import OperatorRecording

from inrgan import Trainer
from inrgan.training.graphs import EAGER, CapturedSteps

STEPS = 2 * (EAGER + 2)


@pytest.fixture
def pair(tmp_path):
    """A training whose steps are recorded and replayed, and the same training run eagerly."""
    made = config("image", device="cpu", batch=2, penalty_every=2, losses=("full",))
    with (
        contextlib.closing(Trainer(made, outdir=tmp_path, quiet=True)) as captured,
        contextlib.closing(Trainer(made, outdir=tmp_path, quiet=True)) as eager,
    ):
        captured.run_step = CapturedSteps(captured.training_step, captured.networks, start=OperatorRecording)
        yield captured, eager


def test_replayed_steps_have_no_distance(pair):
    assert differences(*pair, steps=STEPS) == [0.0] * STEPS
    assert len(pair[0].run_step._captured) == 2


def test_a_batch_that_is_not_copied_is_seen(pair, monkeypatch):
    monkeypatch.setattr("inrgan.training.graphs._copy_", lambda targets, values: None)
    found = differences(*pair, steps=STEPS)
    assert found[: STEPS - 2] == [0.0] * (STEPS - 2)  # eager or just recorded
    assert min(found[STEPS - 2 :]) > 0.2


def test_an_average_that_is_not_filled_is_seen(pair):
    differences(*pair, steps=STEPS - 2)
    pair[0].training_step._ema_weight.mul_(3.0)
    pair[0].training_step.fill = lambda batch, step: None
    assert min(differences(*pair, steps=2)) > 0.2


def test_distance_is_relative_to_the_change_of_a_network(pair):
    before = weights(pair[0])
    moved = [x + 1 for x in before]
    assert distance(moved, moved, before=before) == 0
    assert distance([moved[0], before[1], moved[2]], moved, before=before) == 1
