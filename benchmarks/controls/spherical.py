"""The sphere without a sphere: a generator of inrgan on the plane (x, y) of the equirectangular map.

It is what one would use for maps without a spherical domain: an image generator of aspect 2:1, whose coordinates know
neither that columns wrap around nor that a row near a pole is short. Critic, loss and data are those of the sphere. It
evaluates any grid of the full sphere at the same rows and columns of the plane.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn

from inrgan import Generator, ImageModality, Modality, View


class PlanarGenerator(nn.Module):
    """Latents to maps of the sphere, as images.

    Args:
        modality: Adapter of signals on the sphere.
        preset: Sizes of the image generator.
        labels: Names of the classes; none for an unconditional generator.
    """

    def __init__(self, modality: Modality, *, preset: str, labels: Sequence[str] = ()):
        super().__init__()
        self.modality, self.labels = modality, tuple(labels)
        plane = ImageModality(resolution=modality.resolution, channels=modality.signal_channels, aspect=(2, 1))
        self.image = Generator(plane, preset=preset, labels=labels)

    @property
    def mapping(self) -> nn.Module:
        return self.image.mapping

    @property
    def z_dim(self) -> int:
        return self.image.z_dim

    @property
    def device(self) -> torch.device:
        return self.image.device

    def plane(self, view: View) -> View:
        """Plane with the rows and columns of a grid of the full sphere."""

        def make() -> View:
            whole = self.modality.domain.grid(view.shape, device=view.center.device)
            assert torch.allclose(view.coords, whole.coords, atol=1e-4), "the plane shows full maps alone"
            return self.image.modality.domain.grid(view.shape, device=view.center.device)

        return view.derive(self.modality, "plane", make)

    def field(self, w: torch.Tensor) -> Callable[[View], torch.Tensor]:
        field = self.image.field(w)
        return lambda view: field(self.plane(view))

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> Callable[[View], torch.Tensor]:
        return self.field(self.mapping(z, labels))

    def prepare(self, view: View) -> None:
        self.image.prepare(self.plane(view))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the image generator, which ``Generator.from_pretrained`` loads."""
        self.image.save_pretrained(folder)
