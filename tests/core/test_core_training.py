"""Training, states, run directories and checkpoints. Oracles: never stopping, closed forms, refused damage."""

import contextlib
import json
import math
import os
import pickle
import signal
import sys
from pathlib import Path

import pytest
import torch
from bitwise import same
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parent))
from small_runs import CPU, config, copied, trained
from toy_modalities import ToneModality, ToySource

from inrgan import Box, Generator, ImageModality, TrainConfig, Trainer
from inrgan._random import step_generator
from inrgan.errors import (
    CheckpointError,
    ConfigError,
    DataError,
    DeviceError,
    NonFiniteError,
    RunDirectoryError,
    WriteError,
)
from inrgan.files import replacing
from inrgan.losses import LossOptions
from inrgan.training import RunDirectory, pick_device, update_ema
from inrgan.training import trainer as ticks
from inrgan.training.optimization import ema_weight
from inrgan.training.reals import ItemCounts, Reals
from inrgan.training.run_directory import load_state, save_state


def lines(run):
    """Statistics without what measures the machine."""
    rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return [{k: v for k, v in row.items() if not k.startswith(("time/", "memory/"))} for row in rows]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs")).run.path


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"labels": True},
        {"losses": ("full", "random-resolution"), "labels": True},
        {"adversarial": "non-saturating", "gamma": 1.0},
        {"augment": "adaptive", "augment_target": 0.0, "augment_kimg": 0.05, "augment_p": 0.2},
        {"path_length": 0.5, "path_every": 2},
    ],
    ids=str,
)
def test_resume_equals_never_stopping(changes, tmp_path, monkeypatch):
    monkeypatch.setattr(ticks, "TICK_SECONDS", -1.0)  # a line of statistics for every step
    straight = trained(tmp_path / "a", **changes)
    first = trained(tmp_path / "b", kimg=0.012, **changes)
    assert first.step == 3
    again = Trainer(config(**changes), resume=first.run.path, quiet=True)
    assert again.step == 3
    again.fit()
    again.close()
    assert again.step == straight.step == 6
    a, b = (load_state(t.run.state, device=CPU) for t in (straight, again))
    assert set(a) == {
        "format", "version", "step", "health", "G", "D", "ema", "optimizer_G", "optimizer_D", "augment",
        *(["path"] if "path_length" in changes else []),
    }  # fmt: skip
    assert same(a, b)
    assert not same(a["G"], a["ema"])
    assert lines(straight.run.path) == lines(again.run.path) and len(lines(again.run.path)) == 6
    pictures = sorted(p.name for p in again.run.path.glob("fakes-*"))
    assert pictures == ["fakes-00000.000.png", "fakes-00000.012.png", "fakes-00000.024.png"]


def test_resume_after_a_crash_goes_back(tmp_path, monkeypatch):
    # Oracle: never stopping. A crash leaves statistics past the last state, the last line cut short.
    monkeypatch.setattr(ticks, "TICK_SECONDS", -1.0)
    straight = trained(tmp_path / "a")
    crashed = trained(tmp_path / "b", kimg=0.012)
    with open(crashed.run.path / "stats.jsonl", "a") as file:
        file.write('{"kimg": 0.016, "loss/critic/full": 1.0}\n{"kimg": 0.0')
    again = Trainer(config(), resume=crashed.run.path, quiet=True)
    again.fit()
    again.close()
    assert lines(again.run.path) == lines(straight.run.path)


def test_tensorboard_has_the_very_pictures(run):
    # Oracle: tensorboard's own reader, against the bytes of the files.
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(run)).Reload()
    assert set(events.Tags()["images"]) == {"reals", "fakes"}
    shown = {picture.step: picture for picture in events.Images("fakes")}
    assert shown.keys() == {0, 24} and shown[0].width > 16
    assert shown[24].encoded_image_string == (run / "fakes-00000.024.png").read_bytes()
    assert events.Images("reals")[0].encoded_image_string == (run / "reals.png").read_bytes()


