"""The full hypernetwork: every weight of the sample's network is an output of its own."""

from collections.abc import Sequence

from inrgan._layers import EqualizedLinear
from inrgan._typing import Float, Tensor
from inrgan.errors import ConfigError
from inrgan.hypernetwork._base import AbstractHypernetwork, demodulate, split_columns, template
from inrgan.inr import LayerSpec, LayerWeights

_LIMIT = 500_000_000


class FullHypernetwork(AbstractHypernetwork):
    """θ = θ₀ + H·w, with rows to unit length.

    The most general map, and the one whose size forbids it for wide backbones: H has (number of weights) × W
    entries, 2 billion for the network of the INR-GAN paper. Learning θ₀ apart follows Ortiz et al. 2024
    ("Magnitude invariant parametrizations", eq. 8).

    Args:
        specs: the backbone's layers.
        w_dim: W.

    Raises:
        ConfigError: H would have more than 500 million entries.
    """

    def __init__(self, specs: Sequence[LayerSpec], *, w_dim: int):
        super().__init__()
        self.specs = tuple(specs)
        self.sizes = [n for s in specs for n in (s.outputs * s.inputs, s.outputs)]
        entries = sum(self.sizes) * w_dim
        if entries > _LIMIT:
            raise ConfigError(
                f"a full hypernetwork for this backbone needs {entries / 1e6:,.0f} million parameters (limit "
                f"{_LIMIT / 1e6:,.0f} million); choose hypernetwork='factorized' or 'style', or a narrower backbone"
            )
        self.shared = template(specs)
        self.head = EqualizedLinear(w_dim, sum(self.sizes))

    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        pieces = iter(split_columns(self.head(w), self.sizes))
        out = []
        for spec in self.specs:
            own = next(pieces).unflatten(-1, (spec.outputs, spec.inputs))
            out.append(LayerWeights(demodulate(self.shared[spec.name] + own), 0.1 * next(pieces)))
        return out
