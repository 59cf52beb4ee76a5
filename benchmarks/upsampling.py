"""A field rendered at twice its training resolution, against its coarse render upsampled by a filter.

Samples of a generator trained at 64 pixels are rendered at 128 and compared with held-out reals of 128 pixels. The
filters upsample the same samples at 64 pixels, so that all sets show the same images. Reals of 64 pixels, upsampled in
the same way, show the error of the filters for perfect images.

    python benchmarks/upsampling.py RUN --test DIR --sheet upsampling.png
"""

import argparse
import json
from pathlib import Path

import torch
from torch.nn import functional as F

from inrgan import Generator
from inrgan.evaluation import observe_reals, render_fakes
from inrgan.images import tile, write_image
from inrgan.metrics import evaluate

METRICS = ("swd", "frechet", "precision", "recall", "spectrum")
FILTERS = ("nearest", "bilinear", "bicubic")


def enlarged(values: torch.Tensor, size: tuple[int, ...], *, method: str) -> torch.Tensor:
    if method == "nearest":
        return F.interpolate(values, size=size, mode="nearest")
    return F.interpolate(values, size=size, mode=method, align_corners=False).clamp(-1, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", help="run directory, save_pretrained folder or Hub id")
    parser.add_argument("--test", required=True, help="held-out images of twice the training resolution or more")
    parser.add_argument("--fakes", type=int, default=2048)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--truncation", type=float, default=1.0)
    parser.add_argument("--sheet", type=Path, help="image of the first six samples, a row for each method")
    args = parser.parse_args()

    torch.set_num_threads(1)
    G = Generator.from_pretrained(args.run)
    modality, domain = G.modality, G.modality.domain
    coarse, fine = (domain.grid(domain.shape(k * modality.resolution)) for k in (1, 2))
    source = modality.source(args.test)
    real = observe_reals(source, modality, fine, count=args.fakes, seed=args.seed)
    real_coarse = observe_reals(source, modality, coarse, count=args.fakes, seed=args.seed)
    draw = {"count": args.fakes, "seed": args.seed, "truncation": args.truncation}
    base = render_fakes(G, coarse, **draw)
    ways = {f"field at {fine.shape[0]}": render_fakes(G, fine, **draw)}
    ways |= {f"{m} of its {coarse.shape[0]}": enlarged(base, fine.shape, method=m) for m in FILTERS}
    ways |= {f"reals of {coarse.shape[0]}, {m}": enlarged(real_coarse, fine.shape, method=m) for m in FILTERS}
    for name, fake in ways.items():
        scores = evaluate(real, fake, metrics=METRICS, features=modality.features(), seed=args.seed)
        print(json.dumps({"way": name, **{s.name: round(s.value, 3) for s in scores}}), flush=True)
    if args.sheet:
        rows = torch.cat([fake[:6] for name, fake in ways.items() if not name.startswith("reals")])
        write_image(tile(rows, columns=6, gap=2), args.sheet)


if __name__ == "__main__":
    main()