def test_equal_configurations_are_equal(tmp_path):
    a, b, c = (trained(tmp_path, kimg=0.008, seed=s) for s in (0, 0, 1))
    assert same(a.G.state_dict(), b.G.state_dict()) and not same(a.G.state_dict(), c.G.state_dict())
    assert [t.run.path.name for t in (a, b, c)] == [f"0000{i}-image-shapes-tiny" for i in range(3)]


def test_run_directory_holds_what_the_design_says(run):
    assert run.name == "00000-image-shapes-tiny"
    names = {p.name for p in run.iterdir()}
    assert {"config.json", "log.txt", "stats.jsonl", "reals.png", "state-latest.pt"} <= names
    assert {"fakes-00000.000.png", "fakes-00000.024.png", "snapshot-00000.000", "snapshot-00000.024"} <= names
    assert any(n.startswith("events.out.tfevents") for n in names)
    assert {p.name for p in (run / "snapshot-00000.024").iterdir()} == {"config.json", "model.safetensors"}
    assert "trained to 0.024 kimg" in (run / "log.txt").read_text()
    saved = json.loads((run / "config.json").read_text())
    assert TrainConfig.from_json(saved, modality=ImageModality(resolution=16, mirror=True)) == config()


def test_state_is_plain(run):
    state = torch.load(run / "state-latest.pt", weights_only=True)
    assert state["step"] == 6


class Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_a_state_that_wants_to_run_is_refused(tmp_path, zipped):
    path, target = tmp_path / "state-latest.pt", tmp_path / "ran"
    if zipped:
        torch.save({"format": "inrgan-state", "version": 1, "step": Evil(target)}, path)
    else:
        path.write_bytes(pickle.dumps(Evil(target)))
    with pytest.raises(CheckpointError, match="refused"):
        load_state(path, device=CPU)
    assert not target.exists()


