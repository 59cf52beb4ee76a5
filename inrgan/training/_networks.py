"""What the training loop asks of a generator, so that others can be trained under the same loop."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import torch

from inrgan._typing import Float, Int, Tensor
from inrgan.errors import DeviceError
from inrgan.hypernetwork import MappingNetwork
from inrgan.views import View


class TrainableGenerator(Protocol):
    """A module from latents to something that can be looked at from a view.

    ``inrgan.Generator`` is one; ``benchmarks/controls`` holds a convolutional one.
    """

    mapping: MappingNetwork
    z_dim: int

    def __call__(self, z: Float[Tensor, "B Z"], labels: Int[Tensor, "B"] | None = None) -> Callable[[View], Tensor]:
        """Latents to functions from a view to (B, C, *S)."""
        ...

    def field(self, w: Float[Tensor, "B W"]) -> Callable[[View], Tensor]:
        """Mapped latents to functions from a view to (B, C, *S)."""
        ...

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the weights and what rebuilds the network."""
        ...


def pick_device(name: str, *, local: int | None = None) -> torch.device:
    """``auto`` is a GPU where there is one; of several processes on a machine each takes the GPU of its number.

    Raises:
        DeviceError: a GPU was asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise DeviceError("device cuda was asked for, but torch sees no GPU here; use --device cpu or auto")
    if name not in ("auto", "cpu", "cuda"):
        raise DeviceError(f"unknown device {name!r}; expected auto, cpu or cuda")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    if local is None:
        return torch.device("cuda")
    if local >= torch.cuda.device_count():
        raise DeviceError(
            f"process {local} of this machine has no GPU of its own, of {torch.cuda.device_count()}; give torchrun a "
            "smaller --nproc-per-node, or inrgan --device cpu"
        )
    return torch.device("cuda", local)
