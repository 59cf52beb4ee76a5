"""A small convolutional generator for the training loop, critics and data of inrgan.

A learned 4x4 array is upsampled by 2 and convolved up to the training resolution. Every convolution scales its input
channels by the style of the sample and its output channels back to unit variance (Karras et al. 2020, eq. 1 and 3).
Mapping network, learning rates, bounded output and everything else are those of ``inrgan.Generator``.
With ``kernel=1``, neighbors interact only through the upsampling.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from inrgan import Modality, View
from inrgan.discriminators import EqualizedLinear, leaky_relu
from inrgan.files import replacing, write_json
from inrgan.hypernetwork import MappingNetwork


class StyledConv(nn.Module):
    """A convolution modulated by style, (B, I, H, W) to (B, O, H, W)."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, w_dim: int, demodulated: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.style = EqualizedLinear(w_dim, inputs, bias=1.0)
        self.demodulated = demodulated

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        style = self.style(w)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        y = F.conv2d(x * style[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if self.demodulated:
            power = style.square() @ weight.square().sum(dim=(2, 3)).T
            y = y * torch.rsqrt(power + 1e-8)[:, :, None, None]
        return y + self.bias[:, None, None]


class ConvolutionalGenerator(nn.Module):
    """Latents to images of one resolution; ``field(w)(view)`` gives them for a view of that resolution only."""

    def __init__(
        self,
        modality: Modality,
        *,
        z_dim: int,
        w_dim: int,
        widths: Sequence[int],
        kernel: int = 3,
        mapping_rate: float = 0.01,
    ):
        super().__init__()
        assert modality.resolution == 4 * 2 ** (len(widths) - 1), "one width for every doubling from 4"
        self.modality, self.z_dim, self.labels = modality, z_dim, ()
        self.mapping = MappingNetwork(z_dim=z_dim, w_dim=w_dim, rate=mapping_rate)
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        blocks, before = [], widths[0]
        for width in widths:
            blocks.append(StyledConv(before, width, kernel=kernel, w_dim=w_dim))
            blocks.append(StyledConv(width, width, kernel=kernel, w_dim=w_dim))
            before = width
        self.blocks = nn.ModuleList(blocks)
        self.heads = nn.ModuleList(StyledConv(n, modality.signal_channels, kernel=1, w_dim=w_dim) for n in widths)

    @property
    def device(self) -> torch.device:
        return self.constant.device

    def field(self, w: torch.Tensor) -> Callable[[View], torch.Tensor]:
        def images(view: View) -> torch.Tensor:
            assert view.shape == (self.modality.resolution,) * 2, "a pixel generator has one resolution"
            return torch.tanh(self._synthesize(w))

        return images

    def prepare(self, view: View) -> None:
        """Nothing, because the constants do not depend on the view."""

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> Callable[[View], torch.Tensor]:
        return self.field(self.mapping(z, labels))

    def _synthesize(self, w: torch.Tensor) -> torch.Tensor:
        x, signal = self.constant.expand(w.shape[0], -1, -1, -1), None
        for k, head in enumerate(self.heads):
            if k:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = leaky_relu(self.blocks[2 * k](x, w))
            x = leaky_relu(self.blocks[2 * k + 1](x, w))
            y = head(x, w) / math.sqrt(len(self.heads))
            signal = y if signal is None else F.interpolate(signal, scale_factor=2, mode="bilinear") + y
        assert signal is not None
        return signal

    def save_pretrained(self, folder: str | Path) -> None:
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "weights.pt") as temporary:
            torch.save(self.state_dict(), temporary)
        write_json(folder / "control.json", {"z_dim": self.z_dim, "widths": [h.weight.shape[1] for h in self.heads]})