def damage(data):
    """Cut short, emptied, replaced, and with single bytes changed."""
    yield from (data[: len(data) * k // 5] for k in range(5))
    yield b"not a checkpoint"
    yield b"\x80\x02}q\x00."  # a pickle of an empty dictionary


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_damaged_states_are_refused(run, tmp_path):
    path = tmp_path / "state-latest.pt"
    for data in damage((run / "state-latest.pt").read_bytes()):
        path.write_bytes(data)
        with pytest.raises(CheckpointError):
            load_state(path, device=CPU)
    path.unlink()
    with pytest.raises(CheckpointError, match="init-from"):
        load_state(path, device=CPU)


def test_changed_bytes_never_show_a_traceback(run, tmp_path):
    # A property: whatever byte of the pickled part changes, loading works or raises CheckpointError.
    data, path = (run / "state-latest.pt").read_bytes(), tmp_path / "s.pt"
    rng = torch.Generator().manual_seed(0)
    for at in torch.randint(min(len(data), 4000), (40,), generator=rng).tolist():
        changed = bytearray(data)
        changed[at] ^= 1 << (at % 8)
        path.write_bytes(changed)
        with contextlib.suppress(CheckpointError):
            load_state(path, device=CPU)


def test_foreign_states_are_refused(run, tmp_path):
    path = tmp_path / "state-latest.pt"
    for foreign in ({"format": "other"}, [1, 2], {"format": "inrgan-state", "version": 0}):
        torch.save(foreign, path)
        with pytest.raises(CheckpointError, match="not a training state"):
            load_state(path, device=CPU)


def test_a_state_of_another_network_is_refused(run, tmp_path):
    mine = copied(run, tmp_path)
    state = load_state(mine / "state-latest.pt", device=CPU)
    del state["format"], state["version"]
    for broken in ({"G": state["D"]}, {"optimizer_G": {}}, {"step": None}):
        save_state(mine / "state-latest.pt", {**state, **broken})
        with pytest.raises(CheckpointError, match="does not fit"):
            Trainer(config(), resume=mine, quiet=True)
    RunDirectory(mine).close()  # a resume that failed holds no lock


def test_resume_refuses_another_configuration(run, tmp_path):
    mine = copied(run, tmp_path)
    with pytest.raises(ConfigError, match="--batch 4, not 8;"):
        Trainer(config(batch=8), resume=mine, quiet=True)
    with pytest.raises(ConfigError, match="give one of them"):
        Trainer(config(), resume=mine, init_from=mine, quiet=True)
    longer = Trainer(config(kimg=0.028), resume=mine, quiet=True)  # the length may change
    longer.fit()
    longer.close()
    assert longer.step == 7


def test_a_finished_run_has_nothing_to_do(run, tmp_path):
    # Oracle: every byte of the run directory but the log.
    mine = copied(run, tmp_path)
    files = [path for path in sorted(mine.rglob("*")) if path.is_file() and path.name not in ("log.txt", ".lock")]
    before = [path.read_bytes() for path in files]
    trainer = Trainer(config(), resume=mine, quiet=True)
    trainer.fit()
    trainer.close()
    assert "nothing to do" in (mine / "log.txt").read_text().splitlines()[-1]
    assert [path.read_bytes() for path in files] == before
    (mine / "snapshot-00000.024").rename(tmp_path / "gone")  # stopped between the state and the snapshot
    trainer = Trainer(config(), resume=mine, quiet=True)
    trainer.fit()
    trainer.close()
    assert (mine / "snapshot-00000.024" / "model.safetensors").read_bytes() == (
        tmp_path / "gone" / "model.safetensors"
    ).read_bytes()


def test_a_snapshot_is_no_run(run):
    with pytest.raises(RunDirectoryError, match=rf"give --resume {run} to continue .* or --init-from {run}/snapshot"):
        Trainer(config(), resume=run / "snapshot-00000.024", quiet=True)


def test_a_run_of_before_an_entry_existed_goes_on(run, tmp_path):
    # Oracle: what such a run did is what the entry's default does; any other value is another run.
    mine = copied(run, tmp_path)
    saved = json.loads((mine / "config.json").read_text())
    for name in ("hold_out", "watch_every", "path_length", "path_every"):
        del saved[name]
    del saved["views"]["patch_near"], saved["modality"]["arguments"]["aspect"]
    (mine / "config.json").write_text(json.dumps(saved))
    for other, named in (
        ({"hold_out": 0.1}, "--hold-out 0.0, not 0.1"),
        ({"path_length": 0.1}, "--path-length 0.0, not 0.1"),
        ({"views": LossOptions(patch_near=0.5)}, "--patch-near 0.0, not 0.5"),
        ({"modality": ImageModality(resolution=16)}, "--mirror True, not False"),
    ):
        with pytest.raises(ConfigError, match=f"trained with {named};"):
            Trainer(config(**other), resume=mine, quiet=True)
    again = Trainer(config(kimg=0.028), resume=mine, quiet=True)
    again.fit()
    again.close()
    assert again.step == 7 and json.loads((mine / "config.json").read_text())["hold_out"] == 0.0
    for strange, message in (({"colour": 1}, "entry 'colour'"), ({"modality": 3}, "no run of image")):
        (mine / "config.json").write_text(json.dumps({**saved, **strange}))
        with pytest.raises(ConfigError, match=message):
            Trainer(config(), resume=mine, quiet=True)


@pytest.mark.parametrize("text", [None, "{", "[]", "3", "\xff"])
def test_damaged_configurations_of_runs(text, run, tmp_path):
    mine = copied(run, tmp_path)
    if text is None:
        (mine / "config.json").unlink()
    else:
        (mine / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunDirectoryError, match=r"config\.json"):
        Trainer(config(), resume=mine, quiet=True)


@pytest.mark.parametrize("entry", [{"generator": {"x": 1}}, {"batch": "4"}, {"nosuch": 1}, {"critic": {"width": "a"}}])
def test_configurations_with_bad_entries(entry, run):
    saved = json.loads((run / "config.json").read_text())
    with pytest.raises(ConfigError):
        TrainConfig.from_json({**saved, **entry}, modality=config().modality)


def test_one_process_at_a_time(tmp_path):
    trainer = Trainer(config(), outdir=tmp_path, quiet=True)
    with pytest.raises(RunDirectoryError, match="in use"):
        Trainer(config(), resume=trainer.run.path, quiet=True)
    trainer.fit(kimg=0.004)
    again = Trainer(config(), resume=trainer.run.path, quiet=True)
    with pytest.raises(RunDirectoryError, match="in use"):
        trainer.fit(kimg=0.008)
    again.close()
    trainer.fit(kimg=0.008)  # nobody went on
    Trainer(config(), resume=trainer.run.path, quiet=True).fit(kimg=0.012)
    with pytest.raises(RunDirectoryError, match="was continued in the meantime"):
        trainer.fit(kimg=0.012)
    trainer.close()
    Trainer(config(), resume=trainer.run.path, quiet=True).close()


def test_a_cell_of_a_notebook_is_run_again(tmp_path):
    # Oracle: never stopping. The trainer of the earlier run of the cell is still alive while the next one is made.
    trainers = []
    for _ in range(2):
        trainers.append(Trainer(config(), run_dir=tmp_path / "run", quiet=True))
        trainers[-1].fit()
    once = trained(tmp_path)
    assert same(dict(trainers[-1].G.state_dict()), dict(once.G.state_dict()))


def test_no_run_directory(tmp_path):
    with pytest.raises(RunDirectoryError, match="no run directory"):
        Trainer(config(), resume=tmp_path / "nothing", quiet=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(RunDirectoryError, match="cannot create"):
        Trainer(config(), outdir=tmp_path / "file", quiet=True)


def test_init_from_takes_weights_only(run, tmp_path):
    trainer = Trainer(config(seed=5, penalty_every=3), outdir=tmp_path, init_from=run, quiet=True)
    trainer.close()
    saved = load_file(run / "snapshot-00000.024" / "model.safetensors")
    assert (
        trainer.step == 0 and same(dict(trainer.G.state_dict()), saved) and same(dict(trainer.ema.state_dict()), saved)
    )


def test_broken_numbers_stop_and_spare_what_was_good(tmp_path):
    # A critic's rate beyond float32 breaks the second step. The snapshots due right after must not be written.
    wild = Trainer(config(critic_rate=1e36, max_update=0, snapshot_kimg=0.004), outdir=tmp_path, quiet=True)
    with pytest.raises(NonFiniteError, match="NaN or infinite"):
        wild.fit()
    wild.close()
    assert load_state(wild.run.state, device=CPU)["step"] <= 1
    Generator.from_pretrained(wild.run.path)
    state = load_state(wild.run.state, device=CPU)
    assert all(torch.isfinite(v).all() for part in ("G", "D", "ema") for v in state[part].values())


def test_full_disk_spares_the_last_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    with replacing(path) as temporary:
        temporary.write_text("good")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WriteError, match="No space left"), replacing(path) as temporary:
        temporary.write_text("half")
    assert path.read_text() == "good" and [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("precision", ["bf16"])
def test_half_precision_trains(precision, tmp_path):
    # Oracle: weights stay in float32, change, and are finite.
    trainer = trained(tmp_path, kimg=0.008, precision=precision)
    assert all(p.dtype == torch.float32 and torch.isfinite(p).all() for p in trainer.G.parameters())
    assert any(v.any() for v in trainer.networks.generator_optimizer.adam.state_dict()["state"][0].values())


@pytest.mark.parametrize(
    "bad",
    [
        {"kimg": 0}, {"batch": 0}, {"gamma": -1.0}, {"seed": -1}, {"penalty_every": 0}, {"generator_rate": math.nan},
        {"path_length": -1.0}, {"path_length": math.inf}, {"path_every": 0},
    ],
    ids=str,
)  # fmt: skip
def test_bad_configurations(bad):
    with pytest.raises(ConfigError, match=next(iter(bad))):
        config(**bad)


def test_no_gpu_is_said(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto").type == "cpu"
    with pytest.raises(DeviceError, match="no GPU"):
        pick_device("cuda")
    with pytest.raises(DeviceError, match="unknown"):
        pick_device("tpu")


def test_ema_closed_form():
    # Oracle: a ← c + (a - c)·2^(-batch / min(half life, images/20)); buffers are copied.
    a, c = torch.nn.BatchNorm1d(3), torch.nn.BatchNorm1d(3)
    a.weight.data.fill_(1.0)
    c.weight.data.fill_(5.0)
    c.running_mean.fill_(2.0)
    expected = 1.0
    for images in (8, 160, 2000, 100_000):
        update_ema(a, c, weight=ema_weight(images=images, batch=8, half_life=1000))
        expected = 5 + (expected - 5) * 2 ** (-8 / min(1000, images / 20))
        assert a.weight[0].item() == pytest.approx(expected, rel=1e-5)
        assert torch.equal(a.running_mean, c.running_mean)


def test_step_generator_is_pure():
    def draw(**changes):
        args = {"seed": 0, "purpose": "z", "step": 3, "rank": 0, **changes}
        return torch.rand(4, generator=step_generator(args.pop("seed"), **args)).tolist()

    assert draw() == draw()
    others = [draw(seed=1), draw(purpose="v:full"), draw(purpose="v:random-resolution"), draw(step=4), draw(rank=1)]
    assert len({tuple(x) for x in [draw(), *others]}) == 6


# --- which reals are shown ---


class Mixed(ToySource):
    """Items of 8 samples where the number is even, of 32 where it is odd."""

    def __init__(self, fine=True):
        super().__init__(1, size=8, seed=0, count=6)
        self.fine = ToySource(1, size=32, seed=0, count=6) if fine else self

    def __getitem__(self, i):
        return self.fine[i] if i % 2 and self.fine is not self else ToySource.__getitem__(self, i)


def test_items_too_small_are_skipped_and_counted():
    # Oracle: in one epoch each of the three even items is passed over once, and its odd successor shown instead.
    reals, view = Reals(Mixed(), ToneModality(), batch=6, seed=0), Box(1).grid((16,))
    counts = ItemCounts()
    (values,), labels = reals.draw(0, [view], fixed=True, name="full", counts=counts)
    assert counts.skipped == {"full/16-31": 3} and counts.used == {"full/16-31": 6} and labels.tolist() == [1] * 6
    odd = ToneModality().observe([Mixed()[i] for i in (1, 3, 5)], view)
    assert all(sum(torch.allclose(v, o, atol=1e-6) for v in values) == 2 for o in odd)
    assert Reals(Mixed(), ToneModality(), batch=6, seed=0).draw(0, [Box(1).grid((8,))], fixed=True)[1].sum() == 3


def test_none_fine_enough():
    with pytest.raises(DataError, match="never upsampled"):
        Reals(Mixed(fine=False), ToneModality(), batch=2, seed=0).draw(0, [Box(1).grid((16,))], fixed=True)


def test_what_is_kept_is_what_would_be_seen():
    view = Box(1).grid((16,))
    kept, fresh = (Reals(ToySource(1, size=32, seed=0), ToneModality(), batch=10, seed=0) for _ in range(2))
    for step in (0, 1, 2, 3, 0):
        a, b = kept.draw(step, [view], fixed=True), fresh.draw(step, [view])
        assert torch.equal(a[0][0], b[0][0]) and torch.equal(a[1], b[1])


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_signal_in_the_middle_of_a_step_waits_for_its_end_and_resumes_exactly(number, raised, tmp_path, monkeypatch):
    """Oracle: never stopping. The signal comes between the critic's update and the generator's."""
    whole = trained(tmp_path / "whole")
    trainer = Trainer(config(), outdir=tmp_path / "cut", quiet=True)
    adam = trainer.networks.critic_optimizer.adam
    step = adam.step

    def interrupted():
        step()
        if trainer.step == 2:
            signal.raise_signal(number)

    monkeypatch.setattr(adam, "step", interrupted)
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(raised) as stop:
        trainer.fit()
    trainer.close()
    assert raised is KeyboardInterrupt or stop.value.code == 143
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    assert load_state(trainer.run.state, device=CPU)["step"] == 3
    resumed = Trainer(config(), resume=trainer.run.path, quiet=True)
    resumed.fit()
    resumed.close()
    assert same(load_state(whole.run.state, device=CPU), load_state(resumed.run.state, device=CPU))
