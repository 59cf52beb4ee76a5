"""CPU milliseconds of a training step, and of a generator's forward and backward pass, for every modality.

One thread and process CPU time, so that two versions that run in turns can be compared on a machine that does other
work.

    python benchmarks/step_cost.py --seconds 3
    python benchmarks/step_cost.py --what fields --presets tiny,base,large
"""

import argparse
import dataclasses
import json
import tempfile
import time

import torch

from inrgan import Generator, Trainer
from inrgan.process import keep_freed_memory
from inrgan.recipes import recipe
from inrgan.registry import rebuild

STEPS = {
    "image": {"resolution": 64}, "spherical": {"resolution": 32}, "surface": {"resolution": 32},
    "audio": {"resolution": 8192, "rate": 8000}, "video": {"resolution": 32, "frames": 16, "fps": 8},
    "occupancy": {"resolution": 32},
}  # fmt: skip
FIELDS = {
    "image": ({"resolution": 64}, (64, 64)), "audio": ({"resolution": 16384, "rate": 16000}, (16384,)),
    "occupancy": ({"resolution": 32}, (32, 32, 32)), "spherical": ({"resolution": 46}, (46, 90)),
}  # fmt: skip


def step_ms(name: str, preset: str, *, seconds: float) -> float:
    """Mean over whole rounds of the lazy penalty, after one round."""
    config = dataclasses.replace(recipe(preset, rebuild(name, STEPS[name])), device="cpu", watch_every=0, kimg=1e9)
    with tempfile.TemporaryDirectory() as folder:
        trainer, steps = Trainer(config, outdir=folder, quiet=True), -config.penalty_every
        began = time.process_time()
        while steps <= 0 or time.process_time() - began < seconds:
            began = time.process_time() if steps <= 0 else began
            for _ in range(config.penalty_every):
                trainer.train_step()
            steps += config.penalty_every
        spent = time.process_time() - began
        trainer.close()
    return round(1e3 * spent / steps, 1)


def field_ms(name: str, preset: str, *, batch: int = 4, repeats: int = 4) -> tuple[float, float]:
    """Milliseconds an item of a forward pass without gradients, and of one with a backward pass; the best of some."""
    arguments, shape = FIELDS[name]
    torch.manual_seed(0)
    G = Generator(rebuild(name, arguments), preset=preset)
    view, z, best = G.modality.domain.grid(shape), torch.randn(batch, G.z_dim), []
    for gradients in (False, True):
        times = []
        for _ in range(1 + repeats):
            began = time.process_time()
            with torch.set_grad_enabled(gradients):
                loss = G(z)(view).square().sum()
            if gradients:
                torch.autograd.grad(loss, list(G.parameters()), allow_unused=True)
            times.append(time.process_time() - began)
        best.append(round(1e3 * min(times[1:]) / batch, 1))
    return best[0], best[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--what", default="steps", choices=("steps", "fields"))
    parser.add_argument("--presets", default="tiny")
    parser.add_argument("--modalities", help="comma-separated; all when absent")
    parser.add_argument("--seconds", type=float, default=3.0, help="CPU seconds to time each training")
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for name in args.modalities.split(",") if args.modalities else STEPS if args.what == "steps" else FIELDS:
        for preset in args.presets.split(","):
            if args.what == "steps":
                row = {"modality": name, "preset": preset, "step_ms": step_ms(name, preset, seconds=args.seconds)}
            else:
                row = {"modality": name, "preset": preset, "forward_and_both_ms": field_ms(name, preset)}
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
