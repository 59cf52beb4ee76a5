"""Captured steps on a GPU. Oracle: the same steps run eagerly, to the distance between two eager runs."""

import contextlib
import statistics

import pytest
import torch
from gpu_runs import config, differences, distance, each_modality, weights

from inrgan import Trainer
from inrgan.registry import modality_class
from inrgan.training.graphs import EAGER, CapturedSteps

pytestmark = pytest.mark.gpu

TYPICAL, LARGEST = 0.02, 0.2
"""Distances that rounding alone can cause: the median and the largest of some steps. On a CPU they are 0.001 and 0.03
for weights that differ in their last bit, since Adam's first updates are the signs of gradients."""


VARYING: list[tuple[str, ...]] = []
"""Steps whose layouts hardly ever come again, since the sizes of their patches' constants vary: they run eagerly."""


def trainer(name, folder, **changes):
    return contextlib.closing(Trainer(config(name, penalty_every=2, **changes), outdir=folder, quiet=True))


def check_captured(name, folder, *, steps, replayed=True, **changes):
    """Compare captured steps with eager ones, and eager ones with each other."""
    with trainer(name, folder, graphs="off", **changes) as one, trainer(name, folder, graphs="off", **changes) as other:
        between_eager = differences(one, other, steps=steps)
        with trainer(name, folder, graphs="on", **changes) as captured:
            one.step = 0  # the captured training leads: its tensors must stay where they are
            found, runner = differences(captured, one, steps=steps), captured.run_step
            assert isinstance(runner, CapturedSteps) and runner.failed is None
            if replayed:
                assert len(runner._captured) >= 2, "no layout came again"
    assert statistics.median(found) <= max(TYPICAL, 4 * statistics.median(between_eager)), (found, between_eager)
    assert max(found) <= max(LARGEST, 4 * max(between_eager)), (found, between_eager)


@pytest.mark.parametrize("losses", [("full",), ("full", "dense-patch")], ids="+".join)
@each_modality
def test_captured_steps_train_as_eager_ones(name, losses, tmp_path):
    check_captured(name, tmp_path, steps=2 * (EAGER + 4), losses=losses, replayed=(name, *losses) not in VARYING)


@each_modality
def test_captured_steps_at_random_resolutions_train_as_eager_ones(name, tmp_path):
    # Every resolution is captured on its own: more steps until all came three times.
    check_captured(name, tmp_path, steps=2 * (EAGER + 14), losses=("full", "random-resolution"))


@each_modality
def test_captured_steps_in_half_precision_train_as_eager_ones(name, tmp_path):
    check_captured(name, tmp_path, steps=2 * (EAGER + 4), losses=("full",), precision="bf16")


def test_augmented_micro_batches_with_path_lengths_are_captured(tmp_path):
    options = {"path_length": 1.0, "path_every": 2, "batch_gpu": 2, "augment": "fixed", "augment_p": 1.0}
    check_captured("image", tmp_path, steps=2 * (EAGER + 4), losses=("full",), **options)


def run(made, *, steps):
    for _ in range(steps):
        made.train_step()
    made.read_results()
    assert made.health.skipped == 0


@each_modality
def test_a_resumed_captured_run_equals_an_uninterrupted_one(name, tmp_path):
    # Rounding is amplified over steps, in the runs that are compared as in the yardstick: two uninterrupted runs.
    half = 2 * (EAGER + 2)
    ends, updates = [], []
    for interrupted in (False, False, True):
        with trainer(name, tmp_path, graphs="on", losses=("full",)) as made:
            before = weights(made)
            run(made, steps=half)
            if not interrupted:
                run(made, steps=half)
                ends.append(weights(made))
            made.save()
            updates.append(_updates(made))
        if interrupted:
            resumed = Trainer(made.config, resume=made.run.path, quiet=True)
            with contextlib.closing(resumed):
                assert _updates(resumed) == [half] * 2
                run(resumed, steps=half)
                assert isinstance(resumed.run_step, CapturedSteps) and resumed.run_step._captured
                ends.append(weights(resumed))
                updates[-1] = _updates(resumed)
    assert updates == [[2 * half] * 2] * 3
    between, found = (distance(other, ends[0], before=before) for other in ends[1:])
    assert found <= max(0.5, 4 * between), (found, between)


def _updates(made):
    """Number of updates that each optimizer has counted."""
    return [max(int(s["step"]) for s in o.adam.state.values()) for o in made.networks.optimizers]


def test_captured_steps_share_their_memory(tmp_path):
    # The second capture is the step without penalties, which fits into what the first one has left.
    def held():
        torch.cuda.empty_cache()
        return torch.cuda.memory_reserved()

    modality = modality_class("image")(resolution=64)
    with trainer("image", tmp_path, graphs="on", losses=("full",), modality=modality, batch=32) as made:
        sizes = []
        for count in range(3):
            while len(made.run_step._captured) < count:
                made.train_step()
            torch.cuda.synchronize()
            sizes.append(held())
            if count == 0:
                run(made, steps=2)  # networks, optimizers and libraries have allocated
                sizes[0] = held()
    first, second = sizes[1] - sizes[0], sizes[2] - sizes[1]
    assert first > 0 and second < first / 2, sizes
