"""Frames of a video by a 2-D convolutional generator with time codes, as StyleGAN-V and DIGAN.

Skorokhodov et al. 2022, "StyleGAN-V: A Continuous Video Generator with the Price, Image Quality and Perks of
StyleGAN2" (CVPR), and Yu et al. 2022, "Generating Videos with Dynamics-aware Implicit Generative Adversarial Networks"
(ICLR). A video has one content latent, and a code of its motion at every time. Frames share the convolutions, which the
content and the code of the frame modulate. Time is continuous: any frame can be made alone, at any time of the window.

The motion code at a time between two anchors, equal steps apart (StyleGAN-V, sec. 3.2): sines of the time since the
left anchor, with amplitudes, frequencies and phases of the left anchor; minus their interpolation between the anchors,
which makes the code continuous; plus the interpolated codes of the anchors themselves. With random anchors it does not
repeat.

Written from the papers. What differs: the anchors of the window are one part of the latent, with a mapping network of
its own instead of a convolution over anchors, so that a video is a function of its latent; there are none beyond the
window; the convolutions are those of ``controls.convolutional``, in the sizes of the control of images.
"""

import math
from collections.abc import Sequence

import torch
from einops import rearrange
from torch import nn

from controls.control import AbstractControl
from controls.convolutional import ConvolutionalSynthesis
from inrgan import Modality, View
from inrgan.discriminators import EqualizedLinear


class MotionCodes(nn.Module):
    """Motion codes (B, T, M) at times, from anchors (B, K, A).

    Args:
        anchor: Size A of an anchor.
        size: Size M of a code.
        count: Number K of anchors, the first at time 0 and the last at the end of the window.
        seconds: Length of the window.
    """

    octaves: torch.Tensor

    def __init__(self, *, anchor: int, size: int, count: int, seconds: float):
        super().__init__()
        self.gap, self.count = seconds / (count - 1), count
        self.amplitude = EqualizedLinear(anchor, size)
        self.frequency = EqualizedLinear(anchor, size)
        self.phase = EqualizedLinear(anchor, size)
        self.aligned = EqualizedLinear(anchor, size)
        # From one turn in eight gaps up to half a turn in one, as the frames of a gap are few.
        self.register_buffer("octaves", torch.logspace(-2, 0, size, base=2) * math.pi, persistent=False)

    def forward(self, anchors: torch.Tensor, times: torch.Tensor) -> torch.Tensor:
        position = (times / self.gap).clamp(0, self.count - 1)
        left = position.floor().clamp(max=self.count - 2).long().expand(len(anchors), -1)
        fraction = (position - left)[..., None].to(anchors)
        start, end = (self._anchors(anchors, left + k) for k in (0, 1))
        wave = torch.lerp(self.aligned(start), self.aligned(end), fraction)
        sines = self._sines(start, fraction)
        ends = torch.lerp(self._sines(start, torch.zeros_like(fraction)), self._sines(start, torch.ones_like(fraction)),
                          fraction)  # fmt: skip
        return wave + sines - ends

    def _anchors(self, anchors: torch.Tensor, index: torch.Tensor) -> torch.Tensor:
        return anchors.gather(1, index[..., None].expand(-1, -1, anchors.shape[2]))

    def _sines(self, anchor: torch.Tensor, fraction: torch.Tensor) -> torch.Tensor:
        """Waves of an anchor at fractions of the gap after it."""
        turn = self.octaves * (1 + torch.tanh(self.frequency(anchor)))
        return self.amplitude(anchor) * torch.sin(turn * fraction + self.phase(anchor))


class VideoConvolutional(AbstractControl):
    """Latents to videos whose frames have one resolution, at any times of the window.

    Args:
        modality: Adapter of videos.
        z_dim: Width of the content latent.
        w_dim: Width of the mapped content latent.
        widths: Channels of the convolutions at each resolution, coarse to fine.
        seconds: Length of the window.
        anchors: Number of anchors.
        anchor: Size of an anchor, and of a motion code.
        labels: Names of the classes; none for an unconditional generator.
    """

    def __init__(
        self, modality: Modality, *, z_dim: int, w_dim: int, widths: Sequence[int], seconds: float, anchors: int = 5,
        anchor: int = 16, labels: Sequence[str] = (),
    ):  # fmt: skip
        motion = anchors * anchor
        super().__init__(
            modality, z_dim=z_dim + motion, w_dim=w_dim + motion, labels=labels, parts=[("motion", motion, motion)]
        )
        self.content_dim, self.seconds = w_dim, seconds
        self.motion = MotionCodes(anchor=anchor, size=anchor, count=anchors, seconds=seconds)
        self.frames = ConvolutionalSynthesis(
            modality.signal_channels, shape=modality.domain.shape(modality.resolution)[1:], w_dim=w_dim + anchor,
            widths=widths,
        )  # fmt: skip

    def synthesize(self, w: torch.Tensor, view: View) -> torch.Tensor:
        self.check_grid(view, free=1)
        assert view.axes is not None
        content, anchors = w[:, : self.content_dim], w[:, self.content_dim :]
        codes = self.motion(anchors.unflatten(1, (self.motion.count, -1)), view.axes[2])
        each = torch.cat([content[:, None].expand(-1, codes.shape[1], -1), codes], dim=-1)
        frames = self.frames(rearrange(each, "b t w -> (b t) w"))
        return rearrange(frames, "(b t) c h w -> b c t h w", b=len(w))
