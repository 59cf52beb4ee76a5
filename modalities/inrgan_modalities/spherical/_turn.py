"""Random rotations of the sphere."""

import math
from dataclasses import replace
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.augmentation import AbstractTransform
from inrgan.views import View


@final
class Turn(AbstractTransform):
    """A random rotation, uniform about the polar axis or over all rotations.

    Parameters are rotation vectors: their direction is the axis, their length the angle.

    Args:
        about: ``axis`` for rotations about the polar axis, or ``any``.

    Example:
        >>> Turn("any").look(Sphere().grid((8, 16)), torch.ones(4, 3)).points.shape
        torch.Size([4, 128, 3])
    """

    name = "turn"

    def __init__(self, about: Literal["axis", "any"]):
        self.about = about

    def draw(self, batch: int, *, generator: torch.Generator) -> Float[Tensor, "B 3"]:
        if self.about == "axis":
            angle = 2 * math.pi * torch.rand(batch, generator=generator, dtype=torch.float64)
            return torch.stack([torch.zeros_like(angle), torch.zeros_like(angle), angle], dim=-1)
        # Normal quaternions are uniform over all rotations; q and -q are the same rotation.
        quaternion = torch.randn(batch, 4, generator=generator, dtype=torch.float64)
        real, vector = quaternion[:, :1], quaternion[:, 1:]
        length = vector.norm(dim=-1, keepdim=True)
        return vector / length * (2 * torch.atan2(length, real))

    def look(self, view: View, drawn: Float[Tensor, "B 3"]) -> View:
        # Rows times R, not R times columns: the points of the sphere before its rotation by R.
        turned = rotations(drawn)
        points, center = view.coords.double() @ turned, (view.center.double()[:, None] @ turned)[:, 0]
        return replace(view, points=points.to(view.coords), axes=None, center=center.to(view.center))


def rotations(vectors: Float[Tensor, "B 3"]) -> Float[Tensor, "B 3 3"]:
    """Rotation matrices of rotation vectors, in double precision.

    Example:
        >>> rotations(torch.zeros(4, 3)).shape
        torch.Size([4, 3, 3])
    """
    x, y, z = vectors.double().unbind(-1)
    none = torch.zeros_like(x)
    rows = [[none, -z, y], [z, none, -x], [-y, x, none]]
    return torch.linalg.matrix_exp(torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2))
