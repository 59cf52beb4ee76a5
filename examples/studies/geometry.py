"""Does a coordinate-based generator capture geometry more easily than a convolutional one?

Built-in shapes of 16 pixels, whose place and size are known exactly. Same critic, data, loss, optimizer, batch and
time; only the generator differs. All are measured through their 16×16 pixels, so that none has an advantage from the
way it is evaluated; the INR evaluated at the points themselves is a separate line.
"""

from pathlib import Path

import torch
from _benchmarks import ConvolutionalGenerator
from _convolutional import conv_stages, pixel_stages
from _study import TRIAL, Study
from _training import TRAINED, scores, trained

from inrgan import ImageModality, recipes
from inrgan.analysis import Known, Stages, exact_factors, some_points, stages_of, study_geometry
from inrgan.data import AbstractSource
from inrgan.evaluation import held_out_source

INR, CONV3, CONV1 = "multi-scale INR", "convolutional 3×3", "convolutional 1×1"
AT_POINTS = "multi-scale INR, evaluated at points"
FACTORS = ("x", "y", "radius")
_WIDTHS = (128, 96, 48)
_FLOW_SIDE = 64


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Train a generator, and measure its geometry."""
    modality = ImageModality(resolution=16)
    config = recipes.tiny(modality)
    generator = None
    if arm != INR:
        sizes = modality.generator_sizes("tiny")
        torch.manual_seed(seed)
        generator = ConvolutionalGenerator(
            modality, z_dim=sizes.z_dim, w_dim=sizes.w_dim, widths=_WIDTHS, kernel=3 if arm == CONV3 else 1
        )
    trainer = trained(config, seed=seed, minutes=TRAINED * minutes, device=device, folder=folder, generator=generator)
    G = trainer.ema
    test = held_out_source(modality, None)
    millions = sum(p.numel() for p in G.parameters()) / 1e6
    about = {"millions": millions, "kimg": trainer.kimg, **scores(G, minutes=minutes, source=test)}
    if arm != INR:
        return {arm: about | measured(conv_stages(G), modality, test, minutes=minutes, device=device)}
    stages = stages_of(G)
    return {
        INR: about | measured(pixel_stages(stages, modality), modality, test, minutes=minutes, device=device),
        AT_POINTS: about | measured(stages, modality, test, minutes=minutes, device=device),
    }


def measured(
    stages: Stages, modality: ImageModality, test: AbstractSource, *, minutes: float, device: str
) -> dict[str, float]:
    """Probes of x, y and radius from w and θ, and the fraction of interpolations that is motion."""
    few = minutes < TRIAL
    samples, paths, steps, points, reals = (64, 2, 2, 64, 64) if few else (1024, 16, 8, 256, 1024)
    grid = modality.domain.grid(modality.domain.shape(modality.resolution))
    view, chosen = some_points(grid, points=points)
    seen = modality.observe([test[i] for i in range(reals)], grid).flatten(2)[..., chosen]
    known = Known(seen, exact_factors(test, range(reals)))
    rng = torch.Generator().manual_seed(1)
    z = torch.randn(samples + 2 * paths, stages.z_dim, generator=rng).to(device)
    found = study_geometry(
        stages, view.to(device), z=z[:samples], ends=z[samples:].unflatten(0, (paths, 2)), steps=steps,
        frames=modality.domain.grid((_FLOW_SIDE, _FLOW_SIDE)).to(device), known=known,
    )  # fmt: skip
    out: dict[str, float] = {}
    for factor in FACTORS:
        row = found.probes.get(f"exact {factor}")  # absent where moments do not predict it, or nothing varies
        for space in ("w", "θ"):
            out[f"{factor} from {space}"] = row[space].value if row else float("nan")
    motion = found.motion
    return out | {
        "smooth": motion["smooth displacement"].score().value,
        "affine": motion["affine map"].score().value,
        "flow": motion["optical flow"].score().value,
        "affine residual": 1 - motion["affine map"].share().value,
    }


STUDY = Study(
    name="geometry",
    question="Does a coordinate-based generator capture geometry more easily than a convolutional one?",
    arms=(INR, CONV3, CONV1),
    share=3.0,
    measure=study,
    columns={
        "millions": "parameters, millions",
        "kimg": "kimg seen",
        "swd": "SWD",
        "frechet": "Fréchet",
        **{f"{factor} from {space}": f"R² of {factor} from {space}" for factor in FACTORS for space in ("w", "θ")},
        "smooth": "motion, smooth displacement",
        "affine": "motion, affine maps",
        "flow": "motion, optical flow",
        "affine residual": "residual after affine maps",
    },
    protocol=(
        "Built-in shapes of 16 pixels, `tiny` preset: same critic, data, loss, optimiser, batch and time, four fifths "
        "of it for training; only the generator differs (the INR's hypernetwork and function; the control's "
        "convolutions, modulated by style, 3×3 or 1×1). SWD and Fréchet distance of 1,024 fakes to shapes that no "
        "training saw: the other numbers mean little where these are bad. R² on held-out samples (256 of 1,024) of "
        "linear maps from w, and from the generated weights θ (of the control: its modulated kernels), to the shape's "
        "place and size, which a map fitted to reals predicts from the images. Motion: fraction of the change along "
        "16 interpolations of 8 steps that displacements explain, relative to cross-fades (1 is motion alone, 0 a "
        "cross-fade). Residual after affine maps: fraction of a step's change that no affine map of the coordinates "
        "explains. Images of all generators are sampled from their 16×16 pixels by Lanczos-3, as reals are; in the "
        "last line the INR is evaluated at the points themselves."
    ),
    compare=((INR, CONV3), (INR, CONV1), (CONV3, CONV1)),
    renamed={"asked at points": "evaluated at points"},
)
