"""Train a small generator of textures on a mesh and view its samples from all sides.

    python examples/surface.py                                # built-in torus and textures, about three minutes
    python examples/surface.py --mesh chair.off --minutes 20
    python examples/surface.py --mesh bunny.glb --data textures --minutes 60 --resolution 64

Writes to --out: textures.png (a sheet of 16 samples, from outside), texture.glb (one sample as a mesh with colored
vertices, for any 3D program), turntable.gif (the same, rotating) and patch.png (a flattened close-up of four samples).
The run directory is in runs/ below it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan.process import tune_process

tune_process()  # before torch is loaded: threads that wait sleep soon, and freed memory is used again

from inrgan import Generator, SurfaceModality, Trainer, recipes

parser = argparse.ArgumentParser(description="Train a small generator of textures on a mesh.")
parser.add_argument("--mesh", default="torus", help="glb, obj, ply, stl or off file; the built-in torus when absent")
parser.add_argument("--data", help="values at the vertices: .npy, or a folder of colored meshes; built-in when absent")
parser.add_argument("--channels", type=int, default=3, help="3 for color, 1 for a scalar field (default: 3)")
parser.add_argument("--minutes", type=float, default=3, help="length of the training (default: 3)")
parser.add_argument("--out", type=Path, default=Path("."), help="output folder (default: here)")
parser.add_argument("--resolution", type=int, default=24, help="resolution in training (default: 24)")
args = parser.parse_args()

# 1. Train. The modality derives charts for the critic, patches along geodesics, and lattices from the mesh. The mesh
#    is stored in the checkpoint. The rest is as for images.
modality = SurfaceModality(resolution=args.resolution, channels=args.channels, mesh=args.mesh)
config = replace(recipes.tiny(modality), data=args.data, kimg=1000)
trainer = Trainer(config, outdir=args.out / "runs")
run = trainer.fit(max_minutes=args.minutes)
trainer.close()

# 2. Load the newest snapshot and sample it. Each seed gives one field: a function of points on the surface.
G = Generator.from_pretrained(run)
surface = modality.domain
fields = G.sample(range(16), truncation=0.9)
modality.write(fields.render(surface.shape(64)), args.out / "textures.png")

# 3. One sample at a higher resolution than in training. The suffix decides the format.
one = fields[3].render(surface.shape(128))
modality.write(one, args.out / "texture.glb")
modality.write(one, args.out / "turntable.gif")

# 4. A close-up: only the patch is evaluated.
place = surface.mesh.vertices[0].tolist()
near = surface.tangent((256, 256), center=place, side=0.3 * surface.mesh.area**0.5)
modality.write(fields[:4].look(near), args.out / "patch.png")

for name in ("textures.png", "texture.glb", "turntable.gif", "patch.png"):
    print(f"wrote {args.out / name}")
print(f"the run directory is {run}; continue with: inrgan sample {run} --seeds 5 --view camera:20,60 --out a.png")
