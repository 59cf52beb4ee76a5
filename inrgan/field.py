"""A Field: a batch of implicit neural representations, callable at coordinates."""

import math
from collections.abc import Iterator, Sequence

import torch

from inrgan._typing import Float, Tensor
from inrgan.domains import AbstractDomain
from inrgan.errors import ShapeError
from inrgan.inr import AbstractINR, LayerWeights, Weights
from inrgan.views import View, scattered


class Field:
    """A batch of functions of the coordinate, with values in (−1, 1).

    Pure: the value at a coordinate depends on nothing but the coordinate and the band limit asked for, not on
    the other points, the other samples or the tiling.

    Args:
        inr: the backbone.
        weights: its weights, for every sample.
        domain: where the functions live.
    """

    def __init__(self, inr: AbstractINR, weights: Weights, *, domain: AbstractDomain):
        self.inr, self.weights, self.domain = inr, tuple(weights), domain

    def __len__(self) -> int:
        return self.weights[0].weight.shape[0]

    def __getitem__(self, index: int | slice) -> "Field":
        """Some of the functions, as a smaller batch."""
        if isinstance(index, int) and not -len(self) <= index < len(self):
            raise IndexError(f"index {index} is outside a batch of {len(self)} fields")  # ends a for loop, too
        rows = slice(index, index + 1 or None) if isinstance(index, int) else index
        weights = [LayerWeights(x.weight[rows], x.bias[rows]) for x in self.weights]
        return Field(self.inr, weights, domain=self.domain)

    @property
    def device(self) -> torch.device:
        """Where the weights are, and where coordinates must be."""
        return self.weights[0].weight.device

    @property
    def channels(self) -> int:
        """C."""
        return self.inr.channels

    def __call__(
        self,
        where: Float[Tensor, "N D"] | Float[Tensor, "#B N D"] | View,
        *,
        spacing: float | Float[Tensor, "#B #N D"] = 0.0,
    ) -> Float[Tensor, "B *S"]:
        """Values at coordinates, twice differentiable in them, or the signal as seen from a view.

        Args:
            where: coordinates, (N, D) or (1, N, D) for the same points in every sample, or (B, N, D); or a View.
            spacing: for coordinates, the distance between samples to which the field is band-limited, in
                coordinate units; 0 for the field itself. A render is band-limited to its own grid, which
                changes nothing from the training resolution on.

        Returns:
            (B, N, C) for coordinates; (B, C, *shape) for a view.

        Raises:
            ShapeError: the coordinates do not fit the domain or the batch.
            NonFiniteError: a coordinate is NaN or infinite.

        Example:
            >>> field(torch.rand(100, 2)).shape, field(Box(2).grid((4, 6))).shape
            (torch.Size([4, 100, 3]), torch.Size([4, 3, 4, 6]))
        """
        if isinstance(where, View):
            return where.unflatten(torch.tanh(self.inr(where, self.weights)))
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
        return torch.tanh(self.inr(scattered(where, spacing=spacing), self.weights))

    def activations(self, view: View) -> dict[str, Tensor]:
        """The activations of every layer at a view, by layer name, each (B, N or L, width)."""
        trace: dict[str, Tensor] = {}
        self.inr(view, self.weights, trace=trace)
        return trace

    @torch.no_grad()
    def render(
        self, shape: Sequence[int], *, region: Sequence[float] | None = None, max_points: int = 1 << 18
    ) -> Float[Tensor, "B C *S"]:
        """The whole domain, or a region of it, as an array of any shape.

        Args:
            shape: array shape, x last.
            region: lower corner, then upper corner, x first; may reach outside the domain.
            max_points: points evaluated at once, over the batch; bounds the memory and changes nothing else.

        Raises:
            ShapeError: ``shape`` is not one positive size per axis.
            ConfigError: the region is empty.

        Example:
            >>> field.render((512, 1024)).shape
            torch.Size([4, 3, 512, 1024])
        """
        dtype = self.weights[0].weight.dtype
        view = self.domain.grid(shape, region=region, device=self.device, dtype=dtype)
        out = torch.empty(len(self), self.channels, *view.shape, device=self.device, dtype=dtype)
        for window in tiles(view.shape, max_points=max(1, max_points // len(self))):
            out[(slice(None), slice(None), *window)] = self(view.window(window))
        return out


def tiles(shape: Sequence[int], *, max_points: int) -> Iterator[tuple[slice, ...]]:
    """Cut an array into blocks of at most ``max_points``, as square as they come.

    Example:
        >>> [w[0] for w in tiles((4, 2), max_points=4)]
        [slice(0, 2, None), slice(2, 4, None)]
    """
    block = list(shape)
    while max(block) > 1 and math.prod(block) > max_points:
        longest = block.index(max(block))
        block[longest] = -(-block[longest] // 2)

    def cut(axis: int) -> Iterator[tuple[slice, ...]]:
        if axis == len(block):
            yield ()
            return
        for start in range(0, shape[axis], block[axis]):
            for rest in cut(axis + 1):
                yield (slice(start, min(start + block[axis], shape[axis])), *rest)

    return cut(0)
