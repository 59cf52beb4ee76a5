"""Scores of trainings that differ in one thing: an arm of an ablation.

Critic, data, loss, optimizer and batch are the same. Arms are compared at equal images. The cost of a step differs, and
``--cost`` measures it apart: the arms take turns in one process. Trainings resume where they stopped, and what a file
of results holds already is not done again.

    python benchmarks/ablation.py --train DIR --test DIR --resolution 32 --arms waves,noise-16 --kimg 10,25 --out out/
    python benchmarks/ablation.py --train DIR --test DIR --resolution 32 --arms waves,noise-16 --cost 5 --out out/
    python benchmarks/ablation.py --resolution 32 --table --out out/
"""

import argparse
import dataclasses
import json
import math
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import process_time
from typing import Any

import scipy.stats
import torch
from _marks import about
from _resumable import ResumableTraining, marks

from inrgan import (
    Generator,
    ImageModality,
    Modality,
    OccupancyModality,
    SphericalModality,
    SurfaceModality,
    Trainer,
    VideoModality,
)
from inrgan.domains import Sphere, Surface
from inrgan.encodings import (
    AbstractEncoding,
    DirectionalEncoding,
    FourierEncoding,
    JoinedEncoding,
    NoiseEncoding,
    SphericalHarmonics,
    TravellingEncoding,
)
from inrgan.evaluation import held_out_source, score_generator
from inrgan.process import keep_freed_memory
from inrgan.recipes import recipe
from inrgan.sizes import CriticSizes

Encode = Callable[[Modality, float], AbstractEncoding]


@dataclasses.dataclass(frozen=True)
class Arm:
    """What one arm changes.

    Attributes:
        encode: Encoding of a modality for a spacing; None for the default.
        sizes: Sizes of the generator.
        config: Settings of the training.
        modality: Arguments of the modality.
    """

    encode: Encode | None = None
    sizes: dict[str, Any] = dataclasses.field(default_factory=dict)
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    modality: dict[str, Any] = dataclasses.field(default_factory=dict)


def _waves(modality: Modality, spacing: float, *, oblique: int = 64, by_area: bool = False) -> AbstractEncoding:
    """Low octaves of sines, and random plane waves."""
    domain, sphere = modality.domain, isinstance(modality.domain, Sphere)
    dim, longest = domain.coord_dim, domain.longest_period
    waves = FourierEncoding(
        dim, longest_period=longest, spacing=spacing, octaves=0 if sphere else 3, oblique=oblique,
        isotropic=sphere or isinstance(domain, Surface),
    )  # fmt: skip
    if by_area:  # uniform in the ball of frequencies instead of log-uniform lengths
        table = waves.frequencies[-oblique:]
        uniform = torch.rand(oblique, 1, generator=torch.Generator().manual_seed(1))
        waves.frequencies[-oblique:] = table / table.norm(dim=1, keepdim=True) * uniform ** (1 / dim) * 0.375 / spacing
        amplitude = 1 / waves.frequencies.norm(dim=1).clamp(min=1 / longest)
        waves.amplitude.copy_(amplitude * amplitude.square().mean().rsqrt())
    return _placed(waves, sphere, spacing)


def _noise(
    modality: Modality, spacing: float, *, waves: int = 0, finest: float = 0.0, learned: bool = False,
    lowest: float = 0.0, **options: Any,
) -> AbstractEncoding:  # fmt: skip
    """Low octaves of sines (on a sphere, harmonics), and lattice noise from a frequency on."""
    domain, sphere = modality.domain, isinstance(modality.domain, Sphere)
    if lowest > 0.375 / spacing:
        return DirectionalEncoding(SphericalHarmonics(8, spacing=spacing, decay=1.0))
    longest = 1 / lowest if lowest else domain.longest_period
    noise = NoiseEncoding(
        domain.coord_dim, longest_period=longest, spacing=spacing, octaves=0 if sphere else 3, **options
    )
    if learned:
        values = noise.values.clone()
        del noise.values
        noise.values = torch.nn.Parameter(values)
    if not waves:
        return _placed(noise, sphere, spacing)
    more = FourierEncoding(
        domain.coord_dim, longest_period=domain.longest_period, spacing=max(spacing, finest), octaves=0, oblique=waves,
        seed=1,
    )  # fmt: skip
    return _placed(JoinedEncoding([noise, more]), sphere, spacing)


def _travelling(modality: Modality, spacing: float, **options: Any) -> AbstractEncoding:
    """Moving waves, and static noise."""
    assert isinstance(modality, VideoModality)
    width, height, _ = modality.domain.sides
    return TravellingEncoding(
        3, axis=2, longest_period=2 * max(width, height), spacing=spacing, axis_spacing=1 / modality.fps, **options
    )


def _placed(encoding: AbstractEncoding, sphere: bool, spacing: float) -> AbstractEncoding:
    """The encoding with harmonics beside it, on a sphere."""
    if not sphere:
        return encoding
    return DirectionalEncoding(JoinedEncoding([SphericalHarmonics(8, spacing=spacing, decay=1.0), encoding]))


