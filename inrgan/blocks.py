"""Blocks in which a field is evaluated at a view of any size, and what the blocks share."""

import math
from collections.abc import Iterator, Sequence
from itertools import product
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import AbstractNodeNumbers
from inrgan.errors import ShapeError
from inrgan.inr import AbstractINR, LayerWeights, Weights
from inrgan.views import View

_POINTS_AT_ONCE = 1 << 18
"""Largest number of points, over all samples, that are evaluated at once; it bounds the memory."""

_KEPT = 1 << 24
"""Largest number of numbers in the widest layer at all lattice nodes of a view, for which they are kept."""


@final
class BlockRenderer:
    """A batch of fields as seen from one view of any size, block by block in bounded memory.

    What all blocks share is computed once, with the first of them: the features at the lattice nodes of the whole view,
    where there are fewer nodes than points and 2²⁴ numbers at most. Otherwise every block computes those of its own
    nodes. Which of the two is done depends on the view alone, never on a window of it.

    Args:
        inr: Backbone.
        weights: Weights of the backbone for every sample, which must not change.
        view: View that all samples share.

    Example:
        >>> renderer = field.renderer((512, 1024))
        >>> renderer.window((slice(0, 300), slice(0, 200))).shape
        torch.Size([4, 3, 300, 200])
    """

    def __init__(self, inr: AbstractINR, weights: Weights, view: View):
        assert view.batch == 1, "all samples are seen from one place"
        self._inr, self._weights, self._view = inr, tuple(weights), view
        self._nodes = self._shared_nodes()
        self._features: Float[Tensor, "B L F"] | None = None

    def __len__(self) -> int:
        return self._weights[0].weight.shape[0]

    @torch.no_grad()
    def window(self, window: Sequence[slice] | None = None) -> Float[Tensor, "B C *S"]:
        """Values in a window of the view's array; of all of it where None.

        A window holds the same numbers, bit for bit, as the full array does there: both are put together from the
        blocks of ``blocks(shape)``, each of which is always evaluated alone and in full.

        Args:
            window: Slice for each array axis, without steps.

        Raises:
            ShapeError: the window is empty, has steps or does not fit.
        """
        shape, first = self._view.shape, self._weights[0].weight
        bounds = _bounds(window, shape)
        size = [stop - start for start, stop in bounds]
        out = torch.empty(len(self), self._inr.channels, *size, device=first.device, dtype=first.dtype)
        # How many samples go together may depend on the shape alone, too: kernels differ with it.
        together = max(1, _POINTS_AT_ONCE // _block_points(shape))
        for block in blocks(shape, window=window):
            part, place, inner = self._view.window(block), [], []
            for s, (start, stop) in zip(block, bounds, strict=True):
                low, high = max(s.start, start), min(s.stop, stop)
                place.append(slice(low - start, high - start))
                inner.append(slice(low - s.start, high - s.start))
            for start in range(0, len(self), together):
                rows = slice(start, start + together)
                out[(rows, slice(None), *place)] = self._block(part, rows)[(slice(None), slice(None), *inner)]
        return out

    def _block(self, part: View, rows: slice) -> Float[Tensor, "B C *S"]:
        """Values of some samples at a block."""
        weights = [LayerWeights(x.weight[rows], x.bias[rows]) for x in self._weights]
        where = None
        if self._nodes is not None and self._inr.lattice is not None:
            where = self._inr.lattice.numbers(part).within(self._nodes)
        if where is None:
            features = self._inr.features(part, weights)
        else:
            features = self._shared_features()[rows].index_select(1, where)
        return part.unflatten(self._inr.bound(self._inr.block(part, features, weights)))

    def _shared_nodes(self) -> AbstractNodeNumbers | None:
        """Nodes whose features all blocks share; None where each block has its own."""
        view = self._view
        if self._inr.lattice is None or view.count <= _block_points(view.shape):
            return None
        nodes = self._inr.lattice.cover(view)
        widest = max(spec.outputs for spec in self._inr.layers)
        fits = nodes is not None and nodes.nodes.count <= min(view.count, _KEPT // (len(self) * widest))
        return nodes if fits else None

    def _shared_features(self) -> Float[Tensor, "B L F"]:
        if self._features is None:
            assert self._nodes is not None
            self._features = self._inr.node_features(self._nodes.nodes, self._weights)
        return self._features


def blocks(shape: Sequence[int], *, window: Sequence[slice] | None = None) -> Iterator[tuple[slice, ...]]:
    """The blocks of an array in which a render evaluates it, or those that meet a window, in the array's order.

    Floating-point products differ in their last bits with the shapes of what is multiplied. What a render's blocks
    are depends therefore on nothing but the shape of the whole: they start at the array's origin and have 2¹⁶ points
    or as many as the nearest power of two per axis gives (256 × 256 in the plane), less at the far border.

    Raises:
        ShapeError: the window is empty, has steps or does not fit the shape.

    Example:
        >>> list(blocks((2, 300)))
        [(slice(0, 2, None), slice(0, 256, None)), (slice(0, 2, None), slice(256, 300, None))]
    """
    axes = []
    for n, side, (start, stop) in zip(shape, block_sides(shape), _bounds(window, shape), strict=True):
        numbers = range(start // side, -(-stop // side))
        axes.append([slice(k * side, min((k + 1) * side, n)) for k in numbers])
    return product(*axes)


def block_sides(shape: Sequence[int]) -> tuple[int, ...]:
    """Samples along each axis of a block that no border cuts: a power of two.

    Example:
        >>> block_sides((65536, 65536))
        (256, 256)
    """
    return (1 << max(1, round(16 / len(shape))),) * len(shape)


def _bounds(window: Sequence[slice] | None, shape: Sequence[int]) -> list[tuple[int, int]]:
    """First sample and one past the last, along each axis."""
    if window is None:
        return [(0, n) for n in shape]
    bounds = [s.indices(n) for s, n in zip(window, shape, strict=False)]
    if len(window) != len(shape) or any(step != 1 or stop <= start for start, stop, step in bounds):
        raise ShapeError(
            f"the window {tuple(window)} of an array of shape {tuple(shape)} was asked for; "
            "expected one slice per axis, without steps and with at least one sample inside the array"
        )
    return [(start, stop) for start, stop, _ in bounds]


def _block_points(shape: Sequence[int]) -> int:
    """Number of points of the largest block."""
    return math.prod(min(s, n) for s, n in zip(block_sides(shape), shape, strict=True))
