"""Trainings up to marks in minutes and in kimg, which resume after an interruption with their clock.

The clock counts training alone: CPU time of the process on a CPU, wall-clock time on a GPU. Beside every state of the
run there is a line with the step and the seconds used so far, so that a resumed training has the time of its state.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from _marks import READ_EVERY

from inrgan import Trainer


@dataclass(frozen=True)
class Mark:
    """Point of a training at which it is scored."""

    value: float
    unit: str
    """``minutes`` or ``kimg``."""

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"

    def reached(self, *, minutes: float, kimg: float) -> bool:
        return {"minutes": minutes, "kimg": kimg}[self.unit] >= self.value - 1e-9


def marks(minutes: str, kimg: str) -> list[Mark]:
    """Marks of lists of numbers, such as "0,5,15" and "".

    Example:
        >>> [str(m) for m in marks("0,5", "2.5")]
        ['0 minutes', '5 minutes', '2.5 kimg']
    """
    return [Mark(float(n), unit) for unit, text in (("minutes", minutes), ("kimg", kimg)) for n in text.split(",") if n]


class ResumableTraining:
    """A training with a clock, whose state is saved at marks and in between.

    Args:
        trainer: Trainer with a run directory of its own, new or resumed.
        save_minutes: Minutes of training between states.
    """

    def __init__(self, trainer: Trainer, *, save_minutes: float = 5.0):
        self.trainer, self.save_seconds = trainer, 60 * save_minutes
        self._file = trainer.run.path / "clock.jsonl"
        self._now = time.process_time if trainer.device.type == "cpu" else time.perf_counter
        self.seconds = _seconds_at(self._file, step=trainer.step)
        """Seconds of training so far."""

    @property
    def minutes(self) -> float:
        return self.seconds / 60

    def to_marks(self, wanted: Sequence[Mark]) -> Iterator[Mark]:
        """Train to each of the marks, in the order in which they are reached; yield there, with the state saved."""
        pending, saved = list(wanted), self.seconds
        while pending:
            reached = [m for m in pending if m.reached(minutes=self.minutes, kimg=self.trainer.kimg)]
            if reached or self.seconds - saved >= self.save_seconds:
                self.save()
                saved = self.seconds
            for mark in reached:
                pending.remove(mark)
                yield mark
            if not reached:
                self._train(pending, until=saved + self.save_seconds)

    def save(self) -> None:
        """Write the clock and the state. A line without its state is never read."""
        with open(self._file, "a", encoding="utf-8") as out:
            out.write(json.dumps({"step": self.trainer.step, "seconds": self.seconds}) + "\n")
        self.trainer.save()

    def _train(self, pending: Sequence[Mark], *, until: float) -> None:
        """Train until a mark is reached, or a number of seconds."""
        start = self._now() - self.seconds
        while self.seconds < until and not any(
            m.reached(minutes=self.minutes, kimg=self.trainer.kimg) for m in pending
        ):
            self.trainer.train_step()
            if self.trainer.step % READ_EVERY == 0:
                self.trainer.read_results()  # else the host runs far ahead of a GPU, and its clock with it
            self.seconds = self._now() - start
        self.trainer.read_results()
        self.seconds = self._now() - start


def _seconds_at(file: Path, *, step: int) -> float:
    """Seconds of training at a step, by the last line that tells."""
    if step == 0:
        return 0.0
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    found = [line["seconds"] for line in lines if line["step"] == step]
    if not found:
        raise SystemExit(f"{file} has no time for step {step}; the run is not one of quality.py: give another --name")
    return found[-1]
