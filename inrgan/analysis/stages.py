"""A generator as the stages from a latent to a signal."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from inrgan.analysis.node_cache import NodeCache
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.inr import Weights
from inrgan.modality import Modality
from inrgan.views import View, at_points, product_view, scattered

SPACES = ("z", "w", "θ", "signal")
"""The latent, the mapped latent, the generated weights, and the values at points of the domain."""
STAGES = ("z→w", "w→θ", "θ→signal")
"""From each to the next: mapping network, hypernetwork, function."""
_POINTS = 1 << 14
"""Number of scattered points, of all samples together, that are evaluated at once without gradients."""


@final
@dataclass(frozen=True, kw_only=True)
class Stages:
    """z → w → θ → signal as three functions: the interface of every study.

    Attributes:
        z_dim: Size of latents, Z.
        mapping: Latents (B, Z) to mapped latents (B, W).
        weights: Mapped latents to generated weights, one entry per layer.
        signal: Generated weights and a view to values (B, C, *S).
        at_many: Generated weights to a function from a view to values, which evaluates once what views of scattered
            points share; None for ``signal``.

    Example:
        >>> stages = stages_of(G)
        >>> stages.mapping(torch.zeros(2, stages.z_dim)).shape
        torch.Size([2, 128])
    """

    z_dim: int
    mapping: Callable[[Tensor], Tensor]
    weights: Callable[[Tensor], Weights]
    signal: Callable[[Weights, View], Tensor]
    at_many: Callable[[Weights], Callable[[View], Tensor]] | None = None

    def function(self, weights: Weights) -> Callable[[View], Tensor]:
        """Signals of some weights as a function of the view, for evaluation at many views, without gradients."""
        return partial(self.signal, weights) if self.at_many is None else self.at_many(weights)


def stages_of(G: Generator, *, label: int | str | None = None, truncation: float = 1.0) -> Stages:
    """The stages of a generator.

    Args:
        G: Generator.
        label: Class of a conditional generator; its first where None.
        truncation: Truncation; 1 for none.

    Raises:
        ConfigError: The generator has no labels, or not this one.

    Example:
        >>> stages_of(G).z_dim
        64
    """
    if label is not None and not G.labels:
        raise ConfigError(f"label {label!r} was requested of a generator without labels; train with labels first")
    index = G.label_index(0 if label is None else label) if G.labels else 0

    def mapping(z: Tensor) -> Tensor:
        labels = torch.full((len(z),), index, device=z.device) if G.labels else None
        return G.mapping.truncate(G.mapping(z, labels), truncation)

    def signal(weights: Weights, view: View) -> Tensor:
        field = Field(G.inr, weights, domain=G.modality.domain)
        if view.axes is not None or view.count * len(field) <= _POINTS or torch.is_grad_enabled():
            return field(view)
        if view.count <= _POINTS:  # some samples at a time: the lattices of each are evaluated once
            each = _POINTS // view.count
            parts = [range(len(field))[k : k + each] for k in range(0, len(field), each)]
            return torch.cat([field[part.start : part.stop](view.rows(part)) for part in parts])
        # Points far apart share little: what many of them need of a lattice together can be very much.
        parts = torch.arange(view.count).split(max(1, _POINTS // len(field)))
        return torch.cat([field(at_points(view, part)).flatten(2) for part in parts], dim=2)

    def at_many(weights: Weights) -> NodeCache:
        return NodeCache(Field(G.inr, weights, domain=G.modality.domain))

    return Stages(z_dim=G.z_dim, mapping=mapping, weights=G.hypernetwork, signal=signal, at_many=at_many)


def some_points(view: View, *, points: int, seed: int = 0) -> tuple[View, Int[Tensor, "N"]]:
    """Random samples of a grid as scattered points, each with its own spacing and weight, and their indices.

    Args:
        view: View, the same for all signals.
        points: Number of points, drawn without replacement; all where there are no more.
        seed: Seed of the draw.

    Raises:
        ConfigError: Fewer than one point.

    Example:
        >>> some_points(Box(2).grid((64, 64)), points=100)[0].coords.shape
        torch.Size([1, 100, 2])
    """
    if points < 1:
        raise ConfigError(f"signals cannot be measured at {points} points; expected 1 or more")
    chosen = torch.arange(view.count)
    if points < view.count:
        chosen = torch.randperm(view.count, generator=torch.Generator().manual_seed(seed))[:points].sort().values
    return at_points(view, chosen), chosen


def probe_view(modality: Modality, *, points: int, seed: int = 0) -> View:
    """Random points of a modality's domain, uniform by measure, with the band limit of the training resolution.

    The mean over them estimates the mean over the domain, whatever its shape.

    Args:
        modality: Adapter; it decides the domain and, by its resolution, the band limit.
        points: Number of points.
        seed: Seed of the draw.

    Raises:
        ConfigError: Fewer than one point.

    Example:
        >>> probe_view(ImageModality(resolution=32), points=100).coords.shape
        torch.Size([1, 100, 2])
    """
    if points < 1:
        raise ConfigError(f"signals cannot be measured at {points} points; expected 1 or more")
    domain = modality.domain
    places = domain.sample(points, generator=torch.Generator().manual_seed(seed), dtype=domain.precision)
    if isinstance(domain, Box):  # axes may differ in their units and their spacing
        return scattered(places, spacing=domain.grid(domain.shape(modality.resolution)).spacing.to(places.dtype))
    return scattered(places, spacing=domain.spacing(modality.resolution))


def probe_grid(modality: Modality, *, points: int, seed: int = 0) -> View:
    """Jittered grid over a box, with the band limit of the training resolution; elsewhere ``probe_view``.

    Along every axis there is one random position in each of equal parts; the points are all combinations. Each point is
    uniform by measure, so that the mean over them estimates the mean over the domain. Fields are much cheaper to
    evaluate at such a product than at scattered points.

    Args:
        modality: Adapter, as for ``probe_view``.
        points: Largest number of points; the parts are as long along all axes, as far as it allows.
        seed: Seed of the draw.

    Raises:
        ConfigError: Fewer than one point.

    Example:
        >>> probe_grid(ImageModality(resolution=32), points=100).shape
        (10, 10)
    """
    domain = modality.domain
    if points < 1 or not isinstance(domain, Box):
        return probe_view(modality, points=points, seed=seed)
    side = 1
    while math.prod(domain.shape(side + 1)) <= points:
        side += 1
    generator, axes = torch.Generator().manual_seed(seed), []
    for low, high, count in zip(domain.lower, domain.upper, reversed(domain.shape(side)), strict=True):
        part = torch.arange(count, dtype=domain.precision)
        part = part + torch.rand(count, generator=generator, dtype=domain.precision)
        axes.append((low + (high - low) / count * part)[None])
    spacing = domain.grid(domain.shape(modality.resolution)).spacing[:, 0]
    return product_view(axes, spacing=spacing.to(domain.precision))
