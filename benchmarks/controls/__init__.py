"""Generators to compare those of inrgan with: other networks in the same training, or without an idea of inrgan.

``CONTROLS`` has those of every modality by name, in the sizes of a preset. At ``tiny`` they have about as many
parameters, or take about as much CPU time, as the generator of inrgan (``python benchmarks/control_sizes.py``). Widths
grow with the width of the mapped latent; other presets are not matched.
"""

from collections.abc import Callable, Sequence
from typing import Any

from inrgan_modalities.spherical import pad_equirectangular
from torch import nn

from controls.cips import Cips
from controls.control import AbstractControl, halvings
from controls.convolutional import ConvolutionalGenerator, Pad, StyledConv
from controls.gasp import Gasp
from controls.inr_gan import InrGan
from controls.spherical import PlanarGenerator
from controls.video import VideoConvolutional
from controls.wavegan import WaveGan
from inrgan import Modality, VideoModality

__all__ = [
    "CONTROLS", "AbstractControl", "Cips", "ConvolutionalGenerator", "Gasp", "InrGan", "PlanarGenerator", "StyledConv",
    "VideoConvolutional", "WaveGan", "make_control",
]  # fmt: skip

Factory = Callable[[Modality, str, Sequence[str]], nn.Module]
"""Generator of a modality, a preset and the names of its classes."""


def _sizes(modality: Modality, preset: str, labels: Sequence[str]) -> dict[str, Any]:
    """Arguments of every control."""
    sizes = modality.generator_sizes(preset)
    return {"modality": modality, "z_dim": sizes.z_dim, "w_dim": sizes.w_dim, "labels": labels}


def _widths(widths: Sequence[int], *, count: int, w_dim: int) -> list[int]:
    """Widths of a number of resolutions, of which the first is repeated or left out, at the width of the latent."""
    chosen = [widths[0]] * max(0, count - len(widths)) + list(widths)[-count:]
    return [n * w_dim // 128 for n in chosen]


def _convolutional(widths: Sequence[int], *, pad: Pad | None = None) -> Factory:
    """Factory of convolutions with the widths of the finest resolutions, of which the first serves all before."""

    def make(modality: Modality, preset: str, labels: Sequence[str]) -> nn.Module:
        sizes, shape = _sizes(modality, preset, labels), modality.domain.shape(modality.resolution)
        chosen = _widths(widths, count=1 + halvings(shape), w_dim=sizes["w_dim"])
        return ConvolutionalGenerator(**sizes, widths=chosen, pad=pad)

    return make


def _inr_gan(modality: Modality, preset: str, labels: Sequence[str]) -> nn.Module:
    sizes, shape = _sizes(modality, preset, labels), modality.domain.shape(modality.resolution)
    widths = _widths((192, 128, 80), count=min(3, 1 + halvings(shape)), w_dim=sizes["w_dim"])
    return InrGan(**sizes, widths=widths, rank=modality.generator_sizes(preset).rank)


def _cips(modality: Modality, preset: str, labels: Sequence[str]) -> nn.Module:
    sizes = _sizes(modality, preset, labels)
    return Cips(**sizes, width=64 * sizes["w_dim"] // 128)


def _wavegan(modality: Modality, preset: str, labels: Sequence[str]) -> nn.Module:
    sizes = _sizes(modality, preset, labels)
    return WaveGan(**sizes, width=16 * sizes["w_dim"] // 128)


def _video(modality: Modality, preset: str, labels: Sequence[str]) -> nn.Module:
    assert isinstance(modality, VideoModality)
    sizes, shape = _sizes(modality, preset, labels), modality.domain.shape(modality.resolution)
    widths = _widths((192, 160, 64, 32), count=1 + halvings(shape[1:]), w_dim=sizes["w_dim"])
    return VideoConvolutional(**sizes, widths=widths, seconds=modality.seconds)


def _gasp(modality: Modality, preset: str, labels: Sequence[str]) -> nn.Module:
    sizes = _sizes(modality, preset, labels)
    factor = sizes["w_dim"] / 128
    return Gasp(**sizes, hidden=(round(128 * factor), round(128 * factor)), width=round(32 * factor))


def _planar(modality: Modality, preset: str, labels: Sequence[str]) -> nn.Module:
    return PlanarGenerator(modality, preset=preset, labels=labels)


CONTROLS: dict[str, dict[str, Factory]] = {
    "image": {"convolutional": _convolutional((128, 96, 48)), "inr-gan": _inr_gan, "cips": _cips},
    "spherical": {"planar": _planar, "convolutional": _convolutional((192, 160, 64, 32), pad=pad_equirectangular)},
    "audio": {"wavegan": _wavegan},
    "video": {"convolutional": _video},
    "occupancy": {"convolutional": _convolutional((96, 48, 16, 8)), "gasp": _gasp},
}
"""Factories of the controls, by modality and name."""


def make_control(name: str, modality: Modality, *, preset: str, labels: Sequence[str] = ()) -> nn.Module:
    """Control of a modality, with weights drawn from torch's global generator.

    Example:
        >>> G = make_control("cips", ImageModality(resolution=16), preset="tiny")
        >>> G(torch.zeros(2, G.z_dim))(G.modality.domain.grid((16, 16))).shape
        torch.Size([2, 3, 16, 16])
    """
    return CONTROLS[modality.name][name](modality, preset, labels)
