"""What makes interpolations abrupt? One setting is changed at a time, and paths between latents are measured."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from _sources import Discs, Four
from _study import TRIAL, Study
from _training import TRAINED, scores, trained

from inrgan import AudioModality, ImageModality, Modality, TrainConfig, recipes
from inrgan.analysis import ABRUPT, jump_score, probe_view, stages_of, study_interpolation
from inrgan.evaluation import held_out_source

Change = Callable[[TrainConfig], TrainConfig]


def sized(**sizes: object) -> Change:
    """Other sizes of the generator."""

    def change(config: TrainConfig) -> TrainConfig:
        changed = dataclasses.replace(config.modality.generator_sizes("tiny"), **sizes)
        return dataclasses.replace(config, generator=changed)

    return change


def with_(**settings: object) -> Change:
    """Other settings of the training."""
    return lambda config: dataclasses.replace(config, **settings)


DEFAULT, FEW = "default", "four images"
SHAPES, DISCS, FOUR = ImageModality(resolution=16), Discs(resolution=16), Four(resolution=16)
FIXED, PREDICTED = (AudioModality(resolution=2048, rate=8000, bend=bend) for bend in (0.0, 1.0))
ARMS: dict[str, tuple[Modality, Change]] = {
    DEFAULT: (SHAPES, with_()),
    "mapping of 1 layer": (SHAPES, sized(mapping_depth=1)),
    "mapping of 8 layers": (SHAPES, sized(mapping_depth=8)),
    "mapping at the full rate": (SHAPES, sized(mapping_rate=1.0)),
    "rank 1": (SHAPES, sized(rank=1)),
    "rank 16": (SHAPES, sized(rank=16)),
    "weak penalty (γ/10)": (SHAPES, with_(gamma=1e-4)),
    "strong penalty (10γ)": (SHAPES, with_(gamma=1e-2)),
    "path-length penalty 0.33": (SHAPES, with_(path_length=0.33)),
    "path-length penalty 3.3": (SHAPES, with_(path_length=3.3)),
    "discs only": (DISCS, with_()),
    FEW: (FOUR, with_()),
    f"{FEW}, mapping of 8 layers": (FOUR, sized(mapping_depth=8)),
    f"{FEW}, path-length penalty 3.3": (FOUR, with_(path_length=3.3)),
    "audio, fixed waves": (FIXED, with_()),
    "audio, predicted waves": (PREDICTED, with_()),
}
"""The first is the recipe ``tiny`` (two layers, a hundredth of the rate, rank 4, γ 0.001, three kinds of shapes)."""


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Train, and interpolate."""
    modality, change = ARMS[arm]
    config = change(recipes.tiny(modality))
    trainer = trained(config, seed=seed, minutes=TRAINED * minutes, device=device, folder=folder)
    G = trainer.ema
    paths, steps, points = (2, 8, 64) if minutes < TRIAL else (32, 64, 256)
    rng = torch.Generator().manual_seed(1)
    ends = torch.randn(paths, 2, G.z_dim, generator=rng).to(device)
    found = study_interpolation(stages_of(G), probe_view(modality, points=points).to(device), ends=ends, steps=steps)
    abrupt = [float(jump_score(p.speeds[-1])) > ABRUPT for p in found.arcs]
    return {
        arm: {
            "kimg": trainer.kimg,
            **scores(G, minutes=minutes, source=held_out_source(modality, None)),
            "arc": found.jumps_by_path()["arc in z"].value,
            "line": found.jumps_by_path()["line in w"].value,
            **{f"gain {stage}": x.value for stage, x in found.stage_jumps().items()},
            "abrupt": sum(abrupt) / len(abrupt),
            **{f"abrupt at {stage}": share for stage, share in found.abrupt_stages().items()},
            "detour w": found.detours()["w"].value,
            "detour signal": found.detours()["signal"].value,
            "length": found.lengths()["signal"].value,
        }
    }


STUDY = Study(
    name="abrupt",
    question="What makes interpolations abrupt, and what alleviates it?",
    arms=tuple(ARMS),
    share=4.0,
    measure=study,
    columns={
        "swd": "SWD",
        "arc": "jump score of the signal, arcs in z",
        "line": "lines in w",
        "gain z→w": "of the gain z→w",
        "gain w→θ": "w→θ",
        "gain θ→signal": "θ→signal",
        "abrupt": "fraction of abrupt arcs",
        "length": "length in the signal",
    },
    protocol=(
        "Built-in shapes of 16 pixels (the last two: built-in audio clips of 2,048 samples at 8 kHz), `tiny` preset; "
        "the default recipe (mapping network of 2 layers at a hundredth of the learning rate, modulation of rank 4, "
        "γ 0.001, three kinds of shapes), and one change at a time; four fifths of the time for training. Path-length "
        "penalty: regularization of this strength, the first as in StyleGAN2. Discs: one of the three kinds. Four "
        "images: they are all the data, so that nothing between them was seen. Predicted waves: every sample has its "
        "own frequencies and phases. 32 paths between latents in 64 steps, signals at 256 points; medians over paths "
        "of the largest over the median speed (1 is an even pace), of the signal and of stages' gains along arcs; "
        "lengths are means, along arcs. Abrupt: the signal's score is over 3. SWD of 1,024 fakes to items of the same "
        "kind that no training saw. `abrupt.json` has more: Fréchet distances, the stages at which abrupt paths jump, "
        "path lengths over distances in w and in the signal."
    ),
    compare=(
        *((arm, FEW if arm.startswith(f"{FEW},") else DEFAULT) for arm in list(ARMS)[1:-2]),
        ("audio, predicted waves", "audio, fixed waves"),
    ),
    renamed={
        "as it is": DEFAULT, "four pictures": FEW, "path lengths evened (0.33)": "path-length penalty 0.33",
        "path lengths evened (3.3)": "path-length penalty 3.3", "sound, ": "audio, ", "discs alone": "discs only",
        "mapping as fast as the rest": "mapping at the full rate", "blame ": "abrupt at ",
    },
)  # fmt: skip
