"""What decides the numbers of a render."""

import hashlib
import json
from collections.abc import Sequence
from typing import Any

import torch

from inrgan._parsing import to_plain
from inrgan.field import block_sides
from inrgan.generator import Generator


def describe(
    G: Generator,
    *,
    seed: int,
    shape: Sequence[int],
    region: Sequence[float] | None,
    truncation: float,
    label: int | str | None,
) -> dict[str, Any]:
    """Everything that an unfinished render must agree in to go on, as plain JSON values."""
    return {
        "generator": fingerprint(G),
        "seed": seed,
        "shape": list(shape),
        "region": None if region is None else [float(x) for x in region],
        "truncation": float(truncation),
        "label": None if label is None else G.label_index(label),
        "block": list(block_sides(shape)),
        "computed on": _machine(G.device),
    }


def fingerprint(G: Generator) -> str:
    """A hash of everything that a generator's fields depend on."""
    described = {
        "modality": [G.modality.name, G.modality.arguments()],
        "sizes": to_plain(G.sizes),
        "labels": G.labels,
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name, tensor in sorted(G.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _machine(device: torch.device) -> str:
    """What decides the last bits of a product: kernels, and on a CPU the threads that share them."""
    if device.type == "cuda":
        return f"torch {torch.__version__}, {torch.cuda.get_device_name(device)}"
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {device.type} {kernels}, threads: {torch.get_num_threads()}"
