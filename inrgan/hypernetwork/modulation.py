"""Hypernetworks: factorized and style modulation of shared weights, and full weights."""

import abc
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from inrgan.errors import ConfigError
from inrgan.inr import LayerSpec, LayerWeights, Weights
from inrgan.layers import EqualizedLinear, unit_rows

Axis = Literal["outputs", "inputs", "rank"]
"""Axis of a piece of the numbers that modulate a layer."""


class AbstractHypernetwork(nn.Module, abc.ABC):
    """Network from w to the weights of every layer of a backbone.

    One product gives all numbers that depend on w. Layers of equal shape are then modulated and normalized together.
    A subclass says which pieces of numbers a layer needs, and how they modulate its shared weight.
    """

    shared: nn.ParameterDict
    """Shared weights that each sample modulates, at scale 1, by layer name."""

    biases: nn.ParameterDict | None
    """Shared biases, by layer name; None where biases depend on w alone."""

    demodulated: bool = True
    """Whether rows are normalized to unit length."""

    _order: Int[Tensor, "R"]

    def __init__(
        self, specs: Sequence[LayerSpec], pieces: Sequence[Sequence[Axis]], *, w_dim: int,
        parts: Mapping[str, int] | None, factors: Sequence[float], rank: int = 1,
    ):  # fmt: skip
        """Make the shared weights, and one linear head for each part of the latent.

        Args:
            specs: The backbone's layers.
            pieces: Axes of the pieces of numbers that modulate a layer; the last one is its bias.
            w_dim: Size of w, W.
            parts: Width of each further part of w, its last entries, by name. A layer with a part depends on it and on
                the main part.
            factors: Factor on each piece but the bias.
            rank: Length of the axis ``rank``.
        """
        super().__init__()
        self._pieces, self._rank = tuple(map(tuple, pieces)), rank
        self.specs, parts, self.biases = tuple(specs), parts or {}, None
        self.shared = nn.ParameterDict({s.name: nn.Parameter(torch.randn(s.outputs, s.inputs)) for s in specs})
        self._ends = list(itertools.accumulate(parts.values(), initial=w_dim - sum(parts.values())))
        self._names, self._kinds = ("", *parts), [s.part for s in specs]
        self._sizes = [[math.prod(shape) for shape in self.piece_shapes(spec)] for spec in specs]
        assert set(self._kinds) <= set(self._names), "a layer names an unknown part of the latent"
        main = self._ends[0]
        self.head = EqualizedLinear(main, self._count(""))
        self.part_heads = nn.ModuleDict(
            {name: EqualizedLinear(main + width, self._count(name)) for name, width in parts.items()}
        )
        shapes = dict.fromkeys((s.outputs, s.inputs) for s in specs)
        self._groups = [[i for i, s in enumerate(specs) if (s.outputs, s.inputs) == shape] for shape in shapes]
        self._factors = tuple(factors)
        self._arrange()

    @abc.abstractmethod
    def _modulated(
        self, shared: Float[Tensor, "*G O I"], *pieces: Float[Tensor, "B *G _"]
    ) -> Float[Tensor, "B *G O I"]:
        """Weights of layers of equal shape, from their shared weights and their pieces, before normalization."""

    def _normalized(self, weight: Float[Tensor, "*B O I"]) -> Float[Tensor, "*B O I"]:
        return demodulate(weight) if self.demodulated else weight / math.sqrt(weight.shape[-1])

    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        """Weights for every sample, one entry per layer of the backbone."""
        *pieces, bias = self._numbers(w).split([sum(sizes) for sizes in self._block_sizes], dim=1)
        scaled = [x if f == 1 else x * f for x, f in zip(pieces, self._factors, strict=True)]
        blocks = [x.split(sizes, dim=1) for x, sizes in zip(scaled, self._block_sizes, strict=False)]
        out: list[Any] = [None] * len(self.specs)
        for group, *pieces in zip(self._groups, *blocks, strict=True):
            shared = [self.shared[self.specs[i].name] for i in group]
            if len(group) == 1:
                out[group[0]] = self._normalized(self._modulated(shared[0], *pieces))
                continue
            pieces = [x.unflatten(1, (len(group), -1)) for x in pieces]
            weights = self._normalized(self._modulated(torch.stack(shared), *pieces))
            for i, weight in zip(group, weights.unbind(1), strict=True):
                out[i] = weight
        bias = 0.1 * bias
        if self.biases is not None:
            bias = bias + torch.cat([self.biases[s.name] for s in self.specs])
        biases = bias.split([s.outputs for s in self.specs], dim=1)
        return [LayerWeights(*pair) for pair in zip(out, biases, strict=True)]

    @torch.no_grad()
    def set_base(self, weights: Weights) -> None:
        """Replace the shared weights, which a new network gives for w = 0.

        Args:
            weights: Weights of one function.
        """
        for spec, layer in zip(self.specs, weights, strict=True):
            self.shared[spec.name].copy_(layer.weight[0] * math.sqrt(spec.inputs))
        self._set_biases([layer.bias[0] for layer in weights])

    def _set_biases(self, biases: Sequence[Float[Tensor, "_"]]) -> None:
        """Replace the biases that a new network gives for w = 0."""
        assert self.biases is not None
        for spec, bias in zip(self.specs, biases, strict=True):
            self.biases[spec.name].copy_(bias)

    @torch.no_grad()
    def rescale(self, factors: Sequence[tuple[float, float]]) -> None:
        """Scale the modulations.

        Args:
            factors: Factors of each layer, on the modulation of its weight and on that of its bias.
        """
        heads, starts = {"": self.head, **self.part_heads}, dict.fromkeys(self._names, 0)
        for kind, sizes, (of_weight, of_bias) in zip(self._kinds, self._sizes, factors, strict=True):
            for piece, count in enumerate(sizes):
                # The last piece is that of the bias; several others are multiplied with each other.
                factor = of_bias if piece == len(sizes) - 1 else of_weight ** (1 / (len(sizes) - 1))
                rows = slice(starts[kind], starts[kind] + count)
                heads[kind].weight[rows] *= factor
                starts[kind] += count

    def piece_shapes(self, spec: LayerSpec) -> list[tuple[int, ...]]:
        """Shapes of the pieces of numbers that modulate a layer; the last one is its bias."""
        lengths = {"outputs": spec.outputs, "inputs": spec.inputs, "rank": self._rank}
        return [tuple(lengths[axis] for axis in axes) for axes in self._pieces]

    def piece_rows(self, name: str) -> tuple[EqualizedLinear, list[tuple[tuple[Axis, ...], Int[Tensor, "*S"]]]]:
        """The head that makes a layer's numbers, and the axes and the head's rows of each piece.

        Args:
            name: Name of the layer.
        """
        spec = next(s for s in self.specs if s.name == name)
        start, rows = 0, []
        for kind, other, sizes in zip(self._kinds, self.specs, self._sizes, strict=True):
            if other is spec:
                break
            start += sum(sizes) if kind == spec.part else 0
        for axes, shape in zip(self._pieces, self.piece_shapes(spec), strict=True):
            rows.append((axes, torch.arange(start, start + math.prod(shape)).reshape(shape)))
            start += math.prod(shape)
        return self.part_heads[spec.part] if spec.part else self.head, rows  # type: ignore[return-value]

    def _count(self, part: str) -> int:
        """Numbers that one part of the latent makes."""
        layers = zip(self._kinds, self._sizes, strict=True)
        return sum(sum(layer_sizes) for kind, layer_sizes in layers if kind == part)

    def _arrange(self) -> None:
        """Order of the heads' numbers: by piece, then by group of layers; all biases are last.

        The heads themselves keep the order of the layers, which checkpoints have.
        """
        starts, where, total = dict.fromkeys(self._names, 0), [], 0
        for name in self._names:
            starts[name] = total
            total += self._count(name)
        for kind, layer_sizes in zip(self._kinds, self._sizes, strict=True):
            ends = list(itertools.accumulate(layer_sizes, initial=starts[kind]))
            where.append([range(*pair) for pair in itertools.pairwise(ends)])
            starts[kind] = ends[-1]
        order, self._block_sizes = [], []
        for piece in range(len(self._factors)):
            blocks = [[r for i in group for r in where[i][piece]] for group in self._groups]
            order += [r for block in blocks for r in block]
            self._block_sizes.append([len(block) for block in blocks])
        biases = [r for pieces in where for r in pieces[-1]]
        self._block_sizes.append([len(biases)])
        self.register_buffer("_order", torch.tensor(order + biases), persistent=False)

    def _numbers(self, w: Float[Tensor, "B W"]) -> Float[Tensor, "B R"]:
        """Numbers of all layers, by ``_arrange``."""
        main = w[:, : self._ends[0]]
        heads = [self.head(main)]
        for name, (start, stop) in zip(self._names[1:], itertools.pairwise(self._ends), strict=True):
            heads.append(self.part_heads[name](torch.cat([main, w[:, start:stop]], dim=1)))
        numbers = torch.cat(heads, dim=1) if len(heads) > 1 else heads[0]
        return numbers.index_select(1, self._order)


