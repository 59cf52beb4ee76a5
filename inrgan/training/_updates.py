"""What the last step added to every parameter."""

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from inrgan._typing import Float, Tensor
from inrgan.training._descent import Descent


@torch.no_grad()
def last_updates(
    networks: Mapping[str, nn.Module], descents: Mapping[str, Descent]
) -> Iterator[tuple[str, nn.Parameter, Float[Tensor, "..."]]]:
    """Name, value and last change of every parameter that was ever moved.

    The change is made again from what Adam keeps of it and the descent of its shortening, so that no step has to keep
    the weights of before.

    Args:
        networks: by name.
        descents: by the same names, as they are after a step.

    Example:
        >>> list(last_updates({}, {}))
        []

    Paper:
        Kingma and Ba, Adam, 2015, algorithm 1.
    """
    for name, network in networks.items():
        optimizer, names = descents[name].optimizer, {p: n for n, p in network.named_parameters()}
        for group in optimizer.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                kept = optimizer.state.get(p)
                if kept:  # none has had a gradient where it is empty
                    step = float(kept["step"])
                    root = kept["exp_avg_sq"].sqrt() / (1 - second**step) ** 0.5 + group["eps"]
                    change = kept["exp_avg"] / root * (-group["lr"] / (1 - first**step))
                    yield f"{name}.{names[p]}", p, change * descents[name].shares.get(p, 1.0)


@torch.no_grad()
def update_measures(networks: Mapping[str, nn.Module], descents: Mapping[str, Descent]) -> dict[str, dict[str, float]]:
    """Norm of the last change of every parameter, and its ratio to the norm of the parameter, which zeros do not have.

    Args:
        networks: by name.
        descents: by the same names, as they are after a step.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> descent = Descent(torch.optim.Adam(layer.parameters()), ranks=Ranks())
        >>> update_measures({"D": layer}, {"D": descent})
        {}
    """
    names, norms = [], []
    for name, p, change in last_updates(networks, descents):
        names.append(name)
        norms.append(torch.stack([torch.linalg.vector_norm(change), torch.linalg.vector_norm(p)]))
    rows = torch.stack(norms).tolist() if norms else []
    return {
        name: {"norm": moved} | ({"ratio": moved / size} if size > 0 else {})
        for name, (moved, size) in zip(names, rows, strict=True)
    }
