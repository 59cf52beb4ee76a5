"""Train at 32 pixels, render one sample at 2048 and view it in a browser.

    python examples/extreme_resolution.py                    # built-in shapes, about two minutes on two CPU cores
    python examples/extreme_resolution.py --size 65536       # 4.3 gigapixels: hours on a CPU, in the same memory

Writes big.tif (a tiled pyramid), big.dzi with big.html (open the page in a browser: scroll to zoom, drag to move) and
the run directory in runs/. A render that was stopped with Ctrl-C resumes with --run and the run directory.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan.process import tune_process

tune_process()  # before torch is loaded: threads that wait sleep soon, and freed memory is used again

import torch

from inrgan import Generator, ImageModality, Trainer, recipes
from inrgan.rendering import render_file

parser = argparse.ArgumentParser(description="Train at 32 pixels, render one sample at 2048 and view it.")
parser.add_argument("--run", help="run directory with a trained generator; trains one when absent")
parser.add_argument("--size", type=int, default=2048, help="rows and columns of the render (default: 2048)")
parser.add_argument("--minutes", type=float, default=1, help="length of the training (default: 1)")
parser.add_argument("--out", type=Path, default=Path("."), help="output folder (default: here)")
args = parser.parse_args()

# 1. A generator, from an earlier run or trained on the built-in shapes.
run = args.run
if run is None:
    trainer = Trainer(replace(recipes.tiny(ImageModality(resolution=32)), kimg=1000), outdir=args.out / "runs")
    run = trainer.fit(max_minutes=args.minutes)
    trainer.close()
G = Generator.from_pretrained(run, device="cuda" if torch.cuda.is_available() else "cpu")

# 2. Render seed 3 in tiles. Only one tile is in memory at a time, and finished tiles are stored in big.tif.partial
#    until the file is complete. Both formats hold the same render.
shape = (args.size, args.size)
for name in ("big.tif", "big.dzi"):
    print(f"wrote {render_file(G, args.out / name, seed=3, shape=shape, truncation=0.9)}")

# 3. A window of the same render alone, which equals that part of the full render bit for bit.
middle = slice(args.size // 2 - 64, args.size // 2 + 64)
part = G.sample([3], truncation=0.9).render(shape, window=(middle, middle))
G.modality.write(part.cpu(), args.out / "part.png")

# 4. A zoom instead of a crop: 512 samples over a sixteenth of the width.
render_file(
    G, args.out / "zoom.png", seed=3, shape=(512, 512), region=(-1 / 16, -1 / 16, 1 / 16, 1 / 16), truncation=0.9
)
print(f"the run directory is {run}; render more of it with: inrgan render {run} --resolution 4096 --out more.tif")
