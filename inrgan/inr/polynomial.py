"""Backbone that multiplies instead of composing: products of affine maps of the coordinate."""

import math
from collections.abc import Callable
from functools import partial

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from inrgan.encodings import AbstractEncoding
from inrgan.errors import ConfigError
from inrgan.inr.base import SILU_GAIN, AbstractINR, LayerSpec, LayerUnits, Units, Weights, by_blocks, linear, normalize
from inrgan.views import View


class PolynomialINR(AbstractINR):
    """Levels that multiply the features by an affine map of the encoded coordinate, then mix them.

    After Poly-INR (Singh et al. 2023, eq. 3): hₖ = σ(Wₖ(hₖ₋₁ ⊙ Aₖx)). Two changes preserve scale 1 at any depth. The
    map Aₖ acts on an encoding of constant norm instead of raw coordinates, and levels are residual in the factor,
    hₖ₋₁ ⊙ (1 + Aₖe(x))/√2, so that a product of sixteen factors neither vanishes nor explodes. All levels are evaluated
    at the queried points; there are no lattices.

    Args:
        encoding: Factory of the encoding for samples no finer than the given spacing.
        spacing: Spacing of the finest resolution that will be trained.
        channels: Number of channels, C.
        width: Number of features of each level.
        depth: Number of levels, which is the degree of the polynomial.
    """

    def __init__(
        self,
        *,
        encoding: Callable[[float], AbstractEncoding],
        spacing: float,
        channels: int,
        width: int,
        depth: int,
    ):
        super().__init__()
        if width < 1 or depth < 1:
            raise ConfigError(f"a polynomial of width {width} and depth {depth}; expected positive numbers")
        self.channels, self.depth = channels, depth
        self.encoding = encoding(spacing)
        layers = [LayerSpec(name="level0", inputs=self.encoding.size, outputs=width)]
        for k in range(1, depth):
            layers.append(LayerSpec(name=f"factor{k}", inputs=self.encoding.size, outputs=width))
            layers.append(LayerSpec(name=f"level{k}", inputs=width, outputs=width))
        layers.append(LayerSpec(name="head", inputs=width, outputs=channels))
        self.layers = tuple(layers)

    def values(
        self, view: View, features: Float[Tensor, "B L F"] | None, weights: Weights, *,
        trace: dict[str, Tensor] | None = None,
    ) -> Float[Tensor, "B N C"]:  # fmt: skip
        del features
        encoded = self.encoding.encoded(view, weights[0].weight.dtype)
        levels = partial(self._levels, weights, trace)
        if trace is not None:
            return levels(encoded)[0]
        numbers = weights[0].weight.shape[0] * encoded.shape[1] * self.layers[0].outputs
        return by_blocks(levels, encoded, numbers=numbers)[0]

    def prepare(self, view: View) -> None:
        self.encoding.prepare(view)

    def units(self) -> tuple[LayerUnits, ...]:
        inputs = (Units("", self.encoding.size),)
        level = (Units("level0", self.layers[0].outputs),)
        out = [LayerUnits(level, inputs)]
        for k in range(1, self.depth):
            out.append(LayerUnits(level, inputs))  # factors of the previous level
            after = (Units(f"level{k}", level[0].count),)
            out.append(LayerUnits(after, level))
            level = after
        return (*out, LayerUnits((Units("", self.channels),), level))

    def compile_layers(self, *, backend: str = "inductor") -> None:
        self.compile(backend=backend)

    def _levels(self, weights: Weights, trace: dict[str, Tensor] | None, encoded: Tensor) -> tuple[Tensor]:
        x, gain = F.silu(linear(encoded, weights[0])), SILU_GAIN
        if trace is not None:
            trace["level0"] = x * gain
        for k in range(1, self.depth):
            factor = 1 + linear(encoded, weights[2 * k - 1])
            x, gain = F.silu(linear(x * factor, weights[2 * k], gain=gain / math.sqrt(2))), SILU_GAIN
            if k % 2 == 1:  # a product of two factors varies more than a layer's output
                x, gain = normalize(x)
            if trace is not None:
                trace[f"level{k}"] = x * gain
        signal = linear(x, weights[-1], gain=gain)
        if trace is not None:
            trace["signal"] = signal
        return (signal,)
