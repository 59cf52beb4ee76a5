"""Turns by right angles, which move no sample off a grid."""

from dataclasses import replace
from typing import final

import torch

from inrgan._typing import Bool, Float, Tensor
from inrgan.augmentation._base import AbstractTransform
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.views import View


@final
class QuarterTurn(AbstractTransform):
    """Turned about the middle by a multiple of a right angle, in the plane of two coordinates.

    A grid stays a grid: signals are looked at with the two coordinates exchanged, and the arrays laid out the other way
    round, so that this costs no more than looking straight, while any other angle needs every point by itself. Views
    with more samples along one of the two coordinates are turned by half turns only.

    Args:
        box: the domain, with equal sides along both coordinates.
        plane: the two coordinates; a turn takes the first towards the second.

    Raises:
        ConfigError: the sides along the two coordinates differ, or are not measured alike.

    Example:
        >>> turn, view = QuarterTurn(Box(3), plane=(0, 2)), Box(3).grid((8, 8, 8))
        >>> turn.look(view, torch.ones(4, 1)).axes[0].shape
        torch.Size([4, 8])
    """

    def __init__(self, box: Box, *, plane: tuple[int, int] = (0, 1)):
        i, j = plane
        if box.sides[i] != box.sides[j] or box.units[i] != box.units[j]:
            raise ConfigError(
                f"a box with sides of {box.sides[i]:g} and {box.sides[j]:g} is not turned by right angles; expected "
                "equal sides, measured alike"
            )
        self.box, self.plane, self.name = box, plane, f"quarter-turn-{i}{j}"

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 1"]:
        """Quarters: 1, 2 or 3, or 0 for none."""
        return torch.randint(4, (batch, 1), generator=generator).float()

    def look(self, view: View, drawn: Float[Tensor, "B 1"]) -> View:
        quarters, (i, j) = self._quarters(view, drawn), self.plane
        crossed = (quarters % 2 == 1)[:, 0]
        spacing = self._laid_out(view, view.spacing, crossed)
        spacing = torch.where(crossed[:, None, None], _exchanged(spacing, i, j), spacing)
        weights = None if view.weights is None else self._laid_out(view, view.weights[..., None], crossed)[..., 0]
        if view.axes is not None:
            axes = [a.expand(len(drawn), -1) for a in view.axes]  # as many as there are spacings
            axes[i], axes[j] = self._turned(axes[i], axes[j], quarters)
            return replace(view, axes=tuple(axes), spacing=spacing, weights=weights)
        columns = list(view.coords.unbind(-1))
        columns[i], columns[j] = self._turned(columns[i], columns[j], quarters)
        points = torch.stack([c.expand(len(drawn), -1) for c in columns], dim=-1)
        return replace(view, points=self._laid_out(view, points, crossed), spacing=spacing, weights=weights)

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B 1"]) -> Tensor:
        crossed = (self._quarters(view, drawn) % 2 == 1)[:, 0]
        if not self._is_grid(view) or not bool(crossed.any()):
            return values
        a, b = (values.ndim - 1 - d for d in self.plane)
        return torch.where(crossed.reshape(-1, *[1] * (values.ndim - 1)), values.transpose(a, b), values)

    def _quarters(self, view: View, drawn: Float[Tensor, "B 1"]) -> Float[Tensor, "B 1"]:
        """How far a view can be turned: of a grid that is longer along one coordinate by half turns only."""
        if not self._is_grid(view):
            return drawn
        n, m = (view.shape[len(view.shape) - 1 - d] for d in self.plane)
        return drawn if n == m else (drawn >= 2).to(drawn) * 2

    def _is_grid(self, view: View) -> bool:
        return len(view.shape) == self.box.coord_dim

    def _turned(self, x: Tensor, y: Tensor, quarters: Float[Tensor, "B 1"]) -> tuple[Tensor, Tensor]:
        """From where to look along both coordinates: turned back about the middle."""
        (i, j), quarters = self.plane, quarters.to(x.device)
        ends_i, ends_j = (self.box.lower[d] + self.box.upper[d] for d in (i, j))
        if x.shape[-1] != y.shape[-1]:  # half turns only
            half = quarters == 2
            return torch.where(half, ends_i - x, x), torch.where(half, ends_j - y, y)
        u, v = x - ends_i / 2, y - ends_j / 2
        back_u = torch.where(quarters == 1, v, torch.where(quarters == 2, -u, torch.where(quarters == 3, -v, u)))
        back_v = torch.where(quarters == 1, -u, torch.where(quarters == 2, -v, torch.where(quarters == 3, u, v)))
        still = quarters == 0  # not touched by rounding either
        return torch.where(still, x, ends_i / 2 + back_u), torch.where(still, y, ends_j / 2 + back_v)

    def _laid_out(self, view: View, x: Float[Tensor, "#B #N F"], crossed: Bool[Tensor, "B"]) -> Tensor:
        """What belongs to the samples of a grid, in the order in which crossed ones are looked at."""
        if x.shape[1] == 1 or not self._is_grid(view) or not bool(crossed.any()):
            return x
        rank = len(view.shape)
        a, b = (1 + rank - 1 - d for d in self.plane)
        across = x.unflatten(1, view.shape).transpose(a, b).flatten(1, rank)
        return torch.where(crossed[:, None, None], across, x)


def _exchanged(x: Tensor, i: int, j: int) -> Tensor:
    order = list(range(x.shape[-1]))
    order[i], order[j] = j, i
    return x[..., order]
