"""Critics of parts of a signal: samples one period apart, bands of a complex spectrogram, and slices."""

import itertools
import math
from collections.abc import Sequence

import torch
from einops import rearrange, reduce, repeat
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from inrgan.discriminators.base import AbstractCritic, EqualizedConv, channels_last, constant, pool_to
from inrgan.discriminators.residual import ResidualBlock, ResidualTrunk, label_score
from inrgan.errors import ShapeError
from inrgan.layers import LEAKY_GAIN, SLOPE, EqualizedLinear, leaky_relu
from inrgan.views import View


class PeriodTrunk(nn.Module):
    """Trunk over a long axis folded to rows of ``period`` samples, column by column.

    A component with this period is constant down a column, so that phase slips and beats are easy to detect. The
    columns share their weights and their features are averaged; convolving them one by one is convolving the folded
    array with kernels one column wide. (Multi-period discriminator: Kong et al. 2020, "HiFi-GAN", sec. 2.3.)

    Args:
        channels: Number of channels, C.
        period: Number of columns.
        facts: Number of facts about the view.
        resolution: Nominal samples of the signal.
        width: Channels at full resolution; doubled at each stage.
        max_width: Upper bound on the channels.
        kernel: Rows of a convolution's kernel.
        stride: Rows that a stage averages to one.

    Example:
        >>> trunk = PeriodTrunk(1, period=3, facts=1, resolution=256, width=4, max_width=8)
        >>> trunk(torch.zeros(5, 1, 256), torch.zeros(5, 1)).shape
        torch.Size([5, 8])
    """

    def __init__(
        self, channels: int, *, period: int, facts: int, resolution: int, width: int, max_width: int, kernel: int = 5,
        stride: int = 4,
    ):  # fmt: skip
        super().__init__()
        self.period = period
        self.trunk = ResidualTrunk(
            1, channels, facts=facts, resolution=max(8, resolution // period), width=width, max_width=max_width,
            kernel=kernel, stride=stride,
        )  # fmt: skip
        self.size = self.trunk.size

    def forward(self, values: Float[Tensor, "B C K"], facts: Float[Tensor, "#B G"]) -> Float[Tensor, "B W"]:
        # An incomplete row is left out: padding would add a period that the signal does not have.
        rows = values.shape[2] // self.period
        full = values[:, :, : rows * self.period]
        columns = rearrange(full, "b c (row column) -> (b column) c row", column=self.period)
        known = repeat(facts.expand(len(values), -1), "b fact -> (b column) fact", column=self.period)
        return reduce(self.trunk(columns, known), "(b column) feature -> b feature", "mean", column=self.period)


def complex_spectrogram(values: Float[Tensor, "B C K"], *, size: int) -> Float[Tensor, "B C2 F T"]:
    """Real and imaginary parts of a short-time Fourier transform with a Hann window, as channels.

    The hop is a quarter of ``size``, and all frames are inside the signal. Noise of deviation 1 has a second moment of
    1 over both parts together. Differentiable any number of times.

    Example:
        >>> complex_spectrogram(torch.zeros(2, 1, 256), size=64).shape
        torch.Size([2, 2, 33, 13])
    """
    window = torch.hann_window(size, dtype=values.dtype, device=values.device)
    flat = torch.stft(
        rearrange(values, "b c k -> (b c) k"), size, size // 4, window=window, center=False, return_complex=True
    )
    parts = torch.view_as_real(flat) / window.square().sum().sqrt()
    return rearrange(parts, "(b c) frequency time part -> b (c part) frequency time", b=len(values))


class SpectrumTrunk(nn.Module):
    """Trunk over bands of a complex spectrogram, each with its own convolutions.

    Real and imaginary parts encode the phase. Separate bands keep the low frequencies, which have most of the energy,
    from dominating the score. (Kumar et al. 2023, "High-fidelity audio compression with improved RVQGAN", sec. 3.4.)

    Args:
        channels: Number of channels, C.
        size: Samples of a frame.
        bands: Upper ends of the bands, as rising fractions of the Nyquist frequency up to 1.
        facts: Number of facts about the view.
        resolution: Nominal samples of the signal.
        width: Channels at full resolution; doubled at each stage.
        max_width: Upper bound on the channels.

    Example:
        >>> trunk = SpectrumTrunk(1, size=64, bands=(0.5, 1.0), facts=1, resolution=256, width=4, max_width=8)
        >>> trunk(torch.zeros(5, 1, 256), torch.zeros(5, 1)).shape
        torch.Size([5, 16])
    """

    def __init__(
        self, channels: int, *, size: int, bands: Sequence[float], facts: int, resolution: int, width: int,
        max_width: int,
    ):  # fmt: skip
        super().__init__()
        self.frame = size
        ends = [0, *(round(b * (size // 2 + 1)) for b in bands)]
        self.rows = [slice(a, b) for a, b in itertools.pairwise(ends)]
        assert all(r.stop - r.start >= ResidualTrunk.smallest for r in self.rows), "a band is too narrow"
        frames = max(4, 1 + (resolution - size) // (size // 4))
        self.trunks = nn.ModuleList(
            ResidualTrunk(
                2, 2 * channels, facts=facts, resolution=min(frames, rows.stop - rows.start), width=width,
                max_width=max_width,
            )
            for rows in self.rows
        )  # fmt: skip
        self.size = sum(int(t.size) for t in self.trunks)  # type: ignore[arg-type]

    @property
    def smallest(self) -> int:
        """Fewest samples that the trunk accepts."""
        return self.frame + (ResidualTrunk.smallest - 1) * (self.frame // 4)

    def forward(self, values: Float[Tensor, "B C K"], facts: Float[Tensor, "#B G"]) -> Float[Tensor, "B W"]:
        short = max(0, self.smallest - values.shape[2])
        spectrum = complex_spectrogram(F.pad(values, (0, short)), size=self.frame)
        parts = [trunk(spectrum[:, :, rows], facts) for trunk, rows in zip(self.trunks, self.rows, strict=True)]
        return torch.cat(parts, dim=1)


def log_bands(values: Float[Tensor, "B C K"], matrix: Float[Tensor, "M F"], *, size: int) -> Float[Tensor, "B C M T"]:
    """log(1 + 10⁴ power) in bands of a spectrogram with frames of ``size``; differentiable any number of times.

    Example:
        >>> log_bands(torch.zeros(2, 1, 256), torch.ones(20, 33) / 33, size=64).shape
        torch.Size([2, 1, 20, 13])
    """
    parts = complex_spectrogram(values, size=size).unflatten(1, (values.shape[1], 2))
    power = parts.square().sum(dim=2)
    return torch.log1p(1e4 * (matrix @ power)) / math.log(1e4)


_TOGETHER = 8
"""Samples along the shortest side of a slice where the slices' features are joined."""


class SlicesCritic(AbstractCritic):
    """Critic of slices across one axis, at any positions along it, scored together with their distances.

    Convolutions process every slice separately, with the same weights, until about 8 samples are left on a side. The
    slices' features are then concatenated as channels, and further convolutions process all of them. The distances
    between neighboring slices are added there and score by projection, as a label would. Where a signal has more slices
    than a group, groups that are spread over the whole axis are scored and averaged, and every slice is in one of them.
    (One critic of 3 frames and their distances: Skorokhodov et al. 2022, "StyleGAN-V".)

    Args:
        dims: Number of the signal's dimensions, 2 or 3.
        channels: Number of channels, C.
        axis: Coordinate that the slices are cut across.
        count: Number of slices in a group.
        resolution: Nominal samples on the shortest side of a slice.
        spacing: Nominal distance between samples, per coordinate, in coordinate units.
        width: Channels at full resolution; doubled at each halving.
        max_width: Upper bound on the channels.
        classes: Number of labels; 0 for none.

    Example:
        >>> critic = SlicesCritic(3, 3, axis=2, count=3, resolution=16, spacing=(0.1, 0.1, 0.1), width=8, max_width=16)
        >>> critic(torch.zeros(5, 3, 7, 16, 16), Box(3).grid((7, 16, 16))).shape
        torch.Size([5])
    """

    def __init__(
        self,
        dims: int,
        channels: int,
        *,
        axis: int,
        count: int,
        resolution: int,
        spacing: Sequence[float],
        width: int,
        max_width: int,
        classes: int = 0,
    ):
        super().__init__()
        assert dims in (2, 3) and 0 <= axis < dims and count >= 2, "slices are cut from two or three dimensions"
        self.dims, self.channels, self.axis, self.count, self.smallest = dims, channels, axis, count, count
        self.nominal = tuple(-math.log2(s) for s in spacing)
        flat = dims - 1
        alone = max(1, round(math.log2(max(resolution, 16) / _TOGETHER)))
        widths = [min(width * 2**k, max_width) for k in range(alone + 2)]
        self.enter = EqualizedConv(flat, channels, widths[0], kernel=1)
        self.facts = EqualizedLinear(dims, widths[0])
        self.alone = nn.ModuleList(
            ResidualBlock(flat, a, b, gain=LEAKY_GAIN if k == 0 else 1.0)
            for k, (a, b) in enumerate(itertools.pairwise(widths[:-1]))
        )
        self.join = EqualizedConv(flat, count * widths[-2], widths[-2], kernel=3)
        self.gaps = nn.Sequential(EqualizedLinear(5 * (count - 1), widths[-1]), nn.LeakyReLU(SLOPE))
        self.shift = EqualizedLinear(widths[-1], widths[-2], gain=LEAKY_GAIN)
        self.together = ResidualBlock(flat, widths[-2], widths[-1], gain=LEAKY_GAIN)
        self.last = EqualizedConv(flat, widths[-1], widths[-1], kernel=3)
        self.flat = EqualizedLinear(widths[-1] * 4**flat, widths[-1], gain=LEAKY_GAIN)
        self.score = EqualizedLinear(widths[-1], 1)
        self.project = EqualizedLinear(widths[-1], widths[-1], gain=LEAKY_GAIN)
        self.labels = nn.Embedding(classes, widths[-1]) if classes else None

    def forward(
        self, values: Float[Tensor, "B C *S"], view: View, labels: Int[Tensor, "B"] | None = None
    ) -> Float[Tensor, "B"]:
        slices = values.movedim(-1 - self.axis, 1)
        B, T = slices.shape[:2]
        if values.ndim != self.dims + 2 or values.shape[1] != self.channels or min(values.shape[2:]) < self.count:
            raise ShapeError(
                f"the critic got values of shape {tuple(values.shape)}; expected (B, {self.channels}, and {self.dims} "
                f"sizes of {self.count} or more)"
            )
        density = view.log2_density - constant(self.nominal, view.spacing)
        facts = self.facts(density.to(values.dtype)).expand(B, -1).repeat_interleave(T, dim=0)
        frames = slices.flatten(0, 1)
        if self.dims > 2:
            frames = channels_last(frames)
        x = self.enter(frames) + facts.unflatten(-1, (-1, *[1] * (self.dims - 1)))
        x = F.leaky_relu(x, SLOPE)
        for block in self.alone:
            x = block(x)
        index_GK = _groups(T, self.count, device=values.device)
        groups, x = len(index_GK), x.unflatten(0, (B, T))
        x = x[:, None] if groups == 1 else x[:, index_GK]
        x = rearrange(x, "b group slice c ... -> (b group) (slice c) ...")
        x = channels_last(x) if self.dims > 2 else x
        near = self.gaps(self._distances(view, index_GK).to(x.dtype).expand(B, -1, -1).flatten(0, 1))
        shift = self.shift(near).unflatten(-1, (-1, *[1] * (self.dims - 1)))
        x = self.together(F.leaky_relu(self.join(x) + shift, SLOPE))
        x = leaky_relu(self.flat(pool_to(F.leaky_relu(self.last(x), SLOPE), 4).flatten(1)))
        score = self.score(x)[:, 0] + (x * self.project(near)).sum(dim=-1) / math.sqrt(x.shape[-1])
        group_labels = labels if labels is None else labels.repeat_interleave(groups)
        return reduce(score + label_score(x, self.labels, group_labels), "(b group) -> b", "mean", b=B)

    def _distances(self, view: View, index_GK: Int[Tensor, "G K"]) -> Float[Tensor, "#B G _"]:
        """Features of the distances between the slices of every group."""
        assert view.axes is not None, "slices require a product view"
        gaps = view.axes[self.axis][:, index_GK].diff(dim=-1)
        octaves = gaps.abs().clamp(min=1e-12).log2() + self.nominal[self.axis]
        waves = [f(math.pi * n * octaves) for n in (0.25, 0.5) for f in (torch.sin, torch.cos)]
        return torch.cat([octaves / 4, *waves], dim=-1)


def _groups(slices: int, count: int, *, device: torch.device | str = "cpu") -> Int[Tensor, "G K"]:
    """Groups of slices that are spread evenly; every slice is in one of them.

    Example:
        >>> _groups(6, 3).tolist()
        [[0, 2, 4], [1, 3, 5]]
    """
    groups = math.ceil(slices / count)
    starts = torch.arange(count, device=device) * (slices - groups) // (count - 1)
    return torch.arange(groups, device=device)[:, None] + starts
