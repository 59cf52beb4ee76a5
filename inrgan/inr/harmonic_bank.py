"""Backbone for oscillating signals: slow networks that set the amplitudes of a bank of fast waves."""

import math
from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inrgan.domains import AbstractDomain, AbstractLattice
from inrgan.encodings import AbstractEncoding, PeriodEncoding
from inrgan.errors import ConfigError
from inrgan.inr.base import AbstractINR, LayerSpec, LayerUnits, Weights, soft_clip
from inrgan.inr.multiscale import MultiScaleINR
from inrgan.views import View

_BANDS = 16
"""Number of levels of a bank of periods."""

_GAIN = 0.9598
"""Root of the second moment of softplus of standard normal inputs."""

_LEVEL = 0.25
"""Standard deviation of a new generator's signals where amplitudes have a second moment of 1."""


class HarmonicBankINR(AbstractINR):
    """Waves of the encoding, with amplitudes from a multi-scale network on a lattice.

    f(x) = Σₖ aₖ(x) eₖ(x): the encoding e is evaluated at the queried points. The amplitudes a are evaluated at the
    nodes of the finest lattice and interpolated to the points by B-splines. At the points there are only products and
    sums, which makes the signal cheap there and its band known: that of the waves plus that of the lattice. Waves that
    a view cannot represent are faded out, so that nothing aliases. (Signals as carriers times slow envelopes: Flanagan
    & Golden 1966, "Phase vocoder"; in networks, harmonic oscillators with predicted amplitudes: Engel et al. 2020,
    "DDSP".)

    At the nodes, aₖ = softplus(lₖ) bₖ. Each level l is the sum of one that all waves share and those of a few bands.
    Silence is a low level instead of a cancellation of many waves, and loudness does not depend on the spectrum.

    Where the encoding of the points bends (``PeriodEncoding(bend=...)``), one more layer of two inputs sets each wave's
    phase and frequency for the sample: the phase is the direction of its row, the frequency follows from its bias.

    Args:
        domain: Domain of the signals.
        encoding: Factory of the encoding for samples no finer than the given spacing.
        spacing: Spacing of the finest resolution that will be trained.
        channels: Number of channels, C.
        lattices: Cells along the shortest side of the domain, coarse to fine; the last lattice has the amplitudes.
        widths: Width of the layers, one for each lattice.
        depths: Number of layers, one for each lattice.

    Raises:
        ConfigError: The lists do not fit together.
    """

    lattice: AbstractLattice
    bands: Float[Tensor, "L F"]

    bound = staticmethod(soft_clip)

    def __init__(
        self,
        domain: AbstractDomain,
        *,
        encoding: Callable[[float], AbstractEncoding],
        spacing: float,
        channels: int,
        lattices: Sequence[int],
        widths: Sequence[int],
        depths: Sequence[int],
    ):
        super().__init__()
        if not lattices or not len(widths) == len(depths) == len(lattices):
            raise ConfigError(
                f"got {len(lattices)} lattices, {len(widths)} widths and {len(depths)} depths; expected one or more, "
                "and as many of each"
            )
        self.channels = channels
        self.lattice = domain.lattice(lattices[-1])
        self.carriers = encoding(spacing)  # the name in checkpoints
        bands = torch.ones(1, self.carriers.size)
        if isinstance(self.carriers, PeriodEncoding):
            # One level that all waves share, and one for each band. The squares of a wave's weights add up to 1.
            bands = torch.cat([0.8 * bands, 0.6 * self.carriers.bands(_BANDS)])
        self.register_buffer("bands", bands, persistent=False)
        self.amplitudes = MultiScaleINR(
            domain, encoding=encoding, spacing=max(domain.spacing(lattices[-1]), spacing),
            channels=channels * (self.carriers.size + len(bands)), lattices=lattices[:-1], widths=widths, depths=depths,
        )  # fmt: skip
        self.layers = self.amplitudes.layers
        if isinstance(self.carriers, PeriodEncoding) and self.carriers.bend > 0:
            self.layers += (LayerSpec(name="tuning", inputs=2, outputs=self.carriers.size // 2),)

    def features(
        self, view: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B L F"]:
        return self.node_features(self.lattice.numbers(view).nodes, weights, trace=trace)

    def node_features(
        self, nodes: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B L F"]:
        """Amplitudes of all waves at the nodes."""
        slow = weights[: len(self.amplitudes.layers)]
        amplitudes, levels = self.amplitudes(nodes, slow, trace=trace).split(
            [self.channels * self.carriers.size, self.channels * len(self.bands)], dim=-1
        )
        gain = F.softplus(levels.unflatten(-1, (self.channels, -1)) @ self.bands.to(levels.dtype)) / _GAIN
        return (amplitudes.unflatten(-1, (self.channels, -1)) * gain).flatten(-2)

    def values(
        self, view: View, features: Float[Tensor, "B L F"] | None, weights: Weights, *,
        trace: dict[str, Tensor] | None = None,
    ) -> Float[Tensor, "B N C"]:  # fmt: skip
        assert features is not None
        if len(weights) > len(self.amplitudes.layers):
            assert isinstance(self.carriers, PeriodEncoding)
            waves = self.carriers.tuned(view, shift=weights[-1].bias, phase=weights[-1].weight)
        else:
            waves = self.carriers.encoded(view, features.dtype)
        # Amplitudes and waves have a second moment of 1. The root preserves it for their sum, and the factor 1/4 leaves
        # the waves room to oscillate within the bound.
        amplitudes = features.unflatten(-1, (self.channels, -1))
        signal = self.lattice.stencil(view).dot(amplitudes, waves.to(features.dtype))
        signal = signal * (_LEVEL / math.sqrt(self.carriers.size))
        if trace is not None:
            trace["signal"] = signal
        return signal

    def prepare(self, view: View) -> None:
        self.carriers.prepare(view)
        self.amplitudes.prepare(self.lattice.numbers(view).nodes)

    def units(self) -> tuple[LayerUnits, ...]:
        return (*self.amplitudes.units(), *super().units()[len(self.amplitudes.layers) :])

    def compile_layers(self, *, backend: str = "inductor") -> None:
        self.amplitudes.compile_layers(backend=backend)
