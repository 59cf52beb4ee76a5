"""Style modulation: one scale per input channel and sample."""

from collections.abc import Sequence

import torch
from torch import nn

from inrgan._layers import EqualizedLinear
from inrgan._typing import Float, Tensor
from inrgan.hypernetwork._base import AbstractHypernetwork, demodulate, split_columns, template
from inrgan.inr import LayerSpec, LayerWeights


class StyleHypernetwork(AbstractHypernetwork):
    """W · diag(s) with a shared W and per-sample s, rows to unit length (Karras et al. 2020, eq. 1 and 3).

    The cheapest of the three: as many numbers per sample as there are channels.

    Args:
        specs: the backbone's layers.
        w_dim: W.
    """

    def __init__(self, specs: Sequence[LayerSpec], *, w_dim: int):
        super().__init__()
        self.specs = tuple(specs)
        self.shared = template(specs)
        self.sizes = [n for s in specs for n in (s.inputs, s.outputs)]
        self.head = EqualizedLinear(w_dim, sum(self.sizes))
        self.biases = nn.ParameterDict({s.name: nn.Parameter(torch.zeros(s.outputs)) for s in specs})

    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        pieces = iter(split_columns(self.head(w), self.sizes))
        out = []
        for spec in self.specs:
            weight = demodulate(self.shared[spec.name] * (1 + next(pieces))[:, None, :])
            out.append(LayerWeights(weight, self.biases[spec.name] + 0.1 * next(pieces)))
        return out
