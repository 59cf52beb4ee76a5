"""What all controls share with ``inrgan.Generator``: mapping network, bounded values, learning rates and latents.

Weights are stored at scale 1 and divided by the root of their number of inputs when used, so that every layer learns at
the same relative speed under Adam (Karras et al. 2018, sec. 4.1), as in the generators of inrgan.
"""

import abc
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from inrgan import Modality, View
from inrgan.files import replacing, write_json
from inrgan.hypernetwork import MappingNetwork


class AbstractControl(nn.Module, abc.ABC):
    """Latents to signals at the training resolution; the trainer, the scores and the previews take it as a generator.

    Args:
        modality: Adapter of the data.
        z_dim: Width of the latent, Z.
        w_dim: Width of the mapped latent, W.
        labels: Names of the classes; none for an unconditional generator.
        mapping_rate: Learning rate of the mapping network relative to the rest.
        parts: Name and sizes in z and in w of parts of the latent that are mapped separately.
    """

    def __init__(
        self, modality: Modality, *, z_dim: int, w_dim: int, labels: Sequence[str] = (), mapping_rate: float = 0.01,
        parts: Sequence[tuple[str, int, int]] = (),
    ):  # fmt: skip
        super().__init__()
        self.modality, self.z_dim, self.w_dim, self.labels = modality, z_dim, w_dim, tuple(labels)
        self.mapping = MappingNetwork(
            z_dim=z_dim, w_dim=w_dim, classes=len(self.labels), rate=mapping_rate, parts=parts
        )

    @property
    def device(self) -> torch.device:
        return self.mapping.w_mean.device

    @abc.abstractmethod
    def synthesize(self, w: torch.Tensor, view: View) -> torch.Tensor:
        """Values (B, C, *S) at a view of mapped latents (B, W), before they are bounded."""

    def field(self, w: torch.Tensor) -> Callable[[View], torch.Tensor]:
        """Functions from a view to values (B, C, *S) in (−1, 1)."""
        return lambda view: torch.tanh(self.synthesize(w, view))

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> Callable[[View], torch.Tensor]:
        return self.field(self.mapping(z, labels))

    def prepare(self, view: View) -> None:
        """Nothing, because the constants do not depend on the view."""

    def check_grid(self, view: View, *, free: int = 0) -> None:
        """Check that a view has the samples that the generator makes; the first ``free`` array axes may have any."""
        shape = self.modality.domain.shape(self.modality.resolution)
        assert view.shape[free:] == shape[free:], "a generator of samples has one resolution"

    def save_pretrained(self, folder: str | Path) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "weights.pt") as temporary:
            torch.save(self.state_dict(), temporary)
        modality = {"name": self.modality.name, "arguments": self.modality.arguments()}
        described = {"control": type(self).__name__, "z_dim": self.z_dim, "w_dim": self.w_dim, "modality": modality}
        write_json(folder / "control.json", described)


def halvings(shape: Sequence[int], *, factor: int = 2, smallest: int = 3) -> int:
    """Number of times that all sides of an array can be divided by a factor and still have ``smallest`` samples.

    Example:
        >>> halvings((24, 32)), halvings((8192,), factor=4, smallest=8)
        (3, 5)
    """
    count = 0
    while all(n % factor ** (count + 1) == 0 and n // factor ** (count + 1) >= smallest for n in shape):
        count += 1
    return count
