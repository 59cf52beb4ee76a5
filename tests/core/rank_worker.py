"""What one of two processes trains in test_core_ranks: ``python rank_worker.py RANK FOLDER``."""

import sys
from pathlib import Path

import torch
from torch import distributed

from inrgan import AudioModality, CriticSizes, GeneratorSizes, ImageModality, TrainConfig, Trainer
from inrgan.training import Ranks

SIZES = {
    "generator": GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(12, 8), depths=(1, 1)),
    "critic": CriticSizes(width=4, max_width=8), "kimg": 1.0, "penalty_every": 2, "device": "cpu",
}  # fmt: skip
SCENARIOS = {
    # A mirror by chance, labels, path lengths; as many items for each process.
    "image": TrainConfig(
        modality=ImageModality(resolution=16, mirror=True), batch=8, seed=2, labels=True, path_length=0.5, path_every=4,
        **SIZES,
    ),
    # Three items for one process, two for the other. With seed 0 a unit of a leaky ReLU lies at zero to rounding, in
    # both scenarios.
    # The relativistic loss leaves gradients of zero in the critic, whose rounding Adam turns into steps.
    "audio": TrainConfig(
        modality=AudioModality(resolution=512, rate=4000), batch=5, seed=2, adversarial="non-saturating", **SIZES
    ),
}  # fmt: skip
STEPS = 20


def steps(name, folder, ranks, **changes):
    """Train some steps, and then to a state and statistics by the loop itself."""
    from dataclasses import replace

    trainer = Trainer(replace(SCENARIOS[name], **changes), run_dir=folder / name, quiet=True, ranks=ranks)
    for _ in range(STEPS):
        trainer.train_step()
    trainer.fit(kimg=(STEPS + 1) * trainer.config.batch / 1000)
    trainer.close()
    return trainer


def tensors(trainer):
    """All that was learned."""
    return {
        f"{name}.{key}": value
        for name, network in (("G", trainer.G), ("D", trainer.D), ("ema", trainer.ema))
        for key, value in network.state_dict().items()
    }


def join(rank, folder):
    """The group of the two processes."""
    distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    return Ranks(rank=rank, world=2, local=rank)


def main(rank, folder):
    """The other process's part."""
    torch.set_num_threads(1)
    ranks = join(rank, folder)
    torch.save({name: tensors(steps(name, folder, ranks)) for name in SCENARIOS}, folder / f"learned-{rank}.pt")
    Trainer(SCENARIOS["image"], run_dir=folder / "image", quiet=True, ranks=ranks).close()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
