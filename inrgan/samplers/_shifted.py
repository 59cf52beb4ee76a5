"""Views that are moved beyond the domain, so that the field out there is trained."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError
from inrgan.samplers._base import AbstractSampler
from inrgan.views import View


@final
class Shifted(AbstractSampler):
    """Another sampler's views of the whole domain, moved by a random offset: trains extrapolation.

    The generator is asked at the moved view. No data lie out there, so reals are seen from the view as it was
    (``reals_view``): **a real is declared to lie wherever the view is**. The generator learns that every window
    of the domain's size within reach looks like a real, which is true of stationary signals alone: textures
    in every direction, landscapes and panoramas along x. Of data with a place of their own (a face in the
    middle) it makes a repeating or blurred version. Scales are not drawn, since few data look alike at all.

    Args:
        sampler: draws views of the whole domain.
        shift: largest offset, as a fraction of the view's extent: one number, or one per coordinate, x first.

    Raises:
        ConfigError: a shift that is negative or not finite, or (when drawing) a number of shifts that is not
            that of the coordinates, a view that is not of the whole domain, or a domain without an outside.

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
            raise ConfigError("only views of the whole domain are shifted; this sampler draws parts of it")
        unit = 2 * torch.rand(D, generator=generator, dtype=torch.float64) - 1
        offset = (unit * torch.tensor(self.shift, dtype=torch.float64))[None] * view.extent.double()
        return _moved(view, offset.to(view.center.dtype))

    def reals_view(self, view: View, *, domain: AbstractDomain) -> View:
        """The view moved back over the domain, which is where the data are."""
        offset = domain.grid(domain.shape(1), device=view.center.device).center - view.center
        return self.sampler.reals_view(_moved(view, offset.to(view.center.dtype)), domain=domain)


def _moved(view: View, offset: Float[Tensor, "#B D"]) -> View:
    """The same view elsewhere."""
    return replace(
        view,
        center=view.center + offset,
        points=None if view.points is None else view.points + offset[:, None],
        axes=None if view.axes is None else tuple(a + offset[:, d, None] for d, a in enumerate(view.axes)),
    )
