"""What an encoding is, and the band limit that all of them share."""

import abc
import math

import torch
from torch import nn

from inrgan._typing import Float, Tensor
from inrgan.views import View


def fade(turns_per_sample: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """How much of a wave a sampling can carry: 1 up to 3/4 of Nyquist, 0 from Nyquist on, smooth between.

    The idea is the damping of the input layer of StyleGAN3 (Karras et al. 2021, sec. 3.2), with a raised
    cosine instead of a ramp so that a schedule on the spacing has no kinks.

    Args:
        turns_per_sample: frequency times spacing; Nyquist is ½.

    Example:
        >>> fade(torch.tensor([0.1, 0.5])).tolist()
        [1.0, 0.0]
    """
    ramp = ((2 * turns_per_sample.abs() - 0.75) / 0.25).clamp(0, 1)
    return 0.5 * (1 + torch.cos(math.pi * ramp))


class AbstractEncoding(nn.Module, abc.ABC):
    """Coordinates to features that a small network can use, band-limited to the view's spacing.

    Features have a second moment of 1 where nothing is faded out. An encoding holds no state of a sample.
    """

    size: int
    """F, the number of features."""

    @abc.abstractmethod
    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        """Encode every point of a view."""
