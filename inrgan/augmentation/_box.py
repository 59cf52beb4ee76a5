"""Moves of signals on a box: another place to look at them from."""

import abc
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, final

import torch

from inrgan._typing import Float, Tensor
from inrgan.augmentation._base import AbstractTransform
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.views import View

Beyond = Literal["mirror", "border"]
"""What signals are beyond the border of their box: their mirror's image, or what they are at the border."""


class AbstractBoxMove(AbstractTransform):
    """A move of signals on a box; beyond its border they are seen mirrored at it, or as they are there.

    The views handed in keep their centre: it is where a critic is told that it looks.

    Args:
        box: the domain.
        beyond: what is seen beyond its border.
    """

    def __init__(self, box: Box, *, beyond: Beyond = "mirror"):
        self.box, self.beyond = box, beyond

    def look(self, view: View, drawn: Float[Tensor, "B P"]) -> View:
        back = _mirror if self.beyond == "mirror" else _border
        maps = [back(a, b) for a, b in zip(self.box.lower, self.box.upper, strict=True)]
        return _mapped(self.moved(view, drawn), maps)

    @abc.abstractmethod
    def moved(self, view: View, drawn: Float[Tensor, "B P"]) -> View:
        """From where to look, as if the signal went on without end."""


@final
class Flip(AbstractBoxMove):
    """Mirrored along one coordinate, every second time.

    Args:
        box: the domain.
        axis: the coordinate, x first.

    Example:
        >>> Flip(Box(2), axis=0).draw(4, generator=torch.Generator()).shape
        torch.Size([4, 1])
    """

    def __init__(self, box: Box, *, axis: int):
        super().__init__(box)
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
    """Moved along every coordinate, by any part of a sample.

    Args:
        box: the domain.
        most: the largest move, as a fraction of the sides; one number, or one for each coordinate, x first.
        beyond: what is seen beyond the border.

    Raises:
        ConfigError: a number of moves that is not that of the coordinates.

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
    """Larger or smaller about the middle, and a little stretched.

    Where a signal becomes smaller, it is filtered to the larger spacing; where it becomes larger, it stays filtered to
    the view's own, so that reals are never asked for what they do not have.

    Args:
        box: the domain.
        octaves: standard deviation of log₂ of the size.
        stretch: standard deviation of log₂ of what every coordinate has beside that.
        scaled: for each coordinate, x first, whether it is scaled; all where None.
        beyond: what is seen beyond the border.

    Raises:
        ConfigError: a number of entries that is not that of the coordinates.

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
        own = self.stretch * torch.randn(batch, self.box.coord_dim, generator=generator)
        return (size + own) * torch.tensor(self.scaled)

    def moved(self, view: View, drawn: Float[Tensor, "B D"]) -> View:
        maps = []
        for d, (a, b) in enumerate(zip(self.box.lower, self.box.upper, strict=True)):
            maps.append(_about((a + b) / 2, torch.exp2(-drawn[:, d : d + 1])))
        wider = torch.exp2(-drawn).clamp(min=1)[:, None]
        return replace(_mapped(view, maps), spacing=view.spacing * wider.to(view.spacing))


@final
class Rotation(AbstractBoxMove):
    """Turned about the middle, in the plane of two coordinates that have one unit.

    Args:
        box: the domain.
        plane: the two coordinates.
        most: largest angle, in radians.
        beyond: what is seen beyond the border.

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
        wider = view.spacing[..., [i, j]].amax(dim=-1)  # the filter turns along only where it is round
        spacing = torch.stack([wider if d in self.plane else s for d, s in enumerate(view.spacing.unbind(-1))], dim=-1)
        return replace(view, axes=None, points=points, spacing=spacing)


_Map = Callable[[Tensor], Tensor]
"""Of one coordinate's positions, (#B, M)."""


def _same(x: Tensor) -> Tensor:
    return x


def _like(drawn: Tensor, x: Tensor) -> Tensor:
    return drawn.to(x.device)


def _minus(offset: Tensor) -> _Map:
    return lambda x: x - offset.to(x)


def _about(middle: float, factor: Tensor) -> _Map:
    return lambda x: middle + (x - middle) * factor.to(x)


def _mirror(lower: float, upper: float) -> _Map:
    """Back into [lower, upper], as if there were mirrors at both ends."""
    side = upper - lower

    def fold(x: Tensor) -> Tensor:
        folded = lower + side - (((x - lower) % (2 * side)) - side).abs()
        # Inside, the position is not touched: not even by rounding.
        return torch.where((x >= lower) & (x <= upper), x, folded)

    return fold


def _border(lower: float, upper: float) -> _Map:
    """Back into [lower, upper], to the nearer end."""
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
