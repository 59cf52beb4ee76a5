"""Records of a training: log, statistics, TensorBoard events, progress bar and previews."""

import abc
import logging
import math
import resource
import struct
import sys
import time
import wave
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[attr-defined]
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from inrgan._random import step_generator
from inrgan.config import TrainConfig
from inrgan.data import AbstractSource
from inrgan.process import progress_bar
from inrgan.training.batches import Batches
from inrgan.training.distribution import Ranks
from inrgan.training.reals import Reals
from inrgan.training.run_directory import RunDirectory

_PREVIEW_POINTS = 1 << 16
"""Largest number of samples of one signal in a preview."""
_PREVIEW_COUNT = 32


class AbstractLogger(abc.ABC):
    """Receiver of a training's records."""

    @abc.abstractmethod
    def say(self, message: str, *, shown: bool = True) -> None:
        """Write one line to the log, and to the terminal unless quiet or not to be shown."""

    @abc.abstractmethod
    def progress(self, fraction: float, *, kimg: float) -> None:
        """Move the progress bar to a fraction of the work, measured in items or in minutes."""

    @abc.abstractmethod
    def stats(self, values: dict[str, Any], *, kimg: float) -> None:
        """Record statistics."""

    @abc.abstractmethod
    def layers(self, values: dict[str, dict[str, float]], *, kimg: float) -> None:
        """Record measures of every layer."""

    @abc.abstractmethod
    def histograms(self, tensors: Mapping[str, Tensor], *, kimg: float) -> None:
        """Record histograms of tensors."""

    @abc.abstractmethod
    def media(self, files: Sequence[Path], *, kimg: float) -> None:
        """Record images and audio files, under the first word of their names."""

    @abc.abstractmethod
    def close(self) -> None:
        """Close the files and the bar."""


@final
class NullLogger(AbstractLogger):
    """Logger that records nothing, for every process but the first."""

    def say(self, message: str, *, shown: bool = True) -> None: ...

    def progress(self, fraction: float, *, kimg: float) -> None: ...

    def stats(self, values: dict[str, Any], *, kimg: float) -> None: ...

    def layers(self, values: dict[str, dict[str, float]], *, kimg: float) -> None: ...

    def histograms(self, tensors: Mapping[str, Tensor], *, kimg: float) -> None: ...

    def media(self, files: Sequence[Path], *, kimg: float) -> None: ...

    def close(self) -> None: ...


@final
class Logger(AbstractLogger):
    """Logger to ``log.txt``, ``stats.jsonl``, ``layers.jsonl``, TensorBoard events and a progress bar.

    Args:
        run: Run directory.
        quiet: Show no bar, and only warnings on the terminal.
        kimg: Current position of the training; later events of an earlier process are hidden.
    """

    def __init__(self, run: RunDirectory, *, quiet: bool, kimg: float):
        self._run, self._quiet = run, quiet
        self._bar = progress_bar(
            100,
            unit="%",
            quiet=quiet,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {elapsed} elapsed, {remaining} left{postfix}",
        )
        self._events = SummaryWriter(str(run.path), purge_step=round(kimg * 1000) + 1 if kimg else None)
        self._log = logging.FileHandler(run.path / "log.txt", encoding="utf-8")
        self._log.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logging.getLogger("inrgan").addHandler(self._log)
        self.say(f"run directory: {run.path}")

    def say(self, message: str, *, shown: bool = True) -> None:
        self._log.emit(logging.LogRecord("inrgan", logging.INFO, "", 0, message, None, None))
        if shown and not self._quiet:
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
        shown = [
            f"{name.split('/')[1][0].upper()} {value:.2f}" for name, value in values.items() if name[:5] == "loss/"
        ]  # C for the critic's, G for the generator's
        if "time/waiting_fraction" in values:
            shown.append(f"waiting {values['time/waiting_fraction']:.0%}")
        self._bar.set_postfix_str(", ".join(shown), refresh=False)

    def layers(self, values: dict[str, dict[str, float]], *, kimg: float) -> None:
        self._run.append("layers.jsonl", {"kimg": kimg, "layers": values})
        for layer, numbers in values.items():
            for name, value in numbers.items():
                self._events.add_scalar(f"layers/{layer}/{name}", value, round(kimg * 1000))

    def histograms(self, tensors: Mapping[str, Tensor], *, kimg: float) -> None:
        for name, x in tensors.items():
            self._events.add_histogram(name, x, round(kimg * 1000))

    def media(self, files: Sequence[Path], *, kimg: float) -> None:
        for path in files:
            summary = media_summary(path, tag=path.name.split(".")[0].split("-")[0])
            if summary is not None:
                self._events.file_writer.add_summary(summary, round(kimg * 1000))  # type: ignore[union-attr]

    def close(self) -> None:
        self._bar.close()
        self._events.close()
        logging.getLogger("inrgan").removeHandler(self._log)
        self._log.close()


