"""Faults of long trainings. Oracles: a training without them, states that were refused or kept, exit codes."""

import io
import json
import math
import os
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from bitwise import same
from torch import nn

sys.path.insert(0, str(Path(__file__).parent))
from toy_modalities import ToneModality, ToySource

from inrgan import CriticSizes, Generator, GeneratorSizes, TrainConfig, Trainer
from inrgan.cli import main
from inrgan.errors import CheckpointError, ConfigError, NonFiniteError, RunDirectoryError, WriteError
from inrgan.training import RunDirectory, monitoring
from inrgan.training import run_directory as states
from inrgan.training import trainer as trainer_module
from inrgan.training.monitoring import diagnose, gradient_measures, layer_measures, measures
from inrgan.training.run_directory import load_last_state, load_state, previous_state, save_state

CPU = torch.device("cpu")


def config(**changes):
    base = {
        "modality": ToneModality(), "kimg": 0.024, "batch": 4, "penalty_every": 2, "device": "cpu",
        "generator": GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(12, 8), depths=(1, 1)),
        "critic": CriticSizes(width=4, max_width=8),
    }  # fmt: skip
    return TrainConfig(**{**base, **changes})


def trainer(folder, **changes):
    return Trainer(config(**changes), run_dir=folder, quiet=True)


def fitted(folder, *, kimg=None, **changes):
    made = trainer(folder, **changes)
    made.fit(kimg=kimg)
    made.close()
    return made


def state(run):
    return load_state(run / "state-latest.pt", device=CPU)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return fitted(tmp_path_factory.mktemp("whole") / "run", snapshot_kimg=0.012).run.path


def copied(run, folder):
    return Path(shutil.copytree(run, folder / "copy"))


# --- states ---


