"""Sample an image more densely where it has detail, and measure the gain.

    python examples/variable_density.py            # built-in shapes, about a minute on two CPU cores
    python examples/variable_density.py --run RUN  # fields of a trained generator

Writes variable_density.png to --out: the field, the points, the raster from them, and the raster from a uniform grid
with the same number of points.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan.process import tune_process

tune_process()  # before torch is loaded: threads that wait sleep soon, and freed memory is used again

import torch
from torch.nn.functional import interpolate

from inrgan import Generator, ImageModality, Trainer, recipes
from inrgan.density import evaluate, foveated, gradient_magnitude, reconstruct, sample_density

parser = argparse.ArgumentParser(description="Sample an image more densely where it has detail.")
parser.add_argument("--run", help="run directory; trains briefly when absent")
parser.add_argument("--out", type=Path, default=Path("."), help="output folder (default: here)")
parser.add_argument("--minutes", type=float, default=0.7, help="length of the training (default: 0.7)")
parser.add_argument("--points", type=int, default=400, help="number of points, a square number (default: 400)")
parser.add_argument("--seed", type=int, default=4, help="seed of the field (default: 4)")
args = parser.parse_args()

# 1. A field: a function from coordinates to colors, without pixels.
run = args.run
if run is None:
    trainer = Trainer(replace(recipes.tiny(ImageModality(resolution=32)), kimg=1000), outdir=args.out / "runs")
    run = trainer.fit(max_minutes=args.minutes)
    trainer.close()
G = Generator.from_pretrained(run)
field, domain = G.sample([args.seed]), G.modality.domain
shape = (256, 256)
truth = field.render(shape)

# 2. A density map determines how dense samples are. It is any function of coordinates, or an array over the domain
#    (ArrayDensity). Two are built in: the gradient of a coarse render, and the acuity of the eye.
maps = {"gradient": gradient_magnitude(field, resolution=32), "foveated": foveated((0.0, 0.0), domain=domain)}

# 3. Points whose density follows the map, exactly --points of them. They are a View like any other: each point has its
#    own spacing, to which the field is band-limited, and a weight, the fraction of the domain that it represents.
rasters, points = {}, {}
for name, density in maps.items():
    view = sample_density(density, domain, points=args.points, generator=torch.Generator().manual_seed(0))
    values = evaluate(field, view)  # (1, 3, points)
    points[name] = view.coords[0]
    rasters[name] = reconstruct(view.coords[0], values, shape=shape, domain=domain)

#    A field that is noise everywhere, as after a very short training, has no smooth region to save samples on.

# 4. The same number of points on a uniform grid, upsampled like an image.
side = round(args.points**0.5)
rasters["uniform"] = interpolate(field.render((side, side)), shape, mode="bicubic").clamp(-1, 1)
for name, raster in rasters.items():
    print(f"{name:<9} {args.points} points: root mean square error {(raster - truth).square().mean().sqrt():.4f}")

# 5. Side by side.
dots = torch.full_like(truth, -1.0)
place = ((points["gradient"] + 1) / 2 * torch.tensor(shape).flip(0)).long().clamp(0, 255)
dots[:, :, place[:, 1], place[:, 0]] = 1.0
G.modality.write(torch.cat([truth, dots, rasters["gradient"], rasters["uniform"]]), args.out / "variable_density.png")
print(f"wrote {args.out / 'variable_density.png'}")
