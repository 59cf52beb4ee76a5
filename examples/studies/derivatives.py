"""Samples are functions: their derivatives are exact. Edges of images, normals of 3D shapes, velocities in videos.

    python examples/studies/derivatives.py --arm shape --minutes 2

The derivative of automatic differentiation, and central differences of several steps, against the derivative in double
precision.
"""

import copy
import time
from collections.abc import Callable
from pathlib import Path

import torch
from _study import TRIAL, Study, run_alone
from _training import TRAINED, trained

from inrgan import Field, ImageModality, Modality, OccupancyModality, VideoModality, recipes

ARMS: dict[str, Modality] = {
    "image": ImageModality(resolution=16),
    "shape": OccupancyModality(resolution=16),
    "video": VideoModality(resolution=16, frames=8, fps=8.0),
}
STEPS = (1.0, 0.25, 1 / 16, 1 / 64, 1 / 256, 1 / 1024)
"""Steps of central differences, in samples of the training resolution; 1 is the difference of neighbouring samples."""


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Train a little, and differentiate."""
    modality = ARMS[arm]
    config = recipes.tiny(modality)
    trainer = trained(config, seed=seed, minutes=TRAINED * minutes, device=device, folder=folder)
    G, points = trainer.ema, 16 if minutes < TRIAL else 512
    exact = copy.deepcopy(G).double()
    x = modality.domain.sample(points, generator=torch.Generator().manual_seed(seed)).to(device).float()
    field, reference = G.sample([0]), exact.sample([0])
    truth = gradient(reference, x.double())
    if isinstance(modality, VideoModality):  # what moves at a point, across its edges: velocities need edges
        edges = truth[:, :2].norm(dim=1)
        keep = edges > edges.median()
        x, truth = x[keep], truth[keep]
    unit = x.new_tensor(modality.domain.spacings(modality.resolution))
    plain, _ = timed(lambda: field(x))
    took, found = timed(lambda: gradient(field, x))
    lines = {"analytic": {f"error {arm}": error(found, truth, arm), f"cost {arm}": took / plain}}
    for step in STEPS:
        took, found = timed(lambda h=step * unit: differences(field, x, h))
        lines[f"difference over ±{step / 2:g} samples"] = {
            f"error {arm}": error(found, truth, arm), f"cost {arm}": took / plain
        }  # fmt: skip
    return lines


def gradient(field: Field, x: torch.Tensor) -> torch.Tensor:
    """Gradient of the mean of the channels with respect to the coordinates, (N, D)."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(field(x).mean(dim=-1).sum(), x)[0]


@torch.no_grad()
def differences(field: Field, x: torch.Tensor, step: torch.Tensor) -> torch.Tensor:
    """The gradient by central differences: two evaluations for each coordinate."""
    columns = []
    for d, h in enumerate(step):
        aside = torch.zeros_like(x)
        aside[:, d] = h / 2
        columns.append((field(x + aside) - field(x - aside)).mean(dim=-1)[0] / h)
    return torch.stack(columns, dim=1)


def error(found: torch.Tensor, truth: torch.Tensor, arm: str) -> float:
    """Mean angle between edges or normals in degrees; of videos the relative error of velocities across edges."""
    found = found.double()
    if arm == "video":
        found, truth = (-g[:, 2:] * g[:, :2] / g[:, :2].square().sum(dim=1, keepdim=True) for g in (found, truth))
        return float(((found - truth).norm(dim=1) / truth.norm(dim=1).clamp(min=1e-12)).median())
    between = torch.linalg.cross(_3d(found), _3d(truth), dim=1).norm(dim=1)  # precise where angles are small
    return float(torch.atan2(between, (found * truth).sum(dim=1)).rad2deg().mean())


def _3d(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.pad(x, (0, 3 - x.shape[1]))


def timed(call: Callable[[], torch.Tensor], *, times: int = 5) -> tuple[float, torch.Tensor]:
    """Shortest of several times of a call (CPU time on a CPU), and its result."""
    took, out = [], call()
    for _ in range(times):
        on_gpu = out.device.type == "cuda"
        clock = time.perf_counter if on_gpu else time.process_time
        began = clock()
        out = call()
        if on_gpu:
            torch.cuda.synchronize()
        took.append(clock() - began)
    return min(took), out


STUDY = Study(
    name="derivatives",
    question="How much better are exact derivatives than finite differences?",
    arms=tuple(ARMS),
    share=0.5,
    measure=study,
    columns={
        "error image": "edges of images, degrees",
        "error shape": "normals of 3D shapes, degrees",
        "error video": "velocities in videos, relative",
        **{f"cost {arm}": f"cost, {arm}" for arm in ARMS},
    },
    protocol=(
        "`tiny` generators of 16 samples a side (videos: 8 frames), trained for a short time; fp32, at 512 random "
        "places. The truth is the derivative in double precision. Mean angles between gradients; median relative "
        "error of the velocity −∂f/∂t ∇f/|∇f|² across edges, where these are stronger than at half of the places. "
        "Cost: times that of the values alone. A difference over ±½ sample is that of neighbours in an array of "
        "the training resolution."
    ),
    renamed={"picture": "image", "solid": "shape", "film": "video"},
)


if __name__ == "__main__":
    run_alone(STUDY, about=__doc__, arm="shape", minutes=2)
