"""What ``inrgan analyze`` does."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from inrgan._commands import load
from inrgan._progress import progress_bar
from inrgan.analysis import interpolation_page, probe_view, require_plots, stages_of, study_interpolation
from inrgan.errors import ConfigError

if TYPE_CHECKING:
    from inrgan.cli import Analyze


def analyze(flags: "Analyze") -> None:
    """Measure, print what was found, and write the report."""
    require_plots()
    _interpolation(flags)


def _interpolation(flags: "Analyze") -> None:
    if flags.paths < 2 or flags.seed < 0:
        raise ConfigError(f"{flags.paths} paths from seed {flags.seed} on; expected 2 or more, and no negative seed")
    G = load(flags.run, flags.device)
    z = G.latents(range(flags.seed, flags.seed + 2 * flags.paths))
    view = probe_view(G.modality, points=flags.points, seed=flags.seed).to(G.device)
    stages = stages_of(G, label=flags.label, truncation=flags.truncation)
    with progress_bar(flags.paths, unit="path", quiet=flags.quiet) as bar:
        study = study_interpolation(
            stages, view, ends=z.unflatten(0, (-1, 2)), steps=flags.steps, after_path=bar.update
        )
    study.protocol.update(_protocol(flags))
    print(study.verdict)
    for name, jump in study.stage_jumps().items():
        print(f"{name:<26} jump score {jump}")
    for name, jump in study.walks().items():
        print(f"{name:<26} jump score {jump}")
    page = interpolation_page(study, title=f"Interpolation of {Path(flags.run).name}")
    written = page.write(_folder(flags), "interpolation", study.to_plain())
    print(f"report: {written}", file=sys.stderr)


def _protocol(flags: "Analyze") -> dict[str, object]:
    return {"run": Path(flags.run).name, "seed": flags.seed, "truncation": flags.truncation, "label": flags.label}


def _folder(flags: "Analyze") -> Path:
    if flags.out is not None:
        return flags.out
    run = Path(flags.run)
    return run / "analysis" if run.is_dir() else Path("analysis")