ARMS = {
    "default": Arm(),
    "waves": Arm(_waves),
    "waves-256": Arm(partial(_waves, oblique=256, by_area=True)),
    "noise-32": Arm(partial(_noise, channels=32)),
    "noise-1.5": Arm(partial(_noise, channels=32, decay=1.5)),
    "noise-0.5": Arm(partial(_noise, channels=32, decay=0.5)),
    "noise-16-0.75": Arm(partial(_noise, channels=16, decay=0.75)),
    "noise-8": Arm(partial(_noise, channels=8)),
    "noise-16": Arm(partial(_noise, channels=16)),
    "noise-64": Arm(partial(_noise, channels=64)),
    "noise-and-waves": Arm(partial(_noise, channels=32, waves=64)),
    "noise-and-low-waves": Arm(partial(_noise, channels=32, waves=64, finest=0.375 / 2.0)),  # up to 4 cycles a side
    "noise-learned": Arm(partial(_noise, channels=32, learned=True)),
    # At 32 samples; the default has lattices of 4 and 16 cells, widths of 128, 96 and 96, and depths of 2, 2 and 4.
    "four-stages": Arm(_noise, sizes={"lattices": (4, 8, 16), "widths": (128, 128, 96, 96), "depths": (2, 2, 2, 3)}),
    "deep-low": Arm(_noise, sizes={"depths": (4, 4, 4)}),
    "wide-low": Arm(_noise, sizes={"widths": (256, 128, 96)}),
    "pointwise": Arm(_noise, sizes={"backbone": "pointwise", "lattices": (), "widths": (96,), "depths": (8,)}),
    "mapping-4": Arm(_noise, sizes={"mapping_depth": 4}),
    "mapping-rate": Arm(_noise, sizes={"mapping_rate": 0.1}),
    "rank-8": Arm(_noise, sizes={"rank": 8}),
    "style": Arm(_noise, sizes={"hypernetwork": "style"}),
    "critic-24": Arm(_noise, config={"critic": CriticSizes(width=24, max_width=192)}),
    "batch-8": Arm(_noise, config={"batch": 8}),
    "batch-32": Arm(_noise, config={"batch": 32}),
    "rates-half": Arm(_noise, config={"generator_rate": 2e-3, "critic_rate": 2e-3}),
    "rates-6": Arm(_noise, config={"generator_rate": 6e-3, "critic_rate": 6e-3}),
    "rates-8": Arm(_noise, config={"generator_rate": 8e-3, "critic_rate": 8e-3}),
    "ema-4": Arm(_noise, config={"ema_kimg": 4.0}),
    "gamma-3e-3": Arm(_noise, config={"gamma": 3e-3}),
    "gamma-3e-4": Arm(_noise, config={"gamma": 3e-4}),
    "critic-rate-half": Arm(_noise, config={"critic_rate": 2e-3}),
    "noise-above-harmonics": Arm(partial(_noise, lowest=8 / (2 * math.pi), channels=16)),
    "static-noise": Arm(partial(_travelling, channels=16)),
    "static-noise-32": Arm(partial(_travelling, channels=32, oblique=32)),
    "truncation-0.1": Arm(modality={"truncation": 0.1}),
    "truncation-0.4": Arm(modality={"truncation": 0.4}),
    "occupancy": Arm(modality={"signal": "occupancy"}),
    "gamma-10": Arm(_noise, config={"gamma": 1e-2}),
}

MODALITIES: dict[str, Callable[[int], Modality]] = {
    "image": lambda n: ImageModality(resolution=n),
    "spherical": lambda n: SphericalModality(resolution=n, channels=1, low=-3.0, high=3.0),
    "occupancy": lambda n: OccupancyModality(resolution=n, up="z", mirror=True),
    "video": lambda n: VideoModality(resolution=n, frames=12, fps=12.5, aspect=(4.0, 3.0)),
    "surface": lambda n: SurfaceModality(resolution=n),
}


def arm_modality(arm: Arm, modality: Modality) -> Modality:
    """The modality, with the encoding of an arm."""
    if arm.encode is None:
        return modality
    encode = arm.encode

    class Changed(type(modality)):
        def encoding(self, spacing: float) -> AbstractEncoding:
            return encode(self, spacing)

    return Changed(**{f.name: getattr(modality, f.name) for f in dataclasses.fields(modality)})


def trainer_of(arm: str, seed: int, args: argparse.Namespace) -> Trainer:
    change = ARMS[arm]
    modality = dataclasses.replace(MODALITIES[args.modality](args.resolution), **change.modality)
    config = dataclasses.replace(
        recipe(args.preset, modality), data=args.train, hold_out=args.hold_out, seed=seed, kimg=1e9, device="cpu",
        snapshot_kimg=1e9, **change.config,
    )  # fmt: skip
    torch.manual_seed(seed)
    generator = Generator(arm_modality(change, modality), preset=args.preset, **change.sizes)
    run = args.out / "runs" / f"{args.modality}-{arm}-{args.resolution}-{seed}"
    return Trainer(config, run_dir=run, quiet=True, generator=generator)


