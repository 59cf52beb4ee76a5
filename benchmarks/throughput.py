"""Images per second, parameters, multiplications and peak memory of the presets, multi-scale against pointwise.

Every row is measured in a process of its own, which gives its peak memory. Rows of one table come from one run, so that
their ratios are comparable. Multiplications are counted by torch's flop counter, not estimated.

    python benchmarks/throughput.py --presets tiny,base --resolutions 64,256 --threads 2
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from inrgan import Generator, ImageModality, TrainConfig, Trainer
from inrgan.recipes import generator_preset


def timed(run, *, device: str, repeats: int) -> float:
    """Median seconds of a call, after one warm-up call."""
    run()
    seconds = []
    for _ in range(repeats):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def measure(args: argparse.Namespace) -> dict[str, float | int | str]:
    torch.set_num_threads(args.threads)
    modality = ImageModality(resolution=args.resolution)
    sizes = generator_preset(args.preset, resolution=args.resolution, backbone=args.backbone)
    row: dict[str, float | int | str] = {
        "preset": args.preset, "resolution": args.resolution, "backbone": args.backbone, "batch": args.batch
    }  # fmt: skip
    if args.what == "synthesis":
        torch.manual_seed(0)
        G = Generator(modality, preset=args.preset, backbone=args.backbone).eval().to(args.device)
        row["generator_million"] = round(sum(p.numel() for p in G.parameters()) / 1e6, 2)
        view = modality.domain.grid((args.resolution, args.resolution), device=args.device)
        with torch.no_grad():
            one = torch.randn(1, G.z_dim, device=args.device)
            with FlopCounterMode(display=False) as counter:
                G(one)(view)
            row["gmac"] = round(counter.get_total_flops() / 2e9, 3)
            z = torch.randn(args.batch, G.z_dim, device=args.device)
            with torch.autocast(args.device, dtype=torch.bfloat16, enabled=args.precision == "bf16"):
                row["images_per_second"] = round(
                    args.batch / timed(lambda: G(z)(view), device=args.device, repeats=args.repeats), 2
                )
    else:
        config = TrainConfig(
            modality=modality, preset=args.preset, generator=sizes, batch=args.batch, device=args.device, kimg=1e9,
            precision=args.precision,
        )  # fmt: skip
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            trainer = Trainer(config, outdir=folder, quiet=True)
            row["critic_million"] = round(sum(p.numel() for p in trainer.D.parameters()) / 1e6, 2)

            def steps() -> None:  # one round of the lazy penalty
                for _ in range(config.penalty_every):
                    trainer.train_step()

            seconds = timed(steps, device=args.device, repeats=max(1, args.repeats // 2))
            row["trained_images_per_second"] = round(args.batch * config.penalty_every / seconds, 2)
            trainer.close()
    peak = torch.cuda.max_memory_allocated() if args.device == "cuda" else 0
    row["peak_gib"] = round(peak / 2**30 if peak else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
    return row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", default="tiny,base,large")
    parser.add_argument("--resolutions", default="64,256")
    parser.add_argument("--backbones", default="multiscale,pointwise")
    parser.add_argument("--whats", default="synthesis,training")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", default="fp32")
    parser.add_argument("--timeout", type=float, default=600, help="time limit of a row in seconds")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        args.preset, resolution, args.backbone, args.what = args.one.split(":")
        args.resolution = int(resolution)
        print(json.dumps(measure(args)))
        return
    for what in args.whats.split(","):
        for resolution in args.resolutions.split(","):
            for preset in args.presets.split(","):
                for backbone in args.backbones.split(","):
                    one = f"{preset}:{resolution}:{backbone}:{what}"
                    command = [sys.executable, *sys.argv, "--one", one]
                    try:
                        done = subprocess.run(command, capture_output=True, text=True, timeout=args.timeout)
                        last = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()[-1:]
                    except subprocess.TimeoutExpired:
                        last = [f"{one}: not finished in {args.timeout:.0f} s"]
                    print(f"{what:<10} {(last or ['no output'])[0]}", flush=True)


if __name__ == "__main__":
    main()