def demodulate(weight: Float[Tensor, "*B O I"]) -> Float[Tensor, "*B O I"]:
    """Scale every row to unit length, so that a layer preserves the scale of its input.

    Without this the output magnitude of a generated layer is proportional to that of the latent, and grows from layer
    to layer. (Karras et al. 2020, eq. 3.)

    Example:
        >>> demodulate(torch.ones(1, 2, 4))[0, 0].norm().item()
        1.0
    """
    return unit_rows(weight)


def _zero_biases(specs: Sequence[LayerSpec]) -> nn.ParameterDict:
    return nn.ParameterDict({s.name: nn.Parameter(torch.zeros(s.outputs)) for s in specs})


Modulation = Literal["linear", "plain", "tanh", "sigmoid"]


class FactorizedHypernetwork(AbstractHypernetwork):
    """W ⊙ m(A·B/√r) with a shared W and per-sample A (outputs × r), B (r × inputs); rows to unit length.

    Factorized multiplicative modulation, FMM (Skorokhodov et al. 2021, eq. 4). With demodulation a stack of such layers
    preserves its scale at initialization; without, the scale grows exponentially.

    Args:
        specs: The backbone's layers.
        w_dim: Size of w, W.
        parts: Width of each further part of w, its last entries, by name. A layer with a part depends on it and on the
            main part.
        rank: Rank of the modulation, r.
        modulation: Function m: ``linear`` is 1 + x, ``plain`` is x, ``tanh`` is 1 + tanh x, ``sigmoid`` is 2σ(x).
        demodulated: Scale rows to unit length; False only to study the effect.

    Raises:
        ConfigError: The rank is below 1 or the modulation unknown.
    """

    def __init__(
        self,
        specs: Sequence[LayerSpec],
        *,
        w_dim: int,
        rank: int,
        parts: Mapping[str, int] | None = None,
        modulation: Modulation = "linear",
        demodulated: bool = True,
    ):
        if rank < 1:
            raise ConfigError(f"the rank of the modulation is {rank}; expected 1 or more")
        if modulation not in ("linear", "plain", "tanh", "sigmoid"):
            raise ConfigError(f"unknown modulation {modulation!r}; expected linear, plain, tanh or sigmoid")
        pieces: list[tuple[Axis, ...]] = [("outputs", "rank"), ("rank", "inputs"), ("outputs",)]
        super().__init__(specs, pieces, w_dim=w_dim, parts=parts, factors=(1 / math.sqrt(rank), 1.0), rank=rank)
        self.rank, self.demodulated = rank, demodulated
        self.modulation: Modulation = modulation
        self.biases = _zero_biases(specs)

    def _modulated(
        self, shared: Float[Tensor, "*G O I"], *pieces: Float[Tensor, "B *G _"]
    ) -> Float[Tensor, "B *G O I"]:
        a, b = (x.unflatten(-1, sizes) for x, sizes in zip(pieces, ((-1, self.rank), (self.rank, -1)), strict=True))
        pattern = torch.bmm(a, b) if a.ndim == 3 else a @ b
        if self.modulation == "linear":
            return torch.addcmul(shared, shared, pattern)
        return shared * _modulate(pattern, self.modulation)


