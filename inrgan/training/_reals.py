"""Real signals for training steps: which items, seen from which view."""

import torch

from inrgan._random import step_generator
from inrgan._typing import Float, Int, Tensor
from inrgan.data import AbstractSource, epoch_indices
from inrgan.errors import DataError
from inrgan.modality import Modality
from inrgan.views import View

_KEPT_BYTES = 1 << 30


class Reals:
    """Draws batches of real signals as a pure function of the step.

    Items too coarse for a view are never upsampled: the next item that can serve it takes the place, and
    ``skipped`` counts them. What was seen through a view that never changes is kept, up to 1 GiB.

    Args:
        source: the decoded items.
        modality: knows how to look at them.
        batch: items per step.
        seed: of the order and of the chance symmetries.
        augmented: whether the chance symmetries of the modality are applied.
    """

    def __init__(self, source: AbstractSource, modality: Modality, *, batch: int, seed: int, augmented: bool = True):
        self.source, self.modality, self.batch, self.seed = source, modality, batch, seed
        self.augmented, self.skipped = augmented, 0
        self._kept: dict[int, tuple[Tensor, int]] = {}
        self._kept_bytes = 0

    def check(self, view: View) -> None:
        """Refuse a view that no item is fine enough for, before anything is written.

        Raises:
            DataError: no item is fine enough for the view, or too many are bad.
        """
        skipped = self.skipped
        self._serving(0, view)
        self.skipped = skipped

    def draw(self, step: int, view: View, *, fixed: bool) -> tuple[Float[Tensor, "B C *S"], Int[Tensor, "B"]]:
        """The reals of a step and their labels, on the CPU.

        Raises:
            DataError: no item is fine enough for the view, or too many are bad.
        """
        wanted = epoch_indices(len(self.source), batch=self.batch, step=step, seed=self.seed)
        missing = [i for i in dict.fromkeys(wanted) if i not in self._kept or not fixed]
        fresh: dict[int, tuple[Tensor, int]] = {}
        if missing:
            items, labels = zip(*(self._serving(i, view) for i in missing), strict=True)
            for i, seen, label in zip(missing, self.modality.observe(items, view), labels, strict=True):
                fresh[i] = (seen, label)
        pairs = [fresh[i] if i in fresh else self._kept[i] for i in wanted]
        if fixed:
            self._keep(fresh)
        values = torch.stack([v for v, _ in pairs])
        if self.augmented:
            chance = step_generator(self.seed, purpose="augment", step=step)
            values = self.modality.augment(values, generator=chance)
        return values, torch.tensor([label for _, label in pairs])

    def _serving(self, index: int, view: View) -> tuple[Tensor, int]:
        finest = float(view.spacing.min()) * 1.001  # rounding of a spacing is no reason to refuse an item
        for step in range(len(self.source)):
            i = (index + step) % len(self.source)
            item = self.source[i]
            if self.modality.item_spacing(item) <= finest:
                return item, self.source.label(i)
            self.skipped += 1
        raise DataError(
            f"none of the {len(self.source)} items has the {'x'.join(map(str, view.shape))} samples that training "
            "asks for; choose a lower --resolution (items are never upsampled)"
        )

    def _keep(self, fresh: dict[int, tuple[Tensor, int]]) -> None:
        for i, (seen, label) in fresh.items():
            size = seen.numel() * seen.element_size()
            if self._kept_bytes + size <= _KEPT_BYTES:
                self._kept[i] = (seen.clone(), label)
                self._kept_bytes += size
