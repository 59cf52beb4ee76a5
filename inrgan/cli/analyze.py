"""``inrgan analyze``."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from tyro.conf import Positional

from inrgan.analysis import (
    Known,
    Page,
    exact_factors,
    geometry_page,
    interpolation_page,
    probe_grid,
    read_records,
    read_spreads,
    record_bytes,
    require_plots,
    some_points,
    stability_page,
    stages_of,
    study_geometry,
    study_interpolation,
    study_stability,
)
from inrgan.cli._common import AbstractModelCommand
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.evaluation import held_out_source
from inrgan.generator import Generator
from inrgan.process import progress_bar
from inrgan.training import RunDirectory
from inrgan.views import View

PATH_SEEDS = 1 << 20
"""Offset of the seeds of paths: far from those of samples."""
REALS = 512
"""Number of built-in items whose exact factors are compared with their moments."""
FLOW_SIDE = 64
"""Samples along the shorter side of the images between which optical flow is estimated."""


@dataclass(kw_only=True)
class Analyze(AbstractModelCommand):
    """Study the map from latents to signals; writes a report with plots, and JSON."""

    study: Positional[Literal["interpolation", "geometry", "stability"]]
    """interpolation: where interpolations jump, and which stage of the generator causes it. geometry: what linear
    probes read from latents, and how much of an interpolation is motion. stability: how layers change in training."""
    out: Path | None = None
    """Folder of the report. Default: analysis in the run directory."""
    paths: int = 32
    """Number of paths between samples."""
    steps: int | None = None
    """Steps per path. Default: 64, or 8 with geometry."""
    samples: int = 1024
    """geometry: number of samples to probe."""
    points: int = 1024
    """Number of points of the domain at which signals are compared, at most."""
    factor: float = 10.0
    """stability: growth from which a layer is reported."""
    seed: int = 0
    """Seed of the first sample."""
    truncation: float = 1.0
    """Truncation, as for sample."""
    label: str | None = None
    """Class, as for sample. Default: the first class."""
    quiet: bool = False
    """No progress bar."""

    def run(self) -> None:
        """Measure, print the findings, and write the report."""
        require_plots()
        if self.paths < 2 or self.seed < 0:
            raise ConfigError(f"{self.paths} paths from seed {self.seed} on; expected 2 or more, and no negative seed")
        {"interpolation": _interpolation, "geometry": _geometry, "stability": _stability}[self.study](self)


def _interpolation(flags: Analyze) -> None:
    G = flags.generator()
    view = probe_grid(G.modality, points=flags.points, seed=flags.seed).to(G.device)
    stages = stages_of(G, label=flags.label, truncation=flags.truncation)
    with progress_bar(flags.paths, unit="path", quiet=flags.quiet) as bar:
        study = study_interpolation(
            stages, view, ends=_ends(flags, G), steps=64 if flags.steps is None else flags.steps, after_path=bar.update
        )
    study.protocol.update(_protocol(flags))
    print(study.verdict)
    for name, jump in [*study.stage_jumps().items(), *study.jumps_by_path().items()]:
        print(f"{name:<26} jump score {jump}")
    _write(flags, interpolation_page(study, title=f"Interpolation of {Path(flags.model).name}"), study.to_plain())


def _geometry(flags: Analyze) -> None:
    G = flags.generator()
    modality = G.modality
    grid = modality.domain.grid(modality.domain.shape(modality.resolution))
    view, chosen = some_points(grid, points=flags.points, seed=flags.seed)
    known = _known(flags, G, grid, chosen)
    frames = None
    if isinstance(modality.domain, Box) and modality.domain.grid_dim == 2:
        frames = modality.domain.grid(modality.domain.shape(FLOW_SIDE)).to(G.device)
    samples = range(flags.seed, flags.seed + max(1, flags.samples))
    with (
        progress_bar(len(samples), unit="sample", quiet=flags.quiet) as sampled,
        progress_bar(flags.paths, unit="path", quiet=flags.quiet) as bar,
    ):
        study = study_geometry(
            stages_of(G, label=flags.label, truncation=flags.truncation), view.to(G.device), z=G.latents(samples),
            ends=_ends(flags, G), steps=8 if flags.steps is None else flags.steps, frames=frames,
            # What moves keeps its time: a value is compared with values of the same instant.
            moving=modality.domain.alike if isinstance(modality.domain, Box) else None, known=known, seed=flags.seed,
            after_samples=sampled.update, after_path=bar.update,
        )  # fmt: skip
    study.protocol.update(_protocol(flags))
    print(study.verdict)
    for name, row in study.probes.items():
        print(f"{name:<26} R² " + ", ".join(f"{x} from {space}" for space, x in row.items()))
    for name, explained in study.motion.items():
        print(f"{name:<26} score {explained.score()}, share {explained.share()}, of fades {explained.share_of_fades()}")
    _write(flags, geometry_page(study, title=f"Geometry of {Path(flags.model).name}"), study.to_plain())


def _stability(flags: Analyze) -> None:
    run = Path(flags.model)
    with progress_bar(record_bytes(run), unit="B", quiet=flags.quiet) as bar:
        records, spreads = read_records(run, after=bar.update), read_spreads(run, after=bar.update)
    study = study_stability(records, spreads=spreads, factor=flags.factor)
    study.protocol["run"] = run.name
    print(study.verdict)
    for kind, layers in study.layers.items():
        for x in study.grown(kind)[:3]:
            if x.growth is not None:
                print(f"{kind:<12} {x.series.name:<44} grew by {x.growth.factor}, at most {x.growth.worst:.3g} at once")
        if layers and not study.grown(kind):
            print(f"{kind:<12} all of them 0")
    _write(flags, stability_page(study, title=f"Stability of {run.name}"), study.to_plain())


def _known(flags: Analyze, G: Generator, grid: View, chosen: Tensor) -> Known | None:
    """Built-in reals with their exact factors, if the run was trained on such data."""
    run = Path(flags.model)
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


def _ends(flags: Analyze, G: Generator) -> Tensor:
    """Pairs of latents (paths, 2, Z), from seeds beyond those of the probes."""
    first = flags.seed + PATH_SEEDS
    return G.latents(range(first, first + 2 * flags.paths)).unflatten(0, (-1, 2))


def _write(flags: Analyze, page: Page, data: dict[str, Any]) -> None:
    print(f"report: {page.write(_folder(flags), flags.study, data)}", file=sys.stderr)


def _protocol(flags: Analyze) -> dict[str, object]:
    return {"run": Path(flags.model).name, "seed": flags.seed, "truncation": flags.truncation, "label": flags.label}


def _folder(flags: Analyze) -> Path:
    if flags.out is not None:
        return flags.out
    run = Path(flags.model)
    return run / "analysis" if run.is_dir() else Path("analysis")
