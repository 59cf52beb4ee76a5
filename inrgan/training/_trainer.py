"""The training loop, top to bottom."""

import contextlib
import json
import math
import resource
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inrgan._pretrained import load_generator, resolve
from inrgan._random import step_generator
from inrgan._sizes import CriticSizes
from inrgan._typing import Tensor
from inrgan.augmentation import Augmentation
from inrgan.data import split
from inrgan.errors import CheckpointError, ConfigError, NonFiniteError
from inrgan.generator import Generator
from inrgan.losses import AbstractTerm, adversarial_loss, terms
from inrgan.modality import Modality
from inrgan.training._config import TrainConfig
from inrgan.training._ema import frozen_copy, update_ema
from inrgan.training._networks import pick_device
from inrgan.training._reals import Reals
from inrgan.training._reporter import Reporter
from inrgan.training._run_directory import RunDirectory
from inrgan.training._state import load_state, save_state
from inrgan.training._step import Seen, StepLosses
from inrgan.training._stop import StopRequest
from inrgan.training._strength import AugmentStrength

_TICK_SECONDS = 2.0
_PREVIEW_POINTS = 1 << 16
"""Samples of one signal in a preview, at most."""


class Trainer:
    """Trains a generator against a critic, into a run directory.

    Every random draw is a function of the seed and the step, so that a run that was stopped and resumed
    equals one that never stopped, bit for bit on a CPU.

    Args:
        config: everything that decides the run.
        outdir: where the run directory is made.
        resume: a run directory to go on with, instead of making one.
        init_from: a generator to start from: folder, run or Hub id.
        quiet: no progress bar and no messages.
        generator: another module to train in the place of ``inrgan.Generator``.

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
        init_from: str | Path | None = None,
        quiet: bool = False,
        generator: nn.Module | None = None,
    ):
        if resume is not None and init_from is not None:
            raise ConfigError("resume continues a run and init_from starts one from weights; give one of them")
        self.config, self.quiet = config, quiet
        self.device = pick_device(config.device)
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
        self.D = self._critics(critic_sizes).to(self.device).train()
        if init_from is not None:
            described, tensors = load_generator(resolve(init_from))
            described.load_into(self.G, tensors)
        self.ema: Any = frozen_copy(self.G)
        self.terms = terms(
            config.losses, resolution=modality.resolution, smallest=int(self.D["whole"].smallest),  # type: ignore[arg-type]
            options=config.looks, through=modality.whole_sampler,
        )  # fmt: skip
        self.losses = StepLosses(
            self.D, adversarial_loss(config.adversarial), gamma=config.gamma, every=config.penalty_every,
            autocast=self._autocast, compiled=config.compile,
        )  # fmt: skip
        self.optimizer_G = torch.optim.Adam(self.G.parameters(), lr=config.generator_rate, betas=config.betas)
        self.optimizer_D = torch.optim.Adam(self.D.parameters(), lr=config.critic_rate, betas=config.betas)
        if config.compile:
            self.G.inr.compile_layers()
        self.step = 0
        for term in self.terms:
            self.reals.check(term.finest(modality.domain))
            self._check_sizes(term)

        if resume is not None:
            self.run = RunDirectory(Path(resume))
            try:
                self._restore()
            except Exception:
                self.run.close()  # a failed resume does not hold the directory
                raise
        else:
            slug = f"{modality.name}-{self.source.description}-{config.preset}"
            self.run = RunDirectory.create(outdir, slug=slug)
        self.run.write_config(config.to_json())

    @property
    def kimg(self) -> float:
        """Thousands of reals shown so far."""
        return self.step * self.config.batch / 1000

    def fit(self, *, kimg: float | None = None, max_minutes: float = math.inf) -> Path:
        """Train to the end, or to an earlier moment, and leave a snapshot and a state; may be called again.

        Args:
            kimg: stop here instead of at the configuration's end.
            max_minutes: stop after so much time, resumably.

        Returns:
            The run directory.

        Raises:
            KeyboardInterrupt: after Ctrl-C, once the step is finished and the state saved; a second one is immediate.
            NonFiniteError: a loss became NaN or infinite; the last snapshot and state are good.
            WriteError: the disk is full; the last snapshot and state are good.
        """
        end = self.config.kimg if kimg is None else min(kimg, self.config.kimg)
        reporter, stop = Reporter(self.run, quiet=self.quiet), StopRequest()
        began, first = time.monotonic(), self.kimg
        deadline = began + 60 * max_minutes
        tick, tick_step, sums = time.monotonic(), self.step, {}
        next_snapshot = (math.floor(self.kimg / self.config.snapshot_kimg) + 1) * self.config.snapshot_kimg
        try:
            if self.step == 0:
                reporter.show(self.preview(reals=True), kimg=0)
                reporter.show(self.snapshot(), kimg=0)
            now = tick
            while self.kimg < end and now < deadline and not stop.requested:
                for name, value in self.train_step().items():
                    sums.setdefault(name, []).append(value)
                now = time.monotonic()
                done = max((self.kimg - first) / (end - first), (now - began) / (60 * max_minutes))
                reporter.progress(min(done, 1.0), kimg=self.kimg)
                # Losses are looked at before every snapshot, so that none is overwritten by a broken one.
                if now - tick > _TICK_SECONDS or self.kimg >= min(end, next_snapshot) or now >= deadline:
                    self._tick(reporter, sums, seconds=now - tick, steps=self.step - tick_step)
                    tick, tick_step, sums = now, self.step, {}
                if self.kimg >= next_snapshot:
                    reporter.show(self.snapshot(), kimg=self.kimg)
                    reporter.say(f"{self.kimg:.3f} kimg, {(now - began) / 60:.1f} minutes: snapshot")
                    next_snapshot += self.config.snapshot_kimg
            reporter.show(self.snapshot(), kimg=self.kimg)
            reporter.say(f"trained to {self.kimg:.3f} kimg; snapshot in {self.run.snapshot(self.kimg)}")
            if stop.requested:
                reporter.say(f"interrupted; go on with --resume {self.run.path}")
                raise KeyboardInterrupt
        finally:
            stop.close()
            reporter.close()
        return self.run.path

    def train_step(self) -> dict[str, Tensor]:
        """One step of the critic and one of the generator, on the same fields.

        The fields made for the critic's step serve the generator's: its weights have not changed in between,
        and one evaluation is saved.
        """
        config, seen = self.config, self._look()
        self.D.requires_grad_(True)
        loss, stats = self.losses.critic(seen, penalised=self.step % config.penalty_every == 0)
        self._descend(self.optimizer_D, loss)
        told = [stats[f"told_apart/{s.term.name}"] for s in seen if s.term.critic == "whole"]
        self.strength.update(torch.stack(told).mean(), items=config.batch)
        self.D.requires_grad_(False)
        loss, more = self.losses.generator(seen)
        stats.update(more)
        extra = self._field_loss(seen[0])
        if extra is not None:
            stats["loss/field"] = extra.detach()
            loss = loss + extra
        self._descend(self.optimizer_G, loss)

        self.step += 1
        update_ema(
            self.ema,
            self.G,
            images=self.step * config.batch,
            batch=config.batch,
            half_life=round(config.ema_kimg * 1000),
        )
        return stats

    def snapshot(self) -> list[Path]:
        """Write the averaged generator, a picture of what it makes, and the state.

        Returns:
            The files that show what it makes.

        Raises:
            NonFiniteError: a weight became NaN or infinite; what was written before is untouched.
        """
        for network in (self.G, self.D, self.ema):
            self._refuse([k for k, v in network.state_dict().items() if not torch.isfinite(v).all()][:1])
        self.ema.save_pretrained(self.run.snapshot(self.kimg))
        files = self.preview(reals=False)
        self.save()
        return files

    def save(self) -> None:
        """Write the state from which training goes on exactly."""
        save_state(
            self.run.state,
            {
                "step": self.step,
                "G": self.G.state_dict(),
                "D": self.D.state_dict(),
                "ema": self.ema.state_dict(),
                "optimizer_G": self.optimizer_G.state_dict(),
                "optimizer_D": self.optimizer_D.state_dict(),
                "augment": self.strength.state_dict(),
            },
        )

    @torch.no_grad()
    def preview(self, *, reals: bool) -> list[Path]:
        """Write the run directory's files that show reals, or the averaged generator at fixed latents."""
        modality, count = self.config.modality, 32
        resolution = modality.resolution
        while math.prod(modality.domain.shape(resolution)) > _PREVIEW_POINTS and resolution > 1:
            resolution //= 2  # a training on patches of large signals holds no whole one, and its pictures need not
        view = modality.domain.grid(modality.domain.shape(resolution))
        (values,), labels = Reals(self.source, modality, batch=count, seed=self.config.seed).draw(0, [view])
        name = "reals"
        if not reals:
            rng = step_generator(self.config.seed, purpose="preview", step=0)
            z = torch.randn(count, self.G.z_dim, generator=rng).to(self.device)
            field = self.ema(z, labels.to(self.device) if self.config.labels else None)
            values = field(view.to(self.device)).float().cpu()
            name = f"fakes-{self.kimg:09.3f}"
        files = [self.run.path / f"{name}{suffix}" for suffix in modality.previews()]
        for file in files:
            modality.write(values, file)
        return files

    def close(self) -> None:
        """Let go of the run directory."""
        self.run.close()

    def _critics(self, sizes: CriticSizes) -> nn.ModuleDict:
        """The critic of whole signals, and that of patches where there are any."""
        config, modality = self.config, self.config.modality
        whole = config.looks.whole_resolution(config.losses, modality.resolution)
        made: dict[str, nn.Module] = {"whole": modality.at(whole).critic(sizes)}
        if "dense-patch" in config.losses:
            side = config.looks.patch_side(modality.resolution)
            shown = config.looks.context_resolution(config.losses, modality.resolution)
            made["patch"] = modality.patch_critic(sizes, patch=side, whole=shown, context=config.views.context)
        return nn.ModuleDict(made)

    def _check_sizes(self, term: AbstractTerm) -> None:
        """Refuse views that the critic is too deep for, or that cannot be, before anything is written."""
        config = self.config
        if term.near > 0 and type(config.modality).place is Modality.place:
            raise ConfigError(
                f"patches were to lie where signals are worth a look, and {config.modality.name} knows no such places; "
                "leave out --patch-near"
            )
        resolution = config.views.resolution_at(self.kimg, config.modality.resolution)
        rng = step_generator(config.seed, purpose=f"v:{term.name}", step=0)
        view = term.views(config.modality.domain, batch=config.batch, generator=rng, resolution=resolution)[0]
        smallest = int(self.D["whole"].smallest)  # type: ignore[arg-type]
        if min(view.shape) < smallest:
            raise ConfigError(
                f"the views of {term.name} have {'x'.join(map(str, view.shape))} samples and the critic asks for "
                f"{smallest} along a side; raise the resolution, or lower --foveation or raise --grow-from"
            )

    def _look(self) -> list[Seen]:
        """Every term's views, and reals and fakes as seen from them."""
        config, domain, seen = self.config, self.config.modality.domain, []
        z_rng = step_generator(config.seed, purpose="z", step=self.step)
        resolution = config.views.resolution_at(self.kimg, config.modality.resolution)
        # Every view of a step is moved alike, so that a patch and its whole stay those of one signal.
        real_moves, fake_moves = (
            self.augmentation.draw(
                config.batch, chance=self.strength.chance,
                generator=step_generator(config.seed, purpose=purpose, step=self.step),
            )
            for purpose in ("transform-reals", "transform-fakes")
        )  # fmt: skip
        for term in self.terms:
            strength = term.strength(self.kimg)
            if strength == 0:
                continue
            rng = step_generator(config.seed, purpose=f"v:{term.name}", step=self.step)
            views = term.views(domain, batch=config.batch, generator=rng, resolution=resolution)
            if term.near > 0:
                worth = self.reals.places(self.step, generator=rng)
                views = term.toward(views, worth, domain=domain, generator=rng)
            asked = term.reals_views(views, domain=domain)
            looked = [self.augmentation.look(v, real_moves) for v in asked]
            still = all(a is b for a, b in zip(looked, asked, strict=True))
            reals, labels = self.reals.draw(self.step, looked, fixed=term.fixed and still, name=term.name)
            places = [self.augmentation.look(v, fake_moves).to(self.device) for v in views]
            views, reals = tuple(v.to(self.device) for v in views), tuple(x.to(self.device) for x in reals)
            labels = labels.to(self.device) if config.labels else None
            z = torch.randn(config.batch, self.G.z_dim, generator=z_rng).to(self.device)
            with self._autocast():
                w = self.G.mapping(z, labels)
                field = self.G.field(w)
                fakes = tuple(field(v) for v in places)
            reals = tuple(self.augmentation.change(x, v, real_moves) for x, v in zip(reals, views, strict=True))
            fakes = tuple(self.augmentation.change(x, v, fake_moves) for x, v in zip(fakes, views, strict=True))
            self.G.mapping.track(w)
            seen.append(Seen(term, strength, views, reals, fakes, labels, field))
        return seen

    def _field_loss(self, seen: Seen) -> Tensor | None:
        """The modality's own loss of the step's fields, outside of any lower precision."""
        if type(self.config.modality).field_loss is Modality.field_loss or seen.field is None:
            return None
        rng = step_generator(self.config.seed, purpose="field", step=self.step)
        return self.config.modality.field_loss(seen.field, generator=rng)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.config.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def _descend(self, optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def _tick(self, reporter: Reporter, sums: dict[str, list[Tensor]], *, seconds: float, steps: int) -> None:
        means = {name: float(torch.stack(values).mean()) for name, values in sums.items()}
        self._refuse([name for name, value in means.items() if not math.isfinite(value)])
        means["time/seconds_per_kimg"] = seconds / max(steps * self.config.batch / 1000, 1e-9)
        means["memory/peak_gib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        if self.device.type == "cuda":
            means["memory/peak_gpu_gib"] = torch.cuda.max_memory_allocated() / 2**30
        if self.config.augment != "none":
            means["augment/chance"] = self.strength.chance
        means["data/bad"] = self.source.bad
        means |= {f"data/used/{k}": n for k, n in sorted(self.reals.used.items())}
        means |= {f"data/too_small/{k}": n for k, n in sorted(self.reals.skipped.items())}
        self.reals.clear_counts()
        reporter.stats(means, kimg=self.kimg)

    def _refuse(self, broken: list[str]) -> None:
        if broken:
            raise NonFiniteError(
                f"{', '.join(broken)} became NaN or infinite near {self.kimg:.3f} kimg; the last good state is "
                f"{self.run.state}. Raise --gamma, or lower generator_rate and critic_rate in the configuration"
            )

    def _restore(self) -> None:
        saved, mine = self.run.read_config(), json.loads(json.dumps(self.config.to_json()))
        # The length and the place may change; anything else would make it another run.
        free = {"kimg", "snapshot_kimg", "device", "compile", "data"}
        changed = [k for k in mine if k not in free and saved.get(k) != mine[k]]
        if changed:
            raise ConfigError(
                f"{self.run.path} was trained with another {', '.join(changed)}; resume it as it was, or start a new "
                "run with --init-from"
            )
        state = load_state(self.run.state, device=self.device)
        try:
            for name, target in (
                ("G", self.G), ("D", self.D), ("ema", self.ema),
                ("optimizer_G", self.optimizer_G), ("optimizer_D", self.optimizer_D),
                ("augment", self.strength),
            ):  # fmt: skip
                target.load_state_dict(state[name])
            self.step = int(state["step"])
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(f"{self.run.state} does not fit {self.run.path / 'config.json'}: {error}") from None
        self.run.truncate("stats.jsonl", kimg=self.kimg)
