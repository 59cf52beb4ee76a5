"""Do separately fitted functions share a space? And can a generator be trained against their weights?

    python examples/studies/inrs.py --minutes 3 --out inrs.json                # every arm, one seed, 15 minutes
    python examples/studies/inrs.py --arms shared,independent --minutes 0.05   # does it run?

Each arm fits the first items of the built-in set with its own initialization, measures what the weights of the
functions have in common, and then trains generators against them.
"""

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from _study import Study
from torch.nn import functional as F

from inrgan import CriticSizes, Generator, GeneratorSizes, ImageModality, Trainer, recipes
from inrgan.analysis import exact_factors, linear_probe
from inrgan.data import AbstractSource
from inrgan.evaluation import held_out_source, observe_reals, render_fakes
from inrgan.fitting import psnr
from inrgan.inr import flat
from inrgan.inrs import FitOptions, InrSource, NumberSpace, convert
from inrgan.losses import LossOptions
from inrgan.metrics import evaluate
from inrgan.process import keep_freed_memory
from inrgan.views import View

MODALITY = ImageModality(resolution=16)
SIZES = GeneratorSizes(z_dim=32, w_dim=64, rank=4, lattices=(8,), widths=(32, 24), depths=(2, 1))
ARMS = ("signals", "shared", "independent", "meta", "modulations")
"""signals: no functions, only the usual critic, for comparison. The others: initialization of fits, or modulations."""
COMPONENTS = (8, 32)
Row = dict[str, float]


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, Row]:
    """One arm: the lines of a table, by name.

    Args:
        arm: One of ``ARMS``.
        seed: Seed of every random draw.
        minutes: Approximate duration on one idle core; decides the number of items and the length of trainings.
        device: Device to compute on.
        folder: Folder of the functions and the runs.
    """
    items = max(48, min(1024, round(160 * minutes)))
    brief = minutes < 0.5
    kimg = 0.08 if brief else 3.0 * minutes
    scored = 32 if brief else 512
    source = MODALITY.source(None, seed=seed)
    if arm == "signals":
        real = _observed(held_out_source(MODALITY, None, seed=seed), scored)
        row = {"swd": _swd(real, _observed(source, scored))}
        return {"reals": row, "signals alone": _trained(("full",), "flat", None, seed, kimg, device, folder, scored)}
    fit = "modulations" if arm == "modulations" else "weights"
    options = FitOptions(
        fit=fit, init="meta" if arm == "modulations" else arm, steps=20 if brief else 200, seed=seed,
        warm_rounds=4 if brief else 100, warm_steps=4 if brief else 8,
    )  # fmt: skip
    inrs = folder / "functions"
    convert(source, inrs, modality=MODALITY, sizes=SIZES, options=options, count=items, device=device)
    lines = {arm: weights_in_common(InrSource(inrs), source, scored=scored, seed=seed)}
    start = _sampled(Generator.from_pretrained(inrs / "generator"), scored, seed)
    lines[arm]["swd at the start"] = _swd(_observed(held_out_source(MODALITY, None, seed=seed), scored), start)
    trainings = [(("weights",), "flat")]
    if fit == "weights":
        trainings.append((("weights",), "units"))
    if arm == "meta":
        trainings.append((("full", "weights"), "flat"))
    for losses, critic in trainings:
        name = f"{arm}: {'signals and ' if len(losses) > 1 else ''}{'w' if fit == 'modulations' else critic}"
        lines[name] = _trained(losses, critic, inrs, seed, kimg, device, folder, scored)
    return lines


