"""Effect of shifted views on the field outside the box, for stationary textures.

Two generators are trained equally for the same steps, one of them with views shifted by up to half the box. Windows of
the size of the box, at increasing distances, are then compared with reals by the sliced Wasserstein distance. The
generators are written to the folders plain and shifted of --out.

    python benchmarks/extrapolation.py --steps 600 --out results/
"""

import argparse
import math
import time
from pathlib import Path

import torch

from inrgan import Box, CriticSizes, Field, Generator, ImageModality
from inrgan.losses import RelativisticLoss, gradient_penalty
from inrgan.metrics import evaluate
from inrgan.samplers import AbstractSampler, FullGrid, Shifted
from inrgan.views import View

OFFSETS = (0.0, 0.5, 1.0, 1.5, 2.0)  # in coordinate units: 2 is the width of the box
MODALITY = ImageModality(resolution=32, channels=1)


def textures(view: View, count: int, *, generator: torch.Generator) -> torch.Tensor:
    """Stationary textures of three plane waves, with random directions and phases and 1.5 to 3 cycles per unit."""
    turn = torch.rand(count, 3, 2, generator=generator) * 2 * math.pi
    length = 1.5 + 1.5 * torch.rand(count, 3, 1, generator=generator)
    frequency = length * torch.stack([torch.cos(turn[..., 0]), torch.sin(turn[..., 0])], dim=-1)
    phase = 2 * math.pi * (frequency @ view.coords.transpose(1, 2)) + turn[..., 1:]
    return torch.cos(phase).sum(dim=1).reshape(count, 1, *view.shape) * 0.3


def train(sampler: AbstractSampler, *, steps: int, batch: int = 16) -> Generator:
    torch.manual_seed(0)
    rng = torch.Generator().manual_seed(0)
    G, loss = Generator(MODALITY, preset="tiny"), RelativisticLoss()
    D = MODALITY.critic(CriticSizes(width=16, max_width=64))
    to_G, to_D = (torch.optim.Adam(m.parameters(), lr=2e-3, betas=(0.0, 0.99)) for m in (G, D))
    for step in range(steps):
        view = sampler.draw(Box(2), batch=batch, generator=rng)
        reals = textures(sampler.reals_view(view, domain=Box(2)), batch, generator=rng)
        fakes = G(torch.randn(batch, G.z_dim, generator=rng))(view)
        loss_D = loss.critic(D(reals, view), D(fakes.detach(), view))
        if step % 4 == 0:
            penalties = [gradient_penalty(lambda x, v=view: D(x, v), seen, view) for seen in (reals, fakes)]
            loss_D = loss_D + 2e-3 * (penalties[0] + penalties[1])
        descend(to_D, loss_D)
        D.requires_grad_(False)
        descend(to_G, loss.generator(D(reals, view), D(fakes, view)))
        D.requires_grad_(True)
    return G.eval()


def descend(optimizer: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def distances(field: Field) -> list[float]:
    box, rng = Box(2), torch.Generator().manual_seed(1)
    real = textures(box.grid((32, 32)), len(field), generator=rng)
    rows = []
    for offset in OFFSETS:
        fake = field.render((32, 32), region=(offset - 1, -1, offset + 1, 1))
        rows += [s.value for s in evaluate(real, fake, metrics=["swd"], seed=0)]
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--out", type=Path, default=Path("."))
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    print("sliced Wasserstein distance of windows shifted along x by", *OFFSETS)
    for name, sampler in (("plain", FullGrid(32)), ("shifted", Shifted(FullGrid(32), shift=0.5))):
        began = time.process_time()
        G = train(sampler, steps=args.steps)
        G.save_pretrained(args.out / name)
        field = G.sample(range(512))
        minutes = (time.process_time() - began) / 60
        print(f"{name:<8}", *(f"{d:6.1f}" for d in distances(field)), f"  {minutes:.1f} CPU minutes", flush=True)
    rng = torch.Generator().manual_seed(2)
    two = [textures(Box(2).grid((32, 32)), 512, generator=rng) for _ in range(2)]
    print(f"real against real {evaluate(*two, metrics=['swd'], seed=0)[0].value:.1f}")


if __name__ == "__main__":
    main()
