"""Training for a time, and scores of the result."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from _benchmarks import trained_to
from _study import TRIAL
from torch import nn

from inrgan import TrainConfig, Trainer
from inrgan.data import AbstractSource
from inrgan.evaluation import held_out_source, score_generator

TRAINED = 0.8
"""Fraction of an arm's minutes for training, where measurements follow."""


def trained(
    config: TrainConfig, *, seed: int, minutes: float, device: str, folder: Path, generator: nn.Module | None = None
) -> Trainer:
    """A trainer that has trained for a number of minutes; ``ema`` is the result.

    Args:
        config: Training configuration; its length and snapshots do not count.
        seed: Seed of the training.
        minutes: Minutes of CPU time, or of wall-clock time on a GPU.
        device: Device.
        folder: Folder of the run.
        generator: Another module in place of ``inrgan.Generator``.
    """
    endless = {"kimg": 1e9, "snapshot_kimg": 1e9, "watch_every": 0}
    changed = dataclasses.replace(config, seed=seed, device=device, **endless)
    trainer = Trainer(changed, outdir=folder, quiet=True, generator=generator)
    for _ in trained_to(str(minutes), trainer):
        pass
    trainer.close()
    trainer.ema.eval()
    return trainer


def scores(G: Any, *, minutes: float, source: AbstractSource | None = None) -> dict[str, float]:
    """SWD and Fréchet distance to items that no training has seen."""
    source = held_out_source(G.modality, None) if source is None else source
    count = 64 if minutes < TRIAL else 1024
    with torch.no_grad():
        found = score_generator(G, source, metrics=("swd", "frechet"), count=count)
    return {s.name: s.value for s in found}
