"""Metrics over training time of a generator on the sphere, and of an image generator on the same maps.

Data, sizes of networks, loss, optimizer, batch and budget are the same. ``plane`` is the approach without a sphere: an
image of aspect ratio 2:1 with coordinates (x, y) and an image critic. Its fields are rendered and evaluated on the same
grid as the others; its data are the reals on that grid. ``cube`` has a critic of six cube faces instead of one of rows
and columns. ``reals`` evaluates the training data, the floor of a perfect generator. The budget is CPU time of the
process on one thread, or wall-clock time on a GPU. Fakes are compared with held-out items.

    python benchmarks/sphere_quality.py --train train/FIELD.npy --test test/FIELD.npy --low -3 --high 3 \
        --resolution 32 --method sphere --out results/

Both files need lat.npy and lon.npy in their folder. From annual means of temperature, 8 runs of a model over 110 years
(880, 64, 128), with two full runs held out, as anomalies (all maps share one mean, which would hide a collapse):

    t, test = np.load("t2m.npy"), np.r_[330:440, 770:880]
    train = np.setdiff1d(np.arange(880), test)
    t = t - t[train].mean(axis=0)
    for name, rows in (("train", train), ("test", test)):
        os.makedirs(name)
        np.save(f"{name}/FIELD.npy", t[rows])
        for axis in ("lat.npy", "lon.npy"):
            shutil.copy(axis, name)
"""

import argparse
import dataclasses
import shutil
from pathlib import Path

import numpy as np
import torch
from _marks import about, record, trained_to

from inrgan import Generator, ImageModality, Modality, SphericalModality, Trainer
from inrgan.evaluation import observe_reals, render_fakes
from inrgan.losses import LossOptions
from inrgan.metrics import evaluate
from inrgan.recipes import recipe

LOSSES = {
    "sphere": ("full",),
    "random-resolution": ("random-resolution",),
    "tangent-patches": ("full", "dense-patch"),
    "both": ("random-resolution", "dense-patch"),
    "cube": ("full",),
    "plane": ("full",),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--low", type=float, help="field value that is mapped to -1")
    parser.add_argument("--high", type=float, help="field value that is mapped to 1")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--method", choices=[*LOSSES, "reals"], required=True)
    parser.add_argument("--rotate", choices=["none", "axis", "any"], default="none")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--minutes", default="0,5,15,30", help="minutes at which to evaluate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fakes", type=int, default=1024)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    torch.set_num_threads(1)
    sphere = SphericalModality(
        resolution=args.resolution, channels=args.channels, low=args.low, high=args.high, rotate=args.rotate,
        critic_kind="cube" if args.method == "cube" else "equirectangular",
    )  # fmt: skip
    view = sphere.domain.grid(sphere.domain.shape(args.resolution))
    test = sphere.source(args.test)
    real = observe_reals(test, sphere, view, count=len(test), seed=0)

    def score(fake: torch.Tensor, **line: object) -> None:
        scores = evaluate(
            real, fake, metrics=sphere.default_metrics, view=view, others=sphere.metrics(), features=sphere.features()
        )
        line |= {"method": args.method, "resolution": args.resolution}
        line |= {f"{s.name}_of_reals": s.protocol["of_reals"] for s in scores if "of_reals" in s.protocol}
        record(args.out / f"{args.method}-{args.resolution}-{args.seed}.jsonl", scores, line)

    train = sphere.source(args.train)
    if args.method == "reals":
        score(observe_reals(train, sphere, view, count=len(train), seed=0))
        return
    modality: Modality = sphere
    data, folder = args.train, args.out / f"plane-data-{args.resolution}-{args.seed}"
    if args.method == "plane":
        modality = ImageModality(resolution=args.resolution, channels=args.channels, aspect=(2, 1))
        folder.mkdir(parents=True, exist_ok=True)
        for i, item in enumerate(observe_reals(train, sphere, view, count=len(train), seed=0)):
            np.save(folder / f"{i:06d}.npy", item.numpy())
        data = str(folder)
    config = dataclasses.replace(
        recipe(args.preset, modality), data=data, seed=args.seed, kimg=1e9, device=args.device, snapshot_kimg=1e9,
        losses=LOSSES[args.method],
        # Patches start early: half an hour is only some thousand items.
        views=LossOptions(patch_start=1, patch_ramp=2),
    )  # fmt: skip
    trainer = Trainer(config, outdir=args.out / "runs", quiet=True)
    grid = modality.domain.grid(view.shape)
    for mark in trained_to(args.minutes, trainer):
        score(render_fakes(trainer.ema, grid, count=args.fakes, seed=0), **about(trainer, minutes=mark))
        trainer.preview(reals=False)
        trainer.save()
    if isinstance(trainer.ema, Generator):
        trainer.snapshot()
    trainer.close()
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
