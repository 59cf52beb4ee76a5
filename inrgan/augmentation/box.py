"""Flips, shifts, scales and rotations of signals on a box."""

import abc
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inrgan.augmentation.base import AbstractTransform
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.views import View

Beyond = Literal["mirror", "border", "open"]
"""Continuation of a signal beyond the border of its box: a mirror image, its value at the border, or the signal as it
is."""


class AbstractBoxMove(AbstractTransform):
    """Transform that moves signals on a box.

    Views keep their center, which is the position that a critic knows.

    Args:
        box: Domain of the signals.
        beyond: Continuation of signals beyond the border.
    """

    def __init__(self, box: Box, *, beyond: Beyond = "mirror"):
        self.box, self.beyond = box, beyond

    def look(self, view: View, drawn: Float[Tensor, "B P"]) -> View:
        if self.beyond == "open":
            return self.moved(view, drawn)
        back = _mirror if self.beyond == "mirror" else _border
        maps = [back(a, b) for a, b in zip(self.box.lower, self.box.upper, strict=True)]
        return _mapped(self.moved(view, drawn), maps)

    @abc.abstractmethod
    def moved(self, view: View, drawn: Float[Tensor, "B P"]) -> View:
        """The moved view, without regard to the border."""


@final
class Flip(AbstractBoxMove):
    """Mirrors signals along one coordinate, with probability 1/2.

    Args:
        box: Domain of the signals.
        axis: Number of the coordinate, x first.
        beyond: Continuation of signals beyond the border.

    Example:
        >>> Flip(Box(2), axis=0).draw(4, generator=torch.Generator()).shape
        torch.Size([4, 1])
    """

    def __init__(self, box: Box, *, axis: int, beyond: Beyond = "mirror"):
        super().__init__(box, beyond=beyond)
        self.axis, self.name = axis, f"flip-{axis}"

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 1"]:
        return (torch.rand(batch, 1, generator=generator) < 0.5).float()

    def moved(self, view: View, drawn: Float[Tensor, "B 1"]) -> View:
        ends = self.box.lower[self.axis] + self.box.upper[self.axis]
        maps: list[_Map] = [_same] * view.dim
        maps[self.axis] = lambda x: torch.where(_like(drawn, x) > 0, ends - x, x)
        return _mapped(view, maps)


@final
class Shift(AbstractBoxMove):
    """Shifts signals along every coordinate, by any fraction of a sample.

    Args:
        box: Domain of the signals.
        most: Largest shift, as a fraction of the sides; one number, or one for each coordinate, x first.
        beyond: Continuation of signals beyond the border.

    Raises:
        ConfigError: The number of entries of ``most`` is not that of the coordinates.

    Example:
        >>> Shift(Box(3)).draw(4, generator=torch.Generator()).shape
        torch.Size([4, 3])
    """

    name = "shift"

    def __init__(self, box: Box, *, most: float | Sequence[float] = 0.125, beyond: Beyond = "mirror"):
        super().__init__(box, beyond=beyond)
        self.most = _each(most, box, what="shifts")

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B D"]:
        unit = 2 * torch.rand(batch, self.box.coord_dim, generator=generator) - 1
        return unit * torch.tensor(self.most) * torch.tensor(self.box.sides)

    def moved(self, view: View, drawn: Float[Tensor, "B D"]) -> View:
        return _mapped(view, [_minus(drawn[:, d : d + 1]) for d in range(view.dim)])


