"""Hypernetworks: factorized and style modulation of shared weights, and full weights."""

import abc
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from inrgan.errors import ConfigError
from inrgan.inr import LayerSpec, LayerWeights, Weights
from inrgan.layers import EqualizedLinear


class AbstractHypernetwork(nn.Module, abc.ABC):
    """Network from w to the weights of every layer of a backbone."""

    shared: nn.ParameterDict
    """Shared weights that each sample modulates, at scale 1, by layer name."""

    @abc.abstractmethod
    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        """Weights for every sample, one entry per layer of the backbone."""

    @abc.abstractmethod
    def set_base(self, weights: Weights) -> None:
        """Replace the shared weights, which a new network gives for w = 0.

        Args:
            weights: Weights of one function.
        """

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

    def _make_heads(
        self, specs: Sequence[LayerSpec], sizes: Sequence[Sequence[int]], *, w_dim: int, parts: Mapping[str, int]
    ) -> None:
        """Make one linear layer for all that depends on the main part of w alone, and one for each other part.

        ``sizes`` has the sizes of the pieces that each layer of the backbone needs. The parts are the last entries of
        w, in their order.
        """
        self._ends = [w_dim - sum(parts.values())]
        for width in parts.values():
            self._ends.append(self._ends[-1] + width)
        self._names = ("", *parts)
        self._kinds, self._sizes = [s.part for s in specs], [list(layer_sizes) for layer_sizes in sizes]
        assert set(self._kinds) <= set(self._names), "a layer names an unknown part of the latent"
        main = self._ends[0]
        self.head = EqualizedLinear(main, sum(self._sizes_of("")))
        self.part_heads = nn.ModuleDict(
            {name: EqualizedLinear(main + width, sum(self._sizes_of(name))) for name, width in parts.items()}
        )

    def _sizes_of(self, part: str) -> list[int]:
        """Sizes of the pieces that one part of the latent makes, in the order of the layers."""
        layers = zip(self._kinds, self._sizes, strict=True)
        return [size for kind, layer_sizes in layers if kind == part for size in layer_sizes]

    def _pieces(self, w: Float[Tensor, "B W"]) -> Iterator[Tensor]:
        """Pieces of all layers, in order."""
        main = w[:, : self._ends[0]]
        done = {"": self.head(main)}
        for name, start, stop in zip(self._names[1:], self._ends[:-1], self._ends[1:], strict=True):
            done[name] = self.part_heads[name](torch.cat([main, w[:, start:stop]], dim=1))
        split = {name: iter(torch.split(x, self._sizes_of(name), 1)) for name, x in done.items()}
        for kind, layer_sizes in zip(self._kinds, self._sizes, strict=True):
            for _ in layer_sizes:
                yield next(split[kind])


def demodulate(weight: Float[Tensor, "B O I"]) -> Float[Tensor, "B O I"]:
    """Scale every row to unit length, so that a layer preserves the scale of its input.

    Without this the output magnitude of a generated layer is proportional to that of the latent, and grows from layer
    to layer. (Karras et al. 2020, eq. 3.)

    Example:
        >>> demodulate(torch.ones(1, 2, 4))[0, 0].norm().item()
        1.0
    """
    return weight * torch.rsqrt(weight.square().sum(dim=-1, keepdim=True) + 1e-12)


@torch.no_grad()
def put(shared: nn.ParameterDict, specs: Sequence[LayerSpec], weights: Weights) -> None:
    """Copy the weights of one function to a template, at scale 1."""
    for spec, layer in zip(specs, weights, strict=True):
        shared[spec.name].copy_(layer.weight[0] * math.sqrt(spec.inputs))


