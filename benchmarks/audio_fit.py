"""Capacity of one field for one audio clip: signal-to-noise ratio after a budget of CPU seconds.

Adam fits the weights of a single field, without a hypernetwork. No generator can exceed what these weights reach.

    python benchmarks/audio_fit.py --seconds 60
    python benchmarks/audio_fit.py --data fsdd.zip --rate 8000 --resolution 8192 --items 10,500
"""

import argparse
import math
import time

import torch

from inrgan import AudioModality, Generator
from inrgan.field import Field
from inrgan.hypernetwork import demodulate
from inrgan.inr import LayerWeights

WAYS = {
    "carriers": ({}, {}),
    "bent carriers": ({"bend": 1.0}, {}),
    "carriers of a SIREN": ({"waves": "siren"}, {}),
    "multiscale": ({}, {"backbone": "multiscale"}),
    "pointwise on a SIREN's first layer": ({"waves": "siren"}, {"backbone": "pointwise"}),
}


def fit(modality: AudioModality, wanted: torch.Tensor, *, preset: str, seconds: float, **sizes) -> tuple[float, int]:
    """Signal-to-noise ratio in dB, and steps."""
    torch.manual_seed(0)
    inr = Generator(modality, preset=preset, **sizes).inr
    weights = [torch.randn(1, s.outputs, s.inputs, requires_grad=True) for s in inr.layers]
    biases = [torch.zeros(1, s.outputs, requires_grad=True) for s in inr.layers]
    optimizer = torch.optim.Adam([*weights, *biases], lr=1e-2, betas=(0.9, 0.99))
    view, start, steps, error = modality.domain.grid((modality.resolution,)), time.process_time(), 0, torch.ones(())
    while (done := (time.process_time() - start) / seconds) < 1:
        optimizer.param_groups[0]["lr"] = 5e-3 * (1 + math.cos(math.pi * done)) + 1e-5
        layers = [LayerWeights(demodulate(w), b) for w, b in zip(weights, biases, strict=True)]
        values = Field(inr, layers, domain=modality.domain)(view)
        error = (values - wanted).square().mean() / wanted.square().mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        steps += 1
    return -10 * math.log10(error.item()), steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder or zip; the built-in clips when absent")
    parser.add_argument("--rate", type=float, default=16000)
    parser.add_argument("--resolution", type=int, default=16384)
    parser.add_argument("--items", default="4,5,1")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--preset", default="base")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds of each")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for item in (int(i) for i in args.items.split(",")):
        for way in args.ways.split(","):
            fields, sizes = WAYS[way]
            modality = AudioModality(resolution=args.resolution, rate=args.rate, loudness=-20, **fields)
            source = modality.source(args.data)
            wanted = modality.observe([source[item]], modality.domain.grid((args.resolution,)))
            ratio, steps = fit(modality, wanted, preset=args.preset, seconds=args.seconds, **sizes)
            print(f"{source.name(item):<24} {way:<36} {ratio:5.1f} dB after {steps} steps", flush=True)


if __name__ == "__main__":
    main()
