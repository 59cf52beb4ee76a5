"""Which units the weights of a backbone connect: what can change places without any change of the function."""

from collections.abc import Mapping, Sequence

from inrgan._typing import Int, Tensor
from inrgan.inr._base import LayerUnits, LayerWeights, Weights


def permuted(
    weights: Weights, units: Sequence[LayerUnits], permutations: Mapping[str, Int[Tensor, "U"]]
) -> list[LayerWeights]:
    """The weights with the units of some sets in other places, in all layers alike: the same function.

    Args:
        weights: of a backbone.
        units: of the same backbone, its ``units()``.
        permutations: of the sets that change, by name: where the units of each place come from.

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
