"""Items per second that the preparation of data delivers, and the time that training waits for data.

For every modality, on its built-in set and on files (give their paths), the benchmark measures two things:

- Items per second of the preparation alone, with 1, 2, ... workers, in the first epoch (``first``, where items are
  decoded or drawn) and in a later one (``later``, where caches are filled). The device is a stand-in that takes no
  time. Every step has the views, symmetries and excerpts of a training.
- The waiting fraction of a training of the preset on this machine, from its first step on.

Every case runs in a process of its own. The last entry is derived, not measured: the items per second of one worker in
the slower epoch, times the workers of a machine with 16 cores, over the batch. Training there waits for data if its
steps are faster than that. It is an upper bound, since threads of Python wait for each other.

    python benchmarks/waiting.py --modalities image,audio --workers 1,2
    python benchmarks/waiting.py --modalities audio --data digits.zip --arguments '{"rate": 8000, "resolution": 8192}'
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time

from inrgan import TrainConfig, Trainer
from inrgan.process import usable_cores
from inrgan.registry import rebuild

MODALITIES = ("image", "spherical", "surface", "audio", "video", "occupancy")
CORES = 16
"""Cores of the machine of the derivation; one of them launches the kernels."""


def config(args: argparse.Namespace) -> TrainConfig:
    """Default settings of the preset."""
    made = TrainConfig(
        modality=rebuild(args.one, args.arguments), data=args.data, preset="tiny", kimg=1e9, device="cpu",
        losses=tuple(args.losses.split(",")),
    )  # fmt: skip
    return dataclasses.replace(made, views=dataclasses.replace(made.views, patch_start=0.0, patch_ramp=0.0))


def delivered(args: argparse.Namespace, *, workers: int) -> dict[str, float]:
    """Items per second of the preparation alone, in a first and in a later epoch."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(dataclasses.replace(config(args), workers=workers, ahead=2), outdir=folder, quiet=True)
        batch, rates = trainer.config.batch, {}
        trainer.batches.at(0, probability=0.0)  # starts threads, readers and tables
        steps = min(args.steps, max(1, len(trainer.source) // batch - 1))
        for name in ("first", "later"):
            began = time.perf_counter()
            for step in range(1, steps + 1):
                trainer.batches.at(step, probability=0.0)
            rates[name] = round(steps * batch / (time.perf_counter() - began), 1)
            trainer.batches.close()  # what was prepared in advance belongs to the next round
        trainer.close()
    return rates


def waiting(args: argparse.Namespace) -> dict[str, float]:
    """Fraction of the time of a training that it waits for data, and its items per second."""
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config(args), outdir=folder, quiet=True)
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < args.seconds:
            trainer.train_step()
            steps += 1
        seconds = time.perf_counter() - began
        found = {
            "steps": steps,
            "items_per_second": round(steps * trainer.config.batch / seconds, 1),
            "waiting_fraction": round(trainer.batches.waited / seconds, 4),
        }
        trainer.close()
    return found


def measure(args: argparse.Namespace) -> dict[str, object]:
    """One line for a modality and a data set."""
    rates = {str(n): delivered(args, workers=n) for n in map(int, args.workers.split(","))}
    slowest, batch = min(rates["1"].values()) if "1" in rates else None, config(args).batch
    return {
        "modality": args.one, "data": args.data or "built-in", "losses": args.losses, "batch": batch,
        "cores": usable_cores(), "delivered_by_workers": rates, "training": waiting(args),
        f"derived_steps_per_second_limit_on_{CORES}_cores": slowest and round(slowest * (CORES - 1) / batch, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modalities", default=",".join(MODALITIES), help="names, separated by commas")
    parser.add_argument("--data", help="folder, zip or file for a single modality; the built-in set when absent")
    parser.add_argument("--arguments", type=json.loads, default={}, help="modality arguments in JSON")
    parser.add_argument("--losses", default="full", help="losses, separated by commas; patches from the first step on")
    parser.add_argument("--workers", default="1,2", help="numbers of workers, separated by commas")
    parser.add_argument("--steps", type=int, default=24, help="steps of each measurement of the preparation")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of the training")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        print(json.dumps(measure(args)))
        return
    names = args.modalities.split(",")
    if args.data is not None and len(names) > 1:
        parser.error(f"--data is the data of one modality, and {len(names)} were named; give one with --modalities")
    for name in names:
        command = [sys.executable, __file__, "--one", name, *sys.argv[1:]]
        found = subprocess.run(command, capture_output=True, text=True)
        if found.returncode != 0:
            print(json.dumps({"modality": name, "error": found.stderr.strip().splitlines()[-1]}), flush=True)
            continue
        print(found.stdout.strip().splitlines()[-1], flush=True)


if __name__ == "__main__":
    main()
