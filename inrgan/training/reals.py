"""Real signals of training steps: the choice of items and their values at views."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan._random import step_generator
from inrgan.augmentation import symmetric_views
from inrgan.capabilities import HasLongItems, HasPartialObservations, HasRegionsOfInterest, HasSymmetries
from inrgan.data import AbstractItem, AbstractSource, ItemCache
from inrgan.errors import DataError, NonFiniteError
from inrgan.modality import Modality
from inrgan.training.workers import Workers
from inrgan.views import View

_OBSERVED = "observed"
"""Key of the values at a fixed view, in the cache of items."""
_EXCERPTS = 4096
"""Number of positions of the window in a long item, of which training draws one."""
_TASKS = 16
"""Largest number of tasks that a draw is divided into. It is the same for any number of workers, and so are the values,
whose rounding may depend on the items that are observed together."""

T = TypeVar("T")
R = TypeVar("R")
_Served = tuple[Any, int, int]
"""An item that serves a view, its label, and the number of items before it that do not."""


@dataclass(frozen=True)
class ItemCounts:
    """Numbers of items, by the name of the draw and the octave of the view's resolution.

    Example:
        >>> ItemCounts().used
        Counter()
    """

    used: Counter[str] = field(default_factory=Counter)
    """Items that were drawn."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Items that were too coarse for a view."""

    def add(self, octave: str, *, skipped: int) -> None:
        """Count one item, and those that were skipped before it was found."""
        self.used[octave] += 1
        if skipped:
            self.skipped[octave] += skipped

    def update(self, other: "ItemCounts") -> None:
        """Add the numbers of other draws."""
        self.used.update(other.used)
        self.skipped.update(other.skipped)

    def clear(self) -> None:
        """Reset all numbers to 0."""
        self.used.clear()
        self.skipped.clear()


