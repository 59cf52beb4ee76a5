"""What the networks are shown in a step, made ahead of its time where that helps."""

import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import final

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Int, Tensor
from inrgan.augmentation import Augmentation
from inrgan.config import TrainConfig
from inrgan.losses import AbstractTerm
from inrgan.training._reals import Reals
from inrgan.views import View


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What one term is shown of a piece of the batch, before the generator has made anything."""

    term: AbstractTerm
    strength: float
    views: tuple[View, ...]
    """From where critics believe to look."""
    places: tuple[View, ...]
    """From where the generator's fields are asked instead, by augmentation."""
    moves: tuple[Float[Tensor, "B _"], ...]
    """Parameters of the transforms of what is made there."""
    real_moves: tuple[Float[Tensor, "B _"], ...]
    """Those of the transforms of reals."""
    reals: tuple[Float[Tensor, "B C ..."], ...]
    z: Float[Tensor, "B Z"]
    labels: Int[Tensor, "B"] | None

    def to(self, device: torch.device) -> "Shown":
        """The same on another device; copies from pinned memory go on beside other work."""
        return replace(
            self,
            views=tuple(v.to(device) for v in self.views),
            places=tuple(v.to(device) for v in self.places),
            reals=tuple(x.to(device, non_blocking=True) for x in self.reals),
            z=self.z.to(device, non_blocking=True),
            labels=None if self.labels is None else self.labels.to(device, non_blocking=True),
        )

    def head(self, count: int) -> "Shown":
        """The first items alone."""
        rows = range(min(count, len(self.z)))
        return replace(
            self,
            views=tuple(v.rows(rows) for v in self.views),
            places=tuple(v.rows(rows) for v in self.places),
            moves=_rows(self.moves, rows),
            real_moves=_rows(self.real_moves, rows),
            reals=tuple(x[: len(rows)] for x in self.reals),
            z=self.z[: len(rows)],
            labels=None if self.labels is None else self.labels[: len(rows)],
        )

    def pinned(self) -> "Shown":
        """The same in memory from which a GPU copies by itself."""
        return replace(self, reals=tuple(x.pin_memory() for x in self.reals), z=self.z.pin_memory())


@dataclass(frozen=True, kw_only=True)
class Piece:
    """What a process works on at once: a part of the step's batch, and what every term shows of it."""

    step: int
    """Number of the step."""
    positions: range
    """Which items of the batch these are."""
    share: float
    """Of the batch over all processes."""
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class _Prepared:
    """A step's pieces on the CPU, and which octaves of views were served."""

    pieces: list[Piece]
    used: Counter[str]
    skipped: Counter[str]


