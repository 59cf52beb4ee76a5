"""Metrics of 3D shapes over training time, with parts of the critics left out.

Data, generator, loss, optimizer, batch and budget are the same; only the inputs of the critics differ. The budget is
CPU time of the process on one thread, or wall-clock time on a GPU. A fixed fraction of the data, chosen by a hash of
the file names, is held out for evaluation; the split itself is stated by a hash.

    python benchmarks/shape_quality.py --data chairs.zip --up z --mirror --method full --out results/

Methods: full (full shapes and sub-cubes near surfaces, with context), no-normals (the critics see the field alone),
no-context (cubes without context), uniform-patches (cubes anywhere), whole-only (full shapes without cubes), points
(full shapes, and scattered points instead of cubes), points-only (scattered points alone), reals (training data against
held-out data, the floor of a perfect generator).
"""

import argparse
import dataclasses
from pathlib import Path

import torch
from _marks import about, record, trained_to
from inrgan_modalities.occupancy import shade

from inrgan import Modality, OccupancyModality, Trainer
from inrgan.data import AbstractSource, split
from inrgan.evaluation import held_out_source, observe_reals, score_generator
from inrgan.images import tile, write_image
from inrgan.losses import LossOptions
from inrgan.metrics import evaluate
from inrgan.recipes import recipe

METHODS = {
    "full": {},
    "no-normals": {},
    "no-context": {"context": False},
    "uniform-patches": {"patch_near": 0.0},
    "whole-only": {},
    "points": {},
    "points-only": {},
}
LOSSES = {"whole-only": ("full",), "points": ("full", "points"), "points-only": ("points",)}
"""Losses of the methods without sub-cubes."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder or zip of meshes; the built-in shapes when absent")
    parser.add_argument("--up", default="y", help="axis of the files that points up")
    parser.add_argument("--mirror", action="store_true", help="flip reals left to right at random")
    parser.add_argument("--signal", default="distance", choices=["distance", "occupancy"])
    parser.add_argument("--method", choices=[*METHODS, "reals"], required=True)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--minutes", default="0,15,30", help="minutes at which to evaluate")
    parser.add_argument("--held-out", type=float, default=0.2, help="fraction of the files that is held out")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fakes", type=int, default=128)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    modality = OccupancyModality(
        resolution=args.resolution, up=args.up, mirror=args.mirror, signal=args.signal,
        normals=args.method != "no-normals",
    )  # fmt: skip
    train, test, stated = sources(modality, args.data, share=args.held_out, seed=args.seed)
    view = modality.domain.grid((args.resolution,) * 3)

    file = args.out / f"{args.method}.jsonl"
    real = observe_reals(test, modality, view, count=args.fakes, seed=args.seed)
    if args.method == "reals":
        other = observe_reals(train, modality, view, count=len(real), seed=args.seed)
        scores = evaluate(
            real,
            other,
            metrics=modality.default_metrics,
            others=modality.metrics(),
            features=modality.features(),
            seed=0,
        )
        record(file, scores, {"method": args.method, **stated})
        show(real, args.out / "held-out.png")
        return

    config = recipe(args.preset, modality)
    config = dataclasses.replace(
        config, data=args.data, seed=args.seed, kimg=1e9, device=args.device, snapshot_kimg=1e9,
        hold_out=args.held_out if args.data else 0.0,
        losses=LOSSES.get(args.method, ("full", "dense-patch")),
        # Patches start early: half an hour is only some thousand items. Every method sees full shapes too.
        views=dataclasses.replace(
            LossOptions(patch_start=0.5, patch_ramp=1.0, patch_near=0.75, whole=args.resolution, points_near=0.5),
            **METHODS[args.method],
        ),
    )  # fmt: skip
    trainer = Trainer(config, outdir=args.out / "runs", quiet=True)
    for mark in trained_to(args.minutes, trainer):
        scores = score_generator(
            trainer.ema, test, metrics=modality.default_metrics, count=len(real), resolution=args.resolution, seed=0
        )
        record(file, scores, {"method": args.method, **about(trainer, minutes=mark), **stated})
        fields = trainer.ema.sample(range(32))
        show(fields.render((2 * args.resolution,) * 3), args.out / f"{args.method}-{mark:g}.png")
        trainer.save()
    trainer.snapshot()
    trainer.close()


def sources(
    modality: Modality, data: str | None, *, share: float, seed: int
) -> tuple[AbstractSource, AbstractSource, dict[str, object]]:
    """The training data, the held-out data, and a description of the split."""
    if data is None:
        return modality.source(None, seed=seed), held_out_source(modality, None, seed=seed), {"split": "built-in"}
    source = modality.source(data)
    parts = split(source, share=share)
    stated = {"split": parts.digest, "items_train": len(parts.train), "items_test": len(parts.test)}
    return parts.train, parts.test, stated


def show(values: torch.Tensor, path: Path) -> None:
    """A sheet of up to 32 shapes from one side."""
    write_image(tile(shade(values[:32], size=128), columns=8), path)


if __name__ == "__main__":
    main()
