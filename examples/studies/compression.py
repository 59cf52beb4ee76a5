"""How few bytes a latent is, against codecs at the same error.

    python examples/studies/compression.py --arm images --minutes 10

A generated item is stored as its latent w; a real one as the latent that ``project`` finds, or as the tuned weights of
its function. Decoders have the generator, as codecs have their tables: it does not count.
"""

import io
import math
import statistics
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _study import TRIAL, Study, run_alone
from _training import TRAINED, trained

from inrgan import AudioModality, ImageModality, Modality, recipes
from inrgan.analysis import Stages, observe_item, project, stages_of
from inrgan.evaluation import held_out_source
from inrgan.fitting import psnr
from inrgan.inr import LayerWeights

ARMS: dict[str, Modality] = {
    "images": ImageModality(resolution=32),
    "audio": AudioModality(resolution=4096, rate=8000),
}
BITS = (8, 4)
"""Bits of quantized entries of w; other entries have 32."""

Codec = Callable[[np.ndarray], Iterable[tuple[int, np.ndarray]]]
"""Values to (bytes, decoded values), one for each quality."""


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Train, and compress generated and held-out items."""
    modality = ARMS[arm]
    trainer = trained(recipes.tiny(modality), seed=seed, minutes=TRAINED * minutes, device=device, folder=folder)
    stages, source = stages_of(trainer.ema), held_out_source(modality, None)
    items, steps, tune = (1, 4, 2) if minutes < TRIAL else (8, 300, 300)
    random = stages.mapping(torch.randn(256, stages.z_dim, generator=torch.Generator().manual_seed(2)).to(device))
    rows: dict[str, list[tuple[str, int, float]]] = {}
    grid = modality.domain.grid(modality.domain.shape(modality.resolution), device=torch.device(device))
    for i in range(items):
        w = random[i : i + 1].detach()
        with torch.no_grad():
            target = stages.signal(stages.weights(w), grid)
        for name, size, mse in compressed(stages, target, w, random, None, grid, arm):
            rows.setdefault(name, []).append(("generated", size, mse))
        observed = observe_item(source[i], modality).to(device)
        found = project(stages, observed, steps=steps, tune=tune, starts=64 if steps > 4 else 2, seed=seed)
        for name, size, mse in compressed(stages, observed.values[None], found.w, random, found.weights, grid, arm):
            rows.setdefault(name, []).append(("real", size, mse))
    return {f"{arm}: {name}": _means(found) for name, found in rows.items()}


def _means(rows: list[tuple[str, int, float]]) -> dict[str, float]:
    """Mean bytes and peak signal-to-noise ratio in dB of generated and of real items."""
    out = {}
    for kind in ("generated", "real"):
        found = [(size, mse) for k, size, mse in rows if k == kind]
        if found:
            out[f"bytes {kind}"] = statistics.fmean(size for size, _ in found)
            out[f"psnr {kind}"] = statistics.fmean(min(99.0, psnr(mse)) for _, mse in found)
    return out


@torch.no_grad()
def compressed(
    stages: Stages, target: torch.Tensor, w: torch.Tensor, random: torch.Tensor, weights: Any, grid: Any, arm: str
) -> list[tuple[str, int, float]]:
    """Bytes and mean squared error of an item, by method."""

    def error(values: torch.Tensor) -> float:
        return float((values - target).square().mean())

    out = [("w", 4 * w.numel(), error(stages.signal(stages.weights(w), grid)))]
    for bits in BITS:
        coarse = quantized(w, random, bits=bits)
        out.append(
            (f"w in {bits} bits", math.ceil(w.numel() * bits / 8), error(stages.signal(stages.weights(coarse), grid)))
        )
    if weights is not None:
        half = [LayerWeights(x.weight.half().float(), x.bias.half().float()) for x in weights]
        size = 2 * sum(x.weight.numel() + x.bias.numel() for x in weights)
        out.append(("tuned weights in 16 bits", size, error(stages.signal(half, grid))))
    values, most = target[0].float().cpu().numpy(), out[1][2]
    for name, codec in CODECS[arm].items():
        size, mse = at_most(codec, values, mse=most)
        out.append((name, size, mse))
    return out


def quantized(w: torch.Tensor, random: torch.Tensor, *, bits: int) -> torch.Tensor:
    """Entries on 2^bits levels, evenly over four deviations to both sides of the mean of random ones.

    Example:
        >>> quantized(torch.zeros(1, 2), torch.randn(99, 2), bits=4).shape
        torch.Size([1, 2])
    """
    mean, reach = random.mean(dim=0), 4 * random.std(dim=0).clamp(min=1e-8)
    top = 2**bits - 1
    level = (((w - mean) / reach + 1) / 2 * top).round().clamp(0, top)
    return mean + reach * (2 * level / top - 1)


def at_most(codec: Codec, values: np.ndarray, *, mse: float) -> tuple[int, float]:
    """The fewest bytes whose error is no more than the given one; where there are none, the codec's best error."""
    tries = [(size, float(np.square(back - values).mean())) for size, back in codec(values)]
    good = [t for t in tries if t[1] <= mse]
    return min(good) if good else min(tries, key=lambda t: t[1])


