"""A training run: its parts, its steps, and what of it lies on the disk."""

import errno
import math
import os
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from inrgan._typing import Tensor
from inrgan.augmentation import Augmentation
from inrgan.config import TrainConfig
from inrgan.data import AbstractSource, split
from inrgan.errors import CheckpointError, ConfigError, WriteError
from inrgan.inrs import InrSource, NumberSpace, WeightsTerm
from inrgan.losses import AbstractTerm, terms
from inrgan.training._batches import Batches, Piece
from inrgan.training._critics import check_functions, check_term
from inrgan.training._health import Health
from inrgan.training._learner import Learner
from inrgan.training._loop import Loop
from inrgan.training._networks import pick_device
from inrgan.training._path_length import PathLength
from inrgan.training._players import Players
from inrgan.training._preview import write_preview
from inrgan.training._ranks import Ranks
from inrgan.training._reals import Reals
from inrgan.training._resume import check_same_run, open_run
from inrgan.training._state import has_state, load_last_state, save_state
from inrgan.training._strength import AugmentStrength


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
        self.source = _source(config)
        self.strength = AugmentStrength(
            config.augment, chance=config.augment_p, target=config.augment_target, kimg=config.augment_kimg
        )
        self.path = PathLength(config.path_length, every=config.path_every)
        self.space = None if config.inrs is None else NumberSpace(InrSource(config.inrs, modality=modality))
        self.players = Players(
            config, labels=self.source.label_names if config.labels else (), ranks=self.ranks, device=self.device,
            generator=generator, init_from=init_from, space=self.space,
        )  # fmt: skip
        if self.space is not None:
            check_functions(self.space, config, self.players.G, begun=init_from or resume or run_dir)
        self.G, self.D, self.ema = self.players.G, self.players.D, self.players.ema
        looks = terms(
            config.losses, resolution=modality.resolution, smallest=self.players.smallest, options=config.view_options,
            through=modality.whole_sampler,
            of_weights=None if self.space is None else partial(WeightsTerm, self.space),
        )  # fmt: skip
        reals = Reals(self.source, modality, batch=config.batch, seed=config.seed)
        for term in (t for t in looks if not t.of_functions):
            reals.check(term.finest(modality.domain))
            check_term(term, config, smallest=self.players.smallest)
        self.batches = self._batches(looks, reals, pieces)
        self.learner = Learner(
            config, self.players, self.batches, augmentation=self.batches.augmentation, strength=self.strength,
            path=self.path, ranks=self.ranks,
        )  # fmt: skip
        self.step, self.health = 0, Health()
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

    @property
    def pieces(self) -> list[Piece]:
        """What the networks were shown in the last step, by this process."""
        return self.learner.pieces

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
        end = self.config.kimg if kimg is None else min(kimg, self.config.kimg)
        try:
            Loop(self, end=end, max_minutes=max_minutes, save_minutes=save_minutes).run()
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise WriteError(
                f"cannot write in {self.run.path}: {os.strerror(error.errno)}; make room and go on with --resume"
            ) from None
        return self.run.path

    def train_step(self) -> dict[str, Tensor]:
        """One step of the critic and one of the generator, on the same fields.

        Steps whose loss or gradient is not finite are counted in ``health`` and change nothing.

        Returns:
            Numbers for the statistics: this process's part of each.
        """
        learned = self.learner.learn(self.step)
        self.step += 1
        self.health.note(learned.made)
        self.players.average(step=self.step)
        return learned.stats

    def snapshot(self) -> list[Path]:
        """Write the averaged generator, a picture of what it makes, and the state.

        Returns:
            The files that show what it makes.

        Raises:
            NonFiniteError: a weight became NaN or infinite; what was written before is untouched.
        """
        self.players.refuse_broken(advice=self.advice())
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
        self.players.refuse_broken(advice=self.advice())
        self.health.saved()
        parts: dict[str, Any] = {}
        if self.source.endless:
            parts["data"] = self.ranks.gather(self.source.progress(self.step * self.config.batch))
        if self.ranks.first:
            parts |= {name: part.state_dict() for name, part in self._parts().items()}
            save_state(self.run.state, {"step": self.step, "health": self.health.to_plain(), **parts})

    def preview(self, *, reals: bool) -> list[Path]:
        """Write the run directory's files that show reals, or the averaged generator at fixed latents."""
        if not self.ranks.first:
            return []
        return write_preview(self.run.path, self.config, self.source, ema=None if reals else self.ema, kimg=self.kimg)

    def close(self) -> None:
        """Let go of the run directory and of the other processes."""
        self.batches.close()
        self.source.close()
        self.run.close()
        self.ranks.close()

    def go_back(self) -> None:
        """Take up the last good state, and go on from there more slowly."""
        health = self.health
        self._load()
        self.health = health
        health.went_back()
        self.players.slow_down(health.rate)

    def advice(self) -> str:
        """What to do where numbers are not finite any more."""
        return (
            f"near {self.kimg:.3f} kimg; the last good state is {self.run.state}. Raise --gamma, or lower "
            "generator_rate and critic_rate in the configuration"
        )

    def _batches(self, looks: tuple[AbstractTerm, ...], reals: Reals, pieces: list[range]) -> Batches:
        ahead = self.config.ahead if self.config.ahead is not None else 2 if self.device.type == "cuda" else 0
        return Batches(
            self.config, looks, reals, augmentation=Augmentation(self.config.modality.transforms()),
            z_dim=self.G.z_dim, pieces=pieces, device=self.device, ahead=ahead,
        )  # fmt: skip

    def _parts(self) -> dict[str, Any]:
        """What a state holds, by name."""
        path = {"path": self.path} if self.config.path_length > 0 else {}  # runs of before it existed have none
        return self.players.parts() | {"augment": self.strength} | path

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
        self.batches.close()  # what was prepared ahead is of the time before
        if ("data" in state) != self.source.endless:
            kinds = ("files", "a stream") if self.source.endless else ("a stream", "files")
            raise CheckpointError(
                f"{self.run.path} was trained on {kinds[0]}, in another order than that of {kinds[1]}; give --data of "
                "its kind, or start a new run with --init-from"
            )
        self.source.go_on(state.get("data", []))
        try:
            for name, target in self._parts().items():
                target.load_state_dict(state[name])
            self.step = int(state["step"])
            self.health = Health.from_plain(state["health"]) if "health" in state else Health()
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise CheckpointError(f"{self.run.state} does not fit {self.run.path / 'config.json'}: {error}") from None
        self.players.slow_down(self.health.rate)
        if self.ranks.first:
            for name in ("stats.jsonl", "layers.jsonl"):
                self.run.truncate(name, kimg=self.kimg)


def _source(config: TrainConfig) -> AbstractSource:
    """The items that are trained on.

    Raises:
        DataError: missing, empty or unreadable data.
        ConfigError: there is no item, or none is left by those that are held out.
    """
    source = config.modality.source(config.data, labels=config.labels, seed=config.seed)
    if source.endless:
        if config.hold_out:
            raise ConfigError(
                f"a share of {config.hold_out} of the stream {config.data} was to be held out, whose items are not "
                "known beforehand; leave out --hold-out, and keep shards for scores apart"
            )
        return source
    if len(source) < 1:
        raise ConfigError("the data set is empty; give --data a folder or zip with items")
    return split(source, share=config.hold_out).train if config.hold_out else source
