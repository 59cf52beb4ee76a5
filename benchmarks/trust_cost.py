"""What a step pays for health, averaged weights, states and a second process.

python benchmarks/trust_cost.py                      # parts of a step, in CPU time of the process
torchrun --nproc-per-node 2 benchmarks/trust_cost.py # the step itself, shared by two processes

CPU time, not the clock, so that other work on the machine changes little; the clock is printed beside it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable

import torch
from inrgan.training._descent import copies, shorten
from inrgan.training._layers import health_of_layers, spread_of_layers
from inrgan.training._updates import last_updates, update_measures

from inrgan import ImageModality, Trainer, recipes
from inrgan.training import update_ema


def measured(what: Callable[[], object], *, repeats: int) -> tuple[float, float]:
    """CPU seconds and seconds by the clock of one call, on average, after one that does not count."""
    what()
    cpu, clock = time.process_time(), time.perf_counter()
    for _ in range(repeats):
        what()
    return (time.process_time() - cpu) / repeats, (time.perf_counter() - clock) / repeats


def limited(trainer: Trainer) -> None:
    """What is done around an optimiser's step to limit it, for both networks."""
    for network in (trainer.G, trainer.D):
        weights = list(network.parameters())
        shorten(weights, before=copies(weights), largest=trainer.config.max_update)


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
            shown = trainer.pieces[0].shown[0].head(4)
            gradients = [p.grad for net in (trainer.G, trainer.D) for p in net.parameters() if p.grad is not None]
            trainer.path.update(1.0)  # what follows the first look, which differentiates once only
            parts: dict[str, tuple[Callable[[], object], float]] = {
                "norms of gradients": (lambda: float(torch.nn.utils.get_total_norm(gradients)), 1),
                "limits of steps": (lambda: limited(trainer), 1),
                "averaged weights": (
                    lambda: update_ema(trainer.ema, trainer.G, images=1000, batch=16, half_life=1000), 1,
                ),
                "layers": (lambda: health_of_layers(trainer.G, trainer.D, shown), config.watch_every),
                "updates": (lambda: update_measures(*trainer.players.moved()), config.watch_every),
                "tensors for histograms": (
                    lambda: (spread_of_layers(trainer.G, trainer.D, shown), [*last_updates(*trainer.players.moved())]),
                    1000 * config.snapshot_kimg / config.batch,
                ),
                "path lengths and their gradients (off by default)": (
                    lambda: trainer.learner.path_lengths(trainer.pieces[0]).sum().backward(), config.path_every,
                ),
                "state": (trainer.save, 1000 * config.snapshot_kimg / config.batch),
            }  # fmt: skip
            for name, (part, every) in parts.items():
                one, _ = measured(part, repeats=5)
                row[name] = {"cpu_ms": round(1e3 * one, 2), "every": round(every),
                             "percent_of_step": round(100 * one / every / cpu, 2)}  # fmt: skip
        if trainer.ranks.first:
            print(json.dumps(row), flush=True)
        trainer.close()


if __name__ == "__main__":
    main()