def weights_in_common(fitted: InrSource, source: AbstractSource, *, scored: int, seed: int) -> Row:
    """Quality of the fits, and whether the weights are points of one space.

    ``psnr`` and ``swd`` are of the functions themselves, ``swd`` to items not fitted; ``gaussian`` is that of functions
    whose numbers come from a normal distribution with the mean and covariance of the fitted ones. ``midpoint`` is the
    peak signal-to-noise ratio, to the nearest item of all, of the function halfway between the weights of two items
    (rows brought back to unit length), ``cross-fade`` that of the mean of the two signals. ``cosine`` is between the
    weights of two items, ``cosine of moves`` between their differences from the shared initialization, or else from the
    mean. ``explained K`` is the share of the variance in the first K principal components, ``probe`` the mean
    held-out R² of linear maps from weights to position, size and hues, ``probe of signals`` the same from values.
    """
    vectors, count = fitted.vectors, len(fitted)
    view, unseen = _view(), _observed(held_out_source(MODALITY, None, seed=seed), scored)
    items = [e.item for e in fitted.entries]
    signals = MODALITY.observe([source[i] for i in items], view)
    quality = [e.psnr for e in fitted.entries]
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(count)[: count // 2 * 2].reshape(-1, 2)[:64]
    a, b = (vectors[pairs[:, k]] for k in (0, 1))
    with torch.no_grad():
        made = fitted.fields(range(count)).look(view)
        halfway = _field_on_manifold(fitted, (a + b) / 2)(view)
        ends = [signals[pairs[:, k]] for k in (0, 1)]
        start = _initialization(fitted)
        centred = vectors - vectors.mean(dim=0)
        values = torch.linalg.svdvals(centred.double()).square()
    exact = exact_factors(source, items)
    factors = {name: exact[name] for name in ("x", "y", "radius")}
    factors |= {f"{f} {name}": t for name in ("hue", "background_hue") for f, t in _circle(name, exact[name])}
    row = {
        "psnr": float(np.mean(quality)), "psnr least": min(quality),
        "midpoint": _nearest(halfway, signals), "cross-fade": _nearest((ends[0] + ends[1]) / 2, signals),
        "cosine": float(F.cosine_similarity(a, b).mean()),
        "cosine of moves": float(F.cosine_similarity(a - start, b - start).mean()),
        "swd": _swd(unseen, made), "gaussian": _swd(unseen, _gaussian(fitted, scored, seed)),
        "probe": _probe(vectors, factors, seed), "probe of signals": _probe(signals.flatten(1), factors, seed),
    }  # fmt: skip
    return row | {f"explained {k}": float(values[:k].sum() / values.sum()) for k in COMPONENTS}


def _trained(
    losses: tuple[str, ...], critic: str, inrs: Path | None, seed: int, kimg: float, device: str, folder: Path,
    scored: int,
) -> Row:  # fmt: skip
    """Train, and measure the accuracy of the critic of weights and the quality of signals."""
    config = replace(
        recipes.tiny(MODALITY), generator=SIZES, critic=CriticSizes(width=16, max_width=128), losses=losses, seed=seed,
        inrs=None if inrs is None else str(inrs), kimg=kimg, snapshot_kimg=1e9, ema_kimg=min(1.0, kimg / 8),
        watch_every=0, device=device, views=LossOptions(weight_critic="units" if critic == "units" else "flat"),
    )  # fmt: skip
    trainer = Trainer(
        config, outdir=folder / "runs", init_from=None if inrs is None else inrs / "generator", quiet=True
    )
    trainer.fit()
    row = {"kimg": kimg}
    if inrs is not None:
        row["accuracy"] = _accuracy(trainer, NumberSpace(InrSource(inrs)), pairs=scored, seed=seed)
    trainer.close()
    real = _observed(held_out_source(MODALITY, None, seed=seed), scored)
    return row | {"swd": _swd(real, _sampled(trainer.ema.eval(), scored, seed))}


@torch.no_grad()
def _accuracy(trainer: Trainer, space: NumberSpace, *, pairs: int, seed: int) -> float:
    """How often the critic gives a fitted function a higher score than a generated one; ½ is random."""
    rng = torch.Generator().manual_seed(seed + 1)
    term = next(t for t in trainer.terms if t.name == "weights")
    view, critic = space.view.to(trainer.device), trainer.D["weights"].eval()
    z = torch.randn(pairs, trainer.G.z_dim, generator=rng).to(trainer.device)
    w = trainer.G.mapping(z)
    fake = critic(term.observe(trainer.G.field(w), w, view), view)
    chosen = torch.randint(len(space.vectors), (pairs,), generator=rng)
    real = critic(space.seen(space.vectors[chosen]).to(trainer.device), view)
    return float((real > fake).float().mean())


def _field_on_manifold(fitted: InrSource, vectors: torch.Tensor):
    """Functions of interpolated vectors; rows of weights are normalized again."""
    field = fitted.field_of(vectors)
    if fitted.modulations:
        return field
    weights = [replace(x, weight=F.normalize(x.weight, dim=-1)) for x in field.weights]
    return type(field)(field.inr, weights, domain=field.domain)


@torch.no_grad()
def _gaussian(fitted: InrSource, count: int, seed: int) -> torch.Tensor:
    """Signals of functions drawn from a normal distribution with the first two moments of the fitted ones."""
    mean = fitted.vectors.mean(dim=0)
    moves, rng = fitted.vectors - mean, torch.Generator().manual_seed(seed)
    drawn = torch.randn(count, len(moves), generator=rng) @ moves / (len(moves) - 1) ** 0.5
    return _field_on_manifold(fitted, mean + drawn).look(_view())


@torch.no_grad()
def _initialization(fitted: InrSource) -> torch.Tensor:
    """Shared initialization of all fits; the mean of independent ones; 0 for modulations."""
    if fitted.modulations:
        return torch.zeros_like(fitted.vectors[0])
    if fitted.settings["options"]["init"] == "independent":
        return fitted.vectors.mean(dim=0)
    G = fitted.generator
    return flat(G.hypernetwork(torch.zeros(1, G.sizes.w_dim)))[0]


def _nearest(values: torch.Tensor, signals: torch.Tensor) -> float:
    """Mean peak signal-to-noise ratio in dB to the nearest of some signals; the peak is 2."""
    mse = torch.cdist(values.flatten(1), signals.flatten(1)).square().amin(dim=1) / signals[0].numel()
    return float(np.mean([psnr(error) for error in mse.tolist()]))


def _probe(features: torch.Tensor, factors: dict[str, np.ndarray], seed: int) -> float:
    """Mean R² over factors."""
    x = features.numpy()
    return float(np.mean([linear_probe(x, target, seed=seed).value for target in factors.values()]))


def _circle(name: str, values: np.ndarray) -> list[tuple[str, np.ndarray]]:
    return [("cos", np.cos(2 * math.pi * values)), ("sin", np.sin(2 * math.pi * values))]


def _view() -> View:
    """The grid on which signals are compared."""
    return MODALITY.domain.grid(MODALITY.domain.shape(MODALITY.resolution))


def _observed(source: AbstractSource, count: int) -> torch.Tensor:
    return observe_reals(source, MODALITY, _view(), count=count, seed=0)


def _sampled(G: Generator, count: int, seed: int) -> torch.Tensor:
    return render_fakes(G, _view(), count=count, seed=seed)


def _swd(real: torch.Tensor, fake: torch.Tensor) -> float:
    scores = evaluate(real, fake, metrics=["swd"], view=_view(), others={}, features=MODALITY.features(), seed=0)
    return scores[0].value


def table(lines: dict[str, Row]) -> str:
    """Markdown."""
    columns = list(dict.fromkeys(name for row in lines.values() for name in row))
    out = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, row in lines.items():
        out.append(f"| {name} | " + " | ".join(f"{row[c]:.3g}" if c in row else "" for c in columns) + " |")
    return "\n".join(out)


STUDY = Study(
    name="inrs",
    question="Do separately fitted functions share a space, and can a generator be trained against their weights?",
    arms=ARMS,
    share=2.0,
    measure=study,
    columns={
        "psnr": "PSNR of the fits",
        "midpoint": "PSNR of midpoints",
        "cross-fade": "PSNR of cross-fades",
        "cosine of moves": "cosine of moves",
        "explained 8": "variance in 8 components",
        "probe": "R² of factors from weights",
        "probe of signals": "R² of factors from signals",
        "gaussian": "SWD of a normal distribution of weights",
        "accuracy": "accuracy of the critic of weights",
        "swd": "SWD",
    },
    protocol=(
        "Built-in shapes of 16 pixels; functions of 9,894 weights, or modulations of 64; fits start from one shared "
        "network, from independent networks, from a meta-learned one, or are modulations. 160 items for each minute, "
        "from 48 to 1,024, in 200 steps; 3,000 reals a minute for each training. Midpoints of the weights of two "
        "items, and cross-fades of their signals, against the nearest item. Moves: from the shared initialization, or "
        "from the mean. R² of linear maps, on held-out items, mean over position, size and hues. SWD of 512 functions "
        "or fakes to items not fitted; signals alone: the usual critic."
    ),
    compare=(
        ("shared", "independent"),
        ("meta", "shared"),
        ("modulations", "shared"),
        ("shared: units", "shared: flat"),
        ("independent: units", "shared: units"),
        ("shared: flat", "signals alone"),
        ("modulations: w", "shared: flat"),
        ("meta: signals and flat", "signals alone"),
    ),
)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--arms", default=",".join(ARMS), help=f"some of {', '.join(ARMS)}")
    parser.add_argument("--minutes", type=float, default=3.0, help="approximate minutes for each arm, on one idle core")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--out", type=Path, default=Path("inrs.json"))
    args = parser.parse_args(argv)
    arms = args.arms.split(",")
    if set(arms) - set(ARMS) or not 0 < args.minutes < math.inf:
        parser.error(f"--arms is {args.arms} and --minutes {args.minutes}; expected some of {', '.join(ARMS)}, above 0")
    keep_freed_memory()
    lines: dict[str, Row] = {}
    for arm in arms:
        with tempfile.TemporaryDirectory(prefix="inrgan-inrs-") as folder:
            lines |= study(arm, seed=args.seed, minutes=args.minutes, device=args.device, folder=Path(folder))
        print(table(lines), end="\n\n", flush=True)
    args.out.write_text(json.dumps({"seed": args.seed, "minutes": args.minutes, "lines": lines}, indent=2) + "\n")
    print(f"numbers: {args.out}")


if __name__ == "__main__":
    main()
