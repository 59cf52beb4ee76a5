"""Samplers that change the views of another sampler: shifts beyond the domain, and slices."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError
from inrgan.samplers.grids import AbstractSampler
from inrgan.views import View, product_view


@final
class Shifted(AbstractSampler):
    """Another sampler's views of the whole domain, moved by a random offset: trains extrapolation.

    The generator is evaluated at the moved view. There are no data outside the domain, so reals are observed at the
    original view (``reals_view``): **a real counts as a signal at the moved view**. The generator learns that every
    window of the domain's size within reach resembles a real, which holds for stationary signals alone: textures in
    every direction, landscapes and panoramas along x. For data with a fixed position (a face in the middle) it produces
    a repeating or blurred version. Scales are not drawn, since few data are alike at all scales.

    Args:
        sampler: Sampler of views of the whole domain.
        shift: Largest offset, as a fraction of the view's extent: one number, or one per coordinate, x first.

    Raises:
        ConfigError: A shift is negative or not finite, or (when drawing) the number of shifts does not match the
            coordinates, the view does not cover the whole domain, or the domain has no outside.

    Example:
        >>> sampler = Shifted(FullGrid(32), shift=(0.5, 0.0))
        >>> view = sampler.draw(Box(2), batch=4, generator=torch.Generator())
        >>> sampler.reals_view(view, domain=Box(2)).center
        tensor([[0., 0.]])
    """

    def __init__(self, sampler: AbstractSampler, *, shift: float | Sequence[float]):
        parts = (shift,) if isinstance(shift, int | float) else tuple(shift)
        if not parts or not all(0 <= s < math.inf for s in parts):
            raise ConfigError(f"the shift is {shift}; expected 0 or a positive fraction of the domain, like 0.5")
        self.sampler, self.shift, self.fixed = sampler, parts, sampler.fixed

    def at_most(self, resolution: int) -> "Shifted":
        return Shifted(self.sampler.at_most(resolution), shift=self.shift)

    def finest(self, domain: AbstractDomain) -> float:
        return self.sampler.finest(domain)

    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        view, whole = self.sampler.draw(domain, batch=batch, generator=generator), domain.grid(domain.shape(1))
        D = whole.dim
        if len(self.shift) not in (1, D):
            raise ConfigError(f"{len(self.shift)} shifts were given for {D} coordinates; expected 1 or {D}")
        if whole.axes is None:
            raise ConfigError("this domain has no outside to move a view to; use the sampler without shifts")
        near = 1e-4 * whole.extent
        if bool(((view.extent - whole.extent).abs() > near).any() or ((view.center - whole.center).abs() > near).any()):
            raise ConfigError("only views of the whole domain can be shifted; this sampler draws parts of it")
        unit = 2 * torch.rand(D, generator=generator, dtype=torch.float64) - 1
        offset = (unit * torch.tensor(self.shift, dtype=torch.float64))[None] * view.extent.double()
        return _moved(view, offset.to(view.center.dtype))

    def reals_view(self, view: View, *, domain: AbstractDomain) -> View:
        """The view moved back over the domain, where the data are."""
        offset = domain.grid(domain.shape(1), device=view.center.device).center - view.center
        return self.sampler.reals_view(_moved(view, offset.to(view.center.dtype)), domain=domain)


def _moved(view: View, offset: Float[Tensor, "#B D"]) -> View:
    """The same view at another position."""
    return replace(
        view,
        center=view.center + offset,
        points=None if view.points is None else view.points + offset[:, None],
        axes=None if view.axes is None else tuple(a + offset[:, d, None] for d, a in enumerate(view.axes)),
    )


@final
class Slices(AbstractSampler):
    """A few slices across one axis of another sampler's views, at positions drawn for every sample.

    Each slice is as thick as the view's cells, and distances are whole cells. The number of cells between the outermost
    slices is drawn uniformly, then the slices between them, and last the position of all of them, which need not be on
    the view's own cells. A view of n slices costs only n slices, and relations over any distance can be learned from
    it. (Skorokhodov et al. 2022, "StyleGAN-V", train on 3 frames at random times.)

    Args:
        sampler: Sampler of product views with a batch axis of 1.
        axis: Coordinate that the slices are cut across.
        count: Number of slices.

    Raises:
        ConfigError: There are fewer than 2 slices, or (when drawing) the view has fewer, or no axes.

    Example:
        >>> view = Slices(FullGrid(16), axis=2, count=3).draw(Box(3), batch=4, generator=torch.Generator())
        >>> view.shape, view.axes[2].shape
        ((3, 16, 16), torch.Size([4, 3]))
    """

    fixed = False

    def __init__(self, sampler: AbstractSampler, *, axis: int, count: int):
        if axis < 0 or count < 2:
            raise ConfigError(f"{count} slices across axis {axis}; expected 2 or more")
        self.sampler, self.axis, self.count = sampler, axis, count

    def at_most(self, resolution: int) -> "Slices":
        return Slices(self.sampler.at_most(resolution), axis=self.axis, count=self.count)

    def finest(self, domain: AbstractDomain) -> float:
        return self.sampler.finest(domain)

    def draw(self, domain: AbstractDomain, *, batch: int, generator: torch.Generator) -> View:
        view = self.sampler.draw(domain, batch=batch, generator=generator)
        if view.axes is None or view.batch > 1 or view.spacing.shape[1] > 1 or self.axis >= view.dim:
            raise ConfigError("slices are cut from one grid of equal cells; use a sampler of the whole domain")
        positions = view.axes[self.axis]
        if positions.shape[1] < self.count:
            raise ConfigError(
                f"{self.count} slices were requested of a view with {positions.shape[1]} along the axis; raise the "
                "resolution or the rate, or request fewer"
            )
        first, step = float(positions[0, 0]), float(view.spacing[0, 0, self.axis])
        places = _places(batch, positions.shape[1], self.count, generator=generator)
        axes = [
            places.mul(step).add(first).to(positions.dtype) if d == self.axis else a for d, a in enumerate(view.axes)
        ]
        return product_view(axes, spacing=view.spacing[:, 0])

    def reals_view(self, view: View, *, domain: AbstractDomain) -> View:
        return self.sampler.reals_view(view, domain=domain)


def _places(batch: int, cells: int, count: int, *, generator: torch.Generator) -> Float[Tensor, "B T"]:
    """Rising positions in cells, whole numbers apart."""
    u = torch.rand(batch, cells + 1, generator=generator, dtype=torch.float64)
    last = count - 1 + (u[:, :1] * (cells - count + 1)).floor()
    # Of the cells between, those that draw the smallest numbers are chosen.
    between = torch.arange(1, cells - 1)
    drawn = torch.where(between < last, u[:, 3 : 3 + len(between)], 2.0)
    inner = between[drawn.argsort(dim=1)[:, : count - 2]].sort(dim=1).values.double()
    start = u[:, 1:2] * (cells - 1 - last)
    return torch.cat([torch.zeros_like(last), inner, last], dim=1) + start
