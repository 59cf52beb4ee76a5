"""Train at 32 pixels, render one sample at 2048 and look at it in a browser.

    python examples/extreme_resolution.py                    # built-in shapes, about two minutes on two CPU cores
    python examples/extreme_resolution.py --size 65536       # 4.3 gigapixels: hours on a CPU, in the same memory

Leaves big.tif (a tiled pyramid), big.dzi with big.html (open the page in a browser: scroll to zoom, drag to move) and
the training's own files in runs/. Stop it with Ctrl-C while it renders: with --run and the run directory, it
goes on where it was.
"""

import argparse
from dataclasses import replace
from pathlib import Path

import torch

from inrgan import Generator, ImageModality, Trainer, recipes
from inrgan.process import keep_freed_memory
from inrgan.rendering import render_file

parser = argparse.ArgumentParser(description="Train at 32 pixels, render one sample at 2048 and look at it.")
parser.add_argument("--run", help="take this run's generator instead of training one")
parser.add_argument("--size", type=int, default=2048, help="rows and columns of the render (default: 2048)")
parser.add_argument("--minutes", type=float, default=1, help="length of the training (default: 1)")
parser.add_argument("--out", type=Path, default=Path("."), help="where to write (default: here)")
args = parser.parse_args()
keep_freed_memory()  # this program owns its process; CPU tensors come faster from memory that is at hand

# 1. A generator: of an earlier run, or trained on the built-in shapes.
run = args.run
if run is None:
    trainer = Trainer(replace(recipes.tiny(ImageModality(resolution=32)), kimg=1000), outdir=args.out / "runs")
    run = trainer.fit(max_minutes=args.minutes)
    trainer.close()
G = Generator.from_pretrained(run, device="cuda" if torch.cuda.is_available() else "cpu")

# 2. Render seed 3 in tiles. Only a tile is ever in memory, and finished tiles are kept in big.tif.partial until the
#    file is whole. Both calls take the same samples, so this is also one render in two formats.
shape = (args.size, args.size)
for name in ("big.tif", "big.dzi"):
    print(f"wrote {render_file(G, args.out / name, seed=3, shape=shape, truncation=0.9)}")

# 3. A part of the same render, without the rest of it: its numbers are those of the whole, bit for bit.
middle = slice(args.size // 2 - 64, args.size // 2 + 64)
part = G.sample([3], truncation=0.9).render(shape, window=(middle, middle))
G.modality.write(part.cpu(), args.out / "part.png")

# 4. A zoom instead of a crop: 512 samples over a sixteenth of the width.
render_file(
    G, args.out / "zoom.png", seed=3, shape=(512, 512), region=(-1 / 16, -1 / 16, 1 / 16, 1 / 16), truncation=0.9
)
print(f"the run directory is {run}; render more of it with: inrgan render {run} --resolution 4096 --out more.tif")
