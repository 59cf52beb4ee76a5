"""Train a small generator of 3D shapes and write its samples as images and meshes.

    python examples/occupancy.py                       # built-in shapes, about three minutes on two CPU cores
    python examples/occupancy.py --data chairs.zip --up z --minutes 60

Writes to --out: solids.png (a sheet of 16 shapes), turning.gif (four rotating shapes) and solids.glb (the same four as
meshes for any viewer). The run directory is in runs/ below it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan.process import tune_process

tune_process()  # before torch is loaded: threads that wait sleep soon, and freed memory is used again

from inrgan import Generator, OccupancyModality, Trainer, recipes

parser = argparse.ArgumentParser(description="Train a small generator of 3D shapes and write meshes.")
parser.add_argument("--data", help="folder or zip of meshes; the built-in shapes when absent")
parser.add_argument("--up", default="y", help="axis of the files that points up (default: y)")
parser.add_argument("--minutes", type=float, default=3, help="length of the training (default: 3)")
parser.add_argument("--out", type=Path, default=Path("."), help="output folder (default: here)")
parser.add_argument("--resolution", type=int, default=32, help="samples per side in training (default: 32)")
args = parser.parse_args()

# 1. Train. Meshes become signed distances; the critic sees the distances and their normals.
modality = OccupancyModality(resolution=args.resolution, up=args.up)
config = replace(recipes.tiny(modality), data=args.data, kimg=1000)
trainer = Trainer(config, outdir=args.out / "runs")
run = trainer.fit(max_minutes=args.minutes)
trainer.close()

# 2. Load the newest snapshot and sample it. Each seed gives one field: negative inside, positive outside.
G = Generator.from_pretrained(run)
fields = G.sample(range(16), truncation=0.8)
modality.write(fields.render((64, 64, 64)), args.out / "solids.png")
modality.write(fields[:4].render((64, 64, 64)), args.out / "turning.gif")

# 3. Extract meshes from the fields, which are evaluated finely only near their surfaces.
modality.write_field(fields[:4], args.out / "solids.glb", shape=(128, 128, 128))

for name in ("solids.png", "turning.gif", "solids.glb"):
    print(f"wrote {args.out / name}")
print(f"the run directory is {run}; continue with: inrgan sample {run} --seeds 5 --resolution 256 --out one.glb")
