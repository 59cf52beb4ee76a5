"""Inputs of the networks in one step: views, reals, latents, labels and random draws."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan._tensors import map_tensors
from inrgan.augmentation import AbstractTransform
from inrgan.losses import AbstractTerm
from inrgan.views import View

Drawn = tuple[tuple[AbstractTransform, Float[Tensor, "B _"]], ...]
"""Transforms that change at least one sample of a batch, with their parameters for each sample."""


@dataclass(frozen=True, kw_only=True)
class TermBatch:
    """One term's part of a micro-batch: inputs of its critic."""

    term: AbstractTerm
    weight: float
    """Factor on the term's losses at this step."""
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

    def to(self, device: torch.device) -> "TermBatch":
        """The same on another device; copies from pinned memory run asynchronously."""
        noise, points = self.path_noise, self.field_view
        return replace(
            self,
            views=tuple(v.to(device) for v in self.views),
            fake_views=tuple(v.to(device) for v in self.fake_views),
            reals=tuple(x.to(device, non_blocking=True) for x in self.reals),
            z=self.z.to(device, non_blocking=True),
            labels=None if self.labels is None else self.labels.to(device, non_blocking=True),
            transforms=tuple((t, x.to(device, non_blocking=True)) for t, x in self.transforms),
            path_noise=None if noise is None else noise.to(device, non_blocking=True),
            field_view=None if points is None else points.to(device),
        )

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

    def pinned(self, *, constant: Collection[View] = ()) -> "TermBatch":
        """The same in pinned memory, from which a GPU copies asynchronously.

        Args:
            constant: Views that come again in other steps. They stay as they are, since each is copied once.
        """

        def pin(views: Sequence[View]) -> tuple[View, ...]:
            return tuple(v if any(v is c for c in constant) else map_tensors(v, Tensor.pin_memory) for v in views)

        return replace(
            self,
            views=pin(self.views),
            fake_views=pin(self.fake_views),
            field_view=None if self.field_view is None else map_tensors(self.field_view, Tensor.pin_memory),
            **{
                name: map_tensors(getattr(self, name), Tensor.pin_memory)
                for name in ("reals", "z", "labels", "transforms", "path_noise")
            },
        )


MicroBatch = tuple[TermBatch, ...]
"""Items that a process handles at once, one part for each term."""


def changed(
    values: Float[Tensor, "B C *S"], view: View, transforms: Sequence[tuple[Any, Tensor]]
) -> Float[Tensor, "B C *S"]:
    """Values at a view after transforms, in their order."""
    for transform, parameters in transforms:
        values = transform.change(values, view, parameters)
    return values
