"""Train a small generator of spherical signals and view its samples from all sides.

    python examples/spherical.py                       # built-in skies, about three minutes on two CPU cores
    python examples/spherical.py --data panoramas --minutes 60 --resolution 64
    python examples/spherical.py --data t2m.npy --channels 1 --low 210 --high 305 --minutes 60

Writes to --out: spheres.png (a sheet of 16 samples, equirectangular), north-pole.png (the north poles of the first
eight), globe.gif (a rotating globe) and panorama.html (the same sample from its center; open it in a browser). The run
directory is in runs/ below it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan.process import tune_process

tune_process()  # before torch is loaded: threads that wait sleep soon, and freed memory is used again

from inrgan import Generator, Sphere, SphericalModality, Trainer, recipes

parser = argparse.ArgumentParser(description="Train a small generator of spherical signals and view its samples.")
parser.add_argument("--data", help="panoramas, FIELD.npy or a NetCDF file; the built-in skies when absent")
parser.add_argument("--channels", type=int, default=3, help="3 for color, 1 for a scalar field (default: 3)")
parser.add_argument("--low", type=float, help="field value that is mapped to -1")
parser.add_argument("--high", type=float, help="field value that is mapped to 1")
parser.add_argument("--variable", default="", help="variable of NetCDF files")
parser.add_argument("--minutes", type=float, default=3, help="length of the training (default: 3)")
parser.add_argument("--out", type=Path, default=Path("."), help="output folder (default: here)")
parser.add_argument("--resolution", type=int, default=32, help="rows in training (default: 32)")
args = parser.parse_args()

# 1. Train. The grids, the critic and the metrics of the modality respect the poles and have no seam. The rest is as
#    for images.
modality = SphericalModality(
    resolution=args.resolution, channels=args.channels, low=args.low, high=args.high, variable=args.variable
)
config = replace(recipes.tiny(modality), data=args.data, kimg=1000)
trainer = Trainer(config, outdir=args.out / "runs")
run = trainer.fit(max_minutes=args.minutes)
trainer.close()

# 2. Load the newest snapshot and sample it. Each seed gives one field: a function from unit vectors to values.
G = Generator.from_pretrained(run)
fields = G.sample(range(16), truncation=0.9)
modality.write(fields.render((64, 128)), args.out / "spheres.png")

# 3. Render any view. A camera at the center of the sphere looks up to the north pole, where an equirectangular image
#    is distorted most and a field on the sphere is not.
above = Sphere().tangent((128, 128), center=(0, 90), fov=100)
modality.write(fields[:8].look(above), args.out / "north-pole.png")

# 4. One sample in detail: a rotating globe, and a page that shows it from the center, without a server or a network.
#    The suffix decides.
one = fields[3].render((256, 512))
modality.write(one, args.out / "globe.gif")
modality.write(one, args.out / "panorama.html")

for name in ("spheres.png", "north-pole.png", "globe.gif", "panorama.html"):
    print(f"wrote {args.out / name}")
print(f"the run directory is {run}; continue with: inrgan sample {run} --seeds 5 --view globe:0,40 --out globe.png")
