"""Transforms of values, for every kind of signal."""

from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.augmentation.base import AbstractTransform
from inrgan.views import View


def _broadcast(drawn: Float[Tensor, "B"], values: Tensor) -> Tensor:
    return drawn.to(values).reshape(-1, *[1] * (values.ndim - 1))


@final
class Affine(AbstractTransform):
    """Multiplies values by a factor and adds an offset: contrast and brightness of images, gain of audio.

    Args:
        octaves: Standard deviation of log₂ of the factor.
        offset: Standard deviation of the offset.

    Example:
        >>> Affine().change(torch.zeros(4, 3, 8, 8), Box(2).grid((8, 8)), torch.ones(4, 2)).mean().item()
        1.0
    """

    name = "affine"

    def __init__(self, *, octaves: float = 0.5, offset: float = 0.2):
        self.octaves, self.offset = octaves, offset

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 2"]:
        return torch.randn(batch, 2, generator=generator) * torch.tensor([self.octaves, self.offset])

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B 2"]) -> Tensor:
        del view
        return values * torch.exp2(_broadcast(drawn[:, 0], values)) + _broadcast(drawn[:, 1], values)


@final
class Polarity(AbstractTransform):
    """Flips the sign of values, with probability 1/2.

    Example:
        >>> Polarity().draw(4, generator=torch.Generator()).shape
        torch.Size([4, 1])
    """

    name = "polarity"

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 1"]:
        return (torch.rand(batch, 1, generator=generator) < 0.5).float()

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B 1"]) -> Tensor:
        del view
        return values * (1 - 2 * _broadcast(drawn[:, 0], values))


@final
class Tint(AbstractTransform):
    """Rotates the hue of the first three channels about the gray axis, and scales their saturation.

    The rotation is about (1, 1, 1)/√3, by Rodrigues' formula; the component at right angles to that axis is scaled.

    Args:
        octaves: Standard deviation of log₂ of the saturation.
        hue: Largest angle, in radians.

    Example:
        >>> Tint().draw(4, generator=torch.Generator()).shape
        torch.Size([4, 2])
    """

    name = "tint"

    def __init__(self, *, octaves: float = 1.0, hue: float = torch.pi):
        self.octaves, self.hue = octaves, hue

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 2"]:
        colourful = self.octaves * torch.randn(batch, 1, generator=generator)
        return torch.cat([colourful, self.hue * (2 * torch.rand(batch, 1, generator=generator) - 1)], dim=1)

    def change(self, values: Float[Tensor, "B C *S"], view: View, drawn: Float[Tensor, "B 2"]) -> Tensor:
        del view
        colour, rest = values[:, :3], values[:, 3:]
        grey = colour.mean(dim=1, keepdim=True)
        away = colour - grey
        # The axis crossed with a vector at right angles to it.
        across = (away.roll(1, dims=1) - away.roll(-1, dims=1)) / 3**0.5
        angle = _broadcast(drawn[:, 1], values)
        turned = torch.cos(angle) * away + torch.sin(angle) * across
        return torch.cat([grey + torch.exp2(_broadcast(drawn[:, 0], values)) * turned, rest], dim=1)
