"""Base class of encodings, and encodings that combine or wrap others."""

import abc
from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inrgan.errors import ConfigError
from inrgan.views import View, directions


class AbstractEncoding(nn.Module, abc.ABC):
    """Encoding of coordinates as features for a small network, band-limited to the view's spacing.

    Features have a second moment of 1 where nothing is faded out. An encoding holds no state of a sample.
    """

    size: int
    """Number of features, F."""

    @property
    def highest(self) -> tuple[float, ...] | None:
        """Highest frequency of the features along each coordinate, in turns per unit; None, as here, if not known."""
        return None

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

    @property
    def highest(self) -> tuple[float, ...] | None:
        each = [part.highest for part in self.parts]
        known = [h for h in each if h is not None]
        return tuple(max(f) for f in zip(*known, strict=True)) if len(known) == len(each) else None

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

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        return self.encoding(replace(view, points=directions(view.coords), axes=None))
