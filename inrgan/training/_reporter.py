"""What a training tells: log, statistics, TensorBoard, progress bar."""

import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from inrgan._progress import progress_bar
from inrgan.training._events import shown
from inrgan.training._run_directory import RunDirectory


class Reporter:
    """Writes ``log.txt``, ``stats.jsonl`` and TensorBoard events, and draws a progress bar on a terminal.

    Args:
        run: where to write.
        quiet: no bar, and nothing but warnings on the terminal.
    """

    def __init__(self, run: RunDirectory, *, quiet: bool):
        self._run, self._quiet = run, quiet
        self._bar = progress_bar(
            100,
            unit="%",
            quiet=quiet,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left{postfix}",
        )
        self._events = SummaryWriter(str(run.path))
        self._log = logging.FileHandler(run.path / "log.txt", encoding="utf-8")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger = logging.getLogger("inrgan")
        logger.addHandler(self._log)
        self.say(f"run directory: {run.path}")

    def say(self, message: str) -> None:
        """One line to the log, and to the terminal unless quiet."""
        record = logging.LogRecord("inrgan", logging.INFO, "", 0, message, None, None)
        self._log.emit(record)
        if not self._quiet:
            tqdm.write(f"[{time.strftime('%H:%M:%S')}] {message}", file=sys.stderr)

    def progress(self, fraction: float, *, kimg: float) -> None:
        """Move the bar to a fraction of the work, be that counted in items or in minutes."""
        if self._bar.disable:
            return
        self._bar.set_description_str(f"{kimg:.2f} kimg", refresh=False)
        self._bar.update(100 * fraction - self._bar.n)

    def stats(self, values: dict[str, Any], *, kimg: float) -> None:
        """Record numbers of a moment."""
        self._run.append("stats.jsonl", {"kimg": kimg, **values})
        for name, value in values.items():
            self._events.add_scalar(name, value, round(kimg * 1000))
        losses = (
            f"{name.split('/')[1][0].upper()} {value:.2f}" for name, value in values.items() if name[:5] == "loss/"
        )
        self._bar.set_postfix_str(", ".join(losses), refresh=False)  # C for the critic's, G for the generator's

    def show(self, files: Sequence[Path], *, kimg: float) -> None:
        """Pictures and sounds of a moment among TensorBoard's events, under the first word of their names."""
        for path in files:
            summary = shown(path, tag=path.name.split(".")[0].split("-")[0])
            if summary is not None:
                self._events.file_writer.add_summary(summary, round(kimg * 1000))  # type: ignore[union-attr]

    def close(self) -> None:
        """Finish the files and the bar."""
        self._bar.close()
        self._events.close()
        logging.getLogger("inrgan").removeHandler(self._log)
        self._log.close()