def test_the_state_before_is_kept_and_used_where_the_last_is_damaged(whole, tmp_path, caplog):
    # Oracle: the training that was never damaged. Its last two states are at 3 and 6 steps.
    assert load_state(previous_state(whole / "state-latest.pt"), device=CPU)["step"] == 3
    data = (whole / "state-latest.pt").read_bytes()
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        tensor = archive.read(largest)
    flipped = bytearray(data)
    flipped[data.index(tensor) + len(tensor) // 2] ^= 4  # torch itself would load it
    for i, damaged in enumerate((data[: len(data) // 2], bytes(flipped), bytes(len(data)), b"")):
        run = Path(shutil.copytree(whole, tmp_path / str(i)))
        (run / "state-latest.pt").write_bytes(damaged)
        again = trainer(run, snapshot_kimg=0.012)
        assert again.step == 3 and "resuming from state-previous.pt" in caplog.text
        caplog.clear()
        if i == 1:
            again.fit()
            assert same(state(run), state(whole))
        again.close()


def test_no_state_but_the_one_before(whole, tmp_path):
    # What a kill between two renames leaves.
    run = copied(whole, tmp_path)
    (run / "state-latest.pt").unlink()
    again = trainer(run, snapshot_kimg=0.012)
    again.close()
    assert again.step == 3


def test_states_that_want_to_run_or_belong_elsewhere_are_not_passed_over(whole, tmp_path):
    # Going back is for damage; everything else is to be seen by the user.
    run = copied(whole, tmp_path)
    torch.save({"format": "other"}, run / "state-latest.pt")
    with pytest.raises(CheckpointError, match="not a training state"):
        load_last_state(run / "state-latest.pt", device=CPU)
    torch.save(os.system, run / "state-latest.pt")
    with pytest.raises(CheckpointError, match="refused"):
        load_last_state(run / "state-latest.pt", device=CPU)


def test_a_state_that_reads_back_otherwise_is_not_taken(tmp_path, monkeypatch):
    path = tmp_path / "state-latest.pt"
    save_state(path, {"step": 1})
    monkeypatch.setattr(states, "_digest", lambda _: b"")
    with pytest.raises(WriteError, match="read back"):
        save_state(path, {"step": 2})
    assert load_state(path, device=CPU)["step"] == 1 and [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("moment", range(4))
def test_a_kill_at_any_moment_of_a_save_leaves_a_whole_state(moment, tmp_path, monkeypatch):
    # Oracle: the moments between the system calls of a save, one by one; a kill is an exception nothing may handle.
    path, calls = tmp_path / "state-latest.pt", []
    save_state(path, {"step": 1})

    class Kill(BaseException):
        pass

    def dies(name, real):
        def call(*args):
            calls.append(name)
            if len(calls) == moment + 1:
                raise Kill
            return real(*args)

        return call

    with monkeypatch.context() as m:
        for name in ("fsync", "replace"):
            m.setattr(os, name, dies(name, getattr(os, name)))
        m.setattr(Path, "unlink", lambda *a, **k: None)  # the dead clean nothing up
        with pytest.raises(Kill):
            save_state(path, {"step": 2})
    assert load_last_state(path, device=CPU)["step"] == 1
    run = RunDirectory(tmp_path)  # the next process does
    run.close()
    assert {p.name for p in tmp_path.iterdir()} <= {"state-latest.pt", "state-previous.pt", ".lock"}


# --- run directories ---


def test_run_dir_starts_and_goes_on(whole, tmp_path):
    # Oracle: the training in one go. The same call again and again, as after crashes.
    run = tmp_path / "deep" / "run"
    for kimg in (0.008, 0.016, None):
        fitted(run, kimg=kimg)
    assert same(state(run), state(whole))


def test_run_dir_goes_on_where_a_kill_left_no_state(whole, tmp_path):
    run = fitted(tmp_path / "run", kimg=0.004).run.path
    for name in ("state-latest.pt", "state-previous.pt"):
        (run / name).unlink(missing_ok=True)
    assert same(state(fitted(run).run.path), state(whole))


def test_run_dir_refuses_what_is_no_run(whole, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunDirectoryError, match=r"notes\.txt"):
        trainer(tmp_path)
    with pytest.raises(RunDirectoryError, match="cannot create"):
        trainer(tmp_path / "notes.txt")
    with pytest.raises(ConfigError, match="--batch"):
        trainer(copied(whole, tmp_path), batch=2)
    with pytest.raises(ConfigError, match="give one of them"):
        Trainer(config(), resume=whole, run_dir=whole, quiet=True)


def test_command_of_run_dir_twice(tmp_path, monkeypatch):
    run = tmp_path / "run"
    argv = ["train", "image", "--resolution", "8", "--batch", "2", "--run-dir", str(run), "--quiet"]
    main([*argv, "--kimg", "0.004", "--batch-gpu", "1", "--save-minutes", "0"])
    main([*argv, "--kimg", "0.008"])
    assert state(run)["step"] == 4 and json.loads((run / "config.json").read_text())["kimg"] == 0.008


def test_states_between_snapshots(tmp_path, monkeypatch):
    made, saved = trainer(tmp_path / "run"), []
    monkeypatch.setattr(trainer_module, "save_state", lambda path, state: saved.append(state["step"]))
    made.fit(save_minutes=0)
    made.close()
    assert saved == [0, 1, 2, 3, 4, 5, 6, 6]


def test_full_disk_beyond_our_own_files(tmp_path, monkeypatch):
    # TensorBoard writes its events in a thread of its own, and raises what the disk says wherever it likes.
    made = trainer(tmp_path / "run")

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trainer_module.Logger, "stats", full)
    with pytest.raises(WriteError, match="No space left"):
        made.fit()
    made.close()
    assert state(made.run.path)["step"] == 0


# --- numbers that are not finite ---


def spoil(made, monkeypatch, *, calls):
    """Put NaN into the gradient of one of the critic's layers at some calls, and keep everything else."""
    critic_loss, count = made.training_step.critic_loss, [0]

    def spoiled(micro, fakes, stats, *, penalize):
        loss = critic_loss(micro, fakes, stats, penalize=penalize)
        count[0] += 1
        if count[0] - 1 in calls:
            loss = loss + (made.D["whole"].trunk.flat.weight * math.nan).sum()
        return loss

    monkeypatch.setattr(made.training_step, "critic_loss", spoiled)


def test_a_step_with_nan_gradients_changes_no_weight(tmp_path, monkeypatch):
    made = trainer(tmp_path / "run")
    spoil(made, monkeypatch, calls={1})
    made.train_step()
    before = [p.clone() for p in made.D.parameters()]
    moments = [v["exp_avg"].clone() for v in made.networks.critic_optimizer.adam.state_dict()["state"].values()]
    made.train_step()
    made.read_results()
    made.close()
    assert made.health.skipped == 1 and made.health.row == 1 and made.step == 2
    assert all(torch.equal(a, b) for a, b in zip(before, made.D.parameters(), strict=True))
    after = [v["exp_avg"] for v in made.networks.critic_optimizer.adam.state_dict()["state"].values()]
    assert all(torch.equal(a, b) for a, b in zip(moments, after, strict=True))


def test_skipped_steps_are_counted_and_training_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "TICK_SECONDS", -1.0)
    made = trainer(tmp_path / "run")
    spoil(made, monkeypatch, calls={1, 2})
    made.fit()
    made.close()
    rows = [json.loads(line) for line in (made.run.path / "stats.jsonl").read_text().splitlines()]
    assert [row["health/skipped"] for row in rows] == [0, 1, 2, 2, 2, 2]
    assert all(math.isfinite(v) for row in rows for v in row.values())
    assert state(made.run.path)["health"] == {"skipped": 2, "rollbacks": 0, "rate": 1.0}
    again = trainer(made.run.path)
    assert again.health.skipped == 2
    again.close()


def test_bad_steps_in_a_row_lead_back_and_then_on_more_slowly(tmp_path, monkeypatch):
    monkeypatch.setattr(trainer_module, "TICK_SECONDS", -1.0)
    monkeypatch.setattr(monitoring.Health, "should_roll_back", property(lambda self: self.row >= 2))
    made = trainer(tmp_path / "run", snapshot_kimg=0.012)
    spoil(made, monkeypatch, calls={4, 5})  # steps 4 and 5 after the state of 3; then back there
    made.fit()
    made.close()
    assert made.step == 6 and made.health.rollbacks == 1 and made.health.rate == 0.5
    assert made.networks.generator_optimizer.adam.param_groups[0]["lr"] == made.config.generator_rate / 2
    log = (made.run.path / "log.txt").read_text()
    assert "Back to 0.012 kimg, with 0.5 of the learning rates" in log and "whole.trunk.flat.weight" in log
    again = trainer(made.run.path, snapshot_kimg=0.012)
    assert again.health.rate == 0.5 and again.networks.critic_optimizer.adam.param_groups[0]["lr"] == (
        made.config.critic_rate / 2
    )
    again.close()


def test_hopeless_trainings_stop_with_a_diagnosis_and_a_good_state(tmp_path, monkeypatch):
    monkeypatch.setattr(monitoring, "IN_A_ROW", 3)
    monkeypatch.setattr(trainer_module, "TICK_SECONDS", -1.0)
    made = trainer(tmp_path / "run", kimg=1.0)
    spoil(made, monkeypatch, calls=range(1, 1000))
    with pytest.raises(NonFiniteError, match=r"gradient of the critic's whole\.trunk\.flat\.weight is not.*--gamma"):
        made.fit()
    made.close()
    assert made.health.rollbacks == monitoring.ROLLBACKS
    assert made.health.skipped == (monitoring.ROLLBACKS + 1) * 3
    kept = state(made.run.path)
    assert kept["step"] == 0 and all(torch.isfinite(v).all() for v in kept["D"].values())
    Generator.from_pretrained(made.run.path, modality=ToneModality())


def test_diagnosis_names_the_first_layer(tmp_path):
    # Oracle: where the fault was put.
    made = trainer(tmp_path / "run", losses=("full", "random-resolution"), modality=ToneModality(resolution=32))
    made.train_step()
    assert diagnose(made.G, made.D, made.batch) is None

    def found(module):
        handle = module.register_forward_hook(lambda m, i, o: o * math.inf)
        text = diagnose(made.G, made.D, made.batch)
        handle.remove()
        return text

    assert "layer G.mapping.layers.1 is the first" in found(made.G.mapping.layers[1])
    assert "layer G.hypernetwork.head is the first" in found(made.G.hypernetwork.head)
    block = made.D["whole"].trunk.blocks[0]
    assert "layer D.whole.trunk.blocks.0.second on reals is the first" in found(block.second)
    with torch.no_grad():
        made.D["whole"].score.bias.fill_(math.nan)
    assert "critic's weights whole.score.bias" in diagnose(made.G, made.D, made.batch)
    made.close()


def test_diagnosis_of_reals(tmp_path, monkeypatch):
    class Spoiled(ToySource):
        def __getitem__(self, i):
            return super().__getitem__(i) * (math.nan if i == 3 else 1.0)

    monkeypatch.setattr(ToneModality, "source", lambda *a, **k: Spoiled(1, size=32, seed=0, count=4))
    made = trainer(tmp_path / "run")
    made.train_step()
    made.read_results()
    assert made.health.row == 1
    assert "1 of 4 reals of full have NaN" in diagnose(made.G, made.D, made.batch)
    made.close()


def test_weights_that_are_not_finite_are_never_written(tmp_path):
    made = trainer(tmp_path / "run")
    made.fit(kimg=0.004)
    names = {p.name for p in made.run.path.iterdir()}
    with torch.no_grad():
        made.ema.mapping.layers[0].weight[0, 0] = math.nan
    for write in (made.snapshot, made.save):
        with pytest.raises(NonFiniteError, match=r"averaged generator's mapping\.layers\.0\.weight"):
            write()
    made.close()
    assert {p.name for p in made.run.path.iterdir()} == names and state(made.run.path)["step"] == 1


# --- layers ---


def test_measures_closed_form():
    # Channels: one never above 0, one of ±4, one of 0 and 1. Mean 1/6, dead 1/3, saturated 1/3.
    x = torch.tensor([[[-1.0, -1.0], [4.0, -4.0], [0.0, 1.0]]])
    found = measures(x)
    assert found["mean"] == pytest.approx(-1 / 6)
    assert found["std"] == pytest.approx(float(x.std(correction=0)))
    assert found["dead"] == pytest.approx(1 / 3) and found["saturated"] == pytest.approx(1 / 3)


def test_gradient_measures():
    layer = nn.Linear(2, 1)
    layer(torch.tensor([[3.0, 4.0]])).sum().backward()
    found = gradient_measures({"D": layer})
    assert found["D.weight"] == pytest.approx({"mean": 3.5, "std": 0.5, "norm": 5.0})
    assert found["D.bias"] == pytest.approx({"mean": 1.0, "std": 0.0, "norm": 1.0})


def test_layers_are_recorded_and_shown(tmp_path):
    # Oracle: the names of the networks' own layers, and tensorboard's reader.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    made = trainer(tmp_path / "run", watch_every=2)
    made.fit()
    rows = [json.loads(line) for line in (made.run.path / "layers.jsonl").read_text().splitlines()]
    assert [row["kimg"] for row in rows] == [0.008, 0.016, 0.024]
    found = layer_measures(made.networks.trained(), made.batch[0][0].head(4))
    assert rows[-1]["layers"] == json.loads(json.dumps(found))
    layers = set(rows[0]["layers"])
    assert {"G.mapping.layers.0", "G.inr.stage0_layer0", "G.signal", "D.whole.trunk.flat on fakes"} <= layers
    assert {f"{of}/G.{n}" for of in ("gradient", "update") for n, _ in made.G.named_parameters()} <= layers
    made.close()
    events = EventAccumulator(str(made.run.path)).Reload()
    shown = set(events.Tags()["histograms"])
    assert {"weights/G.mapping.layers.0.weight", "gradients/D.whole.score.weight", "activations/G.signal"} <= shown
    assert "updates/D.whole.score.weight" in shown


def test_watching_changes_nothing(whole, tmp_path):
    assert same(state(fitted(tmp_path / "run", watch_every=1).run.path), state(whole))


def test_events_after_the_state_are_hidden(tmp_path, monkeypatch):
    # Oracle: tensorboard's reader. A kill leaves events of steps that are made again.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(trainer_module, "TICK_SECONDS", -1.0)
    made = fitted(tmp_path / "run", kimg=0.008)
    run = copied(made.run.path, tmp_path)
    fitted(run, kimg=0.016)
    for name in ("state-latest.pt", "state-previous.pt"):
        shutil.copy(made.run.path / "state-latest.pt", run / name)
    fitted(run)
    steps = [event.step for event in EventAccumulator(str(run)).Reload().Scalars("loss/critic/full")]
    assert steps == [4, 8, 12, 16, 20, 24]
