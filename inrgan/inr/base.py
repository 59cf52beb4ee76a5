"""Backbones: networks over coordinates whose weights are given, and what they share."""

import abc
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.layers import rms_normalize
from inrgan.views import View

SILU_GAIN = 1.6766
"""SiLU shrinks a unit normal to a second moment of 0.3557; this restores 1. Backbones apply it in the product
that follows an activation, where it is free."""

NORMALIZE_EVERY = 3
"""Layers after which backbones normalize their features."""

BLOCK = {"cpu": 1 << 18}
"""Numbers in a layer's output above which points are evaluated in blocks, by kind of device. A layer's output
that stays in the cache, in memory that is already at hand, halves the time of a large batch on a CPU; elsewhere
blocks only bound the memory."""


@dataclass(frozen=True, kw_only=True)
class LayerSpec:
    """One linear layer whose weights a hypernetwork has to supply.

    Attributes:
        name: Unique within the backbone; names its parameters in a checkpoint.
        inputs: Width of the input, which has a second moment of about 1.
        outputs: Width of the output.
        part: Of the latent that it is made from beside the main one; "" for the main one alone.
    """

    name: str
    inputs: int
    outputs: int
    part: str = ""


@dataclass(frozen=True)
class LayerWeights:
    """The weights of one layer, for every sample of a batch."""

    weight: Float[Tensor, "B O I"]
    bias: Float[Tensor, "B O"]


Weights = Sequence[LayerWeights]
"""One entry per LayerSpec, in order."""


@dataclass(frozen=True)
class Units:
    """A run of rows or of columns of a weight, one for each unit of a set.

    Attributes:
        name: Of the set; wherever the name comes again, it is the same units. "" for units that cannot change places,
            such as the entries of an encoding and the channels of a signal.
        count: Of units.
    """

    name: str
    count: int


@dataclass(frozen=True)
class LayerUnits:
    """What the rows (and the bias) of a layer's weight stand for, and what its columns."""

    rows: tuple[Units, ...]
    columns: tuple[Units, ...]


class AbstractINR(nn.Module, abc.ABC):
    """A function of the coordinate, given weights. It owns no weight of a sample."""

    layers: tuple[LayerSpec, ...]
    """What the hypernetwork has to supply."""

    channels: int
    """C of the values."""

    bound: Callable[[Tensor], Tensor] = staticmethod(torch.tanh)
    """What brings its values to (−1, 1)."""

    @abc.abstractmethod
    def forward(
        self, view: View, weights: Weights, *, trace: dict[str, Tensor] | None = None
    ) -> Float[Tensor, "B N C"]:
        """Values at every point of a view, before they are bounded to [−1, 1].

        Args:
            view: Where to evaluate.
            weights: One entry per entry of ``layers``.
            trace: When given, filled with every layer's activations, for instruments.
        """

    def prepare(self, view: View) -> None:
        """Make the stencils for a view, which keeps them: on the host, for a view on the CPU.

        ``forward`` then reads nothing from the view's data, there or where the view is moved to. Backbones without
        lattices have none.
        """
        del view

    def units(self) -> tuple[LayerUnits, ...]:
        """Which units the rows and columns of every layer's weight are of.

        Where the units of a set change places, in all layers alike, the function stays what it is. By default there
        are no such sets.
        """
        return tuple(LayerUnits((Units("", s.outputs),), (Units("", s.inputs),)) for s in self.layers)

    @abc.abstractmethod
    def compile_layers(self, *, backend: str = "inductor") -> None:
        """Compile what can be compiled with torch.compile, in place."""


def linear(
    x: Float[Tensor, "#B N I"],
    layer: LayerWeights,
    *,
    gain: float = 1.0,
    onto: Float[Tensor, "B N O"] | None = None,
) -> Float[Tensor, "B N O"]:
    """Every sample's own linear map, as one batched product.

    Args:
        x: The input.
        layer: The weights.
        gain: Factor on the input, at no cost.
        onto: Added to the product in the place of the bias, at no cost.

    Example:
        >>> linear(torch.zeros(1, 5, 3), LayerWeights(torch.zeros(2, 4, 3), torch.zeros(2, 4))).shape
        torch.Size([2, 5, 4])
    """
    weight_BIO = layer.weight.transpose(1, 2)
    start = layer.bias[:, None, :] if onto is None else onto
    return torch.baddbmm(start, x.expand(weight_BIO.shape[0], -1, -1), weight_BIO, alpha=gain)


