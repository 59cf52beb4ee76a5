"""Captured training steps. Oracle: the same training, step by step in Python."""

import pytest
import torch
from recorded_steps import OperatorRecording
from test_core_step import FIELDS, SMALL

from inrgan import CriticSizes, TrainConfig, Trainer
from inrgan.errors import ConfigError, DeviceError
from inrgan.losses import LossOptions
from inrgan.registry import rebuild
from inrgan.training.graphs import EAGER, KEPT, CapturedSteps


def trainer(name, losses, folder, **changes):
    config = TrainConfig(
        modality=rebuild(name, FIELDS[name]), losses=losses, batch=4, device="cpu", watch_every=0, penalty_every=2,
        generator=None if name == "audio" else SMALL, critic=CriticSizes(width=4, max_width=8),
        views=LossOptions(patch_start=0, patch_ramp=0.02), **changes,
    )  # fmt: skip
    return Trainer(config, outdir=folder, quiet=True)


def captured(made, **options):
    """A trainer whose steps are recorded and repeated."""
    runner = CapturedSteps(made.training_step, made.networks, start=OperatorRecording, **options)
    made.run_step = runner
    return runner


def weights(made):
    return {
        f"{name}.{key}": value.clone()
        for name, network in (("G", made.G), ("D", made.D), ("ema", made.ema))
        for key, value in network.state_dict().items()
    }


def equal(one, other):
    assert one.keys() == other.keys()
    assert [key for key in one if not torch.equal(one[key], other[key])] == []


CASES = [(name, ("full",)) for name in FIELDS] + [
    ("image", ("full", "random-resolution")), ("image", ("full", "dense-patch")), ("image", ("variable-density",)),
    ("image", ("points",)), ("audio", ("full", "dense-patch")), ("surface", ("full", "dense-patch")),
    ("video", ("full", "dense-patch")), ("occupancy", ("full", "dense-patch")), ("spherical", ("points",)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "losses"), CASES, ids=lambda x: x if isinstance(x, str) else "+".join(x))
def test_repeated_operators_train_the_same_weights(name, losses, tmp_path):
    one, other = trainer(name, losses, tmp_path / "one"), trainer(name, losses, tmp_path / "other")
    runner = captured(other)
    try:
        for _ in range(4 * (EAGER + 2)):
            first, second = one.train_step(), other.train_step()
            assert first.names == second.names
            torch.testing.assert_close(first.values, second.values, rtol=0, atol=0)
        equal(weights(one), weights(other))
        assert runner.failed is None and runner.replayed > 0, "no layout of the batches came again"
    finally:
        one.close()
        other.close()


def test_options_of_a_step_are_captured_too(tmp_path):
    options = {
        "path_length": 1.0,
        "path_every": 2,
        "batch_gpu": 2,
        "labels": True,
        "augment": "fixed",
        "augment_p": 1.0,
    }
    one, other = trainer("image", ("full",), tmp_path / "one", **options), None
    try:
        other = trainer("image", ("full",), tmp_path / "other", **options)
        captured(other)
        for _ in range(4 * (EAGER + 1)):
            one.train_step()
            other.train_step()
        equal(weights(one), weights(other))
    finally:
        one.close()
        if other is not None:
            other.close()


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    whole = trainer("image", ("full",), tmp_path / "whole")
    captured(whole)
    for _ in range(14):
        whole.train_step()
    first = trainer("image", ("full",), tmp_path / "parts")
    captured(first)
    for _ in range(7):
        first.train_step()
    first.save()
    first.close()
    second = Trainer(first.config, resume=first.run.path, quiet=True)
    captured(second)
    for _ in range(7):
        second.train_step()
    equal(weights(whole), weights(second))
    whole.close()
    second.close()


def test_a_roll_back_drops_what_was_captured(tmp_path):
    # A state that is loaded brings other tensors, which earlier recordings do not know.
    one, other = trainer("image", ("full",), tmp_path / "one"), trainer("image", ("full",), tmp_path / "other")
    runner = captured(other)
    for made in (one, other):
        for _ in range(8):
            made.train_step()
        made.save()
        for _ in range(2):
            made.train_step()
        made._load()
    assert not runner._captured
    for _ in range(8):
        one.train_step()
        other.train_step()
    equal(weights(one), weights(other))
    assert other.networks.generator_optimizer.adam.state_dict()["state"][0]["step"] == 16
    assert runner._captured and runner.replayed > 0
    one.close()
    other.close()


def test_an_update_that_is_not_finite_is_skipped(tmp_path):
    made = trainer("image", ("full",), tmp_path)
    runner = captured(made)
    for _ in range(2 * (EAGER + 1)):
        made.train_step()
    replays = dict(runner._captured)
    before = weights(made)
    batch = made.batches.at(made.step, probability=0.0)
    batch[0][0].reals[0].fill_(torch.nan)
    result = runner(batch, step=made.step)
    assert not bool(result.finite) and dict(runner._captured) == replays
    after = weights(made)
    assert all(torch.equal(before[k], after[k]) for k in before if k.startswith("D."))
    made.close()


class Refused(OperatorRecording):
    def record(self, run):
        raise RuntimeError("operation not permitted when stream is capturing")


def test_a_step_that_cannot_be_captured_runs_eagerly(tmp_path, caplog):
    one, other = trainer("image", ("full",), tmp_path / "one"), trainer("image", ("full",), tmp_path / "other")
    runner = captured(other)
    runner.start = Refused
    for _ in range(2 * (EAGER + 2)):
        one.train_step()
        other.train_step()
    equal(weights(one), weights(other))
    assert runner.failed is not None and sum("not captured" in r.message for r in caplog.records) == 1
    runner.failed, runner.strict = None, True
    with pytest.raises(DeviceError, match="use --graphs off"):
        other.train_step()
    one.close()
    other.close()


def test_the_least_recently_used_capture_is_dropped(tmp_path, monkeypatch):
    assert KEPT >= 16
    monkeypatch.setattr("inrgan.training.graphs.KEPT", 1)
    made = trainer("image", ("full",), tmp_path)
    runner = captured(made)
    for _ in range(4 * (EAGER + 1)):  # with penalties and without: two layouts
        made.train_step()
        assert len(runner._captured) <= 1
    made.close()


def test_graphs_need_a_gpu(tmp_path):
    with pytest.raises(ConfigError, match="graphs are on, and the device is cpu"):
        trainer("image", ("full",), tmp_path, graphs="on")
    made = trainer("image", ("full",), tmp_path, graphs="auto")
    assert made.run_step is made.training_step
    made.close()


def test_a_recording_repeats_nothing_but_operators():
    # What Python decides is fixed by the recording; what tensors hold is read anew.
    x, calls = torch.ones(3), [0]

    def run():
        calls[0] += 1
        return (x * calls[0]).exp()

    recording = OperatorRecording()
    out = recording.record(run)
    x.fill_(2.0)
    recording.replay()
    assert calls == [1]
    torch.testing.assert_close(out, torch.full((3,), 2.0).exp())
