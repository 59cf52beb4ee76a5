"""Items per second of training with fp32, TF32, bf16, captured and compiled steps, and the time of waiting for data.

All variants of a case run one after another in one process, so that their ratios are comparable. Every round of the
lazy penalty counts; compiling, capturing and the first rounds do not. A case is a modality with its arguments. One line
of JSON for each variant says how fast it was, what it captured or why it captured nothing, how long it took until the
first captured step was replayed, and the fraction of the timed steps that were replayed: views of varying sizes bring
new layouts, which run eagerly or are captured meanwhile.

    python benchmarks/precision.py --device cuda --presets tiny,base,large --variants fp32,bf16
    python benchmarks/precision.py --device cuda --presets base --losses full,dense-patch \\
        --cases 'image:{"resolution": 64}' 'audio:{"resolution": 8192, "rate": 8000}'
"""

import argparse
import contextlib
import dataclasses
import json
import tempfile
import time

import torch
from _marks import captured

from inrgan import TrainConfig, Trainer
from inrgan.errors import InrganError
from inrgan.recipes import recipe
from inrgan.registry import rebuild
from inrgan.training.graphs import EAGER, CapturedSteps
from inrgan.training.step import TrainingStep

VARIANTS = {
    "fp32": {"graphs": "off"},
    "fp32 exact": {"graphs": "off", "tf32": False},
    "fp32 graphs": {"graphs": "auto"},
    "bf16": {"graphs": "off", "precision": "bf16"},
    "bf16 graphs": {"graphs": "auto", "precision": "bf16"},
    "fp32 compiled": {"graphs": "off", "compile": True},
    "bf16 compiled": {"graphs": "off", "precision": "bf16", "compile": True},
}
"""Settings by name. fp32 rounds the inputs of products to TF32, as trainings do, and fp32 exact does not."""


def case(text: str) -> tuple[str, dict[str, object]]:
    """Modality and arguments of a case such as ``image:{"resolution": 64}``."""
    name, _, arguments = text.partition(":")
    return name, json.loads(arguments or "{}")


def measure(config: TrainConfig, *, seconds: float) -> dict[str, object]:
    """Speed, memory and captured layouts of a training of at least so many seconds after its first rounds."""
    cuda = config.device == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Trainer(config, outdir=folder, quiet=True)) as trainer,
    ):
        runner = trainer.run_step
        first_replay, replays = None, 0

        def round_of_steps() -> None:
            nonlocal first_replay, replays
            for _ in range(config.penalty_every):
                before = _layouts(runner)
                trainer.train_step()
                replays += before == _layouts(runner) and isinstance(runner, CapturedSteps) and runner.failed is None
                if first_replay is None and isinstance(runner, CapturedSteps) and runner._captured:
                    torch.cuda.synchronize()
                    first_replay = time.perf_counter() - began  # a step is replayed right after its capture
            if cuda:
                torch.cuda.synchronize()

        began = time.perf_counter()
        for _ in range(EAGER + 1):  # in the last round the step with penalties is captured
            round_of_steps()
        first = time.perf_counter() - began
        trainer.batches.clear_counts()
        start, steps, replays = time.perf_counter(), 0, 0
        while time.perf_counter() - start < seconds:
            round_of_steps()
            steps += config.penalty_every
        took = time.perf_counter() - start
        trainer.read_results()
        return {
            "items_per_second": round(steps * config.batch / took, 1),
            "ms_per_step": round(1e3 * took / steps, 1),
            "waiting_fraction": round(trainer.batches.waited / took, 3),
            "first_rounds_seconds": round(first, 1),
            "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if cuda else None,
            "step": type(runner).__name__,
            **captured(trainer),
            "replayed_fraction": round(replays / steps, 3),
            "first_replay_seconds": None if first_replay is None else round(first_replay, 1),
            "finite": trainer.health.row == 0,
        }


def _layouts(runner: TrainingStep | CapturedSteps) -> tuple[int, int]:
    """Numbers of captured layouts and of steps of other layouts; a replayed step changes neither."""
    return (len(runner._captured), runner._seen.total()) if isinstance(runner, CapturedSteps) else (0, 0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="tiny,base")
    parser.add_argument("--variants", default=",".join(VARIANTS), help=f"any of {', '.join(VARIANTS)}")
    parser.add_argument(
        "--cases", nargs="+", type=case, default=[case('image:{"resolution": 64}')], metavar="MODALITY:JSON",
        help="modalities with their arguments",
    )  # fmt: skip
    parser.add_argument("--losses", default="full", help="losses, separated by commas; patches from the first step on")
    parser.add_argument("--batch", type=int, help="batch size; that of the preset when absent")
    parser.add_argument("--data", help="folder or zip, for one case; the built-in set when absent")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds to time each variant")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()
    if args.data and len(args.cases) > 1:
        parser.error("--data is the data of one case; give one of --cases")

    for preset in args.presets.split(","):
        for name, arguments in args.cases:
            for variant in args.variants.split(","):
                row: dict[str, object] = {"modality": name, "preset": preset, "variant": variant}
                try:
                    config = recipe(preset, rebuild(name, arguments))
                    config = dataclasses.replace(
                        config, data=args.data, kimg=1e9, device=args.device, batch=args.batch or config.batch,
                        losses=tuple(args.losses.split(",")),
                        views=dataclasses.replace(config.views, patch_start=0.0, patch_ramp=0.0), **VARIANTS[variant],
                    )  # fmt: skip
                    row |= {"batch": config.batch, "losses": args.losses}
                    if config.graphs != "off" and args.device != "cuda":
                        row |= {"skipped": f"captured steps are CUDA graphs, and the device is {args.device}"}
                    else:
                        row |= measure(config, seconds=args.seconds)
                except (InrganError, ImportError) as error:
                    row |= {"skipped": str(error)}
                except RuntimeError as error:  # such as no free memory: the other variants are still measured
                    row |= {"failed": str(error).splitlines()[0]}
                print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
