"""Critics' eyes for oscillating signals: every n-th sample together, and bands of a complex spectrogram."""

import itertools
import math
from collections.abc import Sequence

import torch
from einops import rearrange, reduce, repeat
from torch import nn
from torch.nn import functional as F

from inrgan._typing import Float, Tensor
from inrgan.discriminators.residual import ResidualTrunk


class PeriodTrunk(nn.Module):
    """A trunk that looks at a long axis folded to rows of ``period`` samples, column by column.

    What repeats with the period is constant down a column, so that slips of phase and beats stand out. The columns
    share their weights and their features are averaged; convolving them one by one is convolving the folded picture
    with kernels one column wide. (Multi-period discriminator: Kong et al. 2020, "HiFi-GAN", sec. 2.3.)

    Args:
        channels: C.
        period: columns.
        facts: numbers known of the view.
        resolution: nominal samples of the signal.
        width: channels at full resolution; doubled at each stage.
        max_width: upper bound on the channels.
        kernel: rows that a convolution sees.
        stride: rows that a stage makes one of.

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
        # A row that is not full is left out: padding would be a period that the signal does not have.
        rows = values.shape[2] // self.period
        full = values[:, :, : rows * self.period]
        columns = rearrange(full, "b c (row column) -> (b column) c row", column=self.period)
        known = repeat(facts.expand(len(values), -1), "b fact -> (b column) fact", column=self.period)
        return reduce(self.trunk(columns, known), "(b column) feature -> b feature", "mean", column=self.period)


def complex_spectrogram(values: Float[Tensor, "B C K"], *, size: int) -> Float[Tensor, "B C2 F T"]:
    """Real and imaginary parts of a short-time Fourier transform with a Hann window, as channels.

    Frames lie a quarter of ``size`` apart and inside the signal; noise of deviation 1 has a second moment of 1 over
    both parts together. Differentiable any number of times.

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
    """A trunk over bands of a complex spectrogram, each with convolutions of its own.

    Phase is seen through real and imaginary parts. Bands keep the low frequencies, which have most of the energy,
    from being all that is looked at. (Kumar et al. 2023, "High-fidelity audio compression with improved RVQGAN",
    sec. 3.4.)

    Args:
        channels: C.
        size: samples of a frame.
        bands: where they end, as fractions of the Nyquist frequency, rising to 1.
        facts: numbers known of the view.
        resolution: nominal samples of the signal.
        width: channels at full resolution; doubled at each stage.
        max_width: upper bound on the channels.

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
        """Fewest samples that it accepts."""
        return self.frame + (ResidualTrunk.smallest - 1) * (self.frame // 4)

    def forward(self, values: Float[Tensor, "B C K"], facts: Float[Tensor, "#B G"]) -> Float[Tensor, "B W"]:
        short = max(0, self.smallest - values.shape[2])
        spectrum = complex_spectrogram(F.pad(values, (0, short)), size=self.frame)
        parts = [trunk(spectrum[:, :, rows], facts) for trunk, rows in zip(self.trunks, self.rows, strict=True)]
        return torch.cat(parts, dim=1)


def log_bands(values: Float[Tensor, "B C K"], matrix: Float[Tensor, "M F"], *, size: int) -> Float[Tensor, "B C M T"]:
    """log(1 + 10⁴ power) in bands, of a spectrogram whose frames are ``size`` long; differentiable any number of times.

    Example:
        >>> log_bands(torch.zeros(2, 1, 256), torch.ones(20, 33) / 33, size=64).shape
        torch.Size([2, 1, 20, 13])
    """
    parts = complex_spectrogram(values, size=size).unflatten(1, (values.shape[1], 2))
    power = parts.square().sum(dim=2)
    return torch.log1p(1e4 * (matrix @ power)) / math.log(1e4)
