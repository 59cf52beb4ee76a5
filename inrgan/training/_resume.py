"""Where a run is written, and whether it may go on there."""

from collections.abc import Sequence
from pathlib import Path

from inrgan._parsing import from_plain
from inrgan.config import TrainConfig
from inrgan.errors import ConfigError
from inrgan.training._ranks import Ranks
from inrgan.training._run_directory import RunDirectory

_FREE = {"kimg", "snapshot_kimg", "device", "precision", "compile", "data", "batch_gpu", "ahead", "watch_every"}
"""What may differ from a run's own configuration when it goes on: anything else would make it another run."""


def open_run(
    outdir: str | Path, *, slug: str, resume: str | Path | None, run_dir: str | Path | None, ranks: Ranks
) -> RunDirectory:
    """The run directory, which the first of the processes holds.

    Args:
        outdir: where a new one is made.
        slug: of its name.
        resume: one that is there.
        run_dir: one that is made where it is missing.
        ranks: the processes.

    Raises:
        RunDirectoryError: it cannot be made, is not there, or is in use.
    """
    if not ranks.first:
        return RunDirectory(ranks.share(Path()), held=False)
    if resume is not None:
        run = RunDirectory(Path(resume))
    elif run_dir is not None:
        run = RunDirectory.at(Path(run_dir))
    else:
        run = RunDirectory.create(outdir, slug=slug)
    ranks.share(run.path)
    return run


def check_same_run(run: RunDirectory, config: TrainConfig, *, ranks: Ranks) -> None:
    """Refuse to go on with a run under another configuration than its own.

    Entries that the run's configuration lacks, since this version of inrgan knows more of them, have their defaults.

    Raises:
        ConfigError: with the entries that differ, or that this version does not know.
        RunDirectoryError: the run's configuration cannot be read.
    """
    saved = ranks.share(run.read_config() if ranks.first else {})
    described = saved.get("modality")
    if not isinstance(described, dict) or described.get("name") != config.modality.name:
        raise _another(run, ["modality"])
    arguments = described.get("arguments")
    modality = from_plain(type(config.modality), arguments, what=f"the modality of {run.path}")
    if modality != config.modality:
        raise _another(run, ["modality"])
    its = TrainConfig.from_json({**saved, "data": None}, modality=modality).to_json()
    mine = config.to_json()
    changed = [name for name in mine if name not in _FREE and its[name] != mine[name]]
    if changed:
        raise _another(run, changed)


def _another(run: RunDirectory, changed: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{run.path} was trained with another {', '.join(changed)}; resume it as it was, or start a new "
        "run with --init-from"
    )
