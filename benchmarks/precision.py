"""Items per second of training with fp32, bf16 and compiled networks, and the time spent waiting for data.

All variants of a preset run one after another in one process, so that their ratios are comparable. Every round of the
lazy penalty counts; compiling and the first rounds do not.

    python benchmarks/precision.py --device cuda --presets tiny,base,large
    python benchmarks/precision.py --device cuda --presets base --losses full,dense-patch \\
        --modality audio --arguments '{"resolution": 8192, "rate": 8000}'
"""

import argparse
import dataclasses
import json
import tempfile
import time

import torch

from inrgan import Trainer
from inrgan.recipes import recipe
from inrgan.registry import rebuild

VARIANTS = {
    "fp32": {},
    "bf16": {"precision": "bf16"},
    "fp32 compiled": {"compile": True},
    "bf16 compiled": {"precision": "bf16", "compile": True},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="tiny,base")
    parser.add_argument("--variants", default=",".join(VARIANTS))
    parser.add_argument("--modality", default="image")
    parser.add_argument("--arguments", type=json.loads, default={"resolution": 64}, help="modality arguments in JSON")
    parser.add_argument("--losses", default="full", help="losses, separated by commas; patches from the first step on")
    parser.add_argument("--batch", type=int, help="batch size; that of the preset when absent")
    parser.add_argument("--data", help="folder or zip; the built-in set when absent")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds to time each variant")
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    for preset in args.presets.split(","):
        for variant in args.variants.split(","):
            config = recipe(preset, rebuild(args.modality, args.arguments))
            config = dataclasses.replace(
                config, data=args.data, kimg=1e9, device=args.device, batch=args.batch or config.batch,
                losses=tuple(args.losses.split(",")),
                views=dataclasses.replace(config.views, patch_start=0.0, patch_ramp=0.0), **VARIANTS[variant],
            )  # fmt: skip
            if args.device == "cuda":
                torch.cuda.reset_peak_memory_stats()
            with tempfile.TemporaryDirectory() as folder:
                trainer = Trainer(config, outdir=folder, quiet=True)
                began = time.perf_counter()
                for _ in range(2 * config.penalty_every):
                    trainer.train_step()
                first = time.perf_counter() - began
                trainer.batches.clear_counts()
                began, steps = time.perf_counter(), 0
                while time.perf_counter() - began < args.seconds:
                    for _ in range(config.penalty_every):
                        trainer.train_step()
                    steps += config.penalty_every
                    if args.device == "cuda":
                        torch.cuda.synchronize()
                seconds = time.perf_counter() - began
                row = {
                    "modality": args.modality, "preset": preset, "variant": variant, "batch": config.batch,
                    "items_per_second": round(steps * config.batch / seconds, 1),
                    "ms_per_step": round(1e3 * seconds / steps, 1),
                    "waiting_for_data": round(trainer.batches.waited / seconds, 3),
                    "first_rounds_seconds": round(first, 1),
                    "finite": trainer.health.row == 0,
                }  # fmt: skip
                if args.device == "cuda":
                    row["peak_gib"] = round(torch.cuda.max_memory_allocated() / 2**30, 2)
                trainer.close()
                del trainer
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
