"""The training loop, from batch to snapshot."""

import errno
import math
import os
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from tqdm import tqdm

from inrgan.augmentation import Augmentation, AugmentStrength
from inrgan.capabilities import HasTransforms, KeepsAttributes
from inrgan.config import TrainConfig
from inrgan.data import AbstractSource, DataReport, located, split
from inrgan.errors import CheckpointError, ConfigError, DataError, NonFiniteError, WriteError
from inrgan.files import write_json
from inrgan.losses import PathLengthRegularizer, terms
from inrgan.process import StopRequest
from inrgan.training.batches import Batches, MicroBatch
from inrgan.training.class_order import class_order
from inrgan.training.distribution import Ranks
from inrgan.training.graphs import CapturedSteps, step_runner
from inrgan.training.logging import AbstractLogger, Logger, NullLogger, memory, statistics, write_preview
from inrgan.training.monitoring import IN_A_ROW, Health, diagnose, layer_histograms, layer_measures
from inrgan.training.networks import Networks, check_term, extra_terms, pick_device
from inrgan.training.reals import Reals
from inrgan.training.run_directory import check_same_run, has_state, load_last_state, open_run, save_state
from inrgan.training.step import StepResult, TrainingStep
from inrgan.training.workers import Workers, default_workers

TICK_SECONDS = 2.0
"""Time between statistics. At these times the host reads the results of steps from the device."""


