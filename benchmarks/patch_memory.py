"""Peak memory of training steps with dense patches, by the full size of the signal, each in a process of its own.

python benchmarks/patch_memory.py --sizes 256,1024,4096,16384
"""

import argparse
import resource
import subprocess
import sys
import tempfile

import torch

from inrgan import ImageModality, TrainConfig, Trainer
from inrgan.losses import LossOptions


def measure(size: int, *, patch: int, batch: int, steps: int) -> float:
    torch.set_num_threads(1)
    config = TrainConfig(
        modality=ImageModality(resolution=size), losses=("full", "dense-patch"), batch=batch, device="cpu",
        views=LossOptions(patch=patch, whole=64, patch_start=0, patch_ramp=0),
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(config, outdir=folder, quiet=True)
        for _ in range(steps):
            trainer.train_step()
        trainer.close()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="256,1024,4096,16384")
    parser.add_argument("--patch", type=int, default=64)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(f"{measure(args.one, patch=args.patch, batch=args.batch, steps=args.steps):.3f}")
        return
    for size in args.sizes.split(","):
        done = subprocess.run([sys.executable, *sys.argv, "--one", size], capture_output=True, text=True)
        print(f"{size:>6} pixels: {(done.stdout or done.stderr).strip().splitlines()[-1]} GiB", flush=True)


if __name__ == "__main__":
    main()
