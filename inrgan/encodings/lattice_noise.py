"""Band-limited noise on unbounded lattices, as features of the coordinate."""

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from inrgan.domains.box_lattice import BoxLattice
from inrgan.encodings.base import AbstractEncoding, NodeFeatures
from inrgan.encodings.fourier import axis_octaves, band, plane_waves, waves_at_nodes
from inrgan.errors import ConfigError
from inrgan.resampling import fade
from inrgan.views import View

_ROWS = 4096
"""Number of distinct vectors of node values; a power of two."""
_MASK = 0xFFFFFFFF
_POWER = 151 / 315
"""Mean over positions of the summed squared weights of a cubic B-spline, in one dimension."""


class NoiseEncoding(AbstractEncoding):
    """Low octaves of sines along the axes, and octaves of band-limited noise.

    The sines encode the position in the domain, and the noise the detail. Each octave of noise has Gaussian values at
    the nodes of an unbounded lattice, which cubic B-splines carry to the points. A node's values are looked up by a
    hash of its number: they need no storage, have no period and no border. A texture made of a few dozen plane waves
    shows each of them as a line in its spectrum, and noise has no lines. (Lattice noise: Perlin 1985, "An image
    synthesizer"; band-limited octaves: Cook and DeRose 2005, "Wavelet noise".)

    The band is that of ``FourierEncoding``. The frequency of an octave is the Nyquist frequency of its lattice. The
    highest is 3/4 of the Nyquist frequency of ``spacing``, and the lowest is above the sines, if there are any. Each
    octave fades with the largest spacing of a point.

    Args:
        dim: Number of coordinates, D.
        longest_period: Period of the slowest sine, in coordinate units.
        spacing: Distance between samples at the finest resolution that will be trained.
        octaves: Largest number of octaves of sines along each axis; fewer where the band ends.
        channels: Number of features of each octave of noise.
        decay: Exponent of the amplitudes, which fall as frequency^−decay with the second moment of all features
            together at 1.
        seed: Seed of the values at the nodes, which are part of the architecture.

    Raises:
        ConfigError: The spacing cannot represent the longest period, or a number is out of range.

    Example:
        >>> encoding = NoiseEncoding(2, longest_period=4.0, spacing=2 / 32, octaves=3, channels=8)
        >>> encoding(Box(2).grid((5, 7))).shape
        torch.Size([1, 35, 36])
    """

    frequencies: Float[Tensor, "K D"]
    amplitude: Float[Tensor, "K"]
    values: Float[Tensor, "R C"]

    def __init__(
        self,
        dim: int,
        *,
        longest_period: float,
        spacing: float,
        octaves: int = 3,
        channels: int = 16,
        decay: float = 1.0,
        seed: int = 0,
    ):
        super().__init__()
        lowest, highest = band(longest_period=longest_period, spacing=spacing)
        if octaves < 0 or channels < 1:
            raise ConfigError(f"{octaves} octaves of sines, {channels} channels of noise; expected 0 and 1 or more")
        rows = axis_octaves(dim, lowest=lowest, highest=highest, octaves=octaves)
        sines = [max(row) for row in rows]
        above = sines[-1] * (1 + 1e-9) if sines else lowest * (1 - 1e-9)
        self.bands = [highest / 2**k for k in range(64) if highest / 2**k > above][::-1]
        self.register_buffer("frequencies", torch.tensor(rows).reshape(-1, dim))
        self.size = 2 * len(rows) + channels * len(self.bands)
        power = 2 * sum(f ** (-2 * decay) for f in sines) + channels * sum(f ** (-2 * decay) for f in self.bands)
        scale = math.sqrt(self.size / power)
        self.register_buffer("amplitude", scale * torch.tensor(sines) ** -decay)
        self.levels = [scale * f**-decay for f in self.bands]
        self.lattices = [BoxLattice(origin=(0.0,) * dim, cell=(0.5 / f,) * dim) for f in self.bands]
        self.seed = seed
        values = node_values(_ROWS, channels, seed=seed) * _POWER ** (-dim / 2)
        self.register_buffer("values", values, persistent=False)

    def prepare(self, view: View) -> None:
        for lattice in self.lattices:
            lattice.numbers(view)

    def forward(self, view: View) -> Float[Tensor, "#B N F"]:
        parts = [self._sines(view)]
        for k, lattice in enumerate(self.lattices):
            stencil = lattice.stencil(view)
            parts.append(stencil.interpolate(self._values(stencil.nodes, octave=k)) * self._level(view, octave=k))
        return torch.cat(parts, dim=-1)

    def at_nodes(self, view: View, *, tolerance: float) -> list[NodeFeatures] | None:
        if view.axes is None or view.batch > 1 or view.spacing.shape[1] > 1:
            return None
        parts = waves_at_nodes(self._sines, view, self.frequencies, tolerance=tolerance)
        if parts is None:
            return None
        for k, lattice in enumerate(self.lattices):
            stencil = lattice.stencil(view)
            features = self._values(stencil.nodes, octave=k) * self._level(view, octave=k)
            parts.append(NodeFeatures(features, stencil.lines))
        return parts

    def _sines(self, view: View) -> Float[Tensor, "#B N K"]:
        return plane_waves(view, self.frequencies, amplitude=math.sqrt(2) * self.amplitude)

    def _level(self, view: View, *, octave: int) -> Float[Tensor, "#B #N 1"]:
        """Amplitude of an octave, faded as the view's spacing requires."""
        return self.levels[octave] * fade(view.spacing.amax(dim=-1, keepdim=True) * self.bands[octave])

    def _values(self, nodes: View, *, octave: int) -> Float[Tensor, "#B L C"]:
        return self.values[self._rows(nodes, octave=octave)]

    def _rows(self, nodes: View, *, octave: int) -> Int[Tensor, "#B L"]:
        """Rows of the table of values for nodes, by a hash of their numbers along every coordinate."""
        key = hashed(nodes.center.new_full((), self.seed * 64 + octave, dtype=torch.long))
        for d, x in enumerate(nodes.coords.unbind(-1)):
            number = self.lattices[octave].position(x, d).round().long()
            key = hashed(key ^ (number & _MASK))
        return key & (_ROWS - 1)


def hashed(x: Int[Tensor, "*S"]) -> Int[Tensor, "*S"]:
    """Hash of integers of 32 bits: a bijection whose output bits look independent of its input.

    Only operations on 32 bits, so that every language computes the same. (Wellons 2018, "Prospecting for hash
    functions", lowbias32.)

    Example:
        >>> hashed(torch.arange(3)).tolist()
        [0, 1753845952, 3507691905]
    """
    x = x & _MASK
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def node_values(rows: int, channels: int, *, seed: int) -> Float[Tensor, "rows channels"]:
    """Fixed, nearly Gaussian numbers with mean 0 and variance 1: sums of the four bytes of a hash.

    Example:
        >>> node_values(4096, 32, seed=0).shape
        torch.Size([4096, 32])
    """
    key = hashed(torch.arange(rows * channels) ^ hashed(torch.tensor(seed + 0x9E3779B9)))
    total = torch.stack([(key >> shift) & 0xFF for shift in (0, 8, 16, 24)]).sum(dim=0)
    return ((total - 510).double() / math.sqrt(4 * (256**2 - 1) / 12)).float().reshape(rows, channels)
