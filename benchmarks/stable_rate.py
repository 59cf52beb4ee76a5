"""The highest learning rate at which a training stays healthy, by the form of the modulation.

Starting at the rates of the recipe (for both networks), each trial doubles them, until one is not healthy.
Alternatively, given multiples are tried until one is healthy, so that several processes can share the work. A trial is
healthy if in all its steps

- no loss and no gradient is NaN or infinite,

and at nine checks, after two tenths of the steps and every tenth from there on,

- the mean scores of the critic stay within ±1000 (at the usual rates they stay within some tens),
- fakes of 64 fixed latents differ from each other: their standard deviation over items, averaged over positions, is at
  least a twentieth of that of as many reals,
- fewer than half of their values lie beyond ±0.99, where the last layer is saturated, and no more than twice as
  many as of the reals where those are saturated themselves.

Every trial adds a row to a file, with the numbers of every check, so that other limits can be applied to them. Trials
in the file are not repeated.

    python benchmarks/stable_rate.py --modality image --steps 2000 --out rates.jsonl
    python benchmarks/stable_rate.py --modality image --kinds tanh --multiples 32,16 --out rates.jsonl  # downward
    python benchmarks/stable_rate.py --modality image --max-update 0 --out rates.jsonl     # unclipped Adam updates
    python benchmarks/stable_rate.py --modality audio --steps 100 --batch 4 --out /tmp/rates.jsonl   # minutes
"""

import argparse
import json
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from inrgan import AudioModality, ImageModality, Modality, TrainConfig, Trainer, recipes
from inrgan.process import keep_freed_memory
from inrgan.training.reals import Reals

KINDS: dict[str, tuple[str, bool]] = {
    "demodulated": ("linear", True),  # the default
    "plain": ("plain", False),
    "tanh": ("tanh", False),
    "sigmoid": ("sigmoid", False),
    "linear": ("linear", False),
}
CHECKS, ITEMS = 10, 64
MOST_SCORE, LEAST_VARIETY, MOST_SATURATED = 1000.0, 0.05, 0.5


def modality_of(name: str, resolution: int | None) -> Modality:
    if name == "image":
        return ImageModality(resolution=resolution or 32)
    return AudioModality(resolution=resolution or 4096, rate=8000)


def spread(x: torch.Tensor) -> dict[str, float]:
    """Standard deviation over items, and fraction of saturated values."""
    return {"variety": float(x.std(dim=0).mean()), "saturated": float((x.abs() > 0.99).float().mean())}


@torch.no_grad()
def check(trainer: Trainer, reals: dict[str, float], stats: dict[str, torch.Tensor]) -> tuple[dict[str, float], str]:
    """Numbers of one check, and the reason if they are not healthy."""
    domain, resolution = trainer.config.modality.domain, trainer.config.modality.resolution
    z = torch.randn(ITEMS, trainer.G.z_dim, generator=torch.Generator().manual_seed(0)).to(trainer.device)
    fakes = trainer.G(z)(domain.grid(domain.shape(resolution), device=trainer.device)).float()
    if not torch.isfinite(fakes).all():
        return {}, "fakes are not finite"
    scores = [abs(float(v)) for name, v in stats.items() if name.startswith("score/")]
    numbers = {"kimg": round(trainer.kimg, 3), "score": max(scores), **spread(fakes)}
    numbers = {name: float(f"{value:.4g}") for name, value in numbers.items()}
    if numbers["score"] > MOST_SCORE:
        return numbers, f"scores reach {numbers['score']:.3g}"
    if numbers["variety"] < LEAST_VARIETY * reals["variety"]:
        return numbers, f"fakes differ by {numbers['variety']:.3g}, reals by {reals['variety']:.3g}"
    if numbers["saturated"] > max(MOST_SATURATED, 2 * reals["saturated"]):
        return numbers, f"{numbers['saturated']:.0%} of the values are saturated"
    return numbers, ""


def config_of(
    modality: Modality, kind: str, *, rank: int | None = None, deeper: int = 0, batch: int | None = None, seed: int = 0,
    device: str = "cpu", max_update: float | None = None,
) -> TrainConfig:  # fmt: skip
    """A training of the recipe ``tiny`` with a kind of modulation, and optionally another rank or deeper stages."""
    modulation, demodulated = KINDS[kind]
    config, sizes = recipes.tiny(modality), modality.generator_sizes("tiny")
    sizes = replace(
        sizes, modulation=modulation, demodulated=demodulated, rank=rank or sizes.rank,
        depths=tuple(n + deeper for n in sizes.depths),
    )  # fmt: skip
    return replace(
        config, batch=batch or config.batch, seed=seed, kimg=1e9, snapshot_kimg=1e9, device=device, generator=sizes,
        watch_every=0, max_update=config.max_update if max_update is None else max_update,
    )  # fmt: skip


