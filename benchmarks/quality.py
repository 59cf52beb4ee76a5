"""Metrics over training time of our generator, or of a control, for every modality.

Critic, data, loss, optimizer, batch and marks are the same for all methods of a modality; only the generator differs.
The clock is CPU time of the process on one thread, or wall-clock time on a GPU; scoring and saving do not count. Fakes
are compared with held-out items: those of --test, a fraction of --train, or built-in items that no training uses.

    python benchmarks/quality.py --modality image --method ours --train DIR --test DIR --resolution 32 --out results/
    python benchmarks/quality.py --modality image --method inr-gan --train DIR --test DIR --resolution 32 --out results/

``ours`` is the generator of inrgan, ``reals`` scores the training data instead, the floor of a perfect generator, and
all other methods are in ``controls.CONTROLS``. A training that was stopped resumes at its last state when the same
command is given again. --out receives NAME.jsonl with a line for every mark, an unselected sheet of fakes for every
mark, and the run with a snapshot for every mark. NAME is made of modality, method, resolution and seed; trainings with
other settings, by --set, --views, --losses or --backbone, need a --name of their own.
"""

import argparse
import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

import torch
from _marks import about, record
from _resumable import Mark, ResumableTraining, marks
from controls import CONTROLS, make_control

from inrgan import Modality, TrainConfig, Trainer
from inrgan._parsing import from_plain, to_plain
from inrgan.data import AbstractSource, split
from inrgan.errors import InrganError
from inrgan.evaluation import held_out_source, labelled_reals, render_fakes, score_generator
from inrgan.losses import LossOptions
from inrgan.metrics import Score, evaluate
from inrgan.process import keep_freed_memory
from inrgan.recipes import recipe
from inrgan.registry import rebuild

METHODS = sorted({"ours", "reals", *(name for controls in CONTROLS.values() for name in controls)})
SHOWN = 32
"""Samples of a sheet."""


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modality", required=True, choices=list(CONTROLS))
    parser.add_argument("--method", required=True, choices=METHODS)
    parser.add_argument("--train", help="folder, zip or field file; the built-in set when absent")
    parser.add_argument("--test", help="held-out items, with --train")
    parser.add_argument("--hold-out", type=float, default=0.0, help="fraction of --train to hold out, without --test")
    parser.add_argument("--labels", help="pattern of file names, or folders; unconditional when absent")
    parser.add_argument("--resolution", type=int, help="the modality's own when absent")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="fields of the modality")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--backbone", help="backbone of ours instead of the modality's")
    parser.add_argument("--losses", default="full", help="losses of ours, separated by commas")
    parser.add_argument("--views", nargs="*", default=[], metavar="NAME=VALUE", help="view options of the losses")
    parser.add_argument("--minutes", default="0,5,15,30", help="minutes of training at which to score")
    parser.add_argument("--kimg", default="", help="thousands of reals shown at which to score, as well")
    parser.add_argument("--metrics", help="separated by commas; the modality's own when absent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fakes", type=int, default=1024)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--name", help="name of the files; modality, method, resolution and seed when absent")
    parser.add_argument("--save-minutes", type=float, default=5.0, help="minutes of training between states")
    parser.add_argument("--device", default="cpu", choices=["auto", "cpu", "cuda"])
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"])
    parser.add_argument("--graphs", default="auto", choices=["auto", "on", "off"], help="captured steps on a GPU")
    parser.add_argument("--max-update", type=float, help="largest relative update of a tensor")
    args = parser.parse_args(given)
    if args.method not in ("ours", "reals", *CONTROLS[args.modality]):
        known = ", ".join(("ours", "reals", *CONTROLS[args.modality]))
        parser.error(f"{args.modality} has no method {args.method}; it has {known}")
    if args.train and (args.test is not None) == (args.hold_out > 0):
        parser.error("items of --train are scored against others: give one of --test and --hold-out")
    if not args.train and (args.test or args.hold_out):
        parser.error("--test and --hold-out belong to --train")
    if args.method != "ours" and (args.losses != "full" or args.backbone):
        parser.error("--losses and --backbone belong to ours; a control has the loss full")
    return args


def named(values: list[str]) -> dict[str, Any]:
    """Values by name, each JSON or a text.

    Example:
        >>> named(["rate=8000", "frames=[]", "rotate=axis"])
        {'rate': 8000, 'frames': [], 'rotate': 'axis'}
    """
    out: dict[str, Any] = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not equals:
            raise SystemExit(f"got {text!r}; expected NAME=VALUE")
        try:
            out[name] = json.loads(value)
        except ValueError:
            out[name] = value
    return out


def commit() -> str:
    """Commit of this checkout, with a note if files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=7", "--exclude=*"]
    try:
        return subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def configuration(args: argparse.Namespace, modality: Modality, labels: bool | str) -> TrainConfig:
    """Training configuration: the preset's, with the settings given."""
    config = dataclasses.replace(
        recipe(args.preset, modality), data=args.train, hold_out=args.hold_out, labels=labels, seed=args.seed, kimg=1e9,
        device=args.device, snapshot_kimg=1e9, precision=args.precision, graphs=args.graphs,
        losses=tuple(args.losses.split(",")),
    )  # fmt: skip
    views = from_plain(LossOptions, to_plain(config.views) | named(args.views), what="--views")
    config = dataclasses.replace(config, views=views)
    if args.backbone is not None:
        sizes = modality.generator_sizes(args.preset, backbone=args.backbone)
        config = dataclasses.replace(config, generator=sizes)
    if args.max_update is not None:
        config = dataclasses.replace(config, max_update=args.max_update)
    return config


