"""The full hypernetwork: every weight of the sample's network is an output of its own."""

from collections.abc import Mapping, Sequence

import torch

from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError
from inrgan.hypernetwork._base import AbstractHypernetwork, demodulate, put, template
from inrgan.inr import LayerSpec, LayerWeights, Weights

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
