"""The loss of signals at scattered points."""

from dataclasses import replace

import torch

from inrgan._typing import Float, Tensor
from inrgan.domains import AbstractDomain
from inrgan.losses.full_signal import AbstractSampledTerm
from inrgan.samplers import ScatteredPoints
from inrgan.views import View, scattered


class PointsTerm(AbstractSampledTerm):
    """Full signals at scattered points, judged by the critic of scattered points.

    Every step evaluates signals at other points, at full density. A share of the points may lie in regions of interest,
    such as near the surfaces of shapes: those are regions of a third signal, which is neither the real nor the fake.

    Args:
        resolution: Samples along the shortest side of the domain, whose spacing the points have.
        count: Number of points.
        near: Share of the points in regions of interest.
        weight: Factor on the term's losses.

    Raises:
        ConfigError: Fewer than 1 point.

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
        points: Float[Tensor, "B K D"],
        *,
        domain: AbstractDomain,
        generator: torch.Generator,
    ) -> tuple[View, ...]:
        del domain, generator
        uniform = views[0].coords
        found = torch.isfinite(points).all(dim=-1, keepdim=True)
        near = torch.where(found, points.to(uniform.dtype), uniform[:, : self.places])
        moved = scattered(torch.cat([near, uniform[:, self.places :]], dim=1), spacing=views[0].spacing)
        return (replace(moved, weights=views[0].weights),)
