"""Inputs of the networks in one step: views, reals, latents, labels and random draws."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.augmentation import AbstractTransform
from inrgan.losses import AbstractTerm
from inrgan.tensors import TensorTree
from inrgan.views import View

Drawn = tuple[tuple[AbstractTransform, Float[Tensor, "B _"]], ...]
"""Transforms that change at least one sample of a batch, with their parameters for each sample."""


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

    def transformed(self, values: Float[Tensor, "B C *S"], view: View) -> Float[Tensor, "B C *S"]:
        """Values of fakes at one of the views, as input of critics."""
        return changed(values, view, self.transforms)

    tensor_fields: ClassVar[tuple[str, ...]] = (
        "views", "fake_views", "reals", "z", "labels", "transforms", "path_noise", "field_view"
    )  # fmt: skip

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
        """The same in pinned memory, from which a GPU copies asynchronously.

        Views that come again stay as they are, since each is copied once.
        """
        views = {id(v): v for v in (*self.views, *self.fake_views) if v.repeats}
        return self.map(Tensor.pin_memory, memo=views)


MicroBatch = tuple[TermBatch, ...]
"""Items that a process handles at once, one part for each term."""


def changed(
    values: Float[Tensor, "B C *S"], view: View, transforms: Sequence[tuple[Any, Tensor]]
) -> Float[Tensor, "B C *S"]:
    """Values at a view after transforms, in their order."""
    for transform, parameters in transforms:
        values = transform.change(values, view, parameters)
    return values
