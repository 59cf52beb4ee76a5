"""Data prepared by threads. Oracle: one thread, or none in advance, and the same values bit for bit."""

import json
import os
import threading
import time
from dataclasses import replace

import pytest
import torch
from small_runs import config

from inrgan import AudioModality, ImageModality, Trainer
from inrgan.errors import ConfigError, DataError
from inrgan.losses import LossOptions
from inrgan.process import usable_cores
from inrgan.training import Ranks
from inrgan.training.logging import statistics
from inrgan.training.reals import Reals
from inrgan.training.workers import Prefetcher, Workers, default_workers


def data_threads():
    return [t for t in threading.enumerate() if t.name.startswith(("inrgan-data", "inrgan-steps"))]


@pytest.fixture
def workers():
    made = Workers(3)
    yield made
    made.close()


def test_values_come_in_the_order_of_the_inputs(workers):
    # The first inputs take longest.
    def slow(x):
        time.sleep(0.02 * (5 - x))
        return x, threading.current_thread().name

    found = workers.map(slow, range(6))
    assert [x for x, _ in found] == list(range(6)) and len({name for _, name in found}) == 3


def test_an_exception_of_a_worker_reaches_the_caller(workers):
    ended = []

    def fail(x):
        if x == 1:
            raise DataError("item 1 is bad")
        time.sleep(0.05)
        ended.append(x)

    with pytest.raises(DataError, match="item 1 is bad") as caught:
        workers.map(fail, range(40))
    count = len(ended)
    assert type(caught.value) is DataError and count < 39
    time.sleep(0.2)
    assert len(ended) == count  # no input is worked on any more
    assert workers.map(lambda x: -x, [1, 2]) == [-1, -2]  # the threads still serve


def test_each_worker_uses_one_core_and_other_threads_keep_theirs(workers):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        inside = workers.map(lambda _: (float(torch.rand(300, 300).sum()), torch.get_num_threads())[1], range(6))
        later = []
        thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert inside == [1] * 6 and torch.get_num_threads() == 2 and later == [2]
    finally:
        torch.set_num_threads(before)


def test_close_ends_the_threads_and_the_next_call_starts_them():
    workers, prefetcher, others = Workers(2), Prefetcher(lambda step: -step), set(data_threads())
    for _ in range(2):
        assert workers.map(abs, [-1]) == [1] and prefetcher.get([4, 5]) == -4
        assert len(set(data_threads()) - others) == 3
        workers.close()
        prefetcher.close()
        assert not set(data_threads()) - others


def test_the_default_number_of_workers(monkeypatch):
    # Oracle: the kernel's mask of this process. Processes of torchrun share the machine.
    if hasattr(os, "sched_getaffinity"):
        assert usable_cores() == len(os.sched_getaffinity(0))
    monkeypatch.setattr("inrgan.training.workers.usable_cores", lambda: 16)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert default_workers(torch.device("cpu")) == 16 and default_workers(torch.device("cuda")) == 15
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert default_workers(torch.device("cpu")) == 2 and default_workers(torch.device("cuda")) == 1
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "32")
    assert default_workers(torch.device("cuda")) == 1
    with pytest.raises(ConfigError, match="workers is 0"):
        config(workers=0)


@pytest.mark.parametrize(
    "modality", [ImageModality(resolution=16, mirror=True), AudioModality(resolution=512, rate=4000)]
)
def test_reals_are_the_same_for_any_number_of_workers(modality):
    # A fixed view, a view that varies, and patches of each item's own; in the second epoch from the cache.
    view = modality.domain.grid(modality.domain.shape(modality.resolution))
    rng = torch.Generator().manual_seed(0)
    spacing = torch.full((6,), modality.domain.spacing(modality.resolution))
    patches = modality.domain.patches(8, spacing, generator=rng)
    found = []
    for count in (None, 1, 3):
        workers = None if count is None else Workers(count)
        reals = Reals(modality.source(None), modality, batch=6, seed=0, workers=workers)
        steps = [reals.draw(step, views, fixed=fixed) for step in (0, 3, 0) for views, fixed in (
            ([view], True), ([view, patches], False)
        )]  # fmt: skip
        found.append([x for values, labels in steps for x in (*values, labels)])
        if workers is not None:
            workers.close()
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def learned(trainer):
    return {f"{n}.{k}": v for n in ("G", "D", "ema") for k, v in getattr(trainer, n).state_dict().items()}