@final
class Batches:
    """Pieces of the batch of any step: a function of the step and the strength of the augmentation alone.

    Every draw is made for the whole batch, and a process takes its own items of it. What is learned from a step does
    therefore not depend on how many processes share it.

    Args:
        config: of the run.
        terms: of the loss.
        reals: gives the real signals.
        augmentation: transforms reals and fakes.
        z_dim: Z.
        pieces: positions in the batch, for each piece.
        device: where the pieces go.
        ahead: steps that a thread prepares while another one is computed; 0 for no thread.
    """

    def __init__(
        self, config: TrainConfig, terms: Sequence[AbstractTerm], reals: Reals, *, augmentation: Augmentation,
        z_dim: int, pieces: Sequence[range], device: torch.device, ahead: int,
    ):  # fmt: skip
        self.config, self.terms, self.reals, self.augmentation = config, tuple(terms), reals, augmentation
        self.z_dim, self.pieces, self.device, self.ahead = z_dim, tuple(pieces), device, ahead
        self.used: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.waited = 0.0
        self._thread: ThreadPoolExecutor | None = None
        self._coming: dict[tuple[int, float], Future[_Prepared]] = {}

    def at(self, step: int, *, chance: float) -> list[Piece]:
        """This process's pieces of a step, on the device.

        Args:
            step: number of the step.
            chance: of every transform of the augmentation.

        Raises:
            DataError: no item is fine enough for a view, or too many are bad.
        """
        began = time.perf_counter()
        ready = self._prepare(step, chance) if self.ahead == 0 else self._awaited(step, chance)
        self.waited += time.perf_counter() - began
        self.used += ready.used
        self.skipped += ready.skipped
        return [replace(piece, shown=tuple(map(self._delivered, piece.shown))) for piece in ready.pieces]

    def clear_counts(self) -> None:
        """Count used and skipped items, and seconds of waiting for a step's data, anew."""
        self.used.clear()
        self.skipped.clear()
        self.waited = 0.0

    def close(self) -> None:
        """End the thread until a step is asked for again."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread, self._coming = None, {}

    def _awaited(self, step: int, chance: float) -> _Prepared:
        """A step that the thread has prepared or prepares now, while it is told of the next ones."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="inrgan-batches")
        wanted = [(s, chance) for s in range(step, step + self.ahead + 1)]
        for key in [k for k in self._coming if k not in wanted]:
            self._coming.pop(key).cancel()
        for key in wanted:
            if key not in self._coming:
                self._coming[key] = self._thread.submit(self._prepare, *key)
        return self._coming.pop(wanted[0]).result()

    def _delivered(self, shown: Shown) -> Shown:
        """On the device, with the values of reals transformed there."""
        shown, change = shown.to(self.device), self.augmentation.change
        changed = (change(x, v, shown.real_moves) for x, v in zip(shown.reals, shown.views, strict=True))
        return replace(shown, reals=tuple(changed))

    def _prepare(self, step: int, chance: float) -> _Prepared:
        config, domain = self.config, self.config.modality.domain
        kimg = step * config.batch / 1000
        z_rng = step_generator(config.seed, purpose="z", step=step)
        resolution = config.views.resolution_at(kimg, config.modality.resolution)
        # Every view of a step is moved alike, so that a patch and its whole stay those of one signal.
        both_moves = [
            self.augmentation.draw(
                config.batch, chance=chance, generator=step_generator(config.seed, purpose=purpose, step=step)
            )
            for purpose in ("transform-reals", "transform-fakes")
        ]
        shown: list[list[Shown]] = [[] for _ in self.pieces]
        for term in self.terms:
            strength = term.strength(kimg)
            if strength == 0:
                continue
            rng = step_generator(config.seed, purpose=f"v:{term.name}", step=step)
            views = term.views(domain, batch=config.batch, generator=rng, resolution=resolution)
            if term.near > 0:
                worth = self.reals.places(step, count=term.places, generator=rng)
                views = term.toward(views, worth, domain=domain, generator=rng)
            if config.modality.known_in_part:
                views = tuple(self.reals.known(step, v) for v in views)
            asked = term.reals_views(views, domain=domain)
            real_moves, fake_moves = (tuple(m * (not term.of_functions) for m in moves) for moves in both_moves)
            looked = [self.augmentation.look(v, real_moves) for v in asked]
            places = [self.augmentation.look(v, fake_moves) for v in views]
            still = all(a is b for a, b in zip(looked, asked, strict=True))
            z = torch.randn(config.batch, self.z_dim, generator=z_rng)
            for own, into in zip(self.pieces, shown, strict=True):
                values = term.own_reals(step, batch=config.batch, seed=config.seed, positions=own)
                if values is None:
                    reals, labels = self.reals.draw(
                        step, looked, fixed=term.fixed and still, name=term.name, positions=own
                    )
                else:
                    reals, labels = (values,), torch.zeros(len(own), dtype=torch.long)
                piece = Shown(
                    term=term, strength=strength, views=tuple(v.rows(own) for v in views), reals=reals,
                    places=tuple(v.rows(own) for v in places), moves=_rows(fake_moves, own),
                    real_moves=_rows(real_moves, own), z=z[list(own)], labels=labels if config.labels else None,
                )  # fmt: skip
                into.append(piece.pinned() if self.device.type == "cuda" else piece)
        used, skipped = self.reals.used.copy(), self.reals.skipped.copy()
        self.reals.clear_counts()
        pieces = [
            Piece(step=step, positions=own, share=len(own) / config.batch, shown=tuple(parts))
            for own, parts in zip(self.pieces, shown, strict=True)
        ]
        return _Prepared(pieces, used, skipped)


def _rows(moves: Sequence[Tensor], own: range) -> tuple[Tensor, ...]:
    return tuple(m[list(own)] for m in moves)
