"""Fields: batches of implicit neural representations, callable at coordinates."""

import math
from collections.abc import Iterator, Sequence
from itertools import product

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import AbstractDomain
from inrgan.errors import ShapeError
from inrgan.inr import AbstractINR, LayerWeights, Weights
from inrgan.views import View, scattered

_POINTS_AT_ONCE = 1 << 18
"""Largest number of points, over all samples, that a render evaluates at once; it bounds the memory."""


class Field:
    """A batch of functions of the coordinate, with values in (−1, 1).

    Fields are pure: the value at a coordinate depends on the coordinate and the band limit alone, not on other points,
    other samples or the tiling.

    Args:
        inr: Backbone.
        weights: Weights of the backbone for every sample.
        domain: Domain of the functions.
    """

    def __init__(self, inr: AbstractINR, weights: Weights, *, domain: AbstractDomain):
        self.inr, self.weights, self.domain = inr, tuple(weights), domain

    def __len__(self) -> int:
        return self.weights[0].weight.shape[0]

    def __getitem__(self, index: int | slice) -> "Field":
        """A smaller batch of some of the functions."""
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside a batch of {len(self)} fields")  # ends a for loop, too
        rows = slice(index, index + 1 or None) if isinstance(index, int) else index
        weights = [LayerWeights(x.weight[rows], x.bias[rows]) for x in self.weights]
        return Field(self.inr, weights, domain=self.domain)

    @property
    def device(self) -> torch.device:
        """Device of the weights, and of the coordinates to evaluate."""
        return self.weights[0].weight.device

    @property
    def channels(self) -> int:
        """Number of values at a point, C."""
        return self.inr.channels

    def __call__(
        self,
        where: Float[Tensor, "N D"] | Float[Tensor, "#B N D"] | View,
        *,
        spacing: float | Float[Tensor, "#B #N D"] = 0.0,
    ) -> Float[Tensor, "B *S"]:
        """Values at coordinates, twice differentiable in them, or the signal at a view.

        Args:
            where: Coordinates, (N, D) or (1, N, D) for the same points in every sample, or (B, N, D); or a View.
            spacing: For coordinates, the distance between samples to which the field is band-limited, in
                coordinate units; 0 for no band limit. A render is band-limited to its own grid, which changes
                nothing from the training resolution on.

        Returns:
            (B, N, C) for coordinates; (B, C, *shape) for a view.

        Raises:
            ShapeError: The coordinates do not fit the domain or the batch.
            NonFiniteError: A coordinate is NaN or infinite.

        Example:
            >>> field(torch.rand(100, 2)).shape, field(Box(2).grid((4, 6))).shape
            (torch.Size([4, 100, 3]), torch.Size([4, 3, 4, 6]))
        """
        if isinstance(where, View):
            return where.unflatten(self.inr.bound(self.inr(where, self.weights)))
        if (
            where.ndim not in (2, 3)
            or where.shape[-1] != self.domain.coord_dim
            or (where.ndim == 3 and where.shape[0] not in (1, len(self)))
        ):
            raise ShapeError(
                f"coords has shape {tuple(where.shape)}; expected (N, {self.domain.coord_dim}) "
                f"or ({len(self)}, N, {self.domain.coord_dim})"
            )
        if where.shape[-2] == 0:
            return where.new_zeros(len(self), 0, self.channels)
        return self.inr.bound(self.inr(scattered(where, spacing=spacing), self.weights))

    def activations(self, view: View) -> dict[str, Tensor]:
        """The activations of every layer at a view, by layer name, each (B, N or L, width)."""
        trace: dict[str, Tensor] = {}
        self.inr(view, self.weights, trace=trace)
        return trace

    @torch.no_grad()
    def render(
        self,
        shape: Sequence[int],
        *,
        region: Sequence[float] | None = None,
        window: Sequence[slice] | None = None,
    ) -> Float[Tensor, "B C *S"]:
        """The full domain, or a region of it, as an array of any shape, or a window of that array.

        A window holds the same numbers, bit for bit, as the full array does there: both are put together from the
        blocks of ``blocks(shape)``, each of which is always evaluated alone and in full.

        Args:
            shape: Array shape, x last.
            region: Lower corner, then upper corner, x first; may lie outside the domain.
            window: Slice for each array axis, without steps; the full array where None. Memory depends on the window.

        Raises:
            ShapeError: ``shape`` is not one positive size per axis, or the window is empty, has steps or does not fit.
            ConfigError: The region is empty, or neighboring samples are too close for the field's precision.

        Example:
            >>> field.render((512, 1024)).shape
            torch.Size([4, 3, 512, 1024])
            >>> field.render((65536, 65536), window=(slice(0, 300), slice(40000, 40200))).shape
            torch.Size([4, 3, 300, 200])
        """
        dtype = torch.promote_types(self.weights[0].weight.dtype, self.domain.precision)
        return self.look(self.domain.grid(shape, region=region, device=self.device, dtype=dtype), window=window)

    @torch.no_grad()
    def look(self, view: View, *, window: Sequence[slice] | None = None) -> Float[Tensor, "B C *S"]:
        """The signals as seen from one view of any size, or a window of it, in bounded memory, as ``render`` does.

        Raises:
            ShapeError: the window is empty, has steps or does not fit.

        Example:
            >>> field.look(Box(2).grid((512, 1024))).shape
            torch.Size([4, 3, 512, 1024])
        """
        assert view.batch == 1, "all samples are seen from one place"
        shape = view.shape
        bounds = _bounds(window, shape)
        size = [stop - start for start, stop in bounds]
        out = torch.empty(len(self), self.channels, *size, device=self.device, dtype=self.weights[0].weight.dtype)
        # How many samples go together may depend on the shape alone, too: kernels differ with it.
        together = max(
            1, _POINTS_AT_ONCE // math.prod(min(s, n) for s, n in zip(block_sides(shape), shape, strict=True))
        )
        for block in blocks(shape, window=window):
            part, place, inner = view.window(block), [], []
            for s, (start, stop) in zip(block, bounds, strict=True):
                low, high = max(s.start, start), min(s.stop, stop)
                place.append(slice(low - start, high - start))
                inner.append(slice(low - s.start, high - s.start))
            for first in range(0, len(self), together):
                rows = slice(first, first + together)
                out[(rows, slice(None), *place)] = self[rows](part)[(slice(None), slice(None), *inner)]
        return out


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
