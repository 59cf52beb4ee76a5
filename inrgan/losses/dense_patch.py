"""Dense-patch loss: patches at full density, conditioned on global context."""

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import AbstractDomain
from inrgan.losses.base import AbstractTerm
from inrgan.samplers import DensePatch
from inrgan.views import View


class DensePatchTerm(AbstractTerm):
    """A dense patch and a coarse full-domain view of every signal, judged together by the critic of patches.

    The density of a patch ranges from that of the full-domain view to that of the data, and its position is random. The
    cost does not depend on the size of the signal. (Any-resolution training: Chai et al. 2022; their critic gets the
    patch alone.)

    Args:
        resolution: Samples along the shortest side of the domain at full density.
        patch: Samples along a side of the patch.
        whole: Samples along the shortest side of the full-domain view.
        start: Thousands of reals after which the term begins.
        ramp: Thousands of reals over which it then grows to its weight.
        weight: Factor on the term's losses.
        context: False to judge the patch alone.
        near: Share of the patches that contain a point in a region of interest.

    Raises:
        ConfigError: The patch is larger than the domain, or the full-domain view is finer than full density.

    Example:
        >>> term = DensePatchTerm(1024, patch=64, whole=32)
        >>> [v.shape for v in term.views(Box(2), batch=4, generator=torch.Generator(), resolution=1024)]
        [(64, 64), (32, 32)]
    """

    name, critic, fixed = "dense-patch", "patch", False

    def __init__(
        self, resolution: int, *, patch: int, whole: int, start: float = 0.0, ramp: float = 0.0, weight: float = 1.0,
        context: bool = True, near: float = 0.0,
    ):  # fmt: skip
        self.sampler = DensePatch(patch, resolution, coarsest=max(patch, whole))
        self.whole, self.start, self.ramp, self.weight, self.context = whole, start, ramp, weight, context
        self.near = near

    def strength(self, kimg: float) -> float:
        """0 until the start, then linear up to the weight.

        Example:
            >>> DensePatchTerm(64, patch=16, whole=16, start=10, ramp=10).strength(15)
            0.5
        """
        if kimg < self.start:
            return 0.0
        return self.weight * (min(1.0, (kimg - self.start) / self.ramp) if self.ramp > 0 else 1.0)

    def finest(self, domain: AbstractDomain) -> float:
        return self.sampler.finest(domain)

    def views(
        self, domain: AbstractDomain, *, batch: int, generator: torch.Generator, resolution: int
    ) -> tuple[View, ...]:
        patch = self.sampler.at_most(resolution).draw(domain, batch=batch, generator=generator)
        return (patch, domain.grid(domain.shape(self.whole)).repeating()) if self.context else (patch,)

    def toward(
        self,
        views: tuple[View, ...],
        points: Float[Tensor, "B K D"],
        *,
        domain: AbstractDomain,
        generator: torch.Generator,
    ) -> tuple[View, ...]:
        place = points[:, 0]
        chosen = (torch.rand(len(place), generator=generator) < self.near) & torch.isfinite(place).all(dim=1)
        return (domain.patches_toward(views[0], place, chosen=chosen, generator=generator), *views[1:])
