"""Critics of 3D shapes, which see the field and the normals of its surface."""

from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from inrgan.discriminators import AbstractCritic, AbstractPatchCritic, PatchCritic, ResidualCritic, fold, slope_channels
from inrgan.domains import Box
from inrgan.modality import CriticSizes
from inrgan.views import View


@final
class ShapeCritic(AbstractCritic):
    """Residual critic of the field and its normalized gradient, in blocks of 2 × 2 × 2 samples.

    Args:
        resolution: Nominal number of samples along a side.
        spacing: Nominal distance between samples.
        sizes: Sizes of the network.
        soft: Slope below which normals fade.
        normals: False to show the field alone.

    Example:
        >>> critic = ShapeCritic(resolution=16, spacing=2 / 16, sizes=CriticSizes(width=4, max_width=8), soft=1.0)
        >>> critic(torch.zeros(2, 1, 16, 16, 16), Box(3).grid((16, 16, 16))).shape
        torch.Size([2])
    """

    smallest = 2 * ResidualCritic.smallest

    def __init__(self, *, resolution: int, spacing: float, sizes: CriticSizes, soft: float, normals: bool = True):
        super().__init__()
        self.soft, self.normals = soft, normals
        self.critic = ResidualCritic(
            3, 8 * (4 if normals else 1), resolution=max(8, resolution // 2), spacing=(spacing,) * 3, width=sizes.width,
            max_width=sizes.max_width, classes=sizes.classes,
        )  # fmt: skip

    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        if self.normals:
            values = slope_channels(values, view, soft=self.soft)
        return self.critic(fold(values, 2), view, labels)


@final
class ShapePatchCritic(AbstractPatchCritic):
    """Critic of dense sub-cubes of the field and its normalized gradient, conditioned on global context.

    Args:
        domain: Domain of the shapes.
        patch: Number of samples along a side of a sub-cube.
        whole: Number of samples along a side of the coarse full-domain view.
        sizes: Sizes of the networks.
        soft: Slope below which normals fade.
        normals: False to show the field alone.
        context: Whether the critic is conditioned on global context; False shows the sub-cube and its density alone.
    """

    def __init__(
        self, domain: Box, *, patch: int, whole: int, sizes: CriticSizes, soft: float, normals: bool, context: bool
    ):
        super().__init__()
        self.soft, self.normals = soft, normals
        self.critic = PatchCritic(
            domain, 4 if normals else 1, patch=patch, whole=whole, width=sizes.width, max_width=sizes.max_width,
            classes=sizes.classes, context=context,
        )  # fmt: skip

    def prepare(self, view: View, whole_view: View | None = None) -> None:
        self.critic.prepare(view, whole_view)

    def forward(
        self,
        patch: Float[Tensor, "B C *S"],
        view: View,
        whole: Float[Tensor, "B C *K"] | None = None,
        whole_view: View | None = None,
        labels: Int[Tensor, "B"] | None = None,
    ) -> Float[Tensor, "B"]:
        if self.normals:
            patch = slope_channels(patch, view, soft=self.soft)
            if whole is not None and whole_view is not None:
                whole = slope_channels(whole, whole_view, soft=self.soft)
        return self.critic(patch, view, whole, whole_view, labels)
