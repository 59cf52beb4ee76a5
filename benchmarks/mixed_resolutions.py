"""Training on files of mixed sizes: one resolution, random resolutions, dense patches without and with context.

Every file of a folder is first reduced by a factor of its own, so that few have the full size. All methods then train
for the same CPU time on the same files; only the views differ. Fakes are evaluated at several resolutions against
held-out files of full size.

    python benchmarks/mixed_resolutions.py --train DIR --test DIR --method "patches in context" --out results/
    python benchmarks/mixed_resolutions.py --sheet crops.png results/runs/*
"""

import argparse
import dataclasses
import json
import math
import random
import time
from pathlib import Path

import torch
from PIL import Image

from inrgan import Generator, ImageModality, Trainer
from inrgan.evaluation import score_generator
from inrgan.images import tile, write_image
from inrgan.losses import LossOptions
from inrgan.process import keep_freed_memory
from inrgan.recipes import recipe

METRICS = ("swd", "frechet", "precision", "recall")
METHODS = {
    "one resolution": (("full",), LossOptions()),
    "random resolutions": (("full", "random-resolution"), LossOptions(lowest=32, law="log")),
    "patches": (("full", "dense-patch"), LossOptions(whole=32, patch=32, context=False)),
    "patches in context": (("full", "dense-patch"), LossOptions(whole=32, patch=32)),
}


def shrink(source: Path, target: Path, *, smallest: int, largest: int, seed: int) -> list[int]:
    """Copy all images at log-uniform sizes, and return the sizes in the order of the names."""
    rng, sizes = random.Random(seed), []
    for path in sorted(p for p in source.rglob("*.jpg")):
        side = round(smallest * (largest / smallest) ** rng.random())
        sizes.append(side)
        copy = (target / path.relative_to(source)).with_suffix(".png")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(path) as image:
                factor = side / min(image.size)
                size = (round(image.width * factor), round(image.height * factor))
                image.convert("RGB").resize(size, Image.Resampling.LANCZOS).save(copy)
    return sizes


def draw_sheet(runs: list[str], path: Path) -> None:
    """A sheet with a row for every run: three samples at full density, and a quarter of each at twice the size."""
    rows = []
    for run in runs:
        G = Generator.from_pretrained(run)
        samples = G.sample([0, 1, 2]).render(G.modality.domain.shape(G.modality.resolution))
        quarter = [slice(n // 4, n // 4 + n // 2) for n in samples.shape[2:]]
        crops = samples[(..., *quarter)].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        rows += [samples, crops]
    write_image(tile(torch.cat(rows), columns=6, gap=2), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", type=Path, help="write samples of finished runs to this image instead of training")
    parser.add_argument("runs", nargs="*", help="with --sheet: run directories")
    parser.add_argument("--train", type=Path)
    parser.add_argument("--test", type=Path)
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--resolution", type=int, default=128)
    parser.add_argument("--smallest", type=int, default=40, help="smallest size of a file in pixels")
    parser.add_argument("--largest", type=int, default=256, help="largest size of a file in pixels")
    parser.add_argument("--minutes", type=float, default=15, help="CPU minutes of training")
    parser.add_argument("--scored", default="32,64,128", help="resolutions at which to evaluate")
    parser.add_argument("--fakes", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.sheet:
        draw_sheet(args.runs, args.sheet)
        return
    if None in (args.train, args.test, args.method, args.out):
        parser.error("give --train, --test, --method and --out, or --sheet and runs")

    torch.set_num_threads(1)
    keep_freed_memory()  # as the command line does
    mixed = args.out / "mixed"
    sizes = shrink(args.train, mixed, smallest=args.smallest, largest=args.largest, seed=0)
    serving = sum(s >= args.resolution for s in sizes)
    print(f"{len(sizes)} files of {min(sizes)} to {max(sizes)} pixels, {serving} of them of {args.resolution} or more")
    modality = ImageModality(resolution=args.resolution)
    losses, views = METHODS[args.method]
    if "dense-patch" in losses:  # the term starts after at most a tenth of the images that patches see in the time
        views = dataclasses.replace(views, patch_start=1.0, patch_ramp=2.0)
    config = dataclasses.replace(
        recipe("tiny", modality), data=str(mixed), losses=losses, views=views, seed=args.seed, kimg=1e9,
        device="cpu", snapshot_kimg=1e9,
    )  # fmt: skip
    trainer = Trainer(config, outdir=args.out / "runs", quiet=True)
    start = time.process_time()
    while time.process_time() - start < 60 * args.minutes:
        trainer.train_step()
    test = modality.source(args.test)
    name = args.method.replace(" ", "-")
    for resolution in (int(r) for r in args.scored.split(",")):
        scores = score_generator(trainer.ema, test, metrics=METRICS, count=args.fakes, resolution=resolution, seed=0)
        line = {
            "method": args.method, "resolution": resolution, "cpu_minutes": args.minutes,
            "kimg": round(trainer.kimg, 1), "serving": serving, "files": len(sizes),
            **{s.name: s.value for s in scores}, "protocol": scores[0].protocol,
        }  # fmt: skip
        assert all(math.isfinite(s.value) for s in scores)
        with open(args.out / f"{name}.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print({k: v for k, v in line.items() if k != "protocol"}, flush=True)
    trainer.snapshot()
    trainer.close()


if __name__ == "__main__":
    main()
