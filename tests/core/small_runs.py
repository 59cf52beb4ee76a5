"""Short trainings of small networks."""

import shutil

import torch

from inrgan import CriticSizes, GeneratorSizes, ImageModality, TrainConfig, Trainer

CPU = torch.device("cpu")
SMALL = {
    "generator": GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(12, 8), depths=(1, 1)),
    "critic": CriticSizes(width=4, max_width=8),
}


def config(**changes):
    base = {"modality": ImageModality(resolution=16, mirror=True), "kimg": 0.024, "batch": 4, "penalty_every": 2}
    return TrainConfig(**{**base, **SMALL, **changes})


def trained(folder, *, kimg=None, **changes):
    trainer = Trainer(config(**changes), outdir=folder, quiet=True)
    trainer.fit(kimg=kimg)
    trainer.close()
    return trainer


def copied(run, folder):
    target = folder / run.name
    shutil.copytree(run, target)
    return target