def metrics_of(args: argparse.Namespace, modality: Modality) -> tuple[str, ...]:
    """Names of the scores: those given, or the modality's, and labels where items have them."""
    chosen = tuple(args.metrics.split(",")) if args.metrics else modality.default_metrics
    return (*chosen, "labels") if args.labels is not None and "labels" not in chosen else chosen


def score_reals(
    train: AbstractSource, test: AbstractSource, modality: Modality, *, metrics: tuple[str, ...], count: int, seed: int
) -> tuple[list[Score], torch.Tensor]:
    """Scores of training data in place of fakes, and the data."""
    view = modality.domain.grid(modality.domain.shape(modality.resolution))
    real, real_labels = labelled_reals(test, modality, view, count=count, seed=0)
    fake, fake_labels = labelled_reals(train, modality, view, count=count, seed=seed)
    if "labels" in metrics and train.label_names != test.label_names:
        raise SystemExit(
            "quality.py: the labels of --train and --test differ, and their items cannot be compared by them"
        )
    scores = evaluate(
        real, fake, metrics=metrics, view=view, others=modality.metrics(), features=modality.features(), seed=0,
        labels=(real_labels, fake_labels) if "labels" in metrics else None,
    )  # fmt: skip
    return scores, fake


def write_sheet(modality: Modality, values: torch.Tensor, path: Path) -> None:
    """The first samples, in every format of the modality's previews."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for suffix in modality.previews():
        modality.write(values[:SHOWN], path.with_name(path.name + suffix))


def scored_marks(file: Path) -> set[str]:
    """Marks that have a line."""
    return {json.loads(line)["mark"] for line in file.read_text("utf-8").splitlines()} if file.exists() else set()


def train_and_score(
    args: argparse.Namespace, config: TrainConfig, test: AbstractSource, *, name: str, line: dict[str, Any]
) -> None:
    """Train to every mark that has no line yet, and write its line, its sheet and its snapshot."""
    modality, file, generator = config.modality, args.out / f"{name}.jsonl", None
    if args.method != "ours":
        labels = modality.source(args.train, labels=config.labels).label_names if config.labels else ()
        torch.manual_seed(args.seed)
        generator = make_control(args.method, modality, preset=args.preset, labels=labels)
    metrics = metrics_of(args, modality)
    trainer = Trainer(config, run_dir=args.out / "runs" / name, quiet=True, generator=generator)
    try:
        if trainer.step == 0:
            trainer.preview(reals=True)
        view = modality.domain.grid(modality.domain.shape(modality.resolution))
        training, done = ResumableTraining(trainer, save_minutes=args.save_minutes), scored_marks(file)
        for mark in training.to_marks([m for m in marks(args.minutes, args.kimg) if str(m) not in done]):
            trainer.ema.save_pretrained(trainer.run.snapshot(trainer.kimg))
            write_sheet(
                modality, render_fakes(trainer.ema, view, count=SHOWN, seed=0), sheet_path(args.out, name, mark)
            )
            scores = score_generator(trainer.ema, test, metrics=metrics, count=args.fakes, seed=0)
            clock = "cpu_seconds" if trainer.device.type == "cpu" else "wall_seconds"
            timed = {"mark": str(mark), clock: round(training.seconds, 1)}
            write_line(file, scores, line | timed | about(trainer, minutes=round(training.minutes, 2)))
    finally:
        trainer.close()


def sheet_path(out: Path, name: str, mark: Mark) -> Path:
    """Sheet of a mark, without its suffix."""
    return out / f"{name}-{mark.value:g}-{mark.unit}"


def write_line(file: Path, scores: list[Score], line: dict[str, Any]) -> None:
    """Record a line, with what the held-out reals have themselves where a score says so."""
    line |= {f"{s.name}_of_reals": s.protocol["of_reals"] for s in scores if "of_reals" in s.protocol}
    assert not line.keys() & {s.name for s in scores}, "a score would replace an entry"
    record(file, scores, line)


def run(args: argparse.Namespace) -> None:
    given = named(args.set) | ({} if args.resolution is None else {"resolution": args.resolution})
    modality = rebuild(args.modality, given)
    labels = args.labels is not None and (True if args.labels == "folders" else args.labels)
    test = held_out_source(modality, args.test or args.train, labels=labels, share=args.hold_out)
    name = args.name or f"{args.modality}-{args.method}-{modality.resolution}-{args.seed}"
    line = {
        "modality": args.modality, "method": args.method, "resolution": modality.resolution, "preset": args.preset,
        "seed": args.seed, "dtype": args.precision, "commit": commit(), "name": name,
    }  # fmt: skip
    if args.method != "reals":
        train_and_score(args, configuration(args, modality, labels), test, name=name, line=line)
        return
    train = modality.source(args.train, labels=labels, seed=args.seed)
    train = split(train, share=args.hold_out).train if args.hold_out else train
    scores, values = score_reals(
        train, test, modality, metrics=metrics_of(args, modality), count=args.fakes, seed=args.seed
    )
    write_sheet(modality, values, args.out / name)
    write_line(args.out / f"{name}.jsonl", scores, line)


def main() -> None:
    args = arguments()
    if args.device == "cpu":
        torch.set_num_threads(1)
    keep_freed_memory()  # as the command line does
    try:
        run(args)
    except InrganError as error:
        raise SystemExit(f"quality.py: {error}") from None


if __name__ == "__main__":
    main()
