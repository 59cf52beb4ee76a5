"""Fields at many views of scattered points, whose lattice features are computed once."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import AbstractNodeNumbers
from inrgan.field import Field
from inrgan.views import View

_MARGIN = 0.5
"""Fraction of the sides of the first view's bounding box by which later views may reach beyond it."""
_LARGEST = 1 << 24
"""Largest number of numbers in the widest layer at all nodes, up to which features are stored."""


@final
class NodeCache:
    """A batch of fields, for evaluation at many nearby views of scattered points without gradients.

    Features at the lattice nodes of the first view's bounding box, extended by half its sides, are computed once and
    stored. Where a view needs other nodes, or the same at another band limit, those of its box are added. Where there
    is no short list of nodes, fields are evaluated as usual.

    Args:
        field: Fields; their weights must not change.

    Example:
        >>> NodeCache(field)(scattered(torch.rand(100, 2))).shape
        torch.Size([4, 3, 100])
    """

    def __init__(self, field: Field):
        self._field = field
        self._entries: list[tuple[AbstractNodeNumbers, Float[Tensor, "B L F"]]] = []

    @torch.no_grad()
    def __call__(self, view: View) -> Float[Tensor, "B C *S"]:
        inr, weights = self._field.inr, self._field.weights
        features = None if view.axes is not None or inr.lattice is None else self._features(view)
        if features is None:
            return self._field(view)
        return view.unflatten(inr.bound(inr.values(view, features, weights)))

    def _features(self, view: View) -> Float[Tensor, "B L F"] | None:
        """Features at the nodes of a view; None where they are not stored."""
        inr, lattice = self._field.inr, self._field.inr.lattice
        assert lattice is not None
        numbers = lattice.numbers(view)
        for cover, features in self._entries:
            where = numbers.within(cover)
            if where is not None:
                return features.index_select(1, where)
        found = lattice.cover(view, margin=_MARGIN)
        if found is None:
            return None
        # Other fields at the same view share the nodes, and what is derived from them.
        cover = view.derive(lattice, "wide cover", lambda: found)
        where = numbers.within(cover)
        if where is None or cover.nodes.count * len(self._field) * max(s.outputs for s in inr.layers) > _LARGEST:
            return None
        features = inr.node_features(cover.nodes, self._field.weights)
        self._entries.append((cover, features))
        return features.index_select(1, where)