def _modulate(x: Tensor, kind: Modulation) -> Tensor:
    if kind == "tanh":
        return 1 + torch.tanh(x)
    if kind == "sigmoid":
        return 2 * torch.sigmoid(x)
    return x


class StyleHypernetwork(AbstractHypernetwork):
    """W · diag(s) with a shared W and per-sample s, rows to unit length (Karras et al. 2020, eq. 1 and 3).

    The cheapest of the three: one number per sample and channel.

    Args:
        specs: The backbone's layers.
        w_dim: Size of w, W.
        parts: Width of each further part of w, its last entries, by name. A layer with a part depends on it and on the
            main part.
    """

    def __init__(self, specs: Sequence[LayerSpec], *, w_dim: int, parts: Mapping[str, int] | None = None):
        super().__init__(specs, [("inputs",), ("outputs",)], w_dim=w_dim, parts=parts, factors=(1.0,))
        self.biases = _zero_biases(specs)

    def _modulated(
        self, shared: Float[Tensor, "*G O I"], *pieces: Float[Tensor, "B *G _"]
    ) -> Float[Tensor, "B *G O I"]:
        return torch.addcmul(shared, shared, pieces[0][..., None, :])


_LIMIT = 500_000_000


class FullHypernetwork(AbstractHypernetwork):
    """θ = θ₀ + H·w, with rows of unit length.

    The most general map. Its size rules it out for wide backbones: H has (number of weights) × W entries, 2 billion for
    the network of the INR-GAN paper. Learning θ₀ separately follows Ortiz et al. 2024 ("Magnitude invariant
    parametrizations", eq. 8).

    Args:
        specs: The backbone's layers.
        w_dim: Size of w, W.
        parts: Width of each further part of w, its last entries, by name. A layer with a part depends on it and on the
            main part.

    Raises:
        ConfigError: H would have more than 500 million entries.
    """

    def __init__(self, specs: Sequence[LayerSpec], *, w_dim: int, parts: Mapping[str, int] | None = None):
        entries = sum(s.outputs * (s.inputs + 1) for s in specs) * w_dim
        if entries > _LIMIT:
            raise ConfigError(
                f"a full hypernetwork for this backbone needs {entries / 1e6:,.0f} million parameters (limit "
                f"{_LIMIT / 1e6:,.0f} million); choose hypernetwork='factorized' or 'style', or a narrower backbone"
            )
        super().__init__(specs, [("outputs", "inputs"), ("outputs",)], w_dim=w_dim, parts=parts, factors=(1.0,))

    def _set_biases(self, biases: Sequence[Float[Tensor, "_"]]) -> None:
        heads, starts = {"": self.head, **self.part_heads}, dict.fromkeys(self._names, 0)
        for spec, bias in zip(self.specs, biases, strict=True):
            start = starts[spec.part] + spec.outputs * spec.inputs
            starts[spec.part] = start + spec.outputs
            heads[spec.part].bias[start : starts[spec.part]] = 10 * bias

    def _modulated(
        self, shared: Float[Tensor, "*G O I"], *pieces: Float[Tensor, "B *G _"]
    ) -> Float[Tensor, "B *G O I"]:
        return shared + pieces[0].unflatten(-1, shared.shape[-2:])