def train(arm: str, seed: int, args: argparse.Namespace) -> None:
    """Train to every mark that the results lack, and score there."""
    file = args.out / f"{args.modality}.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {x["mark"] for x in lines if (x["arm"], x["resolution"], x["seed"]) == (arm, args.resolution, seed)}
    wanted = [mark for mark in marks("", args.kimg) if mark.value not in done]
    if not wanted:
        return
    trainer = trainer_of(arm, seed, args)
    modality = trainer.config.modality
    test = held_out_source(modality, args.test or args.train, share=args.hold_out)
    metrics = [*dict.fromkeys([*modality.default_metrics, "recall", "pattern"])]
    training = ResumableTraining(trainer)
    before = training.seconds if done else 0.0
    for mark in training.to_marks(wanted):
        trainer.preview(reals=False)
        scores = score_generator(trainer.ema, test, metrics=metrics, count=args.fakes, seed=0)
        at = next(s.protocol for s in scores if s.name == "pattern")
        line: dict[str, Any] = {
            "modality": args.modality, "arm": arm, "resolution": args.resolution, "seed": seed, "mark": mark.value,
            "cpu_seconds": round(training.seconds - before, 1), "pattern_at": at["cycles_per_side"],
            "pattern_rms": at["rms"],
        }  # fmt: skip
        before = training.seconds
        line |= {s.name: round(s.value, 4) for s in scores} | about(trainer, minutes=round(training.minutes, 2))
        print(json.dumps(line), flush=True)
        with open(file, "a", encoding="utf-8") as out:
            out.write(json.dumps(line) + "\n")
    trainer.close()


def cost(args: argparse.Namespace) -> None:
    """Median CPU milliseconds of a step of each arm; the arms take turns."""
    trainers = {arm: trainer_of(arm, 0, args) for arm in args.arms.split(",")}
    times: dict[str, list[float]] = {arm: [] for arm in trainers}
    for turn in range(args.cost + 1):
        for arm, trainer in trainers.items():
            start = process_time()
            for _ in range(4):
                trainer.train_step()
            if turn:
                times[arm].append(250 * (process_time() - start))
    for arm, each in times.items():
        print(json.dumps({"arm": arm, "ms": round(statistics.median(each), 1)}))


def table(args: argparse.Namespace) -> None:
    """Print the results of the file as a table: means over seeds, with 95% intervals where there are several."""
    file = args.out / f"{args.modality}.jsonl"
    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    lines = [x for x in lines if x["resolution"] == args.resolution]
    metrics = [*dict.fromkeys([*MODALITIES[args.modality](args.resolution).default_metrics, "recall", "pattern"])]
    print("| arm | kimg | seeds | " + " | ".join(metrics) + " | pattern at | CPU seconds |")
    print("|---" * (len(metrics) + 5) + "|")
    for arm, mark in dict.fromkeys((x["arm"], x["mark"]) for x in lines):
        runs = [x for x in lines if (x["arm"], x["mark"]) == (arm, mark)]
        # Seconds are those since the mark before.
        spent = [sum(y["cpu_seconds"] for y in lines if (y["arm"], y["seed"]) == (arm, x["seed"]) and y["mark"] <= mark)
                 for x in runs]  # fmt: skip
        cells = [arm, f"{mark:g}", str(len(runs))]
        cells += [_interval([x[name] for x in runs]) for name in metrics]
        print(
            "| "
            + " | ".join([*cells, "; ".join(x["pattern_at"] for x in runs), f"{statistics.mean(spent):.0f}"])
            + " |"
        )


def _interval(values: list[float]) -> str:
    """Mean and half width of its 95% interval, by Student's t."""
    mean = statistics.mean(values)
    digits = 1 if abs(mean) >= 10 else 2 if abs(mean) >= 1 else 3
    if len(values) < 2:
        return f"{mean:.{digits}f}"
    half = float(scipy.stats.t.ppf(0.975, len(values) - 1)) * statistics.stdev(values) / math.sqrt(len(values))
    return f"{mean:.{digits}f} ± {half:.{digits}f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train", help="folder or zip; the built-in set when absent")
    parser.add_argument("--test", help="folder or zip of held-out items")
    parser.add_argument("--hold-out", type=float, default=0.0, help="fraction of --train to hold out, without --test")
    parser.add_argument("--modality", choices=[*MODALITIES], default="image")
    parser.add_argument("--fakes", type=int, default=1024)
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--kimg", default="10,20")
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--cost", type=int, default=0, help="measure the cost of a step this often instead")
    parser.add_argument("--table", action="store_true", help="print the table of --out instead")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    if args.table:
        table(args)
        return
    keep_freed_memory()  # as the command line does
    torch.set_num_threads(1)
    if args.cost:
        cost(args)
        return
    for seed in map(int, args.seeds.split(",")):
        for arm in args.arms.split(","):
            train(arm, seed, args)


if __name__ == "__main__":
    main()
