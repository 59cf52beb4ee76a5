"""The dense-patch loss: detail, judged patch by patch in the light of the whole."""

from collections.abc import Sequence

import torch
from torch import nn

from inrgan._typing import Float, Int, Tensor
from inrgan.domains import AbstractDomain
from inrgan.losses._base import AbstractTerm
from inrgan.samplers import DensePatch
from inrgan.views import View


class DensePatchTerm(AbstractTerm):
    """A dense patch and a coarse whole of every signal, judged together.

    The patch has the full density of the data, or any down to the whole's, and lies anywhere. What is
    computed does not depend on how large the signal is. (Any-resolution training: Chai et al. 2022; their
    critic sees the patch alone.)

    Args:
        resolution: samples along the shortest side of the domain at full density.
        patch: samples along a side of the patch.
        whole: samples along the shortest side of the coarse whole.
        start: thousand reals after which the term begins.
        ramp: thousand reals over which it then grows to its weight.
        weight: factor on the term's losses.
        context: False to look at the patch alone.
        near: share of the patches that hold a place which the modality found.

    Raises:
        ConfigError: the patch is larger than the domain, or the whole is finer than full density.

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
        """0 until the start, then a straight line up to the weight.

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
        return (patch, domain.grid(domain.shape(self.whole))) if self.context else (patch,)

    def toward(
        self,
        views: tuple[View, ...],
        places: Float[Tensor, "B K D"],
        *,
        domain: AbstractDomain,
        generator: torch.Generator,
    ) -> tuple[View, ...]:
        place = places[:, 0]
        chosen = (torch.rand(len(place), generator=generator) < self.near) & torch.isfinite(place).all(dim=1)
        return (domain.patches_toward(views[0], place, chosen=chosen, generator=generator), *views[1:])

    def score(
        self, critic: nn.Module, values: Sequence[Float[Tensor, "B C ..."]], views: Sequence[View],
        labels: Int[Tensor, "B"] | None,
    ) -> Float[Tensor, "B"]:  # fmt: skip
        whole, whole_view = (values[1], views[1]) if self.context else (None, None)
        return critic(values[0], views[0], whole, whole_view, labels)
