"""Style modulation: one scale per input channel and sample."""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

from inrgan._typing import Float, Tensor
from inrgan.hypernetwork._base import AbstractHypernetwork, demodulate, put, template
from inrgan.inr import LayerSpec, LayerWeights, Weights


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
