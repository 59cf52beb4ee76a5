"""What ``inrgan analyze`` does."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from inrgan._commands import load
from inrgan._progress import progress_bar
from inrgan._typing import Tensor
from inrgan.analysis import (
    Known,
    Page,
    exact_factors,
    geometry_page,
    interpolation_page,
    probe_view,
    read_records,
    read_spreads,
    require_plots,
    some_points,
    stability_page,
    stages_of,
    study_geometry,
    study_interpolation,
    study_stability,
)
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.evaluation import held_out_source
from inrgan.generator import Generator
from inrgan.training import RunDirectory
from inrgan.views import View

WALKED = 1 << 20
"""Added to the seeds of walks: far from those of samples."""
REALS = 512
"""Built-in items on which it is tested how well moments tell their exact factors."""
FLOW_SIDE = 64
"""Samples along the shorter side of the pictures between which optical flow is sought."""

if TYPE_CHECKING:
    from inrgan.cli import Analyze


def analyze(flags: "Analyze") -> None:
    """Measure, print what was found, and write the report."""
    require_plots()
    if flags.paths < 2 or flags.seed < 0:
        raise ConfigError(f"{flags.paths} paths from seed {flags.seed} on; expected 2 or more, and no negative seed")
    {"interpolation": _interpolation, "geometry": _geometry, "stability": _stability}[flags.study](flags)


def _interpolation(flags: "Analyze") -> None:
    G = load(flags.run, flags.device)
    view = probe_view(G.modality, points=flags.points, seed=flags.seed).to(G.device)
    stages = stages_of(G, label=flags.label, truncation=flags.truncation)
    with progress_bar(flags.paths, unit="path", quiet=flags.quiet) as bar:
        study = study_interpolation(
            stages, view, ends=_ends(flags, G), steps=64 if flags.steps is None else flags.steps, after_path=bar.update
        )
    study.protocol.update(_protocol(flags))
    print(study.verdict)
    for name, jump in [*study.stage_jumps().items(), *study.walks().items()]:
        print(f"{name:<26} jump score {jump}")
    _write(flags, interpolation_page(study, title=f"Interpolation of {Path(flags.run).name}"), study.to_plain())


def _geometry(flags: "Analyze") -> None:
    G = load(flags.run, flags.device)
    modality = G.modality
    grid = modality.domain.grid(modality.domain.shape(modality.resolution))
    view, chosen = some_points(grid, points=flags.points, seed=flags.seed)
    known = _known(flags, G, grid, chosen)
    frames = None
    if isinstance(modality.domain, Box) and modality.domain.grid_dim == 2:
        frames = modality.domain.grid(modality.domain.shape(FLOW_SIDE)).to(G.device)
    with progress_bar(flags.paths, unit="path", quiet=flags.quiet) as bar:
        study = study_geometry(
            stages_of(G, label=flags.label, truncation=flags.truncation), view.to(G.device),
            z=G.latents(range(flags.seed, flags.seed + max(1, flags.samples))),
            ends=_ends(flags, G), steps=8 if flags.steps is None else flags.steps, frames=frames, known=known,
            seed=flags.seed, after_path=bar.update,
        )  # fmt: skip
    study.protocol.update(_protocol(flags))
    print(study.verdict)
    for name, row in study.probes.items():
        print(f"{name:<26} R² " + ", ".join(f"{x} from {space}" for space, x in row.items()))
    for name, explained in study.motion.items():
        print(f"{name:<26} score {explained.score()}, share {explained.share()}, of fades {explained.share_of_fades()}")
    _write(flags, geometry_page(study, title=f"Geometry of {Path(flags.run).name}"), study.to_plain())


def _stability(flags: "Analyze") -> None:
    run = Path(flags.run)
    study = study_stability(read_records(run), spreads=read_spreads(run), factor=flags.factor)
    study.protocol["run"] = run.name
    print(study.verdict)
    for kind, layers in study.layers.items():
        for x in study.grown(kind)[:3]:
            if x.growth is not None:
                print(f"{kind:<12} {x.series.name:<44} grew by {x.growth.factor}, at most {x.growth.worst:.3g} at once")
        if layers and not study.grown(kind):
            print(f"{kind:<12} all of them 0")
    _write(flags, stability_page(study, title=f"Stability of {run.name}"), study.to_plain())


def _known(flags: "Analyze", G: Generator, grid: View, chosen: Tensor) -> Known | None:
    """Built-in reals with their factors, where the run was trained on such."""
    run = Path(flags.run)
    if not (run / "stats.jsonl").exists() or RunDirectory(run, held=False).read_config().get("data", "") is not None:
        return None
    source = held_out_source(G.modality, None, seed=flags.seed)
    numbers = range(min(REALS, len(source)))
    factors = exact_factors(source, numbers)
    if not factors:
        return None
    parts = [
        G.modality.observe([source[i] for i in numbers[k : k + 16]], grid).flatten(2)[..., chosen]
        for k in range(0, len(numbers), 16)
    ]
    return Known(torch.cat(parts), factors)


def _ends(flags: "Analyze", G: Generator) -> Tensor:
    """Pairs of latents, of seeds beyond those that are probed."""
    first = flags.seed + WALKED
    return G.latents(range(first, first + 2 * flags.paths)).unflatten(0, (-1, 2))


def _write(flags: "Analyze", page: Page, data: dict[str, Any]) -> None:
    print(f"report: {page.write(_folder(flags), flags.study, data)}", file=sys.stderr)


def _protocol(flags: "Analyze") -> dict[str, object]:
    return {"run": Path(flags.run).name, "seed": flags.seed, "truncation": flags.truncation, "label": flags.label}


def _folder(flags: "Analyze") -> Path:
    if flags.out is not None:
        return flags.out
    run = Path(flags.run)
    return run / "analysis" if run.is_dir() else Path("analysis")
