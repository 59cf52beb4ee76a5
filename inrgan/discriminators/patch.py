"""Critic of dense patches, conditioned on global context."""

import abc
import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.discriminators.base import Padding
from inrgan.discriminators.residual import ResidualTrunk, label_score
from inrgan.domains import AbstractDomain
from inrgan.layers import EqualizedLinear
from inrgan.views import View


class AbstractPatchCritic(nn.Module, abc.ABC):
    """Network from patches and their full signals to one realness score each."""

    def prepare(self, view: View, whole_view: View | None = None) -> None:
        """Compute constants that depend on views alone, on the host; the views store them. None by default."""
        del view, whole_view

    @abc.abstractmethod
    def forward(
        self,
        patch: Float[Tensor, "B C *S"],
        view: View,
        whole: Float[Tensor, "B C *K"] | None = None,
        whole_view: View | None = None,
        labels: Int[Tensor, "B"] | None = None,
    ) -> Float[Tensor, "B"]:
        """Score every patch independently; higher is more real. Without context there is no full signal."""


class PatchCritic(AbstractPatchCritic):
    """Residual critic of the patch, its position, the full signal, and the full signal resampled onto the patch.

    The coarse full signal enters twice. It is resampled onto the patch's coordinates, as further channels, so that both
    can be compared point by point. It is also embedded, and the patch's features are projected onto the embedding, as
    onto a label's, so that the critic can recognize detail of another signal. Position and spacing are facts of the
    trunk. (Any-resolution training, Chai et al. 2022, sec. 3.2, compares with a frozen teacher instead; context by
    projection after Miyato & Koyama 2018, eq. 3.)

    Args:
        domain: Domain of the signals.
        channels: Number of channels, C.
        patch: Samples along a patch's side.
        whole: Samples along the shortest side of the coarse full signal.
        width: Channels at full resolution; doubled at each halving.
        max_width: Upper bound on the channels.
        classes: Number of labels; 0 for none.
        context: False to use the patch and its spacing alone.
        padding: Padding of the convolutions; zeros when None.

    Example:
        >>> critic = PatchCritic(Box(2), 3, patch=16, whole=8, width=8, max_width=32)
        >>> view = Box(2).patches(16, torch.full((5,), 0.02), generator=torch.Generator())
        >>> critic(torch.zeros(5, 3, 16, 16), view, torch.zeros(5, 3, 8, 8), Box(2).grid((8, 8))).shape
        torch.Size([5])
    """

    def __init__(
        self,
        domain: AbstractDomain,
        channels: int,
        *,
        patch: int,
        whole: int,
        width: int,
        max_width: int,
        classes: int = 0,
        context: bool = True,
        padding: Padding | None = None,
    ):
        super().__init__()
        dims, coordinates = domain.grid_dim, domain.coord_dim
        self.domain, self.context = domain, context
        self.nominal = -math.log2(domain.spacing(whole))
        self.trunk = ResidualTrunk(
            dims, 2 * channels if context else channels, facts=2 * coordinates if context else coordinates,
            resolution=patch, width=width, max_width=max_width, padding=padding,
        )  # fmt: skip
        self.score = EqualizedLinear(self.trunk.size, 1)
        self.labels = nn.Embedding(classes, self.trunk.size) if classes else None
        if context:
            self.encoder = ResidualTrunk(
                dims, channels, facts=coordinates, resolution=whole, width=width, max_width=max_width, padding=padding
            )
            self.embedding = EqualizedLinear(self.encoder.size, self.trunk.size)

    def prepare(self, view: View, whole_view: View | None = None) -> None:
        if whole_view is not None:
            self.domain.carry_map(view, whole_view.shape)

    def forward(
        self,
        patch: Float[Tensor, "B C *S"],
        view: View,
        whole: Float[Tensor, "B C *K"] | None = None,
        whole_view: View | None = None,
        labels: Int[Tensor, "B"] | None = None,
    ) -> Float[Tensor, "B"]:
        density = view.log2_density - self.nominal
        if not self.context:
            x = self.trunk(patch, density)
            return self.score(x)[:, 0] + label_score(x, self.labels, labels)
        assert whole is not None and whole_view is not None, "a critic with context needs the full signal"
        place = view.center * (2 / self.domain.longest_period)
        facts = torch.cat([density, place.expand(density.shape[0], -1)], dim=-1)
        onto = self.domain.carry(whole.to(view.spacing.dtype), view)
        x = self.trunk(torch.cat([patch, onto.to(patch.dtype)], dim=1), facts)
        e = self.embedding(self.encoder(whole, whole_view.log2_density - self.nominal))
        return self.score(x)[:, 0] + (x * e).sum(dim=-1) / math.sqrt(x.shape[-1]) + label_score(x, self.labels, labels)