def soft_clip(x: Float[Tensor, "*S"]) -> Float[Tensor, "*S"]:
    """X / (1 + x⁸)^⅛: to (−1, 1) as tanh does, but straight where a signal spends its time.

    tanh adds overtones to a wave of amplitude 0.3 that are 43 dB below it; this adds none above −100 dB. They would
    lie beyond the band that a view can carry, and fold back into it.

    Example:
        >>> soft_clip(torch.tensor([0.0, 100.0])).tolist()
        [0.0, 1.0]
    """
    # The scale cancels out, and is there to keep the eighth powers finite.
    scale = x.detach().abs().clamp(min=1.0)
    return x / scale * ((1 / scale) ** 8 + (x / scale) ** 8) ** -0.125


def normalize(x: Float[Tensor, "*B F"]) -> Float[Tensor, "*B F"]:
    """Scale each point's features to the second moment that SiLU gives a unit normal, whatever they have.

    The gain alone holds the scale of a few layers only: SiLU bends from x/2 to x, so that near scale 1 its second
    moment goes as the input's to the power of 1.17, and sixteen layers on a deviation is 1.17¹⁶ = 12 times as
    large (in the logarithm). The norm is over one point's features: a field stays a function of the coordinate.

    Example:
        >>> normalize(torch.full((2, 8), 3.0)).square().mean().item() * SILU_GAIN**2
        1.0
    """
    return rms_normalize(x) * (1 / SILU_GAIN)


def by_blocks(
    layers: Callable[..., tuple[Tensor, ...]], *inputs: Float[Tensor, "#B N _"], numbers: int
) -> tuple[Tensor, ...]:
    """Apply layers that treat every point alike, a block of points at a time when nothing is differentiated.

    Args:
        layers: From the inputs to outputs, each (B, N, ·).
        inputs: Of the same N.
        numbers: In the output of the widest layer, for all points.

    Example:
        >>> by_blocks(lambda x: (2 * x,), torch.zeros(2, 9, 3), numbers=1 << 20)[0].shape
        torch.Size([2, 9, 3])
    """
    blocks = math.ceil(numbers / BLOCK.get(inputs[0].device.type, 1 << 27))
    if blocks <= 1 or torch.is_grad_enabled() or torch.compiler.is_compiling():
        return layers(*inputs)
    done = [layers(*block) for block in zip(*(x.chunk(blocks, dim=1) for x in inputs), strict=True)]
    return tuple(torch.cat(parts, dim=1) for parts in zip(*done, strict=True))


def flat(weights: Weights) -> Float[Tensor, "B T"]:
    """All weights and biases of each sample, side by side.

    Example:
        >>> flat([LayerWeights(torch.zeros(2, 4, 3), torch.zeros(2, 4))]).shape
        torch.Size([2, 16])
    """
    return torch.cat([x.flatten(1) for layer in weights for x in (layer.weight, layer.bias)], dim=1)


def unflat(rows: Float[Tensor, "B T"], shapes: Sequence[tuple[int, int]]) -> list[LayerWeights]:
    """The inverse of ``flat``.

    Args:
        rows: A vector for each sample.
        shapes: Outputs and inputs of every layer.

    Example:
        >>> unflat(torch.zeros(2, 16), [(4, 3)])[0].weight.shape
        torch.Size([2, 4, 3])
    """
    out, start = [], 0
    for outputs, inputs in shapes:
        middle, end = start + outputs * inputs, start + outputs * (inputs + 1)
        out.append(LayerWeights(rows[:, start:middle].unflatten(1, (outputs, inputs)), rows[:, middle:end]))
        start = end
    assert start == rows.shape[1], f"{rows.shape[1]} numbers for {start} weights"
    return out


def permuted(
    weights: Weights, units: Sequence[LayerUnits], permutations: Mapping[str, Int[Tensor, "U"]]
) -> list[LayerWeights]:
    """The weights with the units of some sets in other places, in all layers alike: the same function.

    Args:
        weights: Of a backbone.
        units: Of the same backbone, its ``units()``.
        permutations: Of the sets that change, by name: where the units of each place come from.

    Example:
        >>> order = torch.randperm(96)
        >>> len(permuted(field.weights, field.inr.units(), {"stage0_layer0": order})) == len(field.weights)
        True
    """
    out = []
    for layer, own in zip(weights, units, strict=True):
        weight, bias = layer.weight, layer.bias
        for axis, runs in ((1, own.rows), (2, own.columns)):
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