EVERYTHING = {
    "losses": ("full", "random-resolution", "dense-patch"), "augment": "fixed", "augment_p": 0.5,
    "views": LossOptions(patch=8, whole=16, patch_start=0, patch_ramp=0),
}  # fmt: skip


def test_training_is_the_same_for_any_number_of_workers(tmp_path):
    found = []
    for workers, ahead in ((1, 0), (3, 0), (1, 2), (4, 3)):
        trainer = Trainer(config(workers=workers, ahead=ahead, **EVERYTHING), outdir=tmp_path, quiet=True)
        for _ in range(5):
            trainer.train_step()
        trainer.close()
        found.append((learned(trainer), trainer.batches.counts))
    assert found[0][1].used.total() == 60
    for tensors, counts in found[1:]:
        assert counts == found[0][1] and all(torch.equal(found[0][0][k], tensors[k]) for k in tensors)


def test_resuming_with_another_number_of_workers(tmp_path):
    # Oracle: a training that did not stop.
    made = config(workers=1, **EVERYTHING)
    whole = Trainer(made, outdir=tmp_path, quiet=True)
    whole.fit()
    whole.close()
    first = Trainer(made, outdir=tmp_path, quiet=True)
    first.fit(kimg=0.012)
    first.close()
    second = Trainer(replace(made, workers=3, ahead=2), resume=first.run.path, quiet=True)
    second.fit()
    second.close()
    ours, its = learned(whole), learned(second)
    assert whole.step == second.step == 6 and all(torch.equal(ours[k], its[k]) for k in ours)


@pytest.mark.parametrize("ahead", [0, 2])
def test_an_error_in_a_worker_ends_the_training_with_its_message(tmp_path, monkeypatch, ahead):
    others = set(data_threads())
    trainer = Trainer(config(workers=2, ahead=ahead), outdir=tmp_path, quiet=True)

    def observe(self, items, view):
        raise DataError("nothing to see in here")

    monkeypatch.setattr(ImageModality, "observe", observe)
    with pytest.raises(DataError, match="nothing to see in here"):
        trainer.train_step()
    trainer.close()
    assert not set(data_threads()) - others


def test_fitting_leaves_no_thread(tmp_path):
    others = set(data_threads())
    trainer = Trainer(config(workers=2, ahead=1), outdir=tmp_path, quiet=True)
    trainer.fit()
    assert not set(data_threads()) - others
    trainer.close()


def test_the_fraction_of_waiting(tmp_path):
    # Oracle: seconds of waiting over seconds; never more than all of the time.
    trainer = Trainer(config(workers=1), outdir=tmp_path, quiet=True)
    for waited, seconds, expected in ((3.0, 10.0, 0.3), (3.0, 2.0, 1.0), (0.0, 0.0, 0.0)):
        trainer.batches.waited = waited
        found = statistics([], batches=trainer.batches, bad=0, ranks=Ranks(), seconds=seconds)
        assert found["time/waiting_fraction"] == pytest.approx(expected)
        assert found["time/waiting_for_data_seconds"] == waited and trainer.batches.waited == 0
    trainer.fit(kimg=0.008)
    lines = [json.loads(line) for line in (trainer.run.path / "stats.jsonl").read_text().splitlines()]
    assert lines and all(0 < line["time/waiting_fraction"] <= 1 for line in lines)
    trainer.close()