def media_summary(path: Path, *, tag: str) -> Summary | None:
    """TensorBoard's record of an image (.png, .gif) or an audio file (.wav of integers); None for other files.

    The record has the original bytes of the file. TensorBoard's ``add_image`` would encode them again, and its
    ``add_video`` needs moviepy.

    Example:
        >>> media_summary(Path("fakes-00001.000.npy"), tag="fakes") is None
        True
    """
    suffix = path.suffix.lower()
    if suffix == ".wav":
        try:
            with wave.open(str(path), "rb") as file:
                clip = Summary.Audio(
                    sample_rate=file.getframerate(), num_channels=file.getnchannels(), length_frames=file.getnframes(),
                    encoded_audio_string=path.read_bytes(), content_type="audio/wav",
                )  # fmt: skip
        except wave.Error:  # a float wav does not stop the training
            return None
        return Summary(value=[Summary.Value(tag=tag, audio=clip)])
    if suffix not in (".png", ".gif"):
        return None
    data = path.read_bytes()
    # Offsets of the sizes in the headers of the formats.
    width, height = struct.unpack(">II", data[16:24]) if suffix == ".png" else struct.unpack("<HH", data[6:10])
    image = Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=data)
    return Summary(value=[Summary.Value(tag=tag, image=image)])


def statistics(
    steps: Sequence[Mapping[str, Tensor]], *, batches: Batches, bad: int, ranks: Ranks, seconds: float
) -> dict[str, float]:
    """Statistics of several steps over all processes: means, counts of items, and the longest wait for data.

    Args:
        steps: This process's part of the statistics of each step.
        batches: Batches with counts of items, which are reset.
        bad: Number of unreadable items in this process.
        ranks: Processes that train together.
        seconds: Time since the last statistics.
    """
    parts: dict[str, list[Tensor]] = {}
    for step in steps:
        for name, value in step.items():
            parts.setdefault(name, []).append(value)
    means = {name: float(torch.stack(values).mean()) for name, values in parts.items()}
    counts, waited = (batches.counts.used.copy(), batches.counts.skipped.copy()), batches.waited
    batches.clear_counts()
    found: dict[str, float] = {}
    used, skipped, total, longest = Counter[str](), Counter[str](), 0, 0.0
    for values, (more_used, more_skipped), more_bad, waiting in ranks.gather((means, counts, bad, waited)):
        found = {k: found.get(k, 0.0) + v for k, v in values.items()}
        used, skipped, total = used + more_used, skipped + more_skipped, total + more_bad
        longest = max(longest, waiting)
    found["data/bad"], found["time/waiting_for_data_seconds"] = total, longest
    found["time/waiting_fraction"] = min(1.0, longest / max(seconds, 1e-9))
    found |= {f"data/used/{k}": n for k, n in sorted(used.items())}
    return found | {f"data/too_small/{k}": n for k, n in sorted(skipped.items())}


def memory(device: torch.device) -> dict[str, Any]:
    """Peak memory of this process, in GiB."""
    peaks = {"memory/peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}
    if device.type == "cuda":
        peaks["memory/peak_gpu_gib"] = torch.cuda.max_memory_allocated(device) / 2**30
    return peaks


@torch.no_grad()
def write_preview(
    folder: Path, config: TrainConfig, source: AbstractSource, *, ema: Any = None, kimg: float = 0.0
) -> list[Path]:
    """Write files with reals, or with the averaged generator's signals of fixed latents.

    Args:
        folder: Run directory.
        config: Training configuration.
        source: Items of the training.
        ema: Averaged generator; None for reals.
        kimg: Current position of the training, for the files' names.

    Returns:
        The files, one for each of the modality's preview suffixes.
    """
    modality = config.modality
    resolution = modality.resolution
    while math.prod(modality.domain.shape(resolution)) > _PREVIEW_POINTS and resolution > 1:
        resolution //= (
            2  # patches of large signals never need the full resolution in memory, and previews do not either
        )
    view = modality.domain.grid(modality.domain.shape(resolution))
    if ema is None:
        (values,), _ = Reals(source, modality, batch=_PREVIEW_COUNT, seed=config.seed).draw(0, [view])
        name = "reals"
    else:
        rng = step_generator(config.seed, purpose="preview", step=0)
        device = ema.mapping.w_mean.device
        z = torch.randn(_PREVIEW_COUNT, ema.z_dim, generator=rng).to(device)
        # Classes in rotation, as for seeds: the reals of a stream are no longer available.
        classes = max(1, len(source.label_names))
        labels = torch.arange(_PREVIEW_COUNT, device=device) % classes if config.labels else None
        values = ema(z, labels)(view.to(device)).float().cpu()
        name = f"fakes-{kimg:09.3f}"
    files = [folder / f"{name}{suffix}" for suffix in modality.previews()]
    for file in files:
        modality.write(values, file)
    return files
