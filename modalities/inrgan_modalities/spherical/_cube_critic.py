"""A critic that looks at the six faces of a cube."""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.discriminators import AbstractCritic, EqualizedLinear, ResidualTrunk, label_score, leaky_relu
from inrgan.domains import Sphere
from inrgan.views import View
from inrgan_modalities.spherical._padding import face_side, pad_cube


@final
class CubeCritic(AbstractCritic):
    """The equirectangular signal is carried to six faces, whose convolutions go on over the edges.

    One trunk looks at all faces, so that what it learns holds for any of them; which face is which enters where their
    features come together.

    Args:
        channels: C.
        resolution: nominal number of rows.
        width: channels at full resolution; doubled at each halving.
        max_width: upper bound on the channels.
        classes: number of labels; 0 for none.

    Example:
        >>> critic = CubeCritic(3, resolution=16, width=8, max_width=32)
        >>> critic(torch.zeros(5, 3, 16, 32), Sphere().grid((16, 32))).shape
        torch.Size([5])
    """

    smallest = 4

    def __init__(self, channels: int, *, resolution: int, width: int, max_width: int, classes: int = 0):
        super().__init__()
        self.nominal = Sphere().spacing(resolution)
        self.trunk = ResidualTrunk(
            2, channels, facts=1, resolution=face_side(resolution), width=width, max_width=max_width, padding=pad_cube
        )
        self.together = EqualizedLinear(6 * self.trunk.size, self.trunk.size)
        self.score = EqualizedLinear(self.trunk.size, 1)
        self.labels = nn.Embedding(classes, self.trunk.size) if classes else None

    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        side = face_side(values.shape[2])
        cube = Sphere().cube(side, device=values.device)
        faces = Sphere().carry(values.to(cube.spacing.dtype), cube).to(values.dtype)
        faces = faces.unflatten(2, (6, side)).transpose(1, 2).flatten(0, 1)
        density = torch.log2(self.nominal / view.spacing.mean(dim=1)[:, :1])
        facts = density.expand(len(values), -1).repeat_interleave(6, dim=0)
        x = leaky_relu(self.together(self.trunk(faces, facts).reshape(len(values), -1)))
        return self.score(x)[:, 0] + label_score(x, self.labels, labels)
