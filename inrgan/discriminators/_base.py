"""What a critic is."""

import abc
from collections.abc import Sequence

import torch
from torch import nn

from inrgan._typing import Float, Int, Tensor
from inrgan.views import View


def constant(values: Sequence[float], like: Tensor) -> Float[Tensor, "D"]:
    """A few numbers as a tensor, filled on the device: nothing is copied from the host.

    Example:
        >>> constant((1.0, 2.0), torch.zeros(5)).tolist()
        [1.0, 2.0]
    """
    return torch.stack([like.new_full((), v) for v in values])


class AbstractCritic(nn.Module, abc.ABC):
    """Signals and the view they are seen from, to one realness score each."""

    smallest: int
    """Fewest samples along a side that it accepts."""

    def prepare(self, view: View) -> None:
        """Make constants that depend on a view alone, on the host; the view keeps them. Usually there are none."""
        del view

    @abc.abstractmethod
    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        """Score every sample on its own; higher is more real.

        Raises:
            ShapeError: the values are smaller than the critic's minimum, or have the wrong channels.
        """
