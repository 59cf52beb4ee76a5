"""Metrics of videos over training time, with and without the critic of tubelets and weights that change with time.

Data, optimizer, batch and budget are the same. ``tubelets`` has all parts, ``no-tubelets`` has the critic of frames
alone, ``no-modulation`` moves waves and shifts layers but does not scale them. ``reals`` evaluates the training data,
the floor of a perfect generator. The budget is CPU time of the process on one thread, or wall-clock time on a GPU.
Fakes are compared with held-out items. Several methods take turns: all train to the first time, then to the next.

    python benchmarks/video_quality.py --train DIR --test DIR --method no-tubelets tubelets --out results/

It writes a file of metrics for each method, and for each time a sheet with six reals above six fakes, as strips and x-t
slices.
"""

import argparse
import dataclasses
from pathlib import Path

import torch
from _marks import about, record, trained_to
from inrgan_modalities.video import peak_prominence, temporal_spectrum, video_sheet

from inrgan import Trainer, VideoModality
from inrgan.evaluation import held_out_source, observe_reals, score_generator
from inrgan.images import write_image
from inrgan.metrics import evaluate
from inrgan.recipes import recipe

METHODS = {
    "tubelets": ({}, ("full", "dense-patch")),
    "no-tubelets": ({}, ("full",)),
    "no-modulation": ({"modulation": False}, ("full",)),
    "no-modulation-tubelets": ({"modulation": False}, ("full", "dense-patch")),
}
METRICS = ("swd", "frame-swd", "frechet", "frame-frechet", "temporal-spectrum", "warping")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", help="folder or zip; the built-in videos when absent")
    parser.add_argument("--test", help="folder or zip of held-out items; other built-in videos when absent")
    parser.add_argument("--method", choices=[*METHODS, "reals"], nargs="+", required=True)
    parser.add_argument("--preset", default="tiny")
    parser.add_argument("--resolution", type=int, default=24)
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--fps", type=float, default=12.5)
    parser.add_argument("--aspect", type=float, nargs=2, default=(4.0, 3.0))
    parser.add_argument("--minutes", default="0,15,30", help="minutes at which to evaluate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fakes", type=int, default=128)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args()

    torch.set_num_threads(1)
    modality = VideoModality(
        resolution=args.resolution, frames=args.frames, fps=args.fps, aspect=tuple(args.aspect)
    )  # fmt: skip
    test = held_out_source(modality, args.test, seed=args.seed)
    view = modality.domain.grid(modality.domain.shape(args.resolution))
    reals = observe_reals(test, modality, view, count=args.fakes, seed=args.seed)

    def write(method, scores, fakes, mark, **line) -> None:
        spectra = {"reals": temporal_spectrum(reals), "fakes": temporal_spectrum(fakes)}
        line |= {f"peak_{k}": round(peak_prominence(v), 3) for k, v in spectra.items()}
        line |= {"spectrum_db": {k: [round(x, 2) for x in v.tolist()] for k, v in spectra.items()}}
        record(args.out / f"{method}.jsonl", scores, {"method": method, "minutes": mark, **line})
        sheet = torch.cat([reals[:6], fakes[:6]])
        larger = torch.nn.functional.interpolate(video_sheet(sheet)[None], scale_factor=3, mode="nearest")[0]
        write_image(larger, args.out / f"{method}-{mark:g}.png")

    if "reals" in args.method:
        train = modality.source(args.train, seed=args.seed)
        others = observe_reals(train, modality, view, count=args.fakes, seed=args.seed)
        scores = evaluate(
            reals, others, metrics=METRICS, others=modality.metrics(), features=modality.features(), seed=0
        )
        write("reals", scores, others, 0)

    trainers = {}
    for method in [m for m in args.method if m != "reals"]:
        fields, losses = METHODS[method]
        config = recipe(args.preset, dataclasses.replace(modality, **fields))
        config = dataclasses.replace(
            config, data=args.train, seed=args.seed, kimg=1e9, device=args.device, snapshot_kimg=1e9, losses=losses,
            views=dataclasses.replace(config.views, patch_start=0.5, patch_ramp=1.0),
        )  # fmt: skip
        trainers[method] = Trainer(config, outdir=args.out / "runs", quiet=True)
    for mark, *_ in zip(*(trained_to(args.minutes, t) for t in trainers.values()), strict=True):
        for method, trainer in trainers.items():
            scores = score_generator(trainer.ema, test, metrics=METRICS, count=args.fakes, seed=0)
            with torch.no_grad():
                fakes = trainer.ema.sample(range(args.fakes)).render(view.shape)
                shape, region = modality.window(seconds=8 * modality.seconds)
                long = trainer.ema.sample(range(16)).render(shape, region=region)
            write(
                method, scores, fakes.cpu(), mark, **about(trainer, minutes=mark),
                peak_of_eight_windows=round(peak_prominence(temporal_spectrum(long.cpu())), 3),
            )  # fmt: skip
            trainer.save()
            trainer.snapshot()
    for trainer in trainers.values():
        trainer.close()


if __name__ == "__main__":
    main()
