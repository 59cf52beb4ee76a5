"""Train a small image generator and view its samples.

    python examples/images.py                          # built-in shapes, about three minutes on two CPU cores
    python examples/images.py --data photos --minutes 60 --resolution 64

Writes to --out: samples.png (64 samples), zoom.png (one sample at 32, 128 and 512 pixels) and interpolation.gif (an
interpolation through four samples). The run directory is in runs/ below it.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan.process import tune_process

tune_process()  # before torch is loaded: threads that wait sleep soon, and freed memory is used again

import torch
from PIL import Image

from inrgan import Generator, ImageModality, Trainer, recipes
from inrgan.interpolation import linear_path

parser = argparse.ArgumentParser(description="Train a small image generator and view its samples.")
parser.add_argument("--data", help="folder or zip of images; the built-in shapes when absent")
parser.add_argument("--minutes", type=float, default=3, help="length of the training (default: 3)")
parser.add_argument("--out", type=Path, default=Path("."), help="output folder (default: here)")
parser.add_argument("--resolution", type=int, default=32, help="resolution in training (default: 32)")
args = parser.parse_args()

# 1. Train. A modality describes the signals; a recipe sets every other option, and each of them can be replaced.
#    The time limit ends this training, so its length in kimg (thousands of images) is large.
modality = ImageModality(resolution=args.resolution)
config = replace(recipes.tiny(modality), data=args.data, kimg=1000)
trainer = Trainer(config, outdir=args.out / "runs")
run = trainer.fit(max_minutes=args.minutes)
trainer.close()

# 2. Load the newest snapshot and sample it. Each seed gives one field: a function from coordinates to colors.
#    Truncation below 1 trades some diversity for quality.
G = Generator.from_pretrained(run)
fields = G.sample(range(64), truncation=0.9)
modality.write(fields.render((64, 64)), args.out / "samples.png")

# 3. A field has no pixels and can be rendered at any size. Each size is shown 512 pixels wide.
sheet = Image.new("RGB", (3 * 512 + 2 * 16, 512), "white")
for i, size in enumerate([32, 128, 512]):
    values = fields[3].render((size, size))[0]  # (3, size, size) in [-1, 1]
    pixels = ((values + 1) * 127.5).round().to(torch.uint8).permute(1, 2, 0).numpy()
    sheet.paste(Image.fromarray(pixels).resize((512, 512), Image.Resampling.NEAREST), (i * (512 + 16), 0))
sheet.save(args.out / "zoom.png")

# 4. Interpolate between the latents of four seeds and back to the first.
path = linear_path(G.sample_w([0, 1, 2, 3], truncation=0.9), steps=96, loop=True)
frames = torch.cat([G.field(w).render((128, 128)) for w in path.split(16)])
modality.write_interpolation(frames, args.out / "interpolation.gif", rate=24)

for name in ("samples.png", "zoom.png", "interpolation.gif"):
    print(f"wrote {args.out / name}")
print(f"the run directory is {run}; continue with: inrgan sample {run} --seeds 0-15 --out more.png")
