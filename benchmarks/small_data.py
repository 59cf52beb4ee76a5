"""Training on few items, without and with adaptive augmentation.

Training uses a random subset of the files of a folder, with the same networks, losses, batch and budget of CPU time on
one thread. Fakes are compared with held-out files during training, so that overfitting shows as worse metrics.

    python benchmarks/small_data.py --train DIR --test DIR --items 200 --augment adaptive --out results/
"""

import argparse
import dataclasses
import random
import shutil
from pathlib import Path

import torch
from _marks import about, record, trained_to

from inrgan import ImageModality, Trainer
from inrgan.evaluation import score_generator
from inrgan.process import keep_freed_memory
from inrgan.recipes import recipe

METRICS = ("frechet", "swd", "precision", "recall")


def some(source: Path, target: Path, *, count: int) -> Path:
    """A folder with a random subset of the files, the same for every method."""
    files = sorted(p for p in source.rglob("*") if p.is_file())
    if len(files) < count:
        raise SystemExit(f"{source} has {len(files)} files; expected {count} or more")
    target.mkdir(parents=True, exist_ok=True)
    for path in random.Random(0).sample(files, count):
        shutil.copy(path, target / "-".join(path.relative_to(source).parts))
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--items", type=int, default=200)
    parser.add_argument("--augment", choices=("none", "adaptive"), required=True)
    parser.add_argument("--target", type=float, default=0.6)
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--minutes", default="5,10,20,30", help="minutes at which to evaluate")
    parser.add_argument("--fakes", type=int, default=1024)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    torch.set_num_threads(1)
    keep_freed_memory()  # as the command line does
    modality = ImageModality(resolution=args.resolution)
    data = some(args.train, args.out / f"first-{args.items}", count=args.items)
    config = dataclasses.replace(
        recipe("tiny", modality), data=str(data), seed=args.seed, kimg=1e9, device=args.device, snapshot_kimg=1e9,
        augment=args.augment, augment_target=args.target,
    )  # fmt: skip
    trainer, test = Trainer(config, outdir=args.out / "runs", quiet=True), modality.source(args.test)
    signs: list[torch.Tensor] = []
    for mark in trained_to(args.minutes, trainer, note=lambda stats: signs.append(stats["real_fake_sign/full"])):
        scores = score_generator(trainer.ema, test, metrics=METRICS, count=args.fakes, seed=0)
        line = {
            "augment": args.augment, "items": args.items, "probability": round(trainer.strength.probability, 3),
            "real_fake_sign": float(torch.stack(signs[-100:]).mean()), **about(trainer, minutes=mark),
        }  # fmt: skip
        record(args.out / f"{args.augment}-{args.seed}.jsonl", scores, line)
        trainer.preview(reals=False)
    trainer.snapshot()
    trainer.close()


if __name__ == "__main__":
    main()
