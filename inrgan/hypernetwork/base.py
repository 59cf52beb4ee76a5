"""Hypernetworks: from mapped latents to the weights of a backbone."""

import abc
import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn

from inrgan._typing import Float, Tensor
from inrgan.inr import LayerSpec, LayerWeights, Weights
from inrgan.layers import EqualizedLinear


class AbstractHypernetwork(nn.Module, abc.ABC):
    """w to the weights of every layer of a backbone."""

    shared: nn.ParameterDict
    """The weights that all samples are modulations of, at scale 1, by layer name."""

    @abc.abstractmethod
    def forward(self, w: Float[Tensor, "B W"]) -> list[LayerWeights]:
        """Weights for every sample, one entry per layer of the backbone."""

    @abc.abstractmethod
    def set_base(self, weights: Weights) -> None:
        """Take other weights for those that all samples are modulations of: what comes of w = 0, in a new network.

        Args:
            weights: of one function.
        """

    @torch.no_grad()
    def rescale(self, factors: Sequence[tuple[float, float]]) -> None:
        """Make modulations larger or smaller.

        Args:
            factors: for each layer, of the modulation of its weight and of that of its bias.
        """
        heads, starts = {"": self.head, **self.part_heads}, dict.fromkeys(self._names, 0)
        for kind, sizes, (of_weight, of_bias) in zip(self._kinds, self._sizes, factors, strict=True):
            for piece, count in enumerate(sizes):
                # The last piece is the bias's; the others are multiplied with each other, where there are several.
                factor = of_bias if piece == len(sizes) - 1 else of_weight ** (1 / (len(sizes) - 1))
                rows = slice(starts[kind], starts[kind] + count)
                heads[kind].weight[rows] *= factor
                starts[kind] += count

    def _make_heads(
        self, specs: Sequence[LayerSpec], sizes: Sequence[Sequence[int]], *, w_dim: int, parts: Mapping[str, int]
    ) -> None:
        """One linear layer for all that depends on the main part of w, and one for what depends on each other part.

        ``sizes`` are the numbers that each layer of the backbone asks for, in pieces; the parts are the last entries
        of w, in their order.
        """
        self._ends = [w_dim - sum(parts.values())]
        for width in parts.values():
            self._ends.append(self._ends[-1] + width)
        self._names = ("", *parts)
        self._kinds, self._sizes = [s.part for s in specs], [list(own) for own in sizes]
        assert set(self._kinds) <= set(self._names), "a layer asks for a part of the latent that there is not"
        main = self._ends[0]
        self.head = EqualizedLinear(main, self._total(""))
        self.part_heads = nn.ModuleDict(
            {name: EqualizedLinear(main + width, self._total(name)) for name, width in parts.items()}
        )

    def _total(self, part: str) -> int:
        return sum(sum(own) for kind, own in zip(self._kinds, self._sizes, strict=True) if kind == part)

    def _pieces(self, w: Float[Tensor, "B W"]) -> Iterator[Tensor]:
        """The pieces of all layers, in order."""
        main = w[:, : self._ends[0]]
        done = {"": self.head(main)}
        for name, start, stop in zip(self._names[1:], self._ends[:-1], self._ends[1:], strict=True):
            done[name] = self.part_heads[name](torch.cat([main, w[:, start:stop]], dim=1))
        split = {
            name: iter(
                torch.split(
                    x, [n for k, own in zip(self._kinds, self._sizes, strict=True) if k == name for n in own], 1
                )
            )
            for name, x in done.items()
        }
        for kind, own in zip(self._kinds, self._sizes, strict=True):
            for _ in own:
                yield next(split[kind])


def demodulate(weight: Float[Tensor, "B O I"]) -> Float[Tensor, "B O I"]:
    """Scale every row to unit length, so that a layer keeps the scale of what it is given.

    The output magnitude of a generated layer is otherwise proportional to that of the latent, and grows from
    layer to layer. (Karras et al. 2020, eq. 3.)

    Example:
        >>> demodulate(torch.ones(1, 2, 4))[0, 0].norm().item()
        1.0
    """
    return weight * torch.rsqrt(weight.square().sum(dim=-1, keepdim=True) + 1e-12)


@torch.no_grad()
def put(shared: nn.ParameterDict, specs: Sequence[LayerSpec], weights: Weights) -> None:
    """Put the weights of one function into a template, at scale 1."""
    for spec, layer in zip(specs, weights, strict=True):
        shared[spec.name].copy_(layer.weight[0] * math.sqrt(spec.inputs))


def template(specs: Sequence[LayerSpec]) -> nn.ParameterDict:
    """The weights that all samples share, at scale 1, by layer name."""
    return nn.ParameterDict({s.name: nn.Parameter(torch.randn(s.outputs, s.inputs)) for s in specs})
