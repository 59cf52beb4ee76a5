"""The forms of a hypernetwork: factorized and style modulation of shared weights, and full weights."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import nn

from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError
from inrgan.hypernetwork.base import AbstractHypernetwork, demodulate, put, template
from inrgan.inr import LayerSpec, LayerWeights, Weights

Modulation = Literal["linear", "plain", "tanh", "sigmoid"]


class FactorizedHypernetwork(AbstractHypernetwork):
    """W ⊙ m(A·B/√r) with a shared W and per-sample A (outputs × r), B (r × inputs); rows to unit length.

    Factorized multiplicative modulation, FMM (Skorokhodov et al. 2021, eq. 4). With demodulation a stack of
    such layers keeps its scale at initialisation; without, it grows exponentially.

    Args:
        specs: the backbone's layers.
        w_dim: W.
        parts: width of each further part of w, its last entries, by name; what a layer with a part sees beside the
            main one.
        rank: r.
        modulation: ``linear`` is m(x) = 1 + x, ``plain`` is x, ``tanh`` is 1 + tanh x, ``sigmoid`` is 2σ(x).
        demodulated: rows to unit length; off only to study what happens then.

    Raises:
        ConfigError: the rank is below 1 or the modulation unknown.
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

    The cheapest of the three: as many numbers per sample as there are channels.

    Args:
        specs: the backbone's layers.
        w_dim: W.
        parts: width of each further part of w, its last entries, by name; what a layer with a part sees beside the
            main one.
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
    """θ = θ₀ + H·w, with rows to unit length.

    The most general map, and the one whose size forbids it for wide backbones: H has (number of weights) × W
    entries, 2 billion for the network of the INR-GAN paper. Learning θ₀ apart follows Ortiz et al. 2024
    ("Magnitude invariant parametrizations", eq. 8).

    Args:
        specs: the backbone's layers.
        w_dim: W.
        parts: width of each further part of w, its last entries, by name; what a layer with a part sees beside the
            main one.

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
            own = next(pieces).unflatten(-1, (spec.outputs, spec.inputs))
            out.append(LayerWeights(demodulate(self.shared[spec.name] + own), 0.1 * next(pieces)))
        return out
