"""The training loop, top to bottom."""

import contextlib
import errno
import math
import os
import signal
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inrgan._pretrained import load_generator, resolve
from inrgan._random import step_generator
from inrgan._typing import Tensor
from inrgan.augmentation import Augmentation
from inrgan.data import split
from inrgan.errors import CheckpointError, ConfigError, NonFiniteError, WriteError
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.losses import adversarial_loss, terms
from inrgan.modality import Modality
from inrgan.training._batches import Batches, Piece, Shown
from inrgan.training._config import TrainConfig
from inrgan.training._critics import check_term, critics, smallest
from inrgan.training._descent import Descent
from inrgan.training._diagnosis import diagnose, refuse_broken
from inrgan.training._ema import frozen_copy, update_ema
from inrgan.training._health import IN_A_ROW, Health
from inrgan.training._layers import health_of_layers, spread_of_layers
from inrgan.training._networks import pick_device
from inrgan.training._preview import write_preview
from inrgan.training._ranks import Ranks
from inrgan.training._reals import Reals
from inrgan.training._reporter import AbstractReporter, Mute, Reporter
from inrgan.training._resume import check_same_run, open_run
from inrgan.training._state import has_state, load_last_state, save_state
from inrgan.training._statistics import memory, statistics
from inrgan.training._step import Seen, StepLosses
from inrgan.training._stop import StopRequest
from inrgan.training._strength import AugmentStrength

_TICK_SECONDS = 2.0


