"""Base class of backbones, coordinate networks whose weights are given, and their common parts."""

import abc
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.domains import AbstractLattice
from inrgan.layers import unit_rows
from inrgan.views import View

T = TypeVar("T")

SILU_GAIN = 1.6766
"""Factor that restores a second moment of 1 after SiLU, which maps a unit normal to 0.3557. Backbones apply it in the
product that follows an activation, where it is free."""

NORMALIZE_EVERY = 3
"""Number of layers between normalizations of a backbone's features."""

BLOCK = {"cpu": 1 << 18}
"""Size of a layer's output above which points are evaluated in blocks, by device type. On a CPU, outputs that stay in
the cache halve the time of a large batch; elsewhere blocks only bound the memory."""


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """Linear layer whose weights a hypernetwork supplies.

    Attributes:
        name: Name, unique within the backbone; names its parameters in a checkpoint.
        inputs: Width of the input, which has a second moment of about 1.
        outputs: Width of the output.
        part: Part of the latent that decides its weights, in addition to the main part; "" for the main part alone.
    """

    name: str
    inputs: int
    outputs: int
    part: str = ""


@dataclass(frozen=True)
class LayerWeights:
    """Weights of one layer, for every sample of a batch."""

    weight: Float[Tensor, "B O I"]
    bias: Float[Tensor, "B O"]
    _derived: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def columns(self, count: int) -> tuple[Float[Tensor, "B O K"], Float[Tensor, "B O J"]]:
        """The parts of the weight that act on the first ``count`` inputs and on the others.

        Both are made at once, and kept: separate slices would have one gradient of full size each.
        """
        first, others = self.derive(count, lambda: self.weight.split([count, self.weight.shape[2] - count], dim=2))
        return first, others

    def derive(self, name: Hashable, make: Callable[[], T]) -> T:
        """A value that depends on the layer alone and on its name: made once, with gradients and without, and kept."""
        key = name, torch.is_grad_enabled()
        if key not in self._derived:
            self._derived[key] = make()
        return self._derived[key]


Weights = Sequence[LayerWeights]
"""One entry per LayerSpec, in order."""


@dataclass(frozen=True)
class Units:
    """Consecutive rows or columns of a weight, one for each unit of a set.

    Attributes:
        name: Name of the set; the same name denotes the same units. "" for units that cannot be permuted, such as the
            entries of an encoding and the channels of a signal.
        count: Number of units.
    """

    name: str
    count: int


@dataclass(frozen=True)
class LayerUnits:
    """Units of the rows (and the bias) of a layer's weight, and of its columns."""

    rows: tuple[Units, ...]
    columns: tuple[Units, ...]


