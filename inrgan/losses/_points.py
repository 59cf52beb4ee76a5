"""The loss of signals at points that lie anywhere."""

from dataclasses import replace

import torch

from inrgan._typing import Float, Tensor
from inrgan.domains import AbstractDomain
from inrgan.losses._sampled import AbstractSampledTerm
from inrgan.samplers import ScatteredPoints
from inrgan.views import View, scattered


class PointsTerm(AbstractSampledTerm):
    """Whole signals at scattered points, judged by the critic of scattered points.

    A step looks at every signal from as many points as it can afford, at full density, and elsewhere in every step. A
    share of them may lie where signals are worth a look, as near the surfaces of solids: those are places of a third
    signal, which is neither the real nor the fake.

    Args:
        resolution: samples along the shortest side of the domain, whose spacing the points have.
        count: points.
        near: share of them that lie at places which the modality found.
        weight: factor on the term's losses.

    Raises:
        ConfigError: fewer than 1 point.

    Example:
        >>> term = PointsTerm(32, count=512)
        >>> term.views(Box(3), batch=4, generator=torch.Generator(), resolution=32)[0].coords.shape
        torch.Size([4, 512, 3])
    """

    name, critic, fixed = "points", "points", False

    def __init__(self, resolution: int, *, count: int, near: float = 0.0, weight: float = 1.0):
        self.sampler = ScatteredPoints(count, resolution=resolution)
        self.places = round(near * count)
        self.near = near if self.places else 0.0
        self.weight = weight

    def toward(
        self,
        views: tuple[View, ...],
        places: Float[Tensor, "B K D"],
        *,
        domain: AbstractDomain,
        generator: torch.Generator,
    ) -> tuple[View, ...]:
        del domain, generator
        points = views[0].coords
        found = torch.isfinite(places).all(dim=-1, keepdim=True)
        near = torch.where(found, places.to(points.dtype), points[:, : self.places])
        moved = scattered(torch.cat([near, points[:, self.places :]], dim=1), spacing=views[0].spacing)
        return (replace(moved, weights=views[0].weights),)
