"""Peak memory and time per megapixel of renders to files, each in a process of its own.

Memory and time per megapixel should not depend on the size. The generator is untrained, which affects neither. A larger
render of one field is smoother, however, and compresses faster. With ``--density``, all sizes show a central part of
the field at the same sampling density, so that a megapixel has the same detail at every size.

    python benchmarks/rendering.py --sizes 2048,4096 --suffixes .tif,.png
    python benchmarks/rendering.py --sizes 4096,32768 --suffixes .tif --width 16 --density 32768
    python benchmarks/rendering.py --sizes 2048 --suffixes .tif --modality spherical
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from inrgan import Generator, ImageModality
from inrgan.encodings import FourierEncoding
from inrgan.process import keep_freed_memory
from inrgan.registry import modality_class
from inrgan.rendering import render_file


@dataclass(frozen=True)
class FewWaves(ImageModality):
    """Images with few Fourier features, which dominate the cost of a small network."""

    def encoding(self, spacing: float) -> FourierEncoding:
        return FourierEncoding(2, longest_period=self.domain.longest_period, spacing=spacing, octaves=1, oblique=4)


def measure(args: argparse.Namespace) -> dict[str, float | int | str]:
    keep_freed_memory()  # as the command line does
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    if args.width is None:
        G = Generator(modality_class(args.modality)(resolution=64), preset=args.preset)
    else:
        G = Generator(FewWaves(resolution=64), preset=args.preset, widths=(args.width,) * 3, depths=(1, 1, 1))
    G = G.eval().to(args.device)
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / f"render{args.suffix}"
        half = 1 if args.density is None else args.size / args.density
        shape = (args.size, args.size) if args.modality == "image" else (args.size // 2, args.size)
        region = (-half, -half, half, half) if args.modality == "image" else None
        start, cpu_seconds = time.perf_counter(), time.process_time()
        render_file(G, path, seed=3, shape=shape, region=region, quiet=True)
        seconds, cpu_seconds = time.perf_counter() - start, time.process_time() - cpu_seconds
        files = path.parent.rglob("*")
        written = sum(p.stat().st_size for p in files if p.is_file())
    megapixels = math.prod(shape) / 1e6
    return {
        "modality": args.modality,
        "preset": args.preset if args.width is None else f"{args.preset}, one layer of {args.width} per stage, 6 waves",
        "suffix": args.suffix,
        "size": args.size,
        "seconds_per_megapixel": round(seconds / megapixels, 3),
        "cpu_seconds_per_megapixel": round(cpu_seconds / megapixels, 3),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "file_mb": round(written / 1e6, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--width", type=int, help="one layer of this width in every stage, for renders of gigapixels")
    parser.add_argument("--modality", choices=("image", "spherical"), default="image")
    parser.add_argument("--sizes", default="2048,4096", help="columns; as many rows, or half as many of a sphere")
    parser.add_argument("--density", type=int, help="samples over the full box; smaller sizes show a part of it")
    parser.add_argument("--suffixes", default=".tif,.png,.dzi,.zarr")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--folder", help="folder of temporary files (default: that of the system)")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.modality != "image" and (args.width is not None or args.density is not None):
        parser.error("--width and --density are for images")
    if args.one:
        size, args.suffix = args.one.split(":")
        args.size = int(size)
        print(json.dumps(measure(args)))
        return
    for suffix in args.suffixes.split(","):
        for size in args.sizes.split(","):
            done = subprocess.run(
                [sys.executable, *sys.argv, "--one", f"{size}:{suffix}"], capture_output=True, text=True
            )
            last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
            print((last or ["no output"])[0], flush=True)


if __name__ == "__main__":
    main()
