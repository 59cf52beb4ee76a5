"""Train a small audio generator and listen to its samples.

    python examples/audio.py                            # built-in clips, about three minutes on two CPU cores
    python examples/audio.py --data spoken_digits --labels "{label}_*" --seconds 1 --minutes 60

Writes to --out: samples.wav (16 clips, a quarter of a second apart), spectrogram.png (their waveforms and
spectrograms), rates.wav (one clip rendered at 44100 Hz after training at 8000), and interpolation.wav and
interpolation.gif (an interpolation through four clips, as audio and as spectrograms).
"""

import argparse
from dataclasses import replace
from pathlib import Path

from inrgan.process import tune_process

tune_process()  # before torch is loaded: threads that wait sleep soon, and freed memory is used again

import torch

from inrgan import AudioModality, Generator, Trainer, recipes
from inrgan.interpolation import linear_path

parser = argparse.ArgumentParser(description="Train a small audio generator and listen to its samples.")
parser.add_argument("--data", help="folder or zip of audio files; the built-in clips when absent")
parser.add_argument(
    "--labels", help="pattern of file names that contains the class, such as {label}_*; no classes when absent"
)
parser.add_argument("--minutes", type=float, default=3, help="length of the training (default: 3)")
parser.add_argument("--out", type=Path, default=Path("."), help="output folder (default: here)")
parser.add_argument("--rate", type=float, default=8000, help="sample rate in training (default: 8000)")
parser.add_argument("--seconds", type=float, default=0.25, help="length of the training window (default: 0.25)")
args = parser.parse_args()

# 1. Train on a window of --seconds. Files are scaled to -20 dB, which changes the data and is therefore explicit.
#    The full-domain critic is enough for a few minutes. In a longer training, losses=("full", "dense-patch") adds
#    a patch critic, which sees crops folded at several periods and as bands of complex spectrograms.
modality = AudioModality(resolution=int(args.seconds * args.rate), rate=args.rate, loudness=-20)
config = recipes.tiny(modality)
config = replace(config, data=args.data, labels=args.labels or args.labels is not None, kimg=1000)
trainer = Trainer(config, outdir=args.out / "runs")
run = trainer.fit(max_minutes=args.minutes)
trainer.close()

# 2. Sample. Each seed gives one field: a function from a time in seconds to a value.
G = Generator.from_pretrained(run)
fields = G.sample(range(16), truncation=0.9)
clips = fields.render((modality.resolution,))
modality.write(clips, args.out / "samples.wav")
modality.write(clips, args.out / "spectrogram.png")

# 3. A field has no sample rate. At a higher rate it is the same clip, without frequencies that were not trained.
shape, region = modality.window(rate=44100)
modality.over(shape, region).write(fields[3].render(shape, region=region), args.out / "rates.wav")

# 4. Interpolate between the latents of four seeds: a clip at each step, and a video of their spectrograms.
path = linear_path(G.sample_w([0, 1, 2, 3], truncation=0.9), steps=25)
steps = torch.cat([G.field(w).render((modality.resolution,)) for w in path.split(8)])
modality.write_interpolation(steps, args.out / "interpolation.wav", rate=2)
modality.write_interpolation(steps, args.out / "interpolation.gif", rate=2)

for name in ("samples.wav", "spectrogram.png", "rates.wav", "interpolation.wav", "interpolation.gif"):
    print(f"wrote {args.out / name}")
print(f"the run directory is {run}; continue with: inrgan sample {run} --rate 16000 --out more.wav")