@final
class Trainer:
    """Trains a generator against critics, into a run directory.

    Every random draw is a function of the seed and the step, so that a run that was stopped and resumed equals an
    uninterrupted one, bit for bit on a CPU. Under torchrun, several processes share each batch and train the same
    weights as one process would.

    Args:
        config: Training configuration.
        outdir: Folder of new run directories.
        resume: Run directory to resume instead of starting a new one.
        run_dir: Run directory that is created if it is missing, and resumed if it has a run.
        init_from: Generator whose weights training starts from: folder, run or Hub id.
        init_partial: Take over what fits from it, instead of requiring that everything does.
        quiet: Show no progress bar and no messages.
        generator: Module to train instead of ``inrgan.Generator``.
        ranks: Processes that train together; those of torchrun's environment where None.

    Raises:
        InrganError: The options, data or files do not allow the training; the message says what to change.

    Example:
        >>> Trainer(TrainConfig(modality=ImageModality(resolution=32), kimg=1), outdir="runs").fit().name
        '00000-image-shapes-tiny'
    """

    def __init__(
        self,
        config: TrainConfig,
        *,
        outdir: str | Path = "runs",
        resume: str | Path | None = None,
        run_dir: str | Path | None = None,
        init_from: str | Path | None = None,
        init_partial: bool = False,
        quiet: bool = False,
        generator: nn.Module | None = None,
        ranks: Ranks | None = None,
    ):
        if resume is not None and (init_from is not None or run_dir is not None):
            raise ConfigError(
                "resume continues a run, init_from starts one from weights, and run_dir names the directory of a "
                "run; give one of them"
            )
        if init_partial and init_from is None:
            raise ConfigError("init_partial takes over what fits of a generator, and none is given; add init_from")
        self.ranks = Ranks.join(config.device) if ranks is None else ranks
        self.config, self.quiet = config, quiet or not self.ranks.first
        self.device = pick_device(config.device, local=self.ranks.local if self.ranks.world > 1 else None)
        self.source = _open_source(config)
        if isinstance(config.modality, KeepsAttributes):
            kept = config.modality.with_attributes(self.source.attributes)
            self.config = config = replace(config, modality=kept)
        modality = config.modality
        self.report: DataReport | None = None
        """What the data hold, in the first process."""
        resumed = self.ranks.share(
            resume if resume is not None else run_dir if run_dir and (Path(run_dir) / "config.json").exists() else None
        )
        names = self.source.label_names if config.labels else ()
        labels = class_order(names, resume=resumed, init_from=init_from, ranks=self.ranks)
        extra = extra_terms(config)
        self.networks = Networks(
            config, labels=labels, ranks=self.ranks, device=self.device, extra_terms=extra, generator=generator,
            init_from=init_from, init_partial=init_partial,
        )  # fmt: skip
        self.G, self.D, self.ema = self.networks.G, self.networks.D, self.networks.ema
        self.terms = terms(
            config.losses, resolution=modality.resolution, smallest=self.networks.smallest,
            options=config.view_options, through=modality.whole_sampler, extra=extra,
        )  # fmt: skip
        workers = Workers(default_workers(self.device) if config.workers is None else config.workers)
        classes = [labels.index(name) for name in names] if names else None
        reals = Reals(
            self.source, modality, batch=config.batch, seed=config.seed, workers=workers, classes=classes
        )  # fmt: skip
        for term in self.terms:
            if term.sees_signals:
                try:
                    reals.check(term.finest(modality.domain))
                except DataError:
                    self._report_data()  # which says why no item serves, and what would
                    raise
                partial = self.source.partial_observations
                check_term(term, config, smallest=self.networks.smallest, partial=partial)
            term.check(self.G, config, started_from=init_from or resume or run_dir)
        self.strength = AugmentStrength(
            config.augment, probability=config.augment_p, target=config.augment_target, kimg=config.augment_kimg
        )
        self.path = PathLengthRegularizer(config.path_length, every=config.path_every, device=self.device)
        transforms = modality.transforms() if isinstance(modality, HasTransforms) else ()
        ahead = config.ahead if config.ahead is not None else 2 if self.device.type == "cuda" else 0
        self.batches = Batches(
            config, self.terms, reals, augmentation=Augmentation(transforms), z_dim=self.G.z_dim,
            positions=self.ranks.positions(config.batch, most=config.batch_gpu), prepare=self.networks.prepare,
            device=self.device, ahead=ahead,
        )  # fmt: skip
        self.training_step = TrainingStep(config, self.networks, path=self.path)
        self.run_step = step_runner(config, self.training_step, self.networks, ranks=self.ranks)
        self.step, self.health = 0, Health()
        self.batch: list[MicroBatch] = []
        """Micro-batches of the last step."""
        self._unread: list[StepResult] = []
        """Results of steps that the host has not read yet."""
        self._stats: list[dict[str, Tensor]] = []
        """Statistics of finite steps since the last line of the log."""
        self.logger: AbstractLogger = NullLogger()
        self.run = open_run(
            outdir, slug=f"{modality.name}-{self.source.description}-{config.preset}", resume=resume, run_dir=run_dir,
            ranks=self.ranks,
        )  # fmt: skip
        try:
            if resume is not None or self.ranks.share(run_dir is not None and (self.run.path / "config.json").exists()):
                check_same_run(self.run, config, ranks=self.ranks)
                if resume is not None or self.ranks.share(has_state(self.run.state)):
                    self._load()
            if self.ranks.first:
                self.run.write_config(config.to_json())
                write_json(self.run.path / "data.json", self._report_data().to_plain())
        except Exception:
            self.run.close()  # a failed resume releases the directory
            raise

    @property
    def kimg(self) -> float:
        """Thousands of reals shown so far."""
        return self.step * self.config.batch / 1000

    def fit(self, *, kimg: float | None = None, max_minutes: float = math.inf, save_minutes: float = 15.0) -> Path:
        """Train to the end, or to an earlier point, and write a snapshot and a state; may be called again.

        The run directory is locked from the trainer's creation to the end of ``fit``, and again by each further call.

        Args:
            kimg: Position to stop at instead of the configuration's end.
            max_minutes: Time after which to stop, resumably.
            save_minutes: Longest time between states, where there is no snapshot in between.

        Returns:
            Path of the run directory.

        Raises:
            KeyboardInterrupt: Ctrl-C, once the step is complete and the state saved; a second one is immediate.
            SystemExit: SIGTERM, likewise; the code is 143.
            NonFiniteError: Losses or gradients stayed NaN or infinite, also after roll-backs to the last state at lower
                rates; the last snapshot and state are good.
            WriteError: The disk is full; the last snapshot and state are good.
        """
        end = self.config.kimg if kimg is None else min(kimg, self.config.kimg)
        self.run.lock()
        stop = StopRequest()
        if self.ranks.first:
            self.logger = Logger(self.run, quiet=self.quiet, kimg=self.kimg)
            for line in [] if self.report is None else self.report.lines():
                self.logger.say(line, shown=False)
            if self.networks.started_from and self.step == 0:
                self.logger.say(f"start {self.networks.started_from}")
        try:
            self._fit(stop, end=end, max_minutes=max_minutes, save_minutes=save_minutes)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise WriteError(
                f"cannot write in {self.run.path}: {os.strerror(error.errno)}; free space and continue with --resume"
            ) from None
        finally:
            stop.close()
            self.logger.close()
            self.logger = NullLogger()
            self.batches.close()
            self.run.close()  # so that a notebook's cell can be run again
        return self.run.path

    def _fit(self, stop: StopRequest, *, end: float, max_minutes: float, save_minutes: float) -> None:
        began, first = time.monotonic(), self.kimg
        tick = saved = began
        next_snapshot, tick_step, snapshot_step = self._next_snapshot(), self.step, -1
        stopped, over = False, max_minutes <= 0
        if self.device.type == "cuda" and self.config.precision == "fp32" and self.config.tf32:
            self.logger.say("fp32 products with inputs rounded to TF32; --no-tf32 for full precision")
        if self.step > 0 and self.kimg >= end and self.ranks.share(self.run.snapshot(self.kimg).exists()):
            self.logger.say(
                f"nothing to do: {self.run.path} is trained to {self.kimg:g} kimg, and --kimg is {end:g}; raise it to "
                "go on"
            )
            return
        if self.step == 0:
            self.logger.media(self.preview(reals=True), kimg=0)
            self.logger.media(self.snapshot(), kimg=0)

        while self.kimg < end and not stopped and not over:
            self.train_step()
            now = time.monotonic()
            done = max((self.kimg - first) / (end - first), (now - began) / (60 * max_minutes))
            self.logger.progress(min(done, 1.0), kimg=self.kimg)
            stopped, over, ticked, late = self.ranks.agree(
                [stop.requested, now - began >= 60 * max_minutes, now - tick > TICK_SECONDS,
                 now - saved > 60 * save_minutes]
            )  # fmt: skip
            watched = self.config.watch_every > 0 and self.step % self.config.watch_every == 0
            ticked = ticked or over or self.kimg >= min(end, next_snapshot)
            if not (ticked or watched or late):
                continue

            self.read_results()
            if ticked:
                self._write_stats(seconds=now - tick, steps=self.step - tick_step)
                tick, tick_step = now, self.step
            if self.health.should_roll_back:
                self._roll_back()
                next_snapshot, tick_step = self._next_snapshot(), self.step
            if self.health.row > 0:
                continue  # the last good state stays on the disk
            if watched:
                self._watch()
            if self.kimg >= next_snapshot:
                self.logger.media(self.snapshot(), kimg=self.kimg)
                self.logger.say(f"{self.kimg:.3f} kimg, {(now - began) / 60:.1f} minutes: snapshot")
                self._watch(histograms=True)
                next_snapshot, saved, snapshot_step = self._next_snapshot(), now, self.step
            elif late:
                self.save()
                saved = now
        self._finish(stop, stopped=stopped, written=snapshot_step == self.step)

    def train_step(self) -> StepResult:
        """One step of the critics and one of the generator, on the same fakes.

        A step whose loss or gradient is not finite changes no weight; ``read_results`` counts it in ``health``.

        Returns:
            Outcome of the step, on the device.
        """
        self.batch = self.batches.at(self.step, probability=self.strength.probability)
        result = self.run_step(self.batch, step=self.step)
        self.step += 1
        self._unread.append(result)
        self.strength.update(result.real_fake_sign, items=self.config.batch)
        return result

    def read_results(self) -> None:
        """Read the results of the steps since the last call from the device: finite or not, and statistics."""
        finite = torch.stack([result.finite for result in self._unread]).tolist() if self._unread else []
        for good, result in zip(finite, self._unread, strict=True):
            self.health.note(good)
            if good:
                self._stats.append(result.stats)
        self._unread = []

    def snapshot(self) -> list[Path]:
        """Write the averaged generator, previews of its signals, and the state.

        Returns:
            Paths of the previews.

        Raises:
            NonFiniteError: A weight became NaN or infinite; existing files are intact.
        """
        self.networks.check_finite(advice=self._advice())
        files: list[Path] = []
        if self.ranks.first:
            self.ema.save_pretrained(self.run.snapshot(self.kimg))
            files = self.preview(reals=False)
        self.save()
        return files

    def save(self) -> None:
        """Write the state from which training resumes exactly.

        Raises:
            NonFiniteError: A weight became NaN or infinite; existing files are intact.
        """
        self.read_results()
        self.networks.check_finite(advice=self._advice())
        self.health.saved()
        parts: dict[str, Any] = {}
        if self.source.endless:
            parts["data"] = self.ranks.gather(self.source.state_dict(self.step * self.config.batch))
        if self.ranks.first:
            parts |= {name: part.state_dict() for name, part in self._state_parts().items()}
            save_state(self.run.state, {"step": self.step, "health": self.health.to_plain(), **parts})

    def preview(self, *, reals: bool) -> list[Path]:
        """Write files with reals, or with the averaged generator's signals of fixed latents."""
        if not self.ranks.first:
            return []
        return write_preview(self.run.path, self.config, self.source, ema=None if reals else self.ema, kimg=self.kimg)

    def close(self) -> None:
        """Release the run directory, the data and the other processes."""
        self.batches.close()
        self.source.close()
        self.run.close()
        self.ranks.close()

    def _report_data(self) -> DataReport:
        """Report what the data hold, on the terminal unless quiet."""
        self.report = self.source.report()
        if not self.quiet:
            tqdm.write("\n".join(self.report.lines()), file=sys.stderr)
        return self.report

    def _next_snapshot(self) -> float:
        return (math.floor(self.kimg / self.config.snapshot_kimg) + 1) * self.config.snapshot_kimg

    def _finish(self, stop: StopRequest, *, stopped: bool, written: bool) -> None:
        """Write the last files of a training or of a stop."""
        self.read_results()
        if self.health.row > 0 and not stopped:
            raise NonFiniteError(self._complaint())
        if self.health.row > 0:
            self.logger.say(f"stopped while steps were skipped; the last good state is {self.run.state}")
        elif stopped and stop.signal == signal.SIGTERM:
            self.save()  # the sender of the signal waits for seconds only
        else:
            if not written:
                self.logger.media(self.snapshot(), kimg=self.kimg)
                self._watch(histograms=True)
            self.logger.say(f"trained to {self.kimg:.3f} kimg; snapshot in {self.run.snapshot(self.kimg)}")
        if stopped:
            self.logger.say(f"interrupted; continue with --resume {self.run.path}")
            raise stop.exception()

    def _write_stats(self, *, seconds: float, steps: int) -> None:
        """Write the statistics of the steps since the last line."""
        line = statistics(
            self._stats, batches=self.batches, bad=self.source.bad, ranks=self.ranks, seconds=seconds
        )  # fmt: skip
        line |= {f"health/{name}": value for name, value in self.health.to_plain().items()}
        if self.config.augment != "none":
            line["augment/probability"] = self.strength.probability
        if isinstance(self.run_step, CapturedSteps):
            line["time/captured_fraction"] = self.run_step.captured_fraction
            self.run_step.clear_counts()
        line["time/seconds_per_kimg"] = seconds / max(steps * self.config.batch / 1000, 1e-9)
        self.logger.stats(line | memory(self.device), kimg=self.kimg)
        self._stats = []

    def _watch(self, *, histograms: bool = False) -> None:
        """Record measures, or histograms, of every layer for a few items of the last step."""
        if not self.ranks.first or not self.config.watch_every or not self.batch:
            return
        part = self.batch[0][0].head(4)
        with self.networks.eager():
            if histograms:
                self.logger.histograms(layer_histograms(self.networks.trained(), part), kimg=self.kimg)
            else:
                self.logger.layers(layer_measures(self.networks.trained(), part), kimg=self.kimg)

    def _roll_back(self) -> None:
        """Return to the last good state, and continue from there with lower learning rates."""
        if self.health.should_abort:
            raise NonFiniteError(self._complaint())
        health, where, why = self.health, self.kimg, self._diagnosis()
        self._load()
        self.health, self._stats = health, []
        health.rolled_back()
        self.networks.scale_rates(health.rate)
        self.logger.say(
            f"{IN_A_ROW} steps in a row were not finite up to {where:.3f} kimg: {why}. Back to {self.kimg:.3f} "
            f"kimg, with {health.rate:g} of the learning rates"
        )

    def _diagnosis(self) -> str:
        """First non-finite quantity of the last step, in any process."""
        with self.networks.eager():
            found = self.ranks.gather(diagnose(self.G, self.D, self.batch))
        named = [f"{text} (process {i})" if len(found) > 1 else text for i, text in enumerate(found) if text]
        return min(named, key=lambda text: "gradient of" in text, default="nothing that can be reproduced")

    def _complaint(self) -> str:
        return (
            f"a loss or a gradient was NaN or infinite in the last {self.health.row} steps: {self._diagnosis()}; "
            f"{self._advice()}"
        )

    def _advice(self) -> str:
        return (
            f"near {self.kimg:.3f} kimg; the last good state is {self.run.state}. Raise --gamma, or lower "
            "generator_rate and critic_rate in the configuration"
        )

    def _state_parts(self) -> dict[str, Any]:
        """Objects with an entry in a training state, by name."""
        path = {"path": self.path} if self.config.path_length > 0 else {}  # older runs have none
        return self.networks.state_parts() | {"augment": self.strength} | path

    def _load(self) -> None:
        """Load the last state on the disk, which the first process reads for all."""
        state = self.ranks.share(
            load_last_state(self.run.state, device=torch.device("cpu")) if self.ranks.first else {}
        )
        self.batches.close()  # steps prepared in advance belong to another position
        if ("data" in state) != self.source.endless:
            kinds = ("files", "a stream") if self.source.endless else ("a stream", "files")
            raise CheckpointError(
                f"{self.run.path} was trained on {kinds[0]}, whose order differs from that of {kinds[1]}; give --data "
                "of the same kind, or start a new run with --init-from"
            )
        self.source.load_state_dict(state.get("data", []))
        try:
            for name, target in self._state_parts().items():
                target.load_state_dict(state[name])
            self.step = int(state["step"])
            self.health = Health.from_plain(state["health"]) if "health" in state else Health()
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(f"{self.run.state} does not fit {self.run.path / 'config.json'}: {error}") from None
        self._unread = []
        if isinstance(self.run_step, CapturedSteps):
            self.run_step.forget()  # the optimizers have other tensors now
        self.networks.scale_rates(self.health.rate)
        if self.ranks.first:
            for name in ("stats.jsonl", "layers.jsonl"):
                self.run.truncate(name, kimg=self.kimg)


def _open_source(config: TrainConfig) -> AbstractSource:
    """Items to train on.

    Raises:
        DataError: The data are missing, empty or unreadable.
        ConfigError: There is no item, or all items are held out.
    """
    data = located(config.data, follow_links=config.follow_links)
    source = config.modality.source(data, labels=config.labels, seed=config.seed)
    if source.endless:
        if config.hold_out:
            raise ConfigError(
                f"a fraction of {config.hold_out} of the stream {config.data} should be held out, but its items are "
                "not known beforehand; leave out --hold-out, and keep separate shards for scores"
            )
        return source
    if len(source) < 1:
        raise ConfigError("the data set is empty; give --data a folder or zip with items")
    return split(source, share=config.hold_out).train if config.hold_out else source
