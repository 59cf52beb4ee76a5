"""Batches of a training: views, real signals and latents of every step, prepared on the host.

All contents of a batch are a function of the seed, the step and the probability of augmentation. Views already hold the
values that generator and critics compute from them (``View.derive``), so that a step on the device never waits for
data.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan._random import step_generator
from inrgan.augmentation import Augmentation
from inrgan.capabilities import HasFieldLoss, HasPartialObservations
from inrgan.config import TrainConfig
from inrgan.losses import AbstractTerm
from inrgan.tensors import tensors_of
from inrgan.training.reals import ItemCounts, Reals
from inrgan.training.term_batch import Drawn, MicroBatch, TermBatch, changed
from inrgan.training.workers import Prefetcher
from inrgan.views import View

_KEPT_VIEWS = 32
"""Number of views that come again, of which the least recently used one is dropped."""


@final
@dataclass(frozen=True)
class _Copied:
    """Micro-batches on the device, or on their way there."""

    batch: list[MicroBatch]
    arrived: Any = None
    """CUDA event at which the copies are complete; None where there are none to wait for."""

    def wait(self) -> list[MicroBatch]:
        """The micro-batches, for use on the current stream once the copies are complete."""
        if self.arrived is not None:
            stream = torch.cuda.current_stream()
            stream.wait_event(self.arrived)
            for x in tensors_of(self.batch):
                x.record_stream(stream)  # its memory is not given to the next copies before the step is complete
        return self.batch


@final
class Batches:
    """Micro-batches of every step: a pure function of the step and of the probability of augmentation.

    Every draw is made for the whole batch, of which a process uses its own items. The trained weights therefore do not
    depend on the number of processes.

    Args:
        config: Training configuration.
        terms: Terms of the loss.
        reals: Source of the real signals, whose workers prepare them.
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
        self.counts = ItemCounts()
        """Items shown since the last ``clear_counts``, and items too coarse for a view, by term and octave."""
        self.waited = 0.0
        """Seconds of waiting for a step's data since then."""
        self._prefetcher = Prefetcher(self._prepared)
        self._copies = torch.cuda.Stream(device) if device.type == "cuda" else None
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
        if self.reals.workers is not None:
            self.reals.workers.start()  # here, and not in a thread whose settings they would have
        key = (step, probability)
        if self.ahead == 0:
            ready, counts = self._prepared(key)
        else:
            ready, counts = self._prefetcher.get([(s, probability) for s in range(step, step + self.ahead + 1)])
        self.waited += time.perf_counter() - began
        self.counts.update(counts)
        return ready.wait()

    def clear_counts(self) -> None:
        """Reset the counts of items and of seconds of waiting."""
        self.counts.clear()
        self.waited = 0.0

    def close(self) -> None:
        """End all threads until the next step is requested."""
        self._prefetcher.close()
        if self.reals.workers is not None:
            self.reals.workers.close()

    def _prepare(self, key: tuple[int, float]) -> tuple[list[MicroBatch], ItemCounts]:
        """The micro-batches of a step and a probability, on the CPU, and the numbers of items."""
        (step, probability), counts = key, ItemCounts()
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
                        step, moved, fixed=term.fixed and still, name=term.name, positions=items, counts=counts
                    )
                    reals = self._changed(reals, views, real_moves, items)
                part = TermBatch(
                    term=term, share=len(items) / config.batch, reals=reals,
                    views=tuple(v.rows(items) for v in views), fake_views=tuple(v.rows(items) for v in fake_views),
                    z=z[list(items)], labels=labels if config.labels else None,
                    transforms=self._active(fake_moves, items),
                )  # fmt: skip
                self.prepare(term, part.views, part.fake_views)
                into.append(part)
        ready = [
            self._regularized(tuple(parts), step=step, positions=items)
            for parts, items in zip(batch, self.positions, strict=True)
        ]
        return ready, counts

    def _prepared(self, key: tuple[int, float]) -> tuple["_Copied", ItemCounts]:
        """``_prepare``, with the micro-batches on their way to the device.

        Copies run on a stream of their own, beside the steps before.
        """
        ready, counts = self._prepare(key)
        if self._copies is None:
            return _Copied([tuple(part.to(self.device) for part in micro) for micro in ready]), counts
        # A thread has its own current device and stream.
        with torch.cuda.device(self.device), torch.cuda.stream(self._copies):
            ready = [tuple(part.pinned() for part in micro) for micro in ready]
            moved = [tuple(part.to(self.device) for part in micro) for micro in ready]
            return _Copied(moved, self._copies.record_event()), counts

    def _views(self, term: AbstractTerm, step: int) -> tuple[View, ...]:
        """A term's views of a step. Constant views are the same objects in every step."""
        config, domain = self.config, self.config.modality.domain
        resolution = config.views.resolution_at(step * config.batch / 1000, config.modality.resolution)
        rng = step_generator(config.seed, purpose=f"v:{term.name}", step=step)
        views = term.views(domain, batch=config.batch, generator=rng, resolution=resolution)
        if term.near > 0:
            points = self.reals.regions_of_interest(step, count=term.places, generator=rng)
            views = term.toward(views, points, domain=domain, generator=rng)
        if self.reals.source.partial_observations and isinstance(config.modality, HasPartialObservations):
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
        return tuple(changed(x, v.rows(positions), active) for x, v in zip(reals, views, strict=True))
