"""Time and memory of mesh extraction, adaptively and from a dense grid, each in a process of its own.

    python benchmarks/extraction.py --sides 128,256,512,1024
    python benchmarks/extraction.py --run RUN --sides 128,256 --dense 128

The field is a chair in closed form, or a sample of a generator. ``near`` evaluates it near the surface, block by
block; ``dense`` evaluates every sample of one grid and runs marching cubes on it. Normals and files are left out. Time
is CPU time on one thread. Peak memory is that of the process, including Python and libraries, whose memory before the
first sample is stated.
"""

import argparse
import resource
import subprocess
import sys
import time

import torch
from inrgan_modalities.occupancy import chair, extract, field_function

from inrgan import Generator


def measure(side: int, *, dense: bool, run: str | None, seed: int) -> str:
    torch.set_num_threads(1)
    asked = 0
    if run is None:
        shape = chair(width=0.5, depth=0.5, seat=-0.1, back=0.8, leg=0.08, thick=0.08)
        inner, coarse = shape.distance, 64
    else:
        G = Generator.from_pretrained(run)
        inner, coarse = field_function(G.sample([seed]), spacing=2 / side), 2 * G.modality.resolution

    def function(points):
        nonlocal asked
        asked += len(points)
        return inner(points)

    extract(function, 16)  # libraries are loaded
    before, asked, start = peak(), 0, time.process_time()
    if dense:
        mesh = extract(function, side, adaptive=False, block=side + 1)
    else:
        mesh = extract(function, side, coarse=coarse)
    seconds, most = time.process_time() - start, peak()
    closed = "closed" if mesh.closed else "OPEN"
    return (
        f"{side:5d}  {'dense' if dense else 'near ':5}  {seconds:8.1f} s  {most:6.2f} GiB (before: {before:.2f})  "
        f"{asked / 1e6:8.2f} M samples ({asked / side**3:6.1%})  {len(mesh.vertices):9d} vertices  {closed}"
    )


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="run directory or folder of a generator; a closed form when absent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sides", default="128,256,512,1024")
    parser.add_argument("--dense", default="128,256,512", help="sides at which the dense grid is measured too")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--whole", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(measure(args.one, dense=args.whole, run=args.run, seed=args.seed))
        return
    for side in args.sides.split(","):
        for extra in ([], ["--whole"]):
            if extra and side not in args.dense.split(","):
                continue
            done = subprocess.run([sys.executable, *sys.argv, "--one", side, *extra], capture_output=True, text=True)
            print(
                (done.stdout or done.stderr or f"{side} ended by {done.returncode}").strip().splitlines()[-1],
                flush=True,
            )


if __name__ == "__main__":
    main()