def _image_file(kind: str, *settings: dict[str, Any]) -> Codec:
    """A file format with several settings."""

    def tries(values: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
        from PIL import Image

        pixels = np.round((values.transpose(1, 2, 0) + 1) * 127.5).clip(0, 255).astype(np.uint8)
        for options in settings:
            file = io.BytesIO()
            Image.fromarray(pixels).save(file, kind, **options)
            back = np.asarray(Image.open(file).convert("RGB"), dtype=np.float32)
            yield len(file.getvalue()), back.transpose(2, 0, 1) / 127.5 - 1

    return tries


def _flac(values: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    """Samples of 16 bits with more and more low bits 0, which FLAC does not store; as any player reads them."""
    import soundfile

    samples = np.round(values.T * 32767).clip(-32768, 32767).astype(np.int32)
    for dropped in range(15):
        rounded = (samples + (1 << dropped >> 1)) >> dropped << dropped
        coarse = rounded.clip(-32768, 32767 >> dropped << dropped).astype(np.int16)
        file = io.BytesIO()
        soundfile.write(file, coarse, 8000, format="FLAC", subtype="PCM_16")
        yield len(file.getvalue()), (coarse.astype(np.float32) / 32767).T


def _lossless_flac(values: np.ndarray) -> Iterable[tuple[int, np.ndarray]]:
    yield next(iter(_flac(values)))


CODECS: dict[str, dict[str, Codec]] = {
    "images": {
        "PNG": _image_file("PNG", {"optimize": True}),
        "JPEG at the error of w in 8 bits": _image_file(
            "JPEG", *({"quality": q, "subsampling": s, "optimize": True} for q in range(1, 101, 2) for s in (0, 2))
        ),
        "WebP at the error of w in 8 bits": _image_file(
            "WEBP", *({"quality": q, "method": 6} for q in range(0, 101, 2)), {"lossless": True, "method": 6}
        ),
    },
    "audio": {"FLAC": _lossless_flac, "FLAC at the error of w in 8 bits": _flac},
}

STUDY = Study(
    name="compression",
    question="How many bytes is a signal as a latent, and how many as a file of the same error?",
    arms=tuple(ARMS),
    share=1.5,
    measure=study,
    columns={
        "bytes generated": "bytes, generated",
        "psnr generated": "PSNR, generated",
        "bytes real": "bytes, held out",
        "psnr real": "PSNR, held out",
    },
    protocol=(
        "Built-in shapes of 32×32 pixels and built-in audio clips of 4,096 samples at 8 kHz (3,072 and 8,192 bytes "
        "raw, in 8 and 16 bits), `tiny` generators; 8 generated items, whose w is known, and 8 that no training saw, "
        "by 300 steps of `project` and 300 of tuning. Mean bytes and PSNR in dB (peak 2; 99 at most). The generator "
        "does not count: the decoder has it. Codecs: fewest bytes, with the file's header, of all qualities whose "
        "error is at most that of w in 8 bits, or the best where there is none; FLAC with low bits set to 0."
    ),
    renamed={"pictures": "images", "sounds": "audio"},
)


if __name__ == "__main__":
    run_alone(STUDY, about=__doc__, arm="images", minutes=10)
