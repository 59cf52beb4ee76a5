"""Parameters of our generator and of the controls of every modality, and the cost of a forward and backward pass.

CPU time of the process on one thread, at the views that a training step has (of videos, some frames of every clip). The
generators of a modality take turns, so that other work on the machine slows them alike; the median of the rounds.

    python benchmarks/control_sizes.py --preset tiny --batch 16
"""

import argparse
import json
import statistics
import time
from typing import Any

import torch
from controls import CONTROLS, make_control

from inrgan import Generator, Modality, View
from inrgan.process import keep_freed_memory
from inrgan.registry import rebuild
from inrgan.samplers import FullGrid

MODALITIES = {
    "image": {"resolution": 64}, "spherical": {"resolution": 32}, "audio": {"resolution": 8192, "rate": 8000},
    "video": {"resolution": 32, "frames": 16, "fps": 8}, "occupancy": {"resolution": 32},
}  # fmt: skip


def generators(modality: Modality, preset: str) -> dict[str, Any]:
    """Our generator, and the controls of a modality."""
    torch.manual_seed(0)
    controls = {name: make_control(name, modality, preset=preset) for name in CONTROLS[modality.name]}
    return {"ours": Generator(modality, preset=preset), **controls}


def training_view(modality: Modality, *, batch: int) -> View:
    """A view of the loss ``full``."""
    sampler = modality.whole_sampler(FullGrid(modality.resolution))
    return sampler.draw(modality.domain, batch=batch, generator=torch.Generator().manual_seed(0))


def milliseconds(G: Any, view: View, *, batch: int) -> float:
    """CPU time of one forward and backward pass."""
    began = time.process_time()
    loss = G(torch.randn(batch, G.z_dim))(view).square().sum()
    torch.autograd.grad(loss, list(G.parameters()), allow_unused=True)
    return 1e3 * (time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modalities", default=",".join(MODALITIES))
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    for name in args.modalities.split(","):
        modality = rebuild(name, MODALITIES[name])
        made, view = generators(modality, args.preset), training_view(modality, batch=args.batch)
        times = {method: [] for method in made}
        for k in range(1 + args.rounds):
            for method, G in made.items():
                spent = milliseconds(G, view, batch=args.batch)
                times[method] += [spent] if k else []  # the first round makes what views keep
        for method, G in made.items():
            row = {
                "modality": name, "shape": list(view.shape), "method": method,
                "parameters": sum(p.numel() for p in G.parameters()), "cpu_ms": round(statistics.median(times[method])),
            }  # fmt: skip
            print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
