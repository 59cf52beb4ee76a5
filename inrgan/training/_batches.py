"""What the networks are shown in a step, made ahead of its time where that helps."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import final

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Int, Tensor
from inrgan.losses import AbstractTerm
from inrgan.training._config import TrainConfig
from inrgan.training._reals import Reals
from inrgan.views import View


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What one term is shown of a piece of the batch, before the generator has made anything."""

    term: AbstractTerm
    strength: float
    views: tuple[View, ...]
    reals: tuple[Float[Tensor, "B C *S"], ...]
    z: Float[Tensor, "B Z"]
    labels: Int[Tensor, "B"] | None

    def to(self, device: torch.device) -> "Shown":
        """The same on another device; copies from pinned memory go on beside other work."""
        return replace(
            self,
            views=tuple(v.to(device) for v in self.views),
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

    share: float
    """Of the batch over all processes."""
    shown: tuple[Shown, ...]


@final
class Batches:
    """Pieces of the batch of any step: a pure function of the step, the same whichever process asks for them.

    Every draw is made for the whole batch, and a process takes its own items of it. What is learned from a step does
    therefore not depend on how many processes share it.

    Args:
        config: of the run.
        terms: of the loss.
        reals: gives the real signals.
        z_dim: Z.
        pieces: positions in the batch, for each piece.
        device: where the pieces go.
        ahead: steps that a thread prepares while another one is computed; 0 for no thread.
    """

    def __init__(
        self, config: TrainConfig, terms: Sequence[AbstractTerm], reals: Reals, *, z_dim: int,
        pieces: Sequence[range], device: torch.device, ahead: int,
    ):  # fmt: skip
        self.config, self.terms, self.reals, self.z_dim = config, tuple(terms), reals, z_dim
        self.pieces, self.device, self.ahead = tuple(pieces), device, ahead
        self.used: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="inrgan-batches") if ahead else None
        self._coming: dict[int, Future[tuple[list[Piece], Counter[str], Counter[str]]]] = {}

    def at(self, step: int) -> list[Piece]:
        """This process's pieces of a step, on the device.

        Raises:
            DataError: no item is fine enough for a view, or too many are bad.
        """
        if self._thread is None:
            pieces, used, skipped = self._prepare(step)
        else:
            self._coming = {s: f for s, f in self._coming.items() if step <= s <= step + self.ahead or f.cancel()}
            for s in range(step, step + self.ahead + 1):
                if s not in self._coming:
                    self._coming[s] = self._thread.submit(self._prepare, s)
            pieces, used, skipped = self._coming.pop(step).result()
        self.used += used
        self.skipped += skipped
        return [replace(p, shown=tuple(s.to(self.device) for s in p.shown)) for p in pieces]

    def clear_counts(self) -> None:
        """Count used and skipped items anew."""
        self.used.clear()
        self.skipped.clear()

    def close(self) -> None:
        """End the thread; a later call of ``at`` works without one."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread, self._coming = None, {}

    def _prepare(self, step: int) -> tuple[list[Piece], Counter[str], Counter[str]]:
        """A step's pieces on the CPU, and which octaves of views were served."""
        config, domain = self.config, self.config.modality.domain
        kimg = step * config.batch / 1000
        z_rng = step_generator(config.seed, purpose="z", step=step)
        resolution = config.views.resolution_at(kimg, config.modality.resolution)
        shown: list[list[Shown]] = [[] for _ in self.pieces]
        for term in self.terms:
            strength = term.strength(kimg)
            if strength == 0:
                continue
            rng = step_generator(config.seed, purpose=f"v:{term.name}", step=step)
            views = term.views(domain, batch=config.batch, generator=rng, resolution=resolution)
            asked = term.reals_views(views, domain=domain)
            z = torch.randn(config.batch, self.z_dim, generator=z_rng)
            for positions, into in zip(self.pieces, shown, strict=True):
                reals, labels = self.reals.draw(step, asked, fixed=term.fixed, name=term.name, positions=positions)
                piece = Shown(
                    term=term, strength=strength, views=tuple(v.rows(positions) for v in views), reals=reals,
                    z=z[positions.start :: positions.step], labels=labels if config.labels else None,
                )  # fmt: skip
                into.append(piece.pinned() if self.device.type == "cuda" else piece)
        used, skipped = self.reals.used.copy(), self.reals.skipped.copy()
        self.reals.clear_counts()
        pieces = [
            Piece(share=len(positions) / config.batch, shown=tuple(parts))
            for positions, parts in zip(self.pieces, shown, strict=True)
        ]
        return pieces, used, skipped
