"""Cube faces: features and a critic."""

import math
from typing import final

import torch
from einops import rearrange, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.discriminators import AbstractCritic, EqualizedLinear, ResidualTrunk, label_score, leaky_relu
from inrgan.domains import Sphere
from inrgan.metrics import (
    AbstractFeatures,
    Comparison,
    Protocol,
    RandomConvFeatures,
    frechet_distance,
    is_full_rank,
)
from inrgan.views import View
from inrgan_modalities.spherical._harmonics import check_grid
from inrgan_modalities.spherical._padding import face_side, pad_cube

_SIDES, _UP, _DOWN = slice(0, 4), slice(4, 5), slice(5, 6)
_ITEMS_AT_ONCE = 64
_WIDTH = 8


def cube_faces(values: Float[Tensor, "N C H W"], *, side: int | None = None) -> Float[Tensor, "N 6 C S S"]:
    """Six views of 90 degrees: front, right, back, left, up, down.

    Args:
        values: Signals on the canonical grid.
        side: Samples along a face; by default 2H / π, which gives the middle of a face the spacing of the rows.

    Raises:
        ShapeError: The signals are not full spheres.

    Example:
        >>> cube_faces(torch.zeros(2, 3, 32, 64)).shape
        torch.Size([2, 6, 3, 21, 21])
    """
    height, _ = check_grid(values)
    side = max(8, math.ceil(2 * height / math.pi)) if side is None else side
    view = Sphere().cube(side, device=values.device)
    parts = [Sphere().carry(part, view) for part in values.split(_ITEMS_AT_ONCE)]
    return rearrange(torch.cat(parts), "b c (face h) w -> b face c h w", face=6)


@final
class CubeFeatures(AbstractFeatures):
    """Random convolutional features of the six faces: the mean over the faces, then the features of each face.

    Features of the equirectangular array itself would see the poles stretched, and far more often than their area
    justifies.

    Args:
        channels: Number of channels, C.

    Example:
        >>> CubeFeatures(3)(torch.zeros(5, 3, 32, 64)).shape
        torch.Size([5, 672])
    """

    def __init__(self, channels: int):
        self._face = RandomConvFeatures(channels, dims=2, width=_WIDTH, seed=0)

    @property
    def name(self) -> str:
        return f"cube-faces(mean, front, right, back, left, up, down) of {self._face.name}"

    @property
    def size(self) -> int:
        return 7 * self._face.size

    @torch.no_grad()
    def __call__(self, values: Float[Tensor, "N C H W"]) -> Float[Tensor, "N F"]:
        """Maps signals on the canonical grid to features (N, F), float64; raises ShapeError for other grids."""
        faces = cube_faces(values.float())
        features = self._face(rearrange(faces, "b face c h w -> (b face) c h w"))
        features = rearrange(features, "(b face) f -> b face f", face=6)
        return rearrange(torch.cat([features.mean(dim=1, keepdim=True), features], dim=1), "b face f -> b (face f)")


def omnifid(run: Comparison) -> tuple[float, Protocol]:
    """OmniFID: the mean of the FIDs of three groups of cube faces: up, down, and the four sides together.

    Raises:
        MissingDependency: torch-fidelity is not installed.
        InceptionWeightsMissing: There are no weights; the message says where to get them.
        ShapeError: The signals do not have 3 channels, or are not full spheres.

    Paper:
        Christensen et al., Geometry Fidelity for Spherical Images, 2024, section 4.1.
    """
    flat = Comparison(*(cube_faces(v.float()).flatten(0, 1).clamp(-1, 1) for v in (run.real, run.fake)))
    name, *features = flat.inception
    real, fake = (x.unflatten(0, (-1, 6)) for x in features)
    groups = [(real[:, g].flatten(0, 1), fake[:, g].flatten(0, 1)) for g in (_UP, _DOWN, _SIDES)]
    distances = [frechet_distance(*group) for group in groups]
    stated: Protocol = {
        "extractor": name,
        "groups": "up / down / sides",
        "per_group": " / ".join(f"{d:.4g}" for d in distances),
        "covariance_full_rank": is_full_rank(items=min(len(real), len(fake)), features=real.shape[-1]),
    }
    return sum(distances) / 3, stated


@final
class CubeCritic(AbstractCritic):
    """Critic that resamples the equirectangular signal to six faces, with convolutions that continue across edges.

    All faces share one trunk. The identity of a face enters where the features of the faces are combined.

    Args:
        channels: Number of channels, C.
        resolution: Nominal number of rows.
        width: Channels at full resolution; doubled at each halving.
        max_width: Upper bound on the number of channels.
        classes: Number of labels; 0 without labels.

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
        faces = rearrange(faces, "b c (face h) w -> (b face) c h w", face=6)
        density = torch.log2(self.nominal / view.spacing.mean(dim=1)[:, :1])
        facts = repeat(density.expand(len(values), -1), "b fact -> (b face) fact", face=6)
        x = leaky_relu(self.together(rearrange(self.trunk(faces, facts), "(b face) f -> b (face f)", face=6)))
        return self.score(x)[:, 0] + label_score(x, self.labels, labels)
