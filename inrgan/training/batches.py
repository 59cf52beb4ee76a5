"""Batches of a training: views, real signals and latents of every step, prepared on the host.

All contents of a batch are a function of the seed, the step and the probability of augmentation. Views already hold the
values that generator and critics compute from them (``View.derive``), so that a step on the device never waits for
data.
"""

import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan._random import step_generator
from inrgan.augmentation import AbstractTransform, Augmentation
from inrgan.capabilities import HasFieldLoss, HasPartialObservations
from inrgan.config import TrainConfig
from inrgan.losses import AbstractTerm
from inrgan.tensors import TensorTree
from inrgan.training.reals import Reals
from inrgan.views import View

Drawn = tuple[tuple[AbstractTransform, Float[Tensor, "B _"]], ...]
"""Transforms that change at least one sample of a batch, with their parameters for each sample."""


_KEPT_VIEWS = 32
"""Number of views that come again, of which the least recently used one is dropped."""


@dataclass(frozen=True, kw_only=True)
class TermBatch(TensorTree):
    """One term's part of a micro-batch: inputs of its critic."""

    term: AbstractTerm
    share: float
    """Fraction of the step's batch, over all processes, that is in this micro-batch."""
    views: tuple[View, ...]
    """Views passed to the critic."""
    fake_views: tuple[View, ...]
    """Views at which generated fields are evaluated: ``views``, moved by augmentation."""
    reals: tuple[Float[Tensor, "B _ ..."], ...]
    z: Float[Tensor, "B Z"]
    labels: Int[Tensor, "B"] | None
    transforms: Drawn
    """Augmentation of the fakes' values."""
    path_noise: Float[Tensor, "B C *S"] | None = None
    """Noise of the path-length regularization; None where the term or the step has none."""
    field_view: View | None = None
    """Points of the modality's loss of fields; None where the term or the modality has none."""

    tensor_fields: ClassVar[tuple[str, ...]] = (
        "views", "fake_views", "reals", "z", "labels", "transforms", "path_noise", "field_view"
    )  # fmt: skip

    def transformed(self, values: Float[Tensor, "B C *S"], view: View) -> Float[Tensor, "B C *S"]:
        """Values of fakes at one of the views, as input of critics."""
        return _changed(values, view, self.transforms)

    def to(self, device: torch.device | str) -> "TermBatch":
        # A view that comes again is on the device already, with all that was derived from it there.
        views = {id(v): v.to(device) for v in (*self.views, *self.fake_views)}
        return self.map(lambda x: x.to(device, non_blocking=True), memo=views)

    def head(self, count: int) -> "TermBatch":
        """The first items alone."""
        rows = range(min(count, len(self.z)))
        return replace(
            self,
            views=tuple(v.rows(rows) for v in self.views),
            fake_views=tuple(v.rows(rows) for v in self.fake_views),
            reals=tuple(x[: len(rows)] for x in self.reals),
            z=self.z[: len(rows)],
            labels=None if self.labels is None else self.labels[: len(rows)],
            transforms=tuple((t, x[: len(rows)]) for t, x in self.transforms),
            path_noise=None,
            field_view=None,
        )

    def pinned(self) -> "TermBatch":
        """The same in pinned memory, from which a GPU copies asynchronously."""
        return replace(self, reals=tuple(x.pin_memory() for x in self.reals), z=self.z.pin_memory())


MicroBatch = tuple[TermBatch, ...]
"""Items that a process handles at once, one part for each term."""