class Reals:
    """Batches of real signals, as a pure function of the step.

    Items too coarse for a view are never upsampled: the next item that is fine enough replaces them. Each draw counts
    both.

    An item that could be opened and fails when it is read, such as a video that is damaged in its middle, is replaced
    by the next one in the rows where it fails, and counted as bad.

    Decoded items are cached here, each at most once. While all draws are at one fixed view, the values at that view are
    cached instead of the items, if the values of all items fit or are smaller.

    Args:
        source: Source of the decoded items.
        modality: Adapter that observes them.
        batch: Number of items per step.
        seed: Seed of the order and of the random symmetries.
        augmented: Whether the random symmetries of the modality are applied.
        cache: Cache of items; one of 1 GiB when None. Items of a stream are never cached, since none repeats.
        workers: Threads that decode and observe items; the calling thread when None.
        classes: Number of each class of the source in the training; the same when None.
    """

    def __init__(
        self, source: AbstractSource, modality: Modality, *, batch: int, seed: int, augmented: bool = True,
        cache: ItemCache | None = None, workers: Workers | None = None, classes: Sequence[int] | None = None,
    ):  # fmt: skip
        self.source, self.modality, self.batch, self.seed = source, modality, batch, seed
        self.augmented, self.workers, self._classes = augmented, workers, classes
        self.cache = ItemCache(0) if source.endless else ItemCache() if cache is None else cache
        self._fixed_only = True
        """Whether all draws so far were at the fixed view."""
        self._fixed_view: View | None = None
        """A copy of that view, which stores the maps that observing needs."""
        self._observed: Tensor | None = None
        """Values at the fixed view, in one array: many small allocations would fragment the memory."""
        self._rows: dict[int, tuple[int, int, int]] = {}
        """Row of an index in that array, label of the item, and number of items before it that were too coarse."""

    def check(self, spacing: float) -> None:
        """Check that some item is fine enough for a spacing, before anything is written.

        Raises:
            DataError: No item is fine enough for the spacing, or too many are bad.
        """
        self._serving(0, spacing, keep=False)

    def draw(
        self, step: int, views: Sequence[View], *, fixed: bool = False, name: str = "reals",
        positions: range | None = None, counts: ItemCounts | None = None,
    ) -> tuple[tuple[Float[Tensor, "B C ..."], ...], Int[Tensor, "B"]]:  # fmt: skip
        """Reals of a step at each view, and their labels, on the CPU.

        Args:
            step: Number of the step.
            views: Views at which every item is observed.
            fixed: Whether many steps have the same views.
            name: Name under which the items are counted.
            positions: Positions of the items in the batch; all when None.
            counts: Counts that the items are added to.

        Raises:
            DataError: No item is fine enough for the view, or too many are bad.
        """
        positions = range(self.batch) if positions is None else positions
        batch = self.source.order(batch=self.batch, step=step, seed=self.seed)
        wanted, count = [batch[p] for p in positions], len(positions)
        moved, excerpts = tuple(views), None
        if self.augmented:
            rng = step_generator(self.seed, purpose="augment", step=step)
            if isinstance(self.modality, HasLongItems):
                excerpts = torch.randint(_EXCERPTS, (self.batch,), generator=rng).tolist()
            if isinstance(self.modality, HasSymmetries):
                moved = symmetric_views(self.modality.symmetries(), views, batch=self.batch, generator=rng)
        moved, views = [v.rows(positions) for v in moved], [v.rows(positions) for v in views]
        domain = self.modality.domain
        finest = torch.stack([domain.finest(v).expand(count) for v in views]).amin(dim=0).tolist()
        counts = ItemCounts() if counts is None else counts
        if fixed and len(views) == 1 and moved[0] is views[0] and excerpts is None:
            return self._at_fixed_view(wanted, views[0], finest[0], name, counts)
        self._fixed_only = False
        # Copies, since maps that observing stores in a common view are not needed on the device.
        moved = [replace(v) for v in moved]

        def observe(items: Sequence[Any], rows: range) -> tuple[Tensor, ...]:
            if excerpts is not None and isinstance(self.modality, HasLongItems):
                starts = [excerpts[positions[r]] / (_EXCERPTS - 1) for r in rows]
                items = [self.modality.excerpt(item, start) for item, start in zip(items, starts, strict=True)]
            return tuple(self.modality.observe(items, v.rows(rows)) for v in moved)

        parts = self._map(lambda rows: self._observed_rows(rows, wanted, finest, observe), _tasks(count))
        found = [served for _, some in parts for served in some]
        for (_, _, passed), s in zip(found, finest, strict=True):
            self._count(counts, name, s, passed)
        values = tuple(torch.cat(seen) for seen in zip(*(seen for seen, _ in parts), strict=True))
        return values, torch.tensor([label for _, label, _ in found])

    def observation_view(self, step: int, view: View) -> View:
        """View at which a step's partially observed items are known; see ``HasPartialObservations``.

        Raises:
            DataError: No item is fine enough for the view, or too many are bad.
        """
        self._fixed_only = False
        finest = self.modality.domain.finest(view).expand(self.batch).tolist()
        batch = self.source.order(batch=self.batch, step=step, seed=self.seed)
        items = self._map(lambda pair: self._serving(*pair)[0], zip(batch, finest, strict=True))
        assert isinstance(self.modality, HasPartialObservations)
        return self.modality.observation_view(items, view)

    def regions_of_interest(self, step: int, *, count: int = 1, generator: torch.Generator) -> Float[Tensor, "B K D"]:
        """Points in regions of interest of reals that are not in the step; NaN where an item has none.

        Args:
            step: Number of the step.
            count: Number of points for each item, K.
            generator: Generator of the random draws.
        """
        assert isinstance(self.modality, HasRegionsOfInterest)
        self._fixed_only = False
        regions = []
        for item in self._map(self._item, self.source.order(batch=self.batch, step=step, seed=self.seed + 1)):
            points = self.modality.regions_of_interest(item, count=count, generator=generator)
            none = torch.full((count, self.modality.domain.coord_dim), math.nan)
            regions.append(none if points is None else points)
        return torch.stack(regions)

    def _at_fixed_view(
        self, wanted: Sequence[int], view: View, finest: float, name: str, counts: ItemCounts
    ) -> tuple[tuple[Tensor], Tensor]:
        """Values of items at a constant view, and their labels."""
        if self._fixed_view is None or view.shape != self._fixed_view.shape:  # a finer view, in progressive growing
            self.cache.drop(lambda key: key == _OBSERVED)
            self._observed, self._rows, self._fixed_view = None, {}, replace(view)
        view = self._fixed_view
        missing, keep = [i for i in dict.fromkeys(wanted) if i not in self._rows], not self._fixed_only

        def observe(items: Sequence[Any], rows: range) -> tuple[Tensor]:
            del rows
            return (self.modality.observe(items, view),)

        tasks, limits = _tasks(len(missing)), [finest] * len(missing)
        parts = self._map(lambda rows: self._observed_rows(rows, missing, limits, observe, keep=keep), tasks)
        new: dict[int, tuple[Tensor, int, int]] = {}
        for rows, ((seen,), served) in zip(tasks, parts, strict=True):
            for r, value, (item, label, passed) in zip(rows, seen, served, strict=True):
                new[missing[r]] = value, label, passed
                self._keep_observed(missing[r], value, label, passed, item=item)
        values, labels = [], []
        for i in wanted:
            if i in new:
                value, label, passed = new[i]
            else:
                row, label, passed = self._rows[i]
                assert self._observed is not None
                value = self._observed[row]
            values.append(value)
            labels.append(label)
            self._count(counts, name, finest, passed)
        return (torch.stack(values),), torch.tensor(labels)

    def _keep_observed(self, i: int, value: Tensor, label: int, passed: int, *, item: Tensor | AbstractItem) -> None:
        """Cache the values of item i; or the item, if the values are larger and those of all items do not fit."""
        if self._observed is None:
            count = 0 if self.source.endless else len(self.source)
            rows = min(count, (self.cache.limit - self.cache.nbytes) // value.nbytes)
            rows = 0 if rows < count and value.nbytes > item.nbytes else rows
            self._observed = torch.empty(rows, *value.shape)
            self.cache.put(_OBSERVED, self._observed)
        if len(self._rows) < len(self._observed):
            row = len(self._rows)
            self._observed[row] = value
            self._rows[i] = row, label, passed
        elif len(self._observed) == 0:
            self.cache.put(i, item)

    def _item(self, i: int, *, keep: bool = True) -> Any:
        item = self.cache.get(i)
        if item is None:
            item = self.source[i]
            if keep:
                self.cache.put(i, item)
        return item

    def _observed_rows(
        self, rows: range, wanted: Sequence[int], finest: Sequence[float],
        observe: Callable[[Sequence[Any], range], tuple[Tensor, ...]], *, keep: bool = True,
    ) -> tuple[tuple[Tensor, ...], list[_Served]]:  # fmt: skip
        """Values of some rows of a draw, and their items; those that cannot be read are replaced by the next."""
        served = [self._serving(wanted[r], finest[r], keep=keep) for r in rows]
        try:
            return observe([item for item, _, _ in served], rows), served
        except (DataError, NonFiniteError):  # an item that is read in parts, such as a video, fails when it is observed
            found = [self._first_readable(r, wanted[r], finest[r], observe, keep=keep) for r in rows]
        values = tuple(torch.cat(seen) for seen in zip(*(seen for seen, _ in found), strict=True))
        return values, [one for _, one in found]

    def _first_readable(
        self, row: int, index: int, finest: float, observe: Callable[[Sequence[Any], range], tuple[Tensor, ...]], *,
        keep: bool,
    ) -> tuple[tuple[Tensor, ...], _Served]:  # fmt: skip
        """Values and item of one row. What replaces an item depends on the row alone, as a resumed run needs."""
        failed: Exception = self._too_coarse(finest)
        for i, served in self._candidates(index, finest, keep=keep):
            try:
                return observe([served[0]], range(row, row + 1)), served
            except (DataError, NonFiniteError) as error:
                self.source.note_failure(i, error)
                failed = error
        raise failed

    def _serving(self, index: int, finest: float, *, keep: bool = True) -> _Served:
        """First item from an index on that is fine enough."""
        for _, served in self._candidates(index, finest, keep=keep):
            return served
        raise self._too_coarse(finest)

    def _candidates(self, index: int, finest: float, *, keep: bool) -> Iterator[tuple[int, _Served]]:
        """Items from an index on that are fine enough, with their indices."""
        for passed, i in enumerate(self.source.fallback_indices(index)):
            item = self._item(i, keep=keep)
            # Rounding of a spacing does not exclude an item.
            if self.modality.item_spacing(item) <= 1.001 * finest:
                label = self.source.label(i)
                yield i, (item, label if self._classes is None else self._classes[label], passed)

    def _too_coarse(self, finest: float) -> DataError:
        samples = round(self.modality.domain.spacing(1) / finest)
        count = "" if self.source.endless else f"of the {len(self.source)} "
        return DataError(
            f"none {count}items has the {samples} samples along the shortest side that training needs, or its rate and "
            "length where signals have time; choose a lower --resolution, rate or length (items are never upsampled)"
        )

    def _map(self, function: Callable[[T], R], inputs: Iterable[T]) -> list[R]:
        return [function(x) for x in inputs] if self.workers is None else self.workers.map(function, inputs)

    def _count(self, counts: ItemCounts, name: str, finest: float, passed: int) -> None:
        samples = self.modality.domain.spacing(1) / finest
        low = 2 ** math.floor(math.log2(max(1.0, samples * 1.001)))
        counts.add(f"{name}/{low}-{2 * low - 1}", skipped=passed)


def _tasks(count: int) -> list[range]:
    """Items of each task of a draw."""
    side = max(1, -(-count // _TASKS))
    return [range(start, min(start + side, count)) for start in range(0, count, side)]