@final
class Scale(AbstractBoxMove):
    """Scales signals about the middle, and stretches them slightly.

    A signal that becomes smaller is filtered to the larger spacing; one that becomes larger stays filtered to the
    view's spacing, so that reals are never upsampled.

    Args:
        box: Domain of the signals.
        octaves: Standard deviation of log₂ of the scale.
        stretch: Standard deviation of log₂ of the additional factor of each coordinate.
        scaled: For each coordinate, x first, whether it is scaled; all where None.
        beyond: Continuation of signals beyond the border.

    Raises:
        ConfigError: The number of entries of ``scaled`` is not that of the coordinates.

    Example:
        >>> Scale(Box(2)).draw(4, generator=torch.Generator()).shape
        torch.Size([4, 2])
    """

    name = "scale"

    def __init__(
        self, box: Box, *, octaves: float = 0.2, stretch: float = 0.1, scaled: Sequence[bool] | None = None,
        beyond: Beyond = "mirror",
    ):  # fmt: skip
        super().__init__(box, beyond=beyond)
        self.octaves, self.stretch = octaves, stretch
        self.scaled = _each(1.0 if scaled is None else [float(s) for s in scaled], box, what="entries of scaled")

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B D"]:
        size = self.octaves * torch.randn(batch, 1, generator=generator)
        per_axis = self.stretch * torch.randn(batch, self.box.coord_dim, generator=generator)
        return (size + per_axis) * torch.tensor(self.scaled)

    def moved(self, view: View, drawn: Float[Tensor, "B D"]) -> View:
        maps = []
        for d, (a, b) in enumerate(zip(self.box.lower, self.box.upper, strict=True)):
            maps.append(_about((a + b) / 2, torch.exp2(-drawn[:, d : d + 1])))
        wider = torch.exp2(-drawn).clamp(min=1)[:, None]
        return replace(_mapped(view, maps), spacing=view.spacing * wider.to(view.spacing))


@final
class Rotation(AbstractBoxMove):
    """Rotates signals about the middle, in the plane of two coordinates with the same unit.

    Args:
        box: Domain of the signals.
        plane: The two coordinates.
        most: Largest angle, in radians.
        beyond: Continuation of signals beyond the border.

    Example:
        >>> Rotation(Box(2)).look(Box(2).grid((8, 8)), torch.ones(4, 1)).points.shape
        torch.Size([4, 64, 2])
    """

    def __init__(self, box: Box, *, plane: tuple[int, int] = (0, 1), most: float = math.pi, beyond: Beyond = "mirror"):
        super().__init__(box, beyond=beyond)
        self.plane, self.most, self.name = plane, most, f"rotation-{plane[0]}{plane[1]}"

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 1"]:
        return (2 * torch.rand(batch, 1, generator=generator) - 1) * self.most

    def moved(self, view: View, drawn: Float[Tensor, "B 1"]) -> View:
        i, j = self.plane
        middle = [(a + b) / 2 for a, b in zip(self.box.lower, self.box.upper, strict=True)]
        columns = list(view.coords.unbind(-1))
        x, y = columns[i] - middle[i], columns[j] - middle[j]
        cosine, sine = torch.cos(drawn).to(x), torch.sin(drawn).to(x)
        columns[i] = middle[i] + cosine * x + sine * y
        columns[j] = middle[j] - sine * x + cosine * y
        batch = max(c.shape[0] for c in columns)
        points = torch.stack([c.expand(batch, -1) for c in columns], dim=-1)
        wider = view.spacing[..., [i, j]].amax(dim=-1)  # the filter can be rotated only where it is isotropic
        spacing = torch.stack([wider if d in self.plane else s for d, s in enumerate(view.spacing.unbind(-1))], dim=-1)
        return replace(view, axes=None, points=points, spacing=spacing)


