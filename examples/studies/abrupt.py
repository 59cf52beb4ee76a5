"""What makes interpolations abrupt? One setting is changed at a time, and walks between latents are measured."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch
from _sources import Discs, Four
from _study import TRIAL, Study
from _training import TRAINED, scores, trained

from inrgan import AudioModality, ImageModality, Modality, TrainConfig, recipes
from inrgan.analysis import jump_score, probe_view, stages_of, study_interpolation
from inrgan.analysis._interpolation import ABRUPT
from inrgan.evaluation import held_out_source

Change = Callable[[TrainConfig], TrainConfig]


def sized(**sizes: object) -> Change:
    """Other sizes of the generator."""

    def change(config: TrainConfig) -> TrainConfig:
        own = dataclasses.replace(config.modality.generator_sizes("tiny"), **sizes)
        return dataclasses.replace(config, generator=own)

    return change


def with_(**settings: object) -> Change:
    """Other settings of the training."""
    return lambda config: dataclasses.replace(config, **settings)


USUAL, FEW = "as it is", "four pictures"
SHAPES, DISCS, FOUR = ImageModality(resolution=16), Discs(resolution=16), Four(resolution=16)
SOUND, BENT = (AudioModality(resolution=2048, rate=8000, bend=bend) for bend in (0.0, 1.0))
ARMS: dict[str, tuple[Modality, Change]] = {
    USUAL: (SHAPES, with_()),
    "mapping of 1 layer": (SHAPES, sized(mapping_depth=1)),
    "mapping of 8 layers": (SHAPES, sized(mapping_depth=8)),
    "mapping as fast as the rest": (SHAPES, sized(mapping_rate=1.0)),
    "rank 1": (SHAPES, sized(rank=1)),
    "rank 16": (SHAPES, sized(rank=16)),
    "weak penalty (γ/10)": (SHAPES, with_(gamma=1e-4)),
    "strong penalty (10γ)": (SHAPES, with_(gamma=1e-2)),
    "path lengths evened (0.33)": (SHAPES, with_(path_length=0.33)),
    "path lengths evened (3.3)": (SHAPES, with_(path_length=3.3)),
    "discs alone": (DISCS, with_()),
    FEW: (FOUR, with_()),
    f"{FEW}, mapping of 8 layers": (FOUR, sized(mapping_depth=8)),
    f"{FEW}, path lengths evened (3.3)": (FOUR, with_(path_length=3.3)),
    "sound, fixed waves": (SOUND, with_()),
    "sound, predicted waves": (BENT, with_()),
}
"""The first is the recipe ``tiny`` (two layers, a hundredth of the rate, rank 4, γ 0.001, three kinds of shapes)."""


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Train, and walk."""
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
            "arc": found.walks()["arc in z"].value,
            "line": found.walks()["line in w"].value,
            **{f"gain {stage}": x.value for stage, x in found.stage_jumps().items()},
            "abrupt": sum(abrupt) / len(abrupt),
            **{f"blame {stage}": share for stage, share in found.blame().items()},
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
        "abrupt": "share of abrupt arcs",
        "length": "length in the signal",
    },
    protocol=(
        "Built-in shapes of 16 pixels (the last two: built-in sounds of 2,048 samples at 8 kHz), `tiny` preset; "
        "the recipe as it is (mapping network of 2 layers at a hundredth of the learning rate, modulation of rank "
        "4, γ 0.001, three kinds of shapes), and one thing changed at a time; four fifths of the time for "
        "training. Path lengths evened: by their regularisation of this strength, the first being that of "
        "StyleGAN2. Discs: one of the three kinds. Four pictures: they are all the data, so that what lies between "
        "is nothing that was seen. Predicted waves: every sample has its own frequencies and phases. 32 walks between "
        "latents in 64 steps, signals at 256 points; medians over walks of the largest over the median speed (1 is an "
        "even pace), of the signal and of stages' gains along arcs; lengths are means, along arcs. Abrupt: the "
        "signal's score is over 3. SWD of 1,024 fakes to items of the same kind that no training saw. `abrupt.json` "
        "has more: Fréchet distances, which stages are to blame, path lengths over distances in w and in the signal."
    ),
    compare=(
        *((arm, FEW if arm.startswith(f"{FEW},") else USUAL) for arm in list(ARMS)[1:-2]),
        ("sound, predicted waves", "sound, fixed waves"),
    ),
)
