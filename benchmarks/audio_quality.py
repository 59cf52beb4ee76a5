"""Metrics of audio over training time, with parts of the patch critic left out.

Data, generator, loss, optimizer, batch and budget are the same; only the parts of the patch critic differ. The budget
is CPU time of the process on one thread, or wall-clock time on a GPU. Fakes are compared with held-out items.

    python benchmarks/audio_quality.py --train DIR --test DIR --labels "{label}_*" --method full --out results/
"""

import argparse
import dataclasses
from pathlib import Path

import torch
from _marks import about, record, trained_to

from inrgan import AudioModality, Trainer
from inrgan.evaluation import held_out_source, observe_reals, score_generator
from inrgan.metrics import evaluate
from inrgan.recipes import recipe

METHODS = {
    "full": ({}, True),
    "no-stft": ({"frames": ()}, True),
    "no-periods": ({"periods": ()}, True),
    "no-context": ({}, False),
    "whole-only": ({}, True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", help="folder or zip; the built-in clips when absent")
    parser.add_argument("--test", help="folder or zip of held-out items; other built-in clips when absent")
    parser.add_argument("--labels", help="pattern of file names, or folders; unconditional when absent")
    parser.add_argument("--method", choices=[*METHODS, "reals"], required=True)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--resolution", type=int, default=8192)
    parser.add_argument("--rate", type=float, default=8000)
    parser.add_argument("--loudness", type=float, default=-20)
    parser.add_argument("--minutes", default="0,10,30", help="minutes at which to evaluate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fakes", type=int, default=512)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    torch.set_num_threads(1)
    fields, context = METHODS.get(args.method, ({}, True))
    modality = AudioModality(resolution=args.resolution, rate=args.rate, loudness=args.loudness, **fields)
    labels = args.labels is not None and (True if args.labels == "folders" else args.labels)
    test = held_out_source(modality, args.test, labels=labels, seed=args.seed)
    metrics = (*modality.default_metrics, *(["labels"] if labels else []))
    file = args.out / f"{args.method}.jsonl"

    if args.method == "reals":  # the floor of a perfect generator: training reals against held-out ones
        view, train = modality.domain.grid((args.resolution,)), modality.source(args.train, seed=args.seed)
        sets = [observe_reals(x, modality, view, count=args.fakes, seed=args.seed) for x in (test, train)]
        scores = evaluate(
            *sets, metrics=modality.default_metrics, others=modality.metrics(), features=modality.features(), seed=0
        )
        record(file, scores, {"method": args.method})
        return

    config = recipe(args.preset, modality)
    config = dataclasses.replace(
        config, data=args.train, labels=labels, seed=args.seed, kimg=1e9, device=args.device, snapshot_kimg=1e9,
        losses=("full",) if args.method == "whole-only" else ("full", "dense-patch"),
        views=dataclasses.replace(config.views, context=context, patch_start=0.5, patch_ramp=1.0),
    )  # fmt: skip
    trainer = Trainer(config, outdir=args.out / "runs", quiet=True)
    for mark in trained_to(args.minutes, trainer):
        scores = score_generator(trainer.ema, test, metrics=metrics, count=args.fakes, seed=0)
        record(file, scores, {"method": args.method, **about(trainer, minutes=mark)})
        trainer.preview(reals=mark == 0)
        trainer.save()
    trainer.snapshot()
    trainer.close()


if __name__ == "__main__":
    main()
