"""Cost of monitoring, update clipping, averaged weights, states and a second process, relative to a step.

python benchmarks/trust_cost.py                      # parts of a step, in CPU time of the process
torchrun --nproc-per-node 2 benchmarks/trust_cost.py # the step itself, shared by two processes

CPU time and wall-clock time are both printed; CPU time depends less on other work on the machine.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable

import torch

from inrgan import ImageModality, Trainer, recipes
from inrgan.training import update_ema
from inrgan.training.monitoring import layer_histograms, layer_measures
from inrgan.training.optimization import clip_updates, copies


def measured(call: Callable[[], object], *, repeats: int) -> tuple[float, float]:
    """Mean CPU seconds and wall-clock seconds of a call, after one warm-up call."""
    call()
    cpu, clock = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.process_time() - cpu) / repeats, (time.perf_counter() - clock) / repeats


def clip(trainer: Trainer) -> None:
    """Update clipping as around an optimizer step, for both networks."""
    for network in (trainer.G, trainer.D):
        weights = list(network.parameters())
        floors = [p.new_full((), math.sqrt(p.numel())).detach() for p in weights]
        clip_updates(weights, before=copies(weights), max_update=trainer.config.max_update, floors=floors)


def lengths(trainer: Trainer) -> None:
    """Path lengths of the first term that sees full signals, and their gradients."""
    loss, _ = trainer.training_step.path_loss(trainer.batch[0], {})
    loss.backward()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--steps", type=int, default=16, help="a multiple of 4: penalties come every fourth step")
    args = parser.parse_args()
    torch.set_num_threads(1)
    config = recipes.recipe(args.preset, ImageModality(resolution=args.resolution))
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, outdir=folder, quiet=True)
        for _ in range(3):
            trainer.train_step()
        row = {"preset": args.preset, "resolution": args.resolution, "batch": config.batch,
               "processes": trainer.ranks.world}  # fmt: skip
        cpu, clock = measured(trainer.train_step, repeats=args.steps)
        row |= {"step_cpu_ms": round(1e3 * cpu, 2), "step_clock_ms": round(1e3 * clock, 2)}
        if trainer.ranks.world == 1:
            part, networks = trainer.batch[0][0].head(4), trainer.networks.trained()
            gradients = [p.grad for net in (trainer.G, trainer.D) for p in net.parameters() if p.grad is not None]
            parts: dict[str, tuple[Callable[[], object], float]] = {
                "norms of gradients": (lambda: float(torch.nn.utils.get_total_norm(gradients)), 1),
                "update clipping": (lambda: clip(trainer), 1),
                "averaged weights": (
                    lambda: update_ema(trainer.ema, trainer.G, weight=0.01), 1,
                ),
                "layers and updates": (lambda: layer_measures(networks, part), config.watch_every),
                "tensors for histograms": (
                    lambda: layer_histograms(networks, part), 1000 * config.snapshot_kimg / config.batch,
                ),
                "state": (trainer.save, 1000 * config.snapshot_kimg / config.batch),
            }  # fmt: skip
            for name, (call, every) in parts.items():
                one, _ = measured(call, repeats=5)
                row[name] = {"cpu_ms": round(1e3 * one, 2), "every": round(every),
                             "percent_of_step": round(100 * one / every / cpu, 2)}  # fmt: skip
        if trainer.ranks.first:
            print(json.dumps(row), flush=True)
        trainer.close()


if __name__ == "__main__":
    main()
