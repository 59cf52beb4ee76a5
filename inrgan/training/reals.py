"""Real signals of training steps: which items, at which views."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Int, Tensor
from inrgan.augmentation import symmetric_views
from inrgan.capabilities import HasLongItems, HasPartialObservations, HasRegionsOfInterest, HasSymmetries
from inrgan.data import AbstractSource
from inrgan.errors import DataError
from inrgan.modality import Modality
from inrgan.views import View

_KEPT_BYTES = 1 << 30
_EXCERPTS = 4096
"""Positions of the window in a long item, of which training draws one."""


class Reals:
    """Batches of real signals, as a pure function of the step.

    Items that are too coarse for a view are never upsampled: the next item that is fine enough replaces them.
    ``used`` and ``skipped`` count both, by the name of the draw and the octave of the view's resolution, until
    ``clear_counts``. Signals at a view that never changes are cached, up to 1 GiB, and decoded items otherwise; nothing
    of a stream, where no item comes twice.

    Args:
        source: Source of decoded items.
        modality: Adapter that resamples them.
        batch: Items per step.
        seed: Seed of the order and of the random symmetries.
        augmented: Whether the random symmetries of the modality are applied.
    """

    def __init__(self, source: AbstractSource, modality: Modality, *, batch: int, seed: int, augmented: bool = True):
        self.source, self.modality, self.batch, self.seed = source, modality, batch, seed
        self.augmented = augmented
        self.used: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self._seen: dict[int, tuple[Tensor, int, int]] = {}
        self._seen_shape: tuple[int, ...] = ()
        self._items: dict[int, Any] = {}
        self._bytes = 0

    def check(self, spacing: float) -> None:
        """Refuse a spacing that no item is fine enough for, before anything is written.

        Raises:
            DataError: No item is fine enough for the spacing, or too many are bad.
        """
        self._serving(0, spacing)

    def clear_counts(self) -> None:
        """Reset the counts."""
        self.used.clear()
        self.skipped.clear()

    def draw(
        self, step: int, views: Sequence[View], *, fixed: bool = False, name: str = "reals",
        positions: range | None = None,
    ) -> tuple[tuple[Float[Tensor, "B C ..."], ...], Int[Tensor, "B"]]:  # fmt: skip
        """The reals of a step at each view, and their labels, on the CPU.

        Args:
            step: Number of the step.
            views: Views at which every item is resampled.
            fixed: Whether the same views come in many steps.
            name: Name under which items are counted.
            positions: Positions of the items in the batch; all where None.

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
        if fixed and len(views) == 1 and moved[0] is views[0] and excerpts is None:
            return self._from_kept(wanted, views[0], finest[0], name)
        served = [self._serving(i, s) for i, s in zip(wanted, finest, strict=True)]
        for (_, _, passed), s in zip(served, finest, strict=True):
            self._count(name, s, passed)
        items, labels = [item for item, _, _ in served], torch.tensor([label for _, label, _ in served])
        if excerpts is not None and isinstance(self.modality, HasLongItems):
            places = [excerpts[p] / (_EXCERPTS - 1) for p in positions]
            items = [self.modality.excerpt(item, at) for item, at in zip(items, places, strict=True)]
        return tuple(self.modality.observe(items, v) for v in moved), labels

    def observation_view(self, step: int, view: View) -> View:
        """The view at which a step's partially observed items are known; see ``HasPartialObservations``.

        Raises:
            DataError: No item is fine enough for the view, or too many are bad.
        """
        finest = self.modality.domain.finest(view).expand(self.batch).tolist()
        batch = self.source.order(batch=self.batch, step=step, seed=self.seed)
        items = [self._serving(i, s)[0] for i, s in zip(batch, finest, strict=True)]
        assert isinstance(self.modality, HasPartialObservations)
        return self.modality.observation_view(items, view)

    def regions_of_interest(self, step: int, *, count: int = 1, generator: torch.Generator) -> Float[Tensor, "B K D"]:
        """Points in regions of interest of other reals than those of the step; NaN where an item has none.

        Args:
            step: Number of the step.
            count: Number of points for each item, K.
            generator: Generator of the random draws.
        """
        assert isinstance(self.modality, HasRegionsOfInterest)
        found = []
        for i in self.source.order(batch=self.batch, step=step, seed=self.seed + 1):
            item = self._items[i] if i in self._items else self.source[i]
            places = self.modality.regions_of_interest(item, count=count, generator=generator)
            none = torch.full((count, self.modality.domain.coord_dim), math.nan)
            found.append(none if places is None else places)
        return torch.stack(found)

    def _from_kept(self, wanted: Sequence[int], view: View, finest: float, name: str) -> tuple[tuple[Tensor], Tensor]:
        if view.shape != self._seen_shape:  # progressive growing went on
            self._bytes -= sum(v.numel() * v.element_size() for v, _, _ in self._seen.values())
            self._seen, self._seen_shape = {}, view.shape
        fresh: dict[int, tuple[Tensor, int, int]] = {}
        missing = [i for i in dict.fromkeys(wanted) if i not in self._seen]
        if missing:
            served = [self._serving(i, finest, keep=False) for i in missing]
            values = self.modality.observe([item for item, _, _ in served], view)
            for i, seen, (_, label, passed) in zip(missing, values, served, strict=True):
                fresh[i] = (seen, label, passed)
                if self._fits(seen):
                    self._seen[i] = (seen.clone(), label, passed)
        shown = [fresh[i] if i in fresh else self._seen[i] for i in wanted]
        for _, _, passed in shown:
            self._count(name, finest, passed)
        return (torch.stack([v for v, _, _ in shown]),), torch.tensor([label for _, label, _ in shown])

    def _serving(self, index: int, finest: float, *, keep: bool = True) -> tuple[Any, int, int]:
        """The first item from an index on that is fine enough, its label, and how many were passed over."""
        passed = 0
        for passed, i in enumerate(self.source.stand_ins(index)):
            item = self._items[i] if i in self._items else self.source[i]
            if keep and i not in self._items and isinstance(item, Tensor) and self._fits(item):
                self._items[i] = item
            # Rounding of a spacing is no reason to refuse an item.
            if self.modality.item_spacing(item) <= 1.001 * finest:
                return item, self.source.label(i), passed
        samples = round(self.modality.domain.spacing(1) / finest)
        raise DataError(
            f"none of the {passed + 1} items has the {samples} samples along the shortest side that training "
            "asks for, or its rate where signals have time; choose a lower --resolution or rate (items are never "
            "upsampled)"
        )

    def _count(self, name: str, finest: float, passed: int) -> None:
        samples = self.modality.domain.spacing(1) / finest
        low = 2 ** math.floor(math.log2(max(1.0, samples * 1.001)))
        octave = f"{name}/{low}-{2 * low - 1}"
        self.used[octave] += 1
        if passed:
            self.skipped[octave] += passed

    def _fits(self, x: Tensor) -> bool:
        """Whether there is room to keep something, where it may be asked for again."""
        if self.source.endless:
            return False
        size = x.numel() * x.element_size()
        if self._bytes + size > _KEPT_BYTES:
            return False
        self._bytes += size
        return True
