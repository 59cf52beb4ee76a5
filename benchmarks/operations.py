"""Operators that torch dispatches in one training step, by modality and part of the step.

Each operator is a line of Python, a dispatch and, on a GPU, one or more kernels, so that their number is the time of a
step of small networks. Counts do not depend on the machine. A part is the function of ``inrgan.training`` that runs:
the preparation of views, reals and latents on the host; the generator; the loss of the critics, with penalties where
there are any; the loss of the generator; their backward passes; and the updates, with averages and statistics. Reals
are those of the first epoch, which are drawn and resampled. Host reads are operators that read numbers back.

    python benchmarks/operations.py --modalities image,audio --losses full,dense-patch
    PYTHONPATH=other:other/modalities python benchmarks/operations.py   # of another checkout
"""

import argparse
import contextlib
import dataclasses
import datetime
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import torch
from torch.utils._python_dispatch import TorchDispatchMode

import inrgan
from inrgan import TrainConfig, Trainer
from inrgan.recipes import recipe
from inrgan.registry import rebuild

MODALITIES = {
    "image": {"resolution": 64},
    "spherical": {"resolution": 32},
    "surface": {"resolution": 32},
    "audio": {"resolution": 8192, "rate": 8000},
    "video": {"resolution": 32, "frames": 16, "fps": 8},
    "occupancy": {"resolution": 32},
}
PARTS = (
    "host", "generator", "critic loss", "critic backward", "generator loss", "generator backward", "updates"
)  # fmt: skip
"""Parts in their order; all but the first are the step."""
LOSSES = {"critic_loss": "critic", "generator_loss": "generator", "path_loss": "generator"}
"""Functions of ``training/step.py`` with the loss of a network."""
BACKWARD = ("_gradients", "_backward")
"""Functions of ``training/step.py`` with a backward pass."""
READS = (
    "_local_scalar_dense", "item", "nonzero", "unique", "_unique2", "unique_dim", "is_nonzero", "equal", "masked_select"
)  # fmt: skip
"""Operators that read numbers back to the host, or whose result has a size that depends on data."""


class OperatorCounts(TorchDispatchMode):
    """Counts operators by the part of a training step, and those of the step that read numbers back."""

    def __init__(self):
        super().__init__()
        self.parts: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self._network = "critic"

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        del types
        name, part = func._schema.name.split("::")[1], self._part()
        self.parts[part] += 1
        if part != "host" and name in READS:
            self.reads[name] += 1
        return func(*args, **(kwargs or {}))

    def _part(self) -> str:
        """Part of the step that runs: the innermost function of the stack that names one."""
        frame, part = sys._getframe(2), "updates"
        while frame is not None:
            function, file = frame.f_code.co_name, frame.f_code.co_filename
            if file.endswith("training/batches.py"):
                return "host"
            if file.endswith("training/step.py"):
                if function == "generate":
                    return "generator"
                if function in LOSSES:
                    self._network = LOSSES[function]  # whose backward pass is next
                    return f"{self._network} loss"
                if function in BACKWARD:
                    return f"{self._network} backward"
            frame = frame.f_back
        return part


def config(name: str, *, preset: str, losses: tuple[str, ...], batch: int) -> TrainConfig:
    """Configuration of a modality; patches from the first step on."""
    made = recipe(preset, rebuild(name, MODALITIES[name]))
    views = dataclasses.replace(made.views, patch_start=0.0, patch_ramp=0.0)
    return dataclasses.replace(made, device="cpu", batch=batch, watch_every=0, losses=losses, views=views)


def count(config: TrainConfig, *, penalized: bool) -> OperatorCounts:
    """Operators of a step with penalties or without, after a first step, in which optimizers allocate."""
    with tempfile.TemporaryDirectory() as folder, contextlib.closing(Trainer(config, outdir=folder, quiet=True)) as t:
        if hasattr(t.batches.reals, "workers"):
            t.batches.reals.workers = None  # operators are counted in the calling thread alone
        t.train_step()
        step = config.penalty_every + (not penalized)
        with OperatorCounts() as counts:
            t.training_step(t.batches.at(step, probability=0.0), step=step)
    return counts


def commit() -> str:
    """Commit of the code that is measured."""
    command = ["git", "-C", str(Path(inrgan.__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"


def table(rows: list[dict]) -> str:
    """Markdown table of the counts."""
    lines = [f"| | penalties | {' | '.join(PARTS)} | step | host reads |", "|---" * (len(PARTS) + 4) + "|"]
    for row in rows:
        numbers = [*(row["parts"][part] for part in PARTS), row["step"], sum(row["reads"].values())]
        name, penalties = (row["modality"], "with") if row["penalties"] else ("", "without")
        lines.append(f"| {name} | {penalties} | {' | '.join(f'{n:,}' for n in numbers)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modalities", default=",".join(MODALITIES))
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--losses", default="full", help="losses, separated by commas; patches from the first step on")
    parser.add_argument("--batch", type=int, default=4)
    args = parser.parse_args()

    torch.set_num_threads(1)
    about = {"commit": commit(), "date": datetime.date.today().isoformat(), "torch": torch.__version__.split("+")[0]}
    rows = []
    for name in args.modalities.split(","):
        made = config(name, preset=args.preset, losses=tuple(args.losses.split(",")), batch=args.batch)
        for penalized in (True, False):
            counts = count(made, penalized=penalized)
            rows.append({
                **about, "modality": name, "preset": args.preset, "losses": args.losses, "batch": args.batch,
                "penalties": penalized, "parts": {part: counts.parts[part] for part in PARTS},
                "step": sum(counts.parts.values()) - counts.parts["host"], "reads": dict(counts.reads),
            })  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)
    what = f"`{args.preset}`, batch {args.batch}, losses `{args.losses}`"
    print(f"\nCommit {about['commit']}, {about['date']}, torch {about['torch']}, {what}:\n")
    print(table(rows))


if __name__ == "__main__":
    main()
