"""Strength of the gradient penalty at several resolutions: the penalized norm of new critics for one signal.

Residual critics that are built for a resolution, as in training, evaluate a smooth signal at that resolution. The mean
over many initializations estimates the expected norm, with its standard error.

    python benchmarks/penalty_strength.py --critics 96
"""

import argparse

import torch

from inrgan import Box, ResidualCritic
from inrgan.losses import gradient_penalty
from inrgan.views import View


def signal(view: View) -> torch.Tensor:
    x, y = view.coords.unbind(dim=-1)
    waves = torch.stack([torch.sin(2 * x + y), torch.cos(3 * y - x), torch.sin(2 * x * y)], dim=1)
    return 0.7 * waves.unflatten(-1, view.shape)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--resolutions", default="16,32,64,128,256")
    parser.add_argument("--critics", type=int, default=96)
    parser.add_argument("--width", type=int, default=16)
    args = parser.parse_args()
    torch.set_num_threads(1)
    for n in (int(r) for r in args.resolutions.split(",")):
        view = Box(2).grid((n, n))
        norms = []
        for seed in range(args.critics):
            torch.manual_seed(seed)
            critic = ResidualCritic(
                2, 3, resolution=n, spacing=(2 / n, 2 / n), width=args.width, max_width=4 * args.width
            )
            norms.append(gradient_penalty(lambda x, c=critic, v=view: c(x, v), signal(view), view).detach().sqrt())
        norm = torch.stack(norms)
        print(f"{n:4d} pixels: {norm.mean():.3f} ± {norm.std() / len(norms) ** 0.5:.3f}", flush=True)


if __name__ == "__main__":
    main()