def tried(usual: TrainConfig, *, multiple: int, steps: int) -> dict[str, Any]:
    """One trial at a multiple of the usual rates: whether it stayed healthy, and the numbers of every check."""
    modality = usual.modality
    config = replace(usual, generator_rate=multiple * usual.generator_rate, critic_rate=multiple * usual.critic_rate)
    began, why, checks = time.perf_counter(), "", list[dict[str, float]]()
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, outdir=folder, quiet=True)
        view = modality.domain.grid(modality.domain.shape(modality.resolution))
        (values,), _ = Reals(trainer.source, modality, batch=ITEMS, seed=config.seed).draw(0, [view])
        reals = spread(values)
        for step in range(1, steps + 1):
            stats = trainer.train_step().stats
            trainer.read_results()
            if trainer.health.skipped:
                why = "a loss or a gradient is not finite"
            elif step * CHECKS // steps > max(1, (step - 1) * CHECKS // steps):
                numbers, why = check(trainer, reals, stats)
                checks.append(numbers)
                print(f"  {multiple}x, step {step}: {why or 'healthy'}", flush=True)
            if why:
                break
        done = trainer.step
        trainer.close()
    return {
        "multiple": multiple, "steps": steps, "healthy": not why, "why": why, "done": done,
        "generator_rate": config.generator_rate, "critic_rate": config.critic_rate, "max_update": config.max_update,
        "reals": {name: float(f"{value:.4g}") for name, value in reals.items()}, "checks": checks,
        "seconds": round(time.perf_counter() - began, 1), "device": str(trainer.device),
    }  # fmt: skip


def known(path: Path, row: dict[str, Any]) -> dict[str, Any] | None:
    """The row of the same trial, if the file has it."""
    if path.exists():
        for line in path.read_text().splitlines():
            found = json.loads(line)
            if all(found.get(name) == value for name, value in row.items()):
                return found
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modality", choices=("image", "audio"), default="image")
    parser.add_argument("--kinds", default="demodulated,plain,tanh,sigmoid", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--most", type=int, default=64, help="largest multiple")
    parser.add_argument("--multiples", help="multiples to try instead of doubling, such as 32,16,8")
    parser.add_argument("--max-update", type=float, help="largest relative change of a tensor per step; 0 for no limit")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, help="batch size; that of the recipe when absent")
    parser.add_argument("--resolution", type=int, help="32 pixels or 4096 samples when absent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, help="file to which rows are added")
    args = parser.parse_args()
    if args.steps < CHECKS or unknown(args.kinds):
        raise SystemExit(f"expected {CHECKS} steps or more, and kinds of {', '.join(KINDS)}; got {args.kinds}")
    torch.set_num_threads(args.threads)
    keep_freed_memory()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    rising = tuple(2**k for k in range(int(math.log2(args.most)) + 1))
    multiples = tuple(int(m) for m in args.multiples.split(",")) if args.multiples else rising
    for kind in args.kinds.split(","):
        best = 0
        for multiple in multiples:
            modality = modality_of(args.modality, args.resolution)
            usual = config_of(
                modality, kind, batch=args.batch, seed=args.seed, device=args.device, max_update=args.max_update
            )
            wanted = {
                "modality": args.modality, "resolution": modality.resolution, "kind": kind, "multiple": multiple,
                "steps": args.steps, "batch": usual.batch, "seed": args.seed, "max_update": usual.max_update,
            }  # fmt: skip
            row = known(args.out, wanted)
            if row is None:
                row = wanted | tried(usual, multiple=multiple, steps=args.steps)
                with open(args.out, "a") as file:
                    file.write(json.dumps(row) + "\n")
            print(f"{args.modality} {kind:<12} {multiple:>3}x: {row['why'] or 'healthy'}", flush=True)
            best = multiple if row["healthy"] else best
            if row["healthy"] == bool(args.multiples):
                break
        print(json.dumps({"modality": args.modality, "kind": kind, "highest_healthy_multiple": best}), flush=True)


def unknown(kinds: str) -> set[str]:
    return set(kinds.split(",")) - set(KINDS)


if __name__ == "__main__":
    main()
