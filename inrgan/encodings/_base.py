"""What an encoding is."""

import abc

from torch import nn

from inrgan._typing import Float, Tensor
from inrgan.views import View


class AbstractEncoding(nn.Module, abc.ABC):
    """Coordinates to features that a small network can use, band-limited to the view's spacing.

    Features have a second moment of 1 where nothing is faded out. An encoding holds no state of a sample.
    """

    size: int
    """F, the number of features."""

    @abc.abstractmethod
    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        """Encode every point of a view."""
