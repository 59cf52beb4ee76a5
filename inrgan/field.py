"""Fields: batches of implicit neural representations, callable at coordinates."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.blocks import BlockRenderer
from inrgan.domains import AbstractDomain
from inrgan.errors import ShapeError
from inrgan.inr import AbstractINR, LayerWeights, Weights
from inrgan.views import View, scattered


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

    def render(
        self,
        shape: Sequence[int],
        *,
        region: Sequence[float] | None = None,
        window: Sequence[slice] | None = None,
    ) -> Float[Tensor, "B C *S"]:
        """The full domain, or a region of it, as an array of any shape, or a window of that array.

        A window holds the same numbers, bit for bit, as the full array does there. For many windows of one array,
        ``renderer`` computes once what they share.

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
        return self.renderer(shape, region=region).window(window)

    def renderer(self, shape: Sequence[int], *, region: Sequence[float] | None = None) -> BlockRenderer:
        """Renderer of any number of windows of ``render(shape, region=region)``.

        Args:
            shape: Array shape, x last.
            region: Lower corner, then upper corner, x first; may lie outside the domain.

        Raises:
            ShapeError: ``shape`` is not one positive size per axis.
            ConfigError: The region is empty, or neighboring samples are too close for the field's precision.

        Example:
            >>> renderer = field.renderer((65536, 65536))
            >>> renderer.window((slice(0, 300), slice(40000, 40200))).shape
            torch.Size([4, 3, 300, 200])
        """
        dtype = torch.promote_types(self.weights[0].weight.dtype, self.domain.precision)
        view = self.domain.grid(shape, region=region, device=self.device, dtype=dtype)
        return BlockRenderer(self.inr, self.weights, view)

    def look(self, view: View, *, window: Sequence[slice] | None = None) -> Float[Tensor, "B C *S"]:
        """The signals as seen from one view of any size, or a window of it, in bounded memory, as ``render`` does.

        Raises:
            ShapeError: the window is empty, has steps or does not fit.

        Example:
            >>> field.look(Box(2).grid((512, 1024))).shape
            torch.Size([4, 3, 512, 1024])
        """
        return BlockRenderer(self.inr, self.weights, view).window(window)