@final
class Batches:
    """Micro-batches of every step: a pure function of the step and of the probability of augmentation.

    Every draw is made for the whole batch, of which a process uses its own items. The trained weights therefore do not
    depend on the number of processes.

    Args:
        config: Training configuration.
        terms: Terms of the loss.
        reals: Source of the real signals.
        augmentation: Transforms of reals and fakes.
        z_dim: Size of the latent, Z.
        positions: Items of the batch for each micro-batch of this process.
        prepare: Function that computes constants of a term's views on the host; see ``Networks.prepare``.
        device: Device of the micro-batches.
        ahead: Number of steps that a thread prepares in advance; 0 for no thread.
    """

    def __init__(
        self, config: TrainConfig, terms: Sequence[AbstractTerm], reals: Reals, *, augmentation: Augmentation,
        z_dim: int, positions: Sequence[range], prepare: Callable[[AbstractTerm, Sequence[View], Sequence[View]], None],
        device: torch.device, ahead: int,
    ):  # fmt: skip
        self.config, self.terms, self.reals, self.augmentation = config, tuple(terms), reals, augmentation
        self.z_dim, self.positions, self.device, self.ahead = z_dim, tuple(positions), device, ahead
        self.prepare = prepare
        self.used: Counter[str] = Counter()
        """Items shown since the last ``clear_counts``, by term and octave of resolution."""
        self.skipped: Counter[str] = Counter()
        """Items too small for a view since then."""
        self.waited = 0.0
        """Seconds of waiting for a step's data since then."""
        self._thread: ThreadPoolExecutor | None = None
        self._coming: dict[tuple[int, float], Future[tuple[list[MicroBatch], Counter[str], Counter[str]]]] = {}
        self._repeating: OrderedDict[tuple[str, tuple[int, ...]], View] = OrderedDict()

    def at(self, step: int, *, probability: float) -> list[MicroBatch]:
        """This process's micro-batches of a step, on the device.

        Args:
            step: Number of the step.
            probability: Probability of each transform of the augmentation.

        Raises:
            DataError: No item is fine enough for a view, or too many are bad.
        """
        began = time.perf_counter()
        ready, used, skipped = (self._prepare if self.ahead == 0 else self._awaited)(step, probability)
        self.waited += time.perf_counter() - began
        self.used += used
        self.skipped += skipped
        return [tuple(part.to(self.device) for part in micro) for micro in ready]

    def clear_counts(self) -> None:
        """Reset the counts of used and skipped items and of seconds of waiting."""
        self.used.clear()
        self.skipped.clear()
        self.waited = 0.0

    def close(self) -> None:
        """Stop the thread until the next step is requested."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread, self._coming = None, {}

    def _awaited(self, step: int, probability: float) -> tuple[list[MicroBatch], Counter[str], Counter[str]]:
        """A step from the thread, which then prepares the next ones."""
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix="inrgan-batches")
        wanted = [(s, probability) for s in range(step, step + self.ahead + 1)]
        for key in [k for k in self._coming if k not in wanted]:
            self._coming.pop(key).cancel()
        for key in wanted:
            if key not in self._coming:
                self._coming[key] = self._thread.submit(self._prepare, *key)
        return self._coming.pop(wanted[0]).result()

    def _prepare(self, step: int, probability: float) -> tuple[list[MicroBatch], Counter[str], Counter[str]]:
        """A step's micro-batches on the CPU, and the numbers of used and skipped items of each octave."""
        config = self.config
        kimg = step * config.batch / 1000
        z_rng = step_generator(config.seed, purpose="z", step=step)
        # All views of a step move alike, so that a patch and its full-domain view belong to the same signal.
        drawn_reals, drawn_fakes = (
            self.augmentation.draw(
                config.batch, probability=probability, generator=step_generator(config.seed, purpose=purpose, step=step)
            )
            for purpose in ("transform-reals", "transform-fakes")
        )
        batch: list[list[TermBatch]] = [[] for _ in self.positions]
        for term in self.terms:
            if term.strength(kimg) == 0:
                continue
            views = self._views(term, step)
            real_moves, fake_moves = (drawn_reals, drawn_fakes) if term.sees_signals else ((), ())
            real_views = term.reals_views(views, domain=config.modality.domain)
            moved = tuple(self._look(v, real_moves) for v in real_views)
            still = all(a is b for a, b in zip(moved, real_views, strict=True))
            fake_views = tuple(self._look(v, fake_moves) for v in views)
            z = torch.randn(config.batch, self.z_dim, generator=z_rng)
            for items, into in zip(self.positions, batch, strict=True):
                reals = term.own_reals(step, batch=config.batch, seed=config.seed, positions=items)
                labels = torch.zeros(len(items), dtype=torch.long)
                if reals is None:
                    reals, labels = self.reals.draw(
                        step, moved, fixed=term.fixed and still, name=term.name, positions=items
                    )
                    reals = self._changed(reals, views, real_moves, items)
                part = TermBatch(
                    term=term, share=len(items) / config.batch, reals=reals,
                    views=tuple(v.rows(items) for v in views), fake_views=tuple(v.rows(items) for v in fake_views),
                    z=z[list(items)], labels=labels if config.labels else None,
                    transforms=self._active(fake_moves, items),
                )  # fmt: skip
                self.prepare(term, part.views, part.fake_views)
                into.append(part.pinned() if self.device.type == "cuda" else part)
        used, skipped = self.reals.used.copy(), self.reals.skipped.copy()
        self.reals.clear_counts()
        ready = [
            self._regularized(tuple(parts), step=step, positions=items)
            for parts, items in zip(batch, self.positions, strict=True)
        ]
        return ready, used, skipped

    def _views(self, term: AbstractTerm, step: int) -> tuple[View, ...]:
        """A term's views of a step. Constant views are the same objects in every step."""
        config, domain = self.config, self.config.modality.domain
        resolution = config.views.resolution_at(step * config.batch / 1000, config.modality.resolution)
        rng = step_generator(config.seed, purpose=f"v:{term.name}", step=step)
        views = term.views(domain, batch=config.batch, generator=rng, resolution=resolution)
        if term.near > 0:
            points = self.reals.regions_of_interest(step, count=term.places, generator=rng)
            views = term.toward(views, points, domain=domain, generator=rng)
        if isinstance(config.modality, HasPartialObservations):
            return tuple(self.reals.observation_view(step, v) for v in views)
        return tuple(self._kept(term, v) if v.repeats else v for v in views)

    def _kept(self, term: AbstractTerm, view: View) -> View:
        """The view of the same term and shape that came first, with all that was derived from it."""
        key = term.name, view.shape
        if key not in self._repeating and len(self._repeating) >= _KEPT_VIEWS:
            self._repeating.popitem(last=False)
        kept = self._repeating.setdefault(key, view)
        self._repeating.move_to_end(key)
        return kept

    def _regularized(self, micro: MicroBatch, *, step: int, positions: range) -> MicroBatch:
        """A micro-batch with the random draws of path-length regularization and of the modality's loss of fields."""
        config, parts = self.config, list(micro)
        modality = config.modality
        if config.path_length > 0 and step % config.path_every == 0:
            i = next(i for i, p in enumerate(parts) if p.term.full_domain and p.term.sees_signals)
            shape = (modality.signal_channels, *parts[i].fake_views[0].shape)
            # Every item has its own noise, for any process and micro-batch.
            rngs = [step_generator(config.seed, purpose="path", step=step, rank=p) for p in positions]
            parts[i] = replace(parts[i], path_noise=torch.stack([torch.randn(shape, generator=rng) for rng in rngs]))
        if isinstance(modality, HasFieldLoss):
            rng = step_generator(config.seed, purpose="field", step=step, rank=positions.start)
            view = modality.field_loss_view(len(positions), generator=rng)
            if view is not None:
                self.prepare(parts[0].term, (), (view,))
                parts[0] = replace(parts[0], field_view=view)
        return tuple(parts)

    def _look(self, view: View, drawn: Sequence[Float[Tensor, "B _"]]) -> View:
        """View at which signals are evaluated instead of another one, by augmentation."""
        return self.augmentation.look(view, drawn) if drawn else view

    def _active(self, drawn: Sequence[Tensor], positions: range) -> Drawn:
        """Transforms that change an item of a micro-batch."""
        selected = [x[list(positions)] for x in drawn]
        return tuple((t, x) for t, x in zip(self.augmentation.transforms, selected, strict=False) if bool(x.any()))

    def _changed(
        self, reals: Sequence[Tensor], views: Sequence[View], drawn: Sequence[Tensor], positions: range
    ) -> tuple[Tensor, ...]:
        """Reals with transformed values."""
        active = self._active(drawn, positions)
        return tuple(_changed(x, v.rows(positions), active) for x, v in zip(reals, views, strict=True))


def _changed(values: Tensor, view: View, transforms: Sequence[tuple[Any, Tensor]]) -> Tensor:
    for transform, parameters in transforms:
        values = transform.change(values, view, parameters)
    return values
