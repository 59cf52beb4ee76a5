"""Common code of the quality benchmarks: training up to given times, and one line of metrics for each.

Time is the CPU time of the process, or wall-clock time on a GPU. Sampling and evaluation do not count. Results are read
every few steps, since the host would otherwise run far ahead of a GPU, and its clock with it.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch

from inrgan import Trainer
from inrgan.metrics import Score
from inrgan.training.graphs import CapturedSteps

READ_EVERY = 32
"""Steps between reads of their results."""


def trained_to(
    minutes: str, trainer: Trainer, *, note: Callable[[dict[str, torch.Tensor]], object] | None = None
) -> Iterator[float]:
    """Train to each of the times, such as "0,10,30" minutes, and yield there; record every step."""
    clock, used = time.process_time if trainer.device.type == "cpu" else time.perf_counter, 0.0
    for mark in map(float, minutes.split(",")):
        start = clock()
        while used + clock() - start < 60 * mark:
            stats = trainer.train_step().stats
            if note is not None:
                note(stats)
            if trainer.step % READ_EVERY == 0:
                trainer.read_results()
        trainer.read_results()
        used += clock() - start
        yield mark


def about(trainer: Trainer, *, minutes: float) -> dict[str, object]:
    """Entries that every line has about a training."""
    return {
        "minutes": minutes,
        "device": trainer.device.type,
        "kimg": round(trainer.kimg, 2),
        "generator_parameters": sum(p.numel() for p in trainer.G.parameters()),
        "critic_parameters": sum(p.numel() for p in trainer.D.parameters()),
        "skipped_steps": trainer.health.skipped,
        **captured(trainer),
    }


def captured(trainer: Trainer) -> dict[str, object]:
    """Number of layouts of steps that were captured as graphs, and the reason if steps could not be captured."""
    runner = trainer.run_step
    if not isinstance(runner, CapturedSteps):
        return {"captured": 0, "not_captured": "captured steps are off"}
    return {"captured": len(runner._captured), "not_captured": runner.failed}


def record(file: Path, scores: Sequence[Score], line: dict[str, object]) -> None:
    """Append a line of JSON with the metrics and their protocols, and print it without the protocols."""
    file.parent.mkdir(parents=True, exist_ok=True)
    line = line | {s.name: s.value for s in scores}
    print(json.dumps(line), flush=True)
    with open(file, "a", encoding="utf-8") as out:
        out.write(json.dumps(line | {"protocol": {s.name: s.protocol for s in scores}}) + "\n")