class Trainer:
    """Trains a generator against a critic, into a run directory.

    Every random draw is a function of the seed and the step, so that a run that was stopped and resumed
    equals one that never stopped, bit for bit on a CPU. Started by torchrun, several processes share each batch and
    learn what one would learn of it.

    Args:
        config: everything that decides the run.
        outdir: where the run directory is made.
        resume: a run directory to go on with, instead of making one.
        run_dir: this very run directory: it is made where it is missing, and gone on with where it holds a run.
        init_from: a generator to start from: folder, run or Hub id.
        quiet: no progress bar and no messages.
        generator: another module to train in the place of ``inrgan.Generator``.
        ranks: the processes that train together; what torchrun says where None.

    Raises:
        InrganError: of many kinds, each saying what to do.

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
        quiet: bool = False,
        generator: nn.Module | None = None,
        ranks: Ranks | None = None,
    ):
        if resume is not None and (init_from is not None or run_dir is not None):
            raise ConfigError(
                "resume continues a run; init_from starts one from weights, and run_dir says where to start one; "
                "give one of them"
            )
        self.ranks = Ranks.join(config.device) if ranks is None else ranks
        self.config, self.quiet = config, quiet or not self.ranks.first
        self.device = pick_device(config.device, local=self.ranks.local if self.ranks.world > 1 else None)
        pieces = self.ranks.positions(config.batch, most=config.batch_gpu)
        modality = config.modality
        self.source = modality.source(
            config.data, labels=config.labels and (config.label_pattern or True), seed=config.seed
        )
        if len(self.source) < 1:
            raise ConfigError("the data set is empty; give --data a folder or zip with items")
        if config.hold_out:
            self.source = split(self.source, share=config.hold_out).train
        label_names = self.source.label_names if config.labels else ()
        generator_sizes, critic_sizes = config.sizes(classes=len(label_names))
        self.augmentation = Augmentation(modality.transforms())
        self.strength = AugmentStrength(
            config.augment, chance=config.augment_p, target=config.augment_target, kimg=config.augment_kimg
        )
        self.reals = Reals(self.source, modality, batch=config.batch, seed=config.seed)

        torch.manual_seed(config.seed)  # initial weights; nothing after this line draws from the global state
        G = generator if generator is not None else Generator(modality, labels=label_names, sizes=generator_sizes)
        self.G: Any = G.to(self.device).train()
        self.D = critics(config, critic_sizes).to(self.device).train()
        if init_from is not None:
            described, tensors = load_generator(resolve(init_from))
            described.load_into(self.G, tensors)
        for network in (self.G, self.D):
            self.ranks.align(network)
        self.ema: Any = frozen_copy(self.G)
        self.terms = terms(
            config.losses, resolution=modality.resolution, smallest=smallest(self.D),
            options=config.looks, through=modality.whole_sampler,
        )  # fmt: skip
        self.losses = StepLosses(
            self.D, adversarial_loss(config.adversarial), gamma=config.gamma, every=config.penalty_every,
            autocast=self._autocast, backend="inductor" if config.compile else None,
        )  # fmt: skip
        self.optimizer_G = torch.optim.Adam(self.G.parameters(), lr=config.generator_rate, betas=config.betas)
        self.optimizer_D = torch.optim.Adam(self.D.parameters(), lr=config.critic_rate, betas=config.betas)
        self.descent_G = Descent(self.optimizer_G, ranks=self.ranks)
        self.descent_D = Descent(self.optimizer_D, ranks=self.ranks)
        if config.compile:
            self.G.inr.compile_layers()
        self.step, self.health, self.pieces = 0, Health(), list[Piece]()
        for term in self.terms:
            self.reals.check(term.finest(modality.domain))
            check_term(term, config, smallest=smallest(self.D))
        ahead = config.ahead if config.ahead is not None else 2 if self.device.type == "cuda" else 0
        self.batches = Batches(
            config, self.terms, self.reals, augmentation=self.augmentation, z_dim=self.G.z_dim, pieces=pieces,
            device=self.device, ahead=ahead,
        )  # fmt: skip
        self.run = open_run(
            outdir, slug=f"{modality.name}-{self.source.description}-{config.preset}", resume=resume, run_dir=run_dir,
            ranks=self.ranks,
        )  # fmt: skip
        try:
            if resume is not None or self.ranks.share(run_dir is not None and (self.run.path / "config.json").exists()):
                self._restore(needed=resume is not None)
            if self.ranks.first:
                self.run.write_config(config.to_json())
        except Exception:
            self.run.close()  # a failed resume does not hold the directory
            raise

    @property
    def kimg(self) -> float:
        """Thousands of reals shown so far."""
        return self.step * self.config.batch / 1000

    def fit(self, *, kimg: float | None = None, max_minutes: float = math.inf, save_minutes: float = 15.0) -> Path:
        """Train to the end, or to an earlier moment, and leave a snapshot and a state; may be called again.

        Args:
            kimg: stop here instead of at the configuration's end.
            max_minutes: stop after so much time, resumably.
            save_minutes: save the state at least so often, between snapshots.

        Returns:
            The run directory.

        Raises:
            KeyboardInterrupt: after Ctrl-C, once the step is finished and the state saved; a second one is immediate.
            SystemExit: with code 143, likewise after SIGTERM.
            NonFiniteError: losses or gradients stayed NaN or infinite, also after going back to the last state at
                lower rates; the last snapshot and state are good.
            WriteError: the disk is full; the last snapshot and state are good.
        """
        try:
            return self._fit(
                self.config.kimg if kimg is None else min(kimg, self.config.kimg),
                max_minutes=max_minutes, save_minutes=save_minutes,
            )  # fmt: skip
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise WriteError(
                f"cannot write in {self.run.path}: {os.strerror(error.errno)}; make room and go on with --resume"
            ) from None

    def _fit(self, end: float, *, max_minutes: float, save_minutes: float) -> Path:
        reporter = Reporter(self.run, quiet=self.quiet, kimg=self.kimg) if self.ranks.first else Mute()
        stop = StopRequest()
        began, first = time.monotonic(), self.kimg
        deadline = began + 60 * max_minutes
        tick = saved = began
        tick_step, sums = self.step, {}
        next_snapshot = self._next_snapshot()
        stopped, over, shown = False, max_minutes <= 0, -1
        try:
            if self.step == 0:
                reporter.show(self.preview(reals=True), kimg=0)
                reporter.show(self.snapshot(), kimg=0)
            while self.kimg < end and not stopped and not over:
                stats = self.train_step()
                if self.health.row == 0:
                    for name, value in stats.items():
                        sums.setdefault(name, []).append(value)
                now = time.monotonic()
                done = max((self.kimg - first) / (end - first), (now - began) / (60 * max_minutes))
                reporter.progress(min(done, 1.0), kimg=self.kimg)
                stopped, over, ticked, late = self.ranks.agree(
                    [stop.requested, now >= deadline, now - tick > _TICK_SECONDS, now - saved > 60 * save_minutes]
                )
                if ticked or over or self.kimg >= min(end, next_snapshot):
                    self._tick(reporter, sums, seconds=now - tick, steps=self.step - tick_step)
                    tick, tick_step, sums = now, self.step, {}
                if self.health.must_return:
                    self._return(reporter)
                    tick_step, sums, next_snapshot = self.step, {}, self._next_snapshot()
                if self.health.row > 0:
                    continue  # what is on the disk stays the last good state
                if self.config.watch_every and self.step % self.config.watch_every == 0:
                    self._watch(reporter)
                if self.kimg >= next_snapshot:
                    reporter.show(self.snapshot(), kimg=self.kimg)
                    reporter.say(f"{self.kimg:.3f} kimg, {(now - began) / 60:.1f} minutes: snapshot")
                    self._watch(reporter, histograms=True)
                    next_snapshot, saved, shown = self._next_snapshot(), now, self.step
                elif late:
                    self.save()
                    saved = now
            self._finish(reporter, stop, stopped=stopped, written=shown == self.step)
        finally:
            stop.close()
            reporter.close()
            self.batches.close()
        return self.run.path

    def train_step(self) -> dict[str, Tensor]:
        """One step of the critic and one of the generator, on the same fields.

        The fields made for the critic's step serve the generator's: its weights have not changed in between,
        and one evaluation is saved. Of a batch in pieces they are made twice instead, so that one piece's are in
        memory at a time. Steps whose loss or gradient is not finite are counted in ``health`` and change nothing.

        Returns:
            Numbers for the statistics: this process's part of each.
        """
        config = self.config
        pieces = self.pieces = self.batches.at(self.step, chance=self.strength.chance)
        stats: dict[str, Tensor] = {}
        kept: list[list[Seen]] = []

        self.D.requires_grad_(True)
        self.descent_D.begin()
        total = torch.zeros((), device=self.device)
        for piece in pieces:
            with contextlib.nullcontext() if len(pieces) == 1 else torch.no_grad():
                seen = [self._make(s) for s in piece.shown]
            loss, more = self.losses.critic(seen, penalised=self.step % config.penalty_every == 0)
            total = total + self._backward(loss, more, stats, share=piece.share)
            if len(pieces) == 1:
                kept.append(seen)
        told = torch.stack([stats[f"told_apart/{s.term.name}"] for s in pieces[0].shown if s.term.critic != "patch"])
        critic = self.descent_D.finish(total, extra=told)
        if critic.made:
            self.strength.update(critic.extra.mean().cpu(), items=config.batch)

        self.D.requires_grad_(False)
        self.descent_G.begin()
        total, means = torch.zeros((), device=self.device), torch.zeros((), device=self.device)
        for i, piece in enumerate(pieces):
            seen = kept[i] if kept else [self._make(s) for s in piece.shown]
            loss, more = self.losses.generator(seen)
            extra = self._field_loss(seen[0], first=self.batches.pieces[i].start)
            if extra is not None:
                loss, more = loss + extra, more | {"loss/field": extra.detach()}
            total = total + self._backward(loss, more, stats, share=piece.share)
            means = means + piece.share * torch.stack([s.w.detach().float().mean(dim=0) for s in seen])
        generator = self.descent_G.finish(total, extra=means.flatten())
        if generator.made:
            for mean in generator.extra.unflatten(0, means.shape):
                self.G.mapping.track(mean[None])

        self.step += 1
        self.health.note(critic.made and generator.made)
        update_ema(
            self.ema,
            self.G,
            images=self.step * config.batch,
            batch=config.batch,
            half_life=round(config.ema_kimg * 1000),
        )
        norms = {"gradient/critic": critic.norm, "gradient/generator": generator.norm}
        return stats | {k: torch.tensor(v / self.ranks.world) for k, v in norms.items()}

    def snapshot(self) -> list[Path]:
        """Write the averaged generator, a picture of what it makes, and the state.

        Returns:
            The files that show what it makes.

        Raises:
            NonFiniteError: a weight became NaN or infinite; what was written before is untouched.
        """
        self._refuse_broken()
        files: list[Path] = []
        if self.ranks.first:
            self.ema.save_pretrained(self.run.snapshot(self.kimg))
            files = self.preview(reals=False)
        self.save()
        return files

    def save(self) -> None:
        """Write the state from which training goes on exactly.

        Raises:
            NonFiniteError: a weight became NaN or infinite; what was written before is untouched.
        """
        self._refuse_broken()
        self.health.saved()
        if self.ranks.first:
            parts = {name: part.state_dict() for name, part in self._parts().items()}
            save_state(self.run.state, {"step": self.step, "health": self.health.to_plain(), **parts})

    def preview(self, *, reals: bool) -> list[Path]:
        """Write the run directory's files that show reals, or the averaged generator at fixed latents."""
        if not self.ranks.first:
            return []
        return write_preview(self.run.path, self.config, self.source, ema=None if reals else self.ema, kimg=self.kimg)

    def close(self) -> None:
        """Let go of the run directory and of the other processes."""
        self.batches.close()
        self.run.close()
        self.ranks.close()

    def _make(self, shown: Shown) -> Seen:
        """What is shown, beside what the generator makes for it."""
        with self._autocast():
            w = self.G.mapping(shown.z, shown.labels)
            field = self.G.field(w)
            fakes = tuple(field(v) for v in shown.places)
        fakes = tuple(self.augmentation.change(x, v, shown.moves) for x, v in zip(fakes, shown.views, strict=True))
        made = field if isinstance(field, Field) else None
        return Seen(shown.term, shown.strength, shown.views, shown.reals, fakes, shown.labels, w, made)

    def _backward(self, loss: Tensor, parts: dict[str, Tensor], stats: dict[str, Tensor], *, share: float) -> Tensor:
        """Add a piece's gradients and statistics to those of the others; the piece's part of the loss."""
        loss = loss * share
        loss.backward()
        for name, value in parts.items():
            stats[name] = stats[name] + share * value if name in stats else share * value
        return loss.detach()

    def _field_loss(self, seen: Seen, *, first: int) -> Tensor | None:
        """The modality's own loss of a piece's fields, of which the first has this number in the batch; in fp32."""
        if type(self.config.modality).field_loss is Modality.field_loss or seen.field is None:
            return None
        rng = step_generator(self.config.seed, purpose="field", step=self.step, rank=first)
        return self.config.modality.field_loss(seen.field, generator=rng)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.config.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def _eager(self) -> contextlib.AbstractContextManager[Any]:
        """Where layers are listened to, so that what was compiled is not compiled again for it."""
        return torch.compiler.set_stance("force_eager") if self.config.compile else contextlib.nullcontext()

    def _next_snapshot(self) -> float:
        return (math.floor(self.kimg / self.config.snapshot_kimg) + 1) * self.config.snapshot_kimg

    def _finish(self, reporter: AbstractReporter, stop: StopRequest, *, stopped: bool, written: bool) -> None:
        """Leave what the end or a stop asks for."""
        if self.health.row > 0 and not stopped:
            raise NonFiniteError(self._complaint())
        if self.health.row > 0:
            reporter.say(f"stopped while steps were skipped; the last good state is {self.run.state}")
        elif stopped and stop.signal == signal.SIGTERM:
            self.save()  # whoever sends it waits for seconds only
        else:
            if not written:
                reporter.show(self.snapshot(), kimg=self.kimg)
                self._watch(reporter, histograms=True)
            reporter.say(f"trained to {self.kimg:.3f} kimg; snapshot in {self.run.snapshot(self.kimg)}")
        if stopped:
            reporter.say(f"interrupted; go on with --resume {self.run.path}")
            raise stop.exception()

    def _tick(self, reporter: AbstractReporter, sums: dict[str, list[Tensor]], *, seconds: float, steps: int) -> None:
        """Statistics of the steps since the last line."""
        kept = {f"health/{name}": value for name, value in self.health.to_plain().items()}
        if self.config.augment != "none":
            kept["augment/chance"] = self.strength.chance
        line = statistics(sums, batches=self.batches, bad=self.source.bad, ranks=self.ranks) | kept
        line["time/seconds_per_kimg"] = seconds / max(steps * self.config.batch / 1000, 1e-9)
        reporter.stats(line | memory(self.device), kimg=self.kimg)

    def _parts(self) -> dict[str, Any]:
        """What a state holds, by name."""
        return {
            "G": self.G, "D": self.D, "ema": self.ema,
            "optimizer_G": self.optimizer_G, "optimizer_D": self.optimizer_D, "augment": self.strength,
        }  # fmt: skip

    def _watch(self, reporter: AbstractReporter, *, histograms: bool = False) -> None:
        """Record how healthy every layer's activations and gradients look, of a few items of the last step."""
        if not self.ranks.first or not self.config.watch_every or not self.pieces:
            return
        shown = self.pieces[0].shown[0].head(4)
        with self._eager():
            if histograms:
                reporter.histograms(spread_of_layers(self.G, self.D, shown), kimg=self.kimg)
            else:
                reporter.layers(health_of_layers(self.G, self.D, shown), kimg=self.kimg)

    def _return(self, reporter: AbstractReporter) -> None:
        """Go back to the last good state and on from there more slowly."""
        if self.health.hopeless:
            raise NonFiniteError(self._complaint())
        health, where, why = self.health, self.kimg, self._diagnosis()
        self._load()
        self.health = health
        health.went_back()
        self._set_rates()
        reporter.say(
            f"{IN_A_ROW} steps in a row were not finite up to {where:.3f} kimg: {why}. Back to {self.kimg:.3f} kimg, "
            f"with {health.rate:g} of the learning rates"
        )

    def _diagnosis(self) -> str:
        """What went bad first in the step before, in any process."""
        with self._eager():
            found = self.ranks.gather(diagnose(self.G, self.D, self.pieces))
        named = [f"{text} (process {i})" if len(found) > 1 else text for i, text in enumerate(found) if text]
        return min(named, key=lambda text: "gradient of" in text, default="nothing that a second look would show")

    def _complaint(self) -> str:
        return (
            f"a loss or a gradient was NaN or infinite in the last {self.health.row} steps: {self._diagnosis()}; "
            f"{self._advice()}"
        )

    def _refuse_broken(self) -> None:
        networks = {"generator": self.G, "critic": self.D, "averaged generator": self.ema}
        refuse_broken(networks, advice=self._advice())

    def _advice(self) -> str:
        return (
            f"near {self.kimg:.3f} kimg; the last good state is {self.run.state}. Raise --gamma, or lower "
            "generator_rate and critic_rate in the configuration"
        )

    def _restore(self, *, needed: bool) -> None:
        """Go on where the run directory's state is, if there is one or one is needed."""
        check_same_run(self.run, self.config, ranks=self.ranks)
        if needed or self.ranks.share(has_state(self.run.state)):
            self._load()

    def _load(self) -> None:
        """Take up the last state on the disk, which the first process reads for all."""
        state = self.ranks.share(
            load_last_state(self.run.state, device=torch.device("cpu")) if self.ranks.first else {}
        )
        try:
            for name, target in self._parts().items():
                target.load_state_dict(state[name])
            self.step = int(state["step"])
            self.health = Health.from_plain(state["health"]) if "health" in state else Health()
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(f"{self.run.state} does not fit {self.run.path / 'config.json'}: {error}") from None
        self._set_rates()
        if self.ranks.first:
            for name in ("stats.jsonl", "layers.jsonl"):
                self.run.truncate(name, kimg=self.kimg)

    def _set_rates(self) -> None:
        for descent in (self.descent_G, self.descent_D):
            descent.slow_down(self.health.rate)
