"""Seconds and memory of a training step by the number of frames that the critic sees of each video.

Every number of frames is measured in a process of its own: CPU seconds per step, as the weighted mean of the medians of
steps with and without penalties, and the peak of resident memory beyond that before the first step.

    python benchmarks/video_cost.py --frames-per-clip 2 3 16
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def measure(frames_per_clip: int, args: argparse.Namespace) -> None:
    import torch

    from inrgan import Trainer, VideoModality
    from inrgan.recipes import recipe

    torch.set_num_threads(1)
    modality = VideoModality(resolution=args.resolution, frames=args.frames, fps=8, frames_per_clip=frames_per_clip)
    with tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(recipe("tiny", modality), outdir=folder, quiet=True)
        before, seconds = peak_mib(), []
        every = trainer.config.penalty_every
        for _ in range(args.rounds * every):
            start = time.process_time()
            trainer.train_step()
            seconds.append(time.process_time() - start)
        trainer.close()
    by_turn = [statistics.median(seconds[k::every]) for k in range(every)]
    print(json.dumps({
        "frames_per_clip": frames_per_clip, "batch": trainer.config.batch,
        "seconds_per_step": round(statistics.mean(by_turn), 3),
        "peak_mib_above_start": round(peak_mib() - before),
    }))  # fmt: skip


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames-per-clip", type=int, nargs="+", default=[2, 3, 16])
    parser.add_argument("--resolution", type=int, default=32)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3, help="of steps with a penalty each")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one is not None:
        measure(args.one, args)
        return
    for frames_per_clip in args.frames_per_clip:
        flags = ["--one", str(frames_per_clip), "--resolution", str(args.resolution), "--frames", str(args.frames)]
        subprocess.run([sys.executable, Path(__file__), *flags, "--rounds", str(args.rounds)], check=True)


if __name__ == "__main__":
    main()
