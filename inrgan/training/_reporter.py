"""What a training tells: log, statistics, TensorBoard, progress bar."""

import abc
import logging
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from inrgan._typing import Tensor
from inrgan.process import progress_bar
from inrgan.training._events import shown
from inrgan.training._run_directory import RunDirectory


class AbstractReporter(abc.ABC):
    """Where a training tells what happens."""

    @abc.abstractmethod
    def say(self, message: str) -> None:
        """One line to the log, and to the terminal unless quiet."""

    @abc.abstractmethod
    def progress(self, fraction: float, *, kimg: float) -> None:
        """Move the bar to a fraction of the work, be that counted in items or in minutes."""

    @abc.abstractmethod
    def stats(self, values: dict[str, Any], *, kimg: float) -> None:
        """Record numbers of a moment."""

    @abc.abstractmethod
    def layers(self, values: dict[str, dict[str, float]], *, kimg: float) -> None:
        """Record numbers of every layer at a moment."""

    @abc.abstractmethod
    def histograms(self, tensors: Mapping[str, Tensor], *, kimg: float) -> None:
        """Show how the values of tensors are spread at a moment."""

    @abc.abstractmethod
    def show(self, files: Sequence[Path], *, kimg: float) -> None:
        """Pictures and sounds of a moment among TensorBoard's events, under the first word of their names."""

    @abc.abstractmethod
    def close(self) -> None:
        """Finish the files and the bar."""


class Mute(AbstractReporter):
    """Tells nothing: the reporter of every process but the first."""

    def say(self, message: str) -> None: ...

    def progress(self, fraction: float, *, kimg: float) -> None: ...

    def stats(self, values: dict[str, Any], *, kimg: float) -> None: ...

    def layers(self, values: dict[str, dict[str, float]], *, kimg: float) -> None: ...

    def histograms(self, tensors: Mapping[str, Tensor], *, kimg: float) -> None: ...

    def show(self, files: Sequence[Path], *, kimg: float) -> None: ...

    def close(self) -> None: ...


class Reporter(AbstractReporter):
    """Writes ``log.txt``, ``stats.jsonl`` and TensorBoard events, and draws a progress bar on a terminal.

    Args:
        run: where to write.
        quiet: no bar, and nothing but warnings on the terminal.
        kimg: where training stands; events of an earlier process that lie after it are hidden.
    """

    def __init__(self, run: RunDirectory, *, quiet: bool, kimg: float):
        self._run, self._quiet = run, quiet
        self._bar = progress_bar(
            100,
            unit="%",
            quiet=quiet,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left{postfix}",
        )
        self._events = SummaryWriter(str(run.path), purge_step=round(kimg * 1000) + 1 if kimg else None)
        self._log = logging.FileHandler(run.path / "log.txt", encoding="utf-8")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger = logging.getLogger("inrgan")
        logger.addHandler(self._log)
        self.say(f"run directory: {run.path}")

    def say(self, message: str) -> None:
        record = logging.LogRecord("inrgan", logging.INFO, "", 0, message, None, None)
        self._log.emit(record)
        if not self._quiet:
            tqdm.write(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr)

    def progress(self, fraction: float, *, kimg: float) -> None:
        if self._bar.disable:
            return
        self._bar.set_description_str(f"{kimg:.2f} kimg", refresh=False)
        self._bar.update(100 * fraction - self._bar.n)

    def stats(self, values: dict[str, Any], *, kimg: float) -> None:
        self._run.append("stats.jsonl", {"kimg": kimg, **values})
        for name, value in values.items():
            self._events.add_scalar(name, value, round(kimg * 1000))
        losses = (
            f"{name.split('/')[1][0].upper()} {value:.2f}" for name, value in values.items() if name[:5] == "loss/"
        )
        self._bar.set_postfix_str(", ".join(losses), refresh=False)  # C for the critic's, G for the generator's

    def layers(self, values: dict[str, dict[str, float]], *, kimg: float) -> None:
        self._run.append("layers.jsonl", {"kimg": kimg, "layers": values})
        for layer, numbers in values.items():
            for name, value in numbers.items():
                self._events.add_scalar(f"layers/{layer}/{name}", value, round(kimg * 1000))

    def histograms(self, tensors: Mapping[str, Tensor], *, kimg: float) -> None:
        for name, x in tensors.items():
            self._events.add_histogram(name, x, round(kimg * 1000))

    def show(self, files: Sequence[Path], *, kimg: float) -> None:
        for path in files:
            summary = shown(path, tag=path.name.split(".")[0].split("-")[0])
            if summary is not None:
                self._events.file_writer.add_summary(summary, round(kimg * 1000))  # type: ignore[union-attr]

    def close(self) -> None:
        self._bar.close()
        self._events.close()
        logging.getLogger("inrgan").removeHandler(self._log)
        self._log.close()