def template(specs: Sequence[LayerSpec]) -> nn.ParameterDict:
    """Weights that all samples share, at scale 1, by layer name."""
    return nn.ParameterDict({s.name: nn.Parameter(torch.randn(s.outputs, s.inputs)) for s in specs})


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
        super().__init__()
        if rank < 1:
            raise ConfigError(f"the rank of the modulation is {rank}; expected 1 or more")
        if modulation not in ("linear", "plain", "tanh", "sigmoid"):
            raise ConfigError(f"unknown modulation {modulation!r}; expected linear, plain, tanh or sigmoid")
        self.specs, self.rank, self.demodulated = tuple(specs), rank, demodulated
        self.modulation: Modulation = modulation
        self.shared = template(specs)
        sizes = [(s.outputs * rank, s.inputs * rank, s.outputs) for s in specs]
        self._make_heads(specs, sizes, w_dim=w_dim, parts=parts or {})
        self.biases = nn.ParameterDict({s.name: nn.Parameter(torch.zeros(s.outputs)) for s in specs})

    @torch.no_grad()
    def set_base(self, weights: Weights) -> None:
        put(self.shared, self.specs, weights)
        for spec, layer in zip(self.specs, weights, strict=True):
            self.biases[spec.name].copy_(layer.bias[0])

    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        pieces = self._pieces(w)
        out = []
        for spec in self.specs:
            a = next(pieces).unflatten(-1, (spec.outputs, self.rank))
            b = next(pieces).unflatten(-1, (self.rank, spec.inputs))
            pattern = a @ b / math.sqrt(self.rank)
            weight = self.shared[spec.name] * _modulate(pattern, self.modulation)
            weight = demodulate(weight) if self.demodulated else weight / math.sqrt(spec.inputs)
            out.append(LayerWeights(weight, self.biases[spec.name] + 0.1 * next(pieces)))
        return out


def _modulate(x: Tensor, kind: Modulation) -> Tensor:
    if kind == "linear":
        return 1 + x
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
        super().__init__()
        self.specs = tuple(specs)
        self.shared = template(specs)
        self._make_heads(specs, [(s.inputs, s.outputs) for s in specs], w_dim=w_dim, parts=parts or {})
        self.biases = nn.ParameterDict({s.name: nn.Parameter(torch.zeros(s.outputs)) for s in specs})

    @torch.no_grad()
    def set_base(self, weights: Weights) -> None:
        put(self.shared, self.specs, weights)
        for spec, layer in zip(self.specs, weights, strict=True):
            self.biases[spec.name].copy_(layer.bias[0])

    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        pieces = self._pieces(w)
        out = []
        for spec in self.specs:
            weight = demodulate(self.shared[spec.name] * (1 + next(pieces))[:, None, :])
            out.append(LayerWeights(weight, self.biases[spec.name] + 0.1 * next(pieces)))
        return out


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
        super().__init__()
        self.specs = tuple(specs)
        sizes = [(s.outputs * s.inputs, s.outputs) for s in specs]
        entries = sum(map(sum, sizes)) * w_dim
        if entries > _LIMIT:
            raise ConfigError(
                f"a full hypernetwork for this backbone needs {entries / 1e6:,.0f} million parameters (limit "
                f"{_LIMIT / 1e6:,.0f} million); choose hypernetwork='factorized' or 'style', or a narrower backbone"
            )
        self.shared = template(specs)
        self._make_heads(specs, sizes, w_dim=w_dim, parts=parts or {})

    @torch.no_grad()
    def set_base(self, weights: Weights) -> None:
        put(self.shared, self.specs, weights)
        heads, starts = {"": self.head, **self.part_heads}, dict.fromkeys(self._names, 0)
        for spec, layer in zip(self.specs, weights, strict=True):
            start = starts[spec.part] + spec.outputs * spec.inputs
            starts[spec.part] = start + spec.outputs
            heads[spec.part].bias[start : starts[spec.part]] = 10 * layer.bias[0]

    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        pieces = self._pieces(w)
        out = []
        for spec in self.specs:
            delta = next(pieces).unflatten(-1, (spec.outputs, spec.inputs))
            out.append(LayerWeights(demodulate(self.shared[spec.name] + delta), 0.1 * next(pieces)))
        return out
