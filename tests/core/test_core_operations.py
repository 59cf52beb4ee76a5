"""Counts of operators by part of a step. Oracle: a count without parts, of the same step."""

from collections import Counter

import pytest
import torch
from test_core_step import Recorded

from benchmarks.operations import MODALITIES, PARTS, OperatorCounts, config, count, table
from inrgan import Trainer
from inrgan.registry import modality_names


def test_every_modality_is_counted():
    assert set(MODALITIES) == {n for n in modality_names() if modality_names()[n].startswith("inrgan_modalities.")}


@pytest.mark.parametrize("penalized", [True, False])
def test_the_parts_of_a_step_sum_to_its_operators(penalized, tmp_path):
    made = config("image", preset="tiny", losses=("full",), batch=2)
    counts = count(made, penalized=penalized)
    trainer = Trainer(made, outdir=tmp_path, quiet=True)
    trainer.train_step()
    step = made.penalty_every + (not penalized)
    batch = trainer.batches.at(step, probability=0.0)
    with Recorded() as recorded:
        trainer.training_step(batch, step=step)
    trainer.close()
    assert sum(counts.parts.values()) - counts.parts["host"] == recorded.found.total()
    assert set(counts.parts) == set(PARTS) and min(counts.parts.values()) > 10  # no part lost its function
    assert counts.reads == Counter()


def test_penalties_are_operators_of_the_critic_alone():
    made = config("image", preset="tiny", losses=("full",), batch=2)
    one, other = (count(made, penalized=p).parts for p in (True, False))
    assert one["critic loss"] > other["critic loss"] and one["critic backward"] > other["critic backward"]
    for part in ("host", "generator", "generator loss", "generator backward"):
        assert one[part] == other[part]


def test_a_read_is_seen():
    with OperatorCounts() as counts:
        float(torch.ones(3).sum())
    assert counts.reads == Counter({"_local_scalar_dense": 1}) and counts.parts == Counter({"updates": 3})


def test_the_table_has_a_line_for_every_count():
    row = {"modality": "image", "penalties": True, "parts": dict.fromkeys(PARTS, 1000), "step": 6000, "reads": {"a": 2}}
    lines = table([row, {**row, "penalties": False}]).splitlines()
    assert len(lines) == 4 and len({line.count("|") for line in lines}) == 1
    assert lines[2].startswith("| image | with | 1,000 |") and lines[2].endswith("| 6,000 | 2 |")