class AbstractINR(nn.Module, abc.ABC):
    """Function of the coordinate, given weights. It holds no weights of a sample."""

    layers: tuple[LayerSpec, ...]
    """Layers whose weights the hypernetwork supplies."""

    channels: int
    """Number of channels of the values, C."""

    lattice: AbstractLattice | None = None
    """Lattice from whose nodes values are interpolated; None for backbones without lattices."""

    bound: Callable[[Tensor], Tensor] = staticmethod(torch.tanh)
    """Function that bounds the values to (−1, 1)."""

    def forward(
        self, view: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B N C"]:
        """Values at every point of a view, before they are bounded to [−1, 1].

        Args:
            view: View at which the function is evaluated.
            weights: Weights of every layer, in the order of ``layers``.
            trace: Dictionary that receives every layer's activations; None to record none.
        """
        return self.values(view, self.features(view, weights, trace=trace), weights, trace=trace)

    def features(
        self, view: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B L F"] | None:
        """Features at the lattice nodes that a view needs; None, as here, for backbones without lattices."""
        del view, weights, trace

    def node_features(
        self, nodes: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B L F"]:
        """Features at nodes of ``lattice``. Backbones with a lattice define it."""
        raise AssertionError(f"{type(self).__name__} has no lattice")

    @abc.abstractmethod
    def values(
        self, view: View, features: Float[Tensor, "B L F"] | None, weights: Weights, *,
        trace: dict[str, Tensor] | None = None,
    ) -> Float[Tensor, "B N C"]:  # fmt: skip
        """Values at every point of a view, from the features at its nodes."""

    def block(self, view: View, features: Float[Tensor, "B L F"] | None, weights: Weights) -> Float[Tensor, "B N C"]:
        """Values at a block of a render, which are those of ``values`` to rounding, without derivatives.

        A backbone may evaluate blocks that are finer than its band in less time.
        """
        return self.values(view, features, weights)

    def prepare(self, view: View) -> None:
        """Find the lattice nodes that a view needs; the view stores their numbers (``AbstractLattice.numbers``).

        On the host, for a view on the CPU. ``forward`` then reads no data of the view, there or on the device that the
        view is moved to. Backbones without lattices have no nodes.
        """
        del view

    def units(self) -> tuple[LayerUnits, ...]:
        """Units of the rows and columns of every layer's weight.

        A permutation of the units of a set, applied to all layers, leaves the function unchanged. By default there are
        no such sets.
        """
        return tuple(LayerUnits((Units("", s.outputs),), (Units("", s.inputs),)) for s in self.layers)

    @abc.abstractmethod
    def compile_layers(self, *, backend: str = "inductor") -> None:
        """Compile the layers with torch.compile, in place."""


def linear(
    x: Float[Tensor, "#B N I"],
    layer: LayerWeights,
    *,
    gain: float = 1.0,
    onto: Float[Tensor, "B #N O"] | None = None,
    biased: bool = True,
) -> Float[Tensor, "B N O"]:
    """Linear map with each sample's weights, as one batched product.

    Args:
        x: Input.
        layer: Weights.
        gain: Factor on the input, applied to the weight, which is smaller.
        onto: Added to the product instead of the bias, at no cost.
        biased: Whether anything is added.

    Example:
        >>> linear(torch.zeros(1, 5, 3), LayerWeights(torch.zeros(2, 4, 3), torch.zeros(2, 4))).shape
        torch.Size([2, 5, 4])
    """
    weight = layer.weight if gain == 1 else layer.weight * gain
    if not biased:
        return x @ weight.mT
    start = layer.bias[:, None, :] if onto is None else onto
    return torch.baddbmm(start, x.expand(weight.shape[0], -1, -1), weight.mT)


def soft_clip(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """Bound to (−1, 1) by x / (1 + x⁸)^⅛: like tanh, but linear over the usual range of a signal.

    tanh adds overtones to a wave of amplitude 0.3 that are 43 dB below it; this function adds none above −100 dB.
    Overtones beyond the band of the view would alias.

    Example:
        >>> soft_clip(torch.tensor([0.0, 100.0])).tolist()
        [0.0, 1.0]
    """
    # The scale cancels out; it keeps the eighth powers finite.
    scale = x.detach().abs().clamp(min=1.0)
    return x / scale * ((1 / scale) ** 8 + (x / scale) ** 8) ** -0.125


def normalize(x: Float[Tensor, "*B F"]) -> tuple[Float[Tensor, "*B F"], float]:
    """Features of each point at unit length, and the gain with which they have a second moment of 1.

    The gain of SiLU alone preserves the scale over a few layers only. SiLU bends from x/2 to x: near scale 1 the second
    moment of its output grows as that of its input to the power of 1.17, so that after sixteen layers a deviation is
    1.17¹⁶ = 12 times as large (in the logarithm). The norm is over the features of one point, and a field stays a
    function of the coordinate.

    Example:
        >>> normalize(torch.full((2, 9), 3.0))[1]
        3.0
    """
    return unit_rows(x), math.sqrt(x.shape[-1])


def by_blocks(
    layers: Callable[..., tuple[Tensor, ...]], *inputs: Float[Tensor, "#B N *_"], numbers: int
) -> tuple[Tensor, ...]:
    """Apply pointwise layers, one block of points at a time when no gradient is recorded.

    Args:
        layers: Function from the inputs to outputs, each (B, N, ·).
        inputs: Inputs with the same N; points, or lines of points.
        numbers: Size of the output of the widest layer, for all points.

    Example:
        >>> by_blocks(lambda x: (2 * x,), torch.zeros(2, 9, 3), numbers=1 << 20)[0].shape
        torch.Size([2, 9, 3])
    """
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        return layers(*inputs)
    blocks = math.ceil(numbers / BLOCK.get(inputs[0].device.type, 1 << 27))
    if blocks <= 1:
        return layers(*inputs)
    done = [layers(*block) for block in zip(*(x.chunk(blocks, dim=1) for x in inputs), strict=True)]
    return tuple(torch.cat(parts, dim=1) for parts in zip(*done, strict=True))


def flat(weights: Weights) -> Float[Tensor, "B T"]:
    """All weights and biases of each sample, concatenated.

    Example:
        >>> flat([LayerWeights(torch.zeros(2, 4, 3), torch.zeros(2, 4))]).shape
        torch.Size([2, 16])
    """
    return torch.cat([x.flatten(1) for layer in weights for x in (layer.weight, layer.bias)], dim=1)


def unflat(rows: Float[Tensor, "B T"], shapes: Sequence[tuple[int, int]]) -> list[LayerWeights]:
    """Inverse of ``flat``.

    Args:
        rows: Vector of each sample.
        shapes: Numbers of outputs and inputs of every layer.

    Example:
        >>> unflat(torch.zeros(2, 16), [(4, 3)])[0].weight.shape
        torch.Size([2, 4, 3])
    """
    out, start = [], 0
    for outputs, inputs in shapes:
        middle, end = start + outputs * inputs, start + outputs * (inputs + 1)
        out.append(LayerWeights(rows[:, start:middle].unflatten(1, (outputs, inputs)), rows[:, middle:end]))
        start = end
    assert start == rows.shape[1], f"{rows.shape[1]} numbers were given for {start} weights"
    return out


def permuted(
    weights: Weights, units: Sequence[LayerUnits], permutations: Mapping[str, Int[Tensor, "U"]]
) -> list[LayerWeights]:
    """Weights with the units of some sets permuted in all layers: the same function.

    Args:
        weights: Weights of a backbone.
        units: Units of the same backbone, from its ``units()``.
        permutations: Permutations of the sets that change, by name: the source of the unit at each position.

    Example:
        >>> order = torch.randperm(96)
        >>> len(permuted(field.weights, field.inr.units(), {"stage0_layer0": order})) == len(field.weights)
        True
    """
    out = []
    for layer, layer_units in zip(weights, units, strict=True):
        weight, bias = layer.weight, layer.bias
        for axis, runs in ((1, layer_units.rows), (2, layer_units.columns)):
            start = 0
            for run in runs:
                if run.name in permutations:
                    order = permutations[run.name].to(weight.device)
                    index = weight.new_tensor(range(weight.shape[axis])).long()
                    index[start : start + run.count] = start + order
                    weight = weight.index_select(axis, index)
                    if axis == 1:
                        bias = bias.index_select(1, index)
                start += run.count
        out.append(LayerWeights(weight, bias))
    return out
