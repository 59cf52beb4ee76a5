"""What the last step added to every parameter."""

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from inrgan._typing import Float, Tensor


@torch.no_grad()
def last_updates(
    networks: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Adam]
) -> Iterator[tuple[str, nn.Parameter, Float[Tensor, "..."]]]:
    """Name, value and last change of every parameter that was ever moved.

    The change is made again from what Adam keeps of it, so that no step has to keep the weights of before.

    Args:
        networks: by name.
        optimizers: by the same names, as they are after a step.

    Example:
        >>> list(last_updates({}, {}))
        []

    Paper:
        Kingma and Ba, Adam, 2015, algorithm 1.
    """
    for name, network in networks.items():
        optimizer, names = optimizers[name], {p: n for n, p in network.named_parameters()}
        for group in optimizer.param_groups:
            first, second = group["betas"]
            for p in group["params"]:
                kept = optimizer.state.get(p)
                if kept:  # none has had a gradient where it is empty
                    step = float(kept["step"])
                    root = kept["exp_avg_sq"].sqrt() / (1 - second**step) ** 0.5 + group["eps"]
                    yield f"{name}.{names[p]}", p, kept["exp_avg"] / root * (-group["lr"] / (1 - first**step))


@torch.no_grad()
def update_measures(
    networks: Mapping[str, nn.Module], optimizers: Mapping[str, torch.optim.Adam]
) -> dict[str, dict[str, float]]:
    """Norm of the last change of every parameter, and its ratio to the norm of the parameter, which zeros do not have.

    Args:
        networks: by name.
        optimizers: by the same names, as they are after a step.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> update_measures({"D": layer}, {"D": torch.optim.Adam(layer.parameters())})
        {}
    """
    names, norms = [], []
    for name, p, change in last_updates(networks, optimizers):
        names.append(name)
        norms.append(torch.stack([torch.linalg.vector_norm(change), torch.linalg.vector_norm(p)]))
    rows = torch.stack(norms).tolist() if norms else []
    return {
        name: {"norm": moved} | ({"ratio": moved / size} if size > 0 else {})
        for name, (moved, size) in zip(names, rows, strict=True)
    }
