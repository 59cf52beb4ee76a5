"""Base class of encodings, and encodings that combine or wrap others."""

import abc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inrgan.errors import ConfigError
from inrgan.views import View, directions


@dataclass(frozen=True)
class NodeFeatures:
    """Some features of an encoding at few nodes, which stand for all points of a fine product view.

    Attributes:
        features: Features at the nodes.
        lines: Map that interpolates values from the nodes along all axes but x, and the matrix that does so along x; or
            None where it has no such form (``AbstractStencil.lines``).
    """

    features: Float[Tensor, "1 n F"]
    lines: Callable[[Float[Tensor, "B n C"]], tuple[Float[Tensor, "M m"], Float[Tensor, "B R m C"]] | None]


class AbstractEncoding(nn.Module, abc.ABC):
    """Encoding of coordinates as features for a small network, band-limited to the view's spacing.

    Features have a second moment of 1 where nothing is faded out. An encoding holds no state of a sample.
    """

    size: int
    """Number of features, F."""

    def at_nodes(self, view: View, *, tolerance: float) -> list[NodeFeatures] | None:
        """All features, in parts, at few nodes in place of a view's points; None, as here, without such nodes.

        A map that is linear in the features is then computed at the nodes, and its result is interpolated.

        Args:
            view: View that all samples share.
            tolerance: Largest error of a feature.
        """
        del view, tolerance

    def prepare(self, view: View) -> None:
        """Make what the encoding must read of a view on the host, and let the view keep it; by default nothing."""
        del view

    def encoded(self, view: View, dtype: torch.dtype) -> Float[Tensor, "#B N F"]:
        """The features in a precision, which may be lower than that of the coordinates.

        The view keeps them, unless parameters of the encoding decide them.
        """
        if next(self.parameters(), None) is not None:
            return self(view).to(dtype)
        return view.derive(self, dtype, lambda: self(view).to(dtype))

    @abc.abstractmethod
    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        """Encode every point of a view."""


class JoinedEncoding(AbstractEncoding):
    """Concatenated features of several encodings.

    Args:
        encodings: One or more encodings.

    Raises:
        ConfigError: The list is empty.

    Example:
        >>> JoinedEncoding([SphericalHarmonics(2), SphericalHarmonics(1)])(Sphere().grid((4, 8))).shape
        torch.Size([1, 32, 13])
    """

    def __init__(self, encodings: Sequence[AbstractEncoding]):
        super().__init__()
        if not encodings:
            raise ConfigError("no encodings were given to join; expected one or more")
        self.parts = nn.ModuleList(encodings)
        self.size = sum(e.size for e in encodings)

    def at_nodes(self, view: View, *, tolerance: float) -> list[NodeFeatures] | None:
        found: list[NodeFeatures] = []
        for part in self.parts:
            more = part.at_nodes(view, tolerance=tolerance)  # type: ignore[operator]
            if more is None:
                return None
            found += more
        return found

    def prepare(self, view: View) -> None:
        for part in self.parts:
            part.prepare(view)  # type: ignore[operator]

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        return torch.cat([part(view) for part in self.parts], dim=-1)


class DirectionalEncoding(AbstractEncoding):
    """Encoding of the direction of each point: points are normalized to unit length first.

    A network on these features is a function on the sphere, whose spatial gradients are tangential.

    Args:
        encoding: Encoding of the unit vectors.

    Example:
        >>> encoding = DirectionalEncoding(FourierEncoding(3, longest_period=6.3, spacing=0.1, octaves=0, oblique=8))
        >>> encoding(Sphere().grid((4, 8))).shape
        torch.Size([1, 32, 16])
    """

    def __init__(self, encoding: AbstractEncoding):
        super().__init__()
        self.encoding, self.size = encoding, encoding.size

    def prepare(self, view: View) -> None:
        self.encoding.prepare(self._unit(view))

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        return self.encoding(self._unit(view))

    def _unit(self, view: View) -> View:
        """The view with points of unit length, which stores what the encoding derives from it."""
        return view.derive(self, "unit", lambda: replace(view, points=directions(view.coords), axes=None))