@final
class QuarterTurn(AbstractTransform):
    """Rotates signals about the middle by a multiple of a right angle, in the plane of two coordinates.

    A grid stays a grid: signals are evaluated with the two coordinates exchanged, and the arrays transposed. This costs
    no more than no rotation, while every other angle needs each point separately. Views with more samples along one of
    the two coordinates are rotated by half turns only.

    Args:
        box: Domain of the signals, with equal sides along both coordinates.
        plane: The two coordinates; a turn takes the first toward the second.

    Raises:
        ConfigError: The sides along the two coordinates differ, or have different units.

    Example:
        >>> turn, view = QuarterTurn(Box(3), plane=(0, 2)), Box(3).grid((8, 8, 8))
        >>> turn.look(view, torch.ones(4, 1)).axes[0].shape
        torch.Size([4, 8])
    """

    def __init__(self, box: Box, *, plane: tuple[int, int] = (0, 1)):
        i, j = plane
        if box.sides[i] != box.sides[j] or box.units[i] != box.units[j]:
            raise ConfigError(
                f"sides of {box.sides[i]:g} and {box.sides[j]:g} rule out rotations by right angles; expected "
                "equal sides with the same unit"
            )
        self.box, self.plane, self.name = box, plane, f"quarter-turn-{i}{j}"

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 1"]:
        """Number of quarter turns, 0 to 3."""
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
        a, b = (values.ndim - 1 - d for d in self.plane)
        if not self._is_grid(view) or values.shape[a] != values.shape[b]:  # the view makes half turns
            return values
        return torch.where(crossed.reshape(-1, *[1] * (values.ndim - 1)), values.transpose(a, b), values)

    def _quarters(self, view: View, drawn: Float[Tensor, "B 1"]) -> Float[Tensor, "B 1"]:
        """Turns that a view allows: half turns only for a grid that is longer along one coordinate."""
        if not self._is_grid(view):
            return drawn
        n, m = (view.shape[len(view.shape) - 1 - d] for d in self.plane)
        return drawn if n == m else (drawn >= 2).to(drawn) * 2

    def _is_grid(self, view: View) -> bool:
        return len(view.shape) == self.box.coord_dim

    def _turned(self, x: Tensor, y: Tensor, quarters: Float[Tensor, "B 1"]) -> tuple[Tensor, Tensor]:
        """Positions along both coordinates, rotated back about the middle."""
        (i, j), quarters = self.plane, quarters.to(x.device)
        ends_i, ends_j = (self.box.lower[d] + self.box.upper[d] for d in (i, j))
        if x.shape[-1] != y.shape[-1]:  # half turns only
            half = quarters == 2
            return torch.where(half, ends_i - x, x), torch.where(half, ends_j - y, y)
        u, v = x - ends_i / 2, y - ends_j / 2
        back_u = torch.where(quarters == 1, v, torch.where(quarters == 2, -u, torch.where(quarters == 3, -v, u)))
        back_v = torch.where(quarters == 1, -u, torch.where(quarters == 2, -v, torch.where(quarters == 3, u, v)))
        still = quarters == 0  # exact, without rounding
        return torch.where(still, x, ends_i / 2 + back_u), torch.where(still, y, ends_j / 2 + back_v)

    def _laid_out(self, view: View, x: Float[Tensor, "#B #N F"], crossed: Bool[Tensor, "B"]) -> Tensor:
        """Features of the samples of a grid, in transposed order where the coordinates are exchanged."""
        if x.shape[1] == 1 or not self._is_grid(view) or not bool(crossed.any()):
            return x
        rank = len(view.shape)
        a, b = (1 + rank - 1 - d for d in self.plane)
        across = x.unflatten(1, view.shape).transpose(a, b).flatten(1, rank)
        return torch.where(crossed[:, None, None], across, x)


_Map = Callable[[Tensor], Tensor]
"""Map of the positions along one coordinate, (#B, M)."""


def _same(x: Tensor) -> Tensor:
    return x


def _like(drawn: Tensor, x: Tensor) -> Tensor:
    return drawn.to(x.device)


def _minus(offset: Tensor) -> _Map:
    return lambda x: x - offset.to(x)


def _about(middle: float, factor: Tensor) -> _Map:
    return lambda x: middle + (x - middle) * factor.to(x)


def _mirror(lower: float, upper: float) -> _Map:
    """Reflection into [lower, upper], as by mirrors at both ends."""
    side = upper - lower

    def fold(x: Tensor) -> Tensor:
        folded = lower + side - (((x - lower) % (2 * side)) - side).abs()
        # Positions inside stay exact, without rounding.
        return torch.where((x >= lower) & (x <= upper), x, folded)

    return fold


def _border(lower: float, upper: float) -> _Map:
    """Clipping to [lower, upper]."""
    return lambda x: x.clamp(lower, upper)


def _mapped(view: View, maps: Sequence[_Map]) -> View:
    """The same view with every coordinate's positions mapped."""
    if view.axes is not None:
        return replace(view, axes=tuple(f(x) for f, x in zip(maps, view.axes, strict=True)))
    columns = [f(x) for f, x in zip(maps, view.coords.unbind(-1), strict=True)]
    batch = max(c.shape[0] for c in columns)
    return replace(view, points=torch.stack([c.expand(batch, -1) for c in columns], dim=-1))


def _each(numbers: float | Sequence[float], box: Box, *, what: str) -> tuple[float, ...]:
    given = (float(numbers),) * box.coord_dim if isinstance(numbers, int | float) else tuple(map(float, numbers))
    if len(given) != box.coord_dim:
        raise ConfigError(f"got {len(given)} {what} for {box.coord_dim} coordinates; expected one for each")
    return given


def _exchanged(x: Tensor, i: int, j: int) -> Tensor:
    order = list(range(x.shape[-1]))
    order[i], order[j] = j, i
    return x[..., order]
