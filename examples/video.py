"""Train a small video generator and view its samples.

    python examples/video.py                       # built-in videos, about three minutes on two CPU cores
    python examples/video.py --data clips --fps 12.5 --frames 16 --minutes 60

Writes to --out: samples.mp4 (16 videos side by side), strip.png (a row for each of six videos: eight frames, then an
x-t slice, the middle row of every frame from the first at the top to the last), rates.mp4 (one video at 60 frames per
second after training at 8), motions.mp4 (one video with four motions) and interpolation.mp4 (an interpolation through
four videos).
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan.process import tune_process

tune_process()  # before torch is loaded: threads that wait sleep soon, and freed memory is used again

import torch

from inrgan import Generator, Trainer, VideoModality, recipes
from inrgan.interpolation import linear_path

parser = argparse.ArgumentParser(description="Train a small video generator and view its samples.")
parser.add_argument("--data", help="folder or zip of videos; the built-in videos when absent")
parser.add_argument("--minutes", type=float, default=3, help="length of the training (default: 3)")
parser.add_argument("--out", type=Path, default=Path("."), help="output folder (default: here)")
parser.add_argument("--resolution", type=int, default=16, help="resolution in training (default: 16)")
parser.add_argument("--frames", type=int, default=12, help="frames of the training window (default: 12)")
parser.add_argument("--fps", type=float, default=8, help="frames per second in training (default: 8)")
args = parser.parse_args()

# 1. Train on a window of --frames. The critic sees three frames at random times and their distances, so that a step
#    costs as much as three images, however long the window is.
modality = VideoModality(resolution=args.resolution, frames=args.frames, fps=args.fps)
config = replace(recipes.tiny(modality), data=args.data, kimg=1000)
trainer = Trainer(config, outdir=args.out / "runs")
run = trainer.fit(max_minutes=args.minutes)
trainer.close()

# 2. Sample. Each seed gives one field: a function from (x, y, seconds) to a color. A field has no size: these renders
#    are three times as large as in training, at the same speed of motion.
G = Generator.from_pretrained(run)
fields = G.sample(range(16), truncation=0.9)
large = str(3 * args.resolution)
shape, region = modality.window(resolution=large)
videos = fields.render(shape, region=region)
modality.over(shape, region).write(videos, args.out / "samples.mp4")
modality.write(videos[:6], args.out / "strip.png")

# 3. A field has no frame rate either.
shape, region = modality.window(rate=60, resolution=large)
modality.over(shape, region).write(fields[3].render(shape, region=region), args.out / "rates.mp4")

# 4. Content and motion have independent latents: one content, four motions.
shape, region = modality.window(rate=24, resolution=large)
moved = G.sample([3] * 4, truncation=0.9, parts={"motion": [0, 1, 2, 3]})
modality.over(shape, region).write(moved.render(shape, region=region), args.out / "motions.mp4")

# 5. Interpolate between the latents of four seeds; the video plays while it changes.
path = linear_path(G.sample_w([0, 1, 2, 3], truncation=0.9), steps=48)
steps = torch.cat([G.field(w).render(modality.array_shape(large)) for w in path.split(8)])
modality.write_interpolation(steps, args.out / "interpolation.mp4", rate=12)

for name in ("samples.mp4", "strip.png", "rates.mp4", "motions.mp4", "interpolation.mp4"):
    print(f"wrote {args.out / name}")
print(f"the run directory is {run}; continue with: inrgan sample {run} --fps 60 --seconds 4 --out more.mp4")
