"""Which part of a step was the first to go bad."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from inrgan.errors import NonFiniteError
from inrgan.training._batches import Piece, Shown
from inrgan.training._layers import listen


def diagnose(G: Any, D: nn.ModuleDict, pieces: Sequence[Piece]) -> str | None:
    """The first of weights, reals, layers and gradients that is not finite, in words; None where all are.

    Args:
        G: the generator, with the gradients of the step that failed.
        D: the critics, with theirs.
        pieces: what the networks were shown in that step.
    """
    for name, network in (("generator", G), ("critic", D)):
        for key, value in network.state_dict().items():
            if not torch.isfinite(value).all():
                return f"the {name}'s weights {key} are not finite"
    for piece in pieces:
        for shown in piece.shown:
            found = _in_data(shown) or _in_layers(G, D, shown)
            if found is not None:
                return found
    # Gradients flow backwards: the last of a network's parameters is the first to have a bad one.
    for name, network in (("critic", D), ("generator", G)):
        for key, p in reversed(list(network.named_parameters())):
            if p.grad is not None and not torch.isfinite(p.grad).all():
                return f"every layer's output is finite, but the gradient of the {name}'s {key} is not"
    return None


def _in_data(shown: Shown) -> str | None:
    for x in shown.reals:
        bad = [i for i, item in enumerate(x) if not torch.isfinite(item).all()]
        if bad:
            return f"{len(bad)} of {len(x)} reals shown to {shown.term.name} hold NaN or infinity; look at the data"
    return None


def _in_layers(G: Any, D: nn.ModuleDict, shown: Shown) -> str | None:
    for layer, x in listen(G, D, shown):
        if not torch.isfinite(x).all():
            count = int((~torch.isfinite(x)).sum())
            return f"layer {layer} is the first to put out NaN or infinity ({count} of {x.numel()} values)"
    return None


def refuse_broken(networks: Mapping[str, nn.Module], *, advice: str) -> None:
    """Refuse to write weights that are not finite.

    Raises:
        NonFiniteError: with the first one's name.
    """
    for name, network in networks.items():
        for key, value in network.state_dict().items():
            if not torch.isfinite(value).all():
                raise NonFiniteError(f"the {name}'s {key} became NaN or infinite {advice}")
