"""Several processes, and batches in pieces. Oracle: one process with the whole batch at once."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import distributed

sys.path.insert(0, str(Path(__file__).parent))
from rank_worker import SCENARIOS, STEPS, join, steps, tensors

from inrgan import Trainer
from inrgan.errors import ConfigError, DeviceError
from inrgan.losses import LossOptions
from inrgan.training import Ranks, pick_device


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """Two processes by Gloo, of which this is the first: what each learned, and the folder."""
    folder = tmp_path_factory.mktemp("together")
    root = Path(__file__).parents[2]
    paths = os.pathsep.join([str(root), str(root / "modalities"), *sys.path])
    other = subprocess.Popen(
        [sys.executable, str(Path(__file__).parent / "rank_worker.py"), "1", str(folder)],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    try:
        ranks = join(0, folder)
        mine = {name: steps(name, folder, ranks) for name in SCENARIOS}
        again = Trainer(SCENARIOS["image"], run_dir=folder / "image", quiet=True, ranks=ranks)
        again.close()
        distributed.destroy_process_group()
        _, error = other.communicate(timeout=300)
    finally:
        other.kill()
    assert other.returncode == 0, error
    return mine, torch.load(folder / "learned-1.pt", weights_only=True), folder, again


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    return {name: steps(name, folder, Ranks()) for name in SCENARIOS}


def difference(a, b):
    """Root mean square over the weights of a network, the worst of G, D and the average.

    Single entries may differ by more: Adam makes steps of one size of gradients that are rounding alone. The offset of
    a critic's scores is such an entry: a relativistic loss does not depend on it.
    """
    assert a.keys() == b.keys()
    a = {k: v for k, v in a.items() if not k.endswith("score.bias")}
    squares = {
        name: torch.cat([(a[k].double() - b[k].double()).square().flatten() for k in a if k.startswith(name)])
        for name in ("G.", "D.", "ema.")
    }
    return max(float(x.mean().sqrt()) for x in squares.values())


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_learn_what_one_does(name, together, alone):
    assert difference(tensors(together[0][name]), tensors(alone[name])) < 1e-5


@pytest.mark.parametrize("name", SCENARIOS)
def test_two_processes_are_one_with_two_pieces_bit_for_bit(name, together, tmp_path):
    # Oracle: one process that works on the items of the first, then on those of the second, and adds up.
    changed = steps(name, tmp_path, Ranks(), batch_gpu={"image": 4, "audio": 3}[name])
    ours, its = tensors(together[0][name]), tensors(changed)
    assert len(changed.batch) == 2 and [k for k in ours if not torch.equal(ours[k], its[k])] == []


@pytest.mark.parametrize("name", SCENARIOS)
def test_processes_stay_equal_bit_for_bit(name, together):
    mine, other = tensors(together[0][name]), together[1][name]
    assert mine.keys() == other.keys() and all(torch.equal(mine[k], other[k]) for k in mine)


@pytest.mark.parametrize("name", SCENARIOS)
def test_statistics_are_of_all_processes(name, together, alone):
    ours, its = (
        json.loads((run / "stats.jsonl").read_text().splitlines()[-1])
        for run in (together[0][name].run.path, alone[name].run.path)
    )
    assert ours.keys() == its.keys()
    for key in ours:
        # Scores have an offset that no gradient but rounding moves; see ``difference``.
        if not key.startswith(("time/", "memory/", "score/")):
            assert ours[key] == pytest.approx(its[key], rel=1e-3, abs=1e-4), key


def test_the_first_process_writes_what_all_go_on_from(together):
    again, folder = together[3], together[2]
    assert again.step == STEPS + 1 and not list(folder.glob("*/*-1*.pt"))
    assert (folder / "image" / "snapshot-00000.168" / "model.safetensors").exists()


@pytest.mark.parametrize("name", SCENARIOS)
def test_pieces_of_a_batch_add_up(name, alone, tmp_path):
    # Four pieces of two items; of five items two, two and one.
    changed = steps(name, tmp_path, Ranks(), batch_gpu=2)
    assert len(changed.batch) == {"image": 4, "audio": 3}[name]
    assert difference(tensors(changed), tensors(alone[name])) < 1e-5


def test_gradients_of_pieces_add_up_in_every_single_weight(tmp_path, monkeypatch):
    # Plain gradient descent passes on what gradients differ by, and adds nothing. The slowest layers are held a hundred
    # times larger than others, so that a difference is seen beside the scale of its layer.
    monkeypatch.setattr(
        torch.optim, "Adam", lambda weights, lr, betas, fused, capturable: torch.optim.SGD(weights, lr=0.1, fused=fused)
    )
    learned = []
    for most in (0, 2):
        trainer = Trainer(replace(SCENARIOS["image"], batch_gpu=most), outdir=tmp_path, quiet=True)
        before = tensors(trainer)["G.hypernetwork.head.weight"].clone()
        for _ in range(8):
            trainer.train_step()
        trainer.close()
        learned.append(tensors(trainer))
        assert (learned[-1]["G.hypernetwork.head.weight"] - before).abs().max() > 1e-3
    for key, x in learned[0].items():
        scale = max(1.0, float(x.square().mean().sqrt()))
        assert float((x - learned[1][key]).abs().max()) < 1e-5 * scale, key


def test_pieces_and_processes_are_shown_the_items_of_the_whole(tmp_path):
    # Oracle: rows of the whole batch. Mirrors, moved and retouched items, views of each item's own, labels.
    changed = replace(
        SCENARIOS["image"], augment="fixed", augment_p=0.7, losses=("full", "random-resolution", "dense-patch"),
        views=LossOptions(patch=8, whole=16, patch_start=0, patch_ramp=0, shift=0.2),
    )  # fmt: skip
    trainer = Trainer(changed, outdir=tmp_path, quiet=True)
    batches = trainer.batches
    generate = trainer.training_step.generate
    (whole,) = batches.at(3, probability=0.7)
    made = [generate(part)[0] for part in whole]
    batches.positions = tuple(p for rank in range(3) for p in Ranks(rank=rank, world=3).positions(8, most=2))
    shares = 0.0
    with torch.no_grad():
        for own, micro in zip(batches.positions, batches.at(3, probability=0.7), strict=True):
            shares += micro[0].share
            for part, fakes, shown in zip(micro, made, whole, strict=True):
                assert torch.equal(part.labels, shown.labels[list(own)])
                for got, expected in zip((*part.reals, *generate(part)[0]), (*shown.reals, *fakes), strict=True):
                    torch.testing.assert_close(got, expected[list(own)], atol=1e-5, rtol=0)
                for got, view in zip(part.views, shown.views, strict=True):
                    torch.testing.assert_close(got.coords, view.rows(own).coords)
    assert shares == pytest.approx(1.0)
    trainer.close()


def test_positions_cover_the_batch_once():
    # A property, over all small cases: every item in one piece of one process, sizes within the bound and even.
    for world in (1, 2, 3, 5):
        for batch in range(world, 14):
            for most in (0, 1, 2, 5):
                pieces = [p for rank in range(world) for p in Ranks(rank=rank, world=world).positions(batch, most=most)]
                assert sorted(i for p in pieces for i in p) == list(range(batch))
                sizes = [len(p) for p in pieces]
                assert max(sizes) - min(sizes) <= 1 and (most == 0 or max(sizes) <= most)
    with pytest.raises(ConfigError, match="3 processes"):
        Ranks(rank=0, world=3).positions(2)


def test_alone_without_torchrun(monkeypatch):
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    ranks = Ranks.join("auto")
    assert (ranks.rank, ranks.world, ranks.first) == (0, 1, True) and ranks.agree([True, False]) == [True, False]


def test_a_process_without_a_gpu_of_its_own(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device("auto", local=1) == torch.device("cuda", 1)
    with pytest.raises(DeviceError, match="process 2"):
        pick_device("cuda", local=2)


def test_data_made_ahead_are_the_same(tmp_path):
    # Oracle: no thread. The chance of transforms changes on the way, and what was made ahead with another is dropped.
    config = replace(SCENARIOS["audio"], augment_kimg=0.01)
    runs = []
    for ahead in (0, 3):
        trainer = Trainer(replace(config, ahead=ahead), outdir=tmp_path, quiet=True)
        for _ in range(10):
            trainer.train_step()
        trainer.close()
        runs.append((tensors(trainer), trainer.strength.probability, trainer.batches.counts))
    assert runs[0][1:] == runs[1][1:] and runs[0][1] != 0.3
    assert all(torch.equal(runs[0][0][k], runs[1][0][k]) for k in runs[0][0])


def test_errors_of_data_made_ahead_arrive(tmp_path, monkeypatch):
    trainer = Trainer(replace(SCENARIOS["image"], ahead=2), outdir=tmp_path, quiet=True)

    def broken(*args, **kwargs):
        raise ConfigError("no more data")

    monkeypatch.setattr(trainer.batches.reals, "draw", broken)
    with pytest.raises(ConfigError, match="no more data"):
        trainer.train_step()
    trainer.close()
