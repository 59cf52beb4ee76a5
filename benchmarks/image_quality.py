"""Metrics over training time of the multi-scale INR, the pointwise INR and a convolutional control.

Critic, data, loss, optimizer, batch and budget are the same; only the generator differs. The budget is CPU time of the
process on one thread, or wall-clock time on a GPU. Fakes are compared with held-out items: those of a folder, or
built-in items that no training uses. A sheet of fakes is written before they are scored.

    python benchmarks/image_quality.py --train DIR --test DIR --resolution 32 --method multiscale --out results/
"""

import argparse
import dataclasses
from pathlib import Path

import torch
from _marks import about, record, trained_to
from controls import ConvolutionalGenerator

from inrgan import Generator, ImageModality, Trainer
from inrgan.evaluation import held_out_source, score_generator
from inrgan.recipes import generator_preset, recipe

METRICS = ("swd", "frechet", "precision", "recall")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", help="folder or zip; the built-in set when absent")
    parser.add_argument("--test", help="folder or zip of held-out items, with --train")
    parser.add_argument("--hold-out", type=float, default=0.0, help="fraction of --train to hold out, without --test")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--method", choices=["multiscale", "pointwise", "convolutional"], required=True)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--minutes", default="0,5,15,30", help="minutes at which to evaluate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fakes", type=int, default=2048)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--graphs", default="auto", choices=["auto", "on", "off"], help="captured steps on a GPU")
    parser.add_argument("--max-update", type=float, help="largest relative update of a tensor")
    args = parser.parse_args()
    if args.train and (args.test is not None) == (args.hold_out > 0):
        parser.error("items of --train are scored against others: give one of --test and --hold-out")
    if not args.train and (args.test or args.hold_out):
        parser.error("--test and --hold-out belong to --train")

    if args.device == "cpu":
        torch.set_num_threads(1)
    modality = ImageModality(resolution=args.resolution)
    config = dataclasses.replace(
        recipe(args.preset, modality), data=args.train, hold_out=args.hold_out, seed=args.seed, kimg=1e9,
        device=args.device, snapshot_kimg=1e9, precision=args.precision, graphs=args.graphs,
    )  # fmt: skip
    if args.max_update is not None:
        config = dataclasses.replace(config, max_update=args.max_update)
    generator = None
    if args.method == "pointwise":
        sizes = generator_preset(args.preset, resolution=args.resolution, backbone="pointwise")
        config = dataclasses.replace(config, generator=sizes)
    if args.method == "convolutional":
        torch.manual_seed(args.seed)
        sizes = generator_preset(args.preset, resolution=args.resolution)
        widths = {16: (128, 96, 48), 32: (128, 128, 96, 48), 64: (128, 128, 128, 96, 48)}[args.resolution]
        generator = ConvolutionalGenerator(modality, z_dim=sizes.z_dim, w_dim=sizes.w_dim, widths=widths)
    name = f"{args.method}-{args.resolution}"
    trainer = Trainer(config, outdir=args.out / "runs", quiet=True, generator=generator)
    test = held_out_source(modality, args.test or args.train, share=args.hold_out)
    trainer.preview(reals=True)
    for mark in trained_to(args.minutes, trainer):
        if trainer.step > 0:
            trainer.preview(reals=False)
        scores = score_generator(trainer.ema, test, metrics=METRICS, count=args.fakes, seed=0)
        line = {"method": args.method, "resolution": args.resolution, "dtype": args.precision}
        record(args.out / f"{name}.jsonl", scores, line | about(trainer, minutes=mark))
        trainer.save()
    if isinstance(trainer.ema, Generator):
        trainer.snapshot()
    trainer.close()


if __name__ == "__main__":
    main()
