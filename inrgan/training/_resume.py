"""Where a run is written, and whether it may go on there."""

import json
from pathlib import Path

from inrgan.errors import ConfigError
from inrgan.training._config import TrainConfig
from inrgan.training._ranks import Ranks
from inrgan.training._run_directory import RunDirectory

_FREE = {"kimg", "snapshot_kimg", "device", "compile", "data", "batch_gpu", "ahead", "watch_every"}
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

    Raises:
        ConfigError: with the entries that differ.
        RunDirectoryError: the run's configuration cannot be read.
    """
    mine = json.loads(json.dumps(config.to_json()))
    saved = ranks.share(run.read_config() if ranks.first else {})
    changed = [k for k in mine if k not in _FREE and saved.get(k) != mine[k]]
    if changed:
        raise ConfigError(
            f"{run.path} was trained with another {', '.join(changed)}; resume it as it was, or start a new "
            "run with --init-from"
        )
