"""Train a small generator of spheres, then look at what it learned from all sides.

    python examples/spherical.py                       # built-in skies, about three minutes on two CPU cores
    python examples/spherical.py --data panoramas --minutes 60 --resolution 64
    python examples/spherical.py --data t2m.npy --channels 1 --low 210 --high 305 --minutes 60

Leaves four files in --out: spheres.png (a sheet of 16, equirectangular), north-pole.png (the first eight from above
their poles), globe.gif (one that turns) and panorama.html (the same from its middle; open it in a browser). The
training's own files are in runs/ below it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan import Generator, Sphere, SphericalModality, Trainer, recipes
from inrgan.process import keep_freed_memory

parser = argparse.ArgumentParser(description="Train a small generator of spheres, then look at it from all sides.")
parser.add_argument("--data", help="panoramas, FIELD.npy or a NetCDF file; the built-in skies when absent")
parser.add_argument("--channels", type=int, default=3, help="3 for color, 1 for a scalar field (default: 3)")
parser.add_argument("--low", type=float, help="of fields, the value that becomes -1")
parser.add_argument("--high", type=float, help="of fields, the value that becomes 1")
parser.add_argument("--variable", default="", help="of NetCDF files, which variable")
parser.add_argument("--minutes", type=float, default=3, help="length of the training (default: 3)")
parser.add_argument("--out", type=Path, default=Path("."), help="where to write (default: here)")
parser.add_argument("--resolution", type=int, default=32, help="rows in training, not in results (default: 32)")
args = parser.parse_args()
keep_freed_memory()  # this program owns its process; CPU tensors come faster from memory that is at hand

# 1. Train. The modality says that signals live on a sphere: its grids, its critic and its scores know the poles and
#    have no seam. The rest is as for images.
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

# 3. Look from anywhere. A camera in the middle of the sphere looks up to the north pole: an equirectangular picture
#    has its worst place there, a field on the sphere has none.
above = Sphere().tangent((128, 128), center=(0, 90), fov=100)
modality.write(fields[:8].look(above), args.out / "north-pole.png")

# 4. One of them in detail: from outside, turning, and from its middle, in a page that needs no server and no network.
#    The suffix says which.
one = fields[3].render((256, 512))
modality.write(one, args.out / "globe.gif")
modality.write(one, args.out / "panorama.html")

for name in ("spheres.png", "north-pole.png", "globe.gif", "panorama.html"):
    print(f"wrote {args.out / name}")
print(
    f"the run directory is {run}; go on from it with: inrgan sample {run} --seeds 5 --view globe:0,40 --out globe.png"
)
