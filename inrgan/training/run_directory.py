"""Run directories: their names, their lock, what lies in them, and which runs may be resumed."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from inrgan._parsing import from_plain
from inrgan.config import TrainConfig
from inrgan.errors import ConfigError, RunDirectoryError, WriteError
from inrgan.files import LockedFolder, read_json, replacing, write_json
from inrgan.training.distribution import Ranks


class RunDirectory:
    """The folder of a run, locked by one process at a time.

    Args:
        path: Existing folder.
        held: False where another process of the same run has locked it; nothing may then be written.

    Raises:
        RunDirectoryError: It is missing, or another process has locked it.
    """

    def __init__(self, path: Path, *, held: bool = True):
        self.path = path
        self._folder = LockedFolder(path, tidied=("snapshot-*",))
        if not held:
            return
        if not path.is_dir():
            raise RunDirectoryError(f"there is no run directory at {path}")
        try:
            acquired = self._folder.acquire()
        except OSError as error:
            raise RunDirectoryError(f"cannot use {path}: {error.strerror or error}; make room or rights") from None
        if not acquired:
            raise RunDirectoryError(
                f"{path} is in use by another process; wait for it, or train into a directory of its own"
            )

    @staticmethod
    def at(path: Path) -> "RunDirectory":
        """A run directory at an exact path, made if it is missing; for commands that both start and resume a run.

        Raises:
            RunDirectoryError: It cannot be made, is in use, or holds something other than a run.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            foreign = [p.name for p in path.iterdir() if not p.name.startswith(".")]
        except OSError as error:
            raise RunDirectoryError(f"cannot make the run directory {path}: {error.strerror or error}") from None
        if foreign and not (path / "config.json").exists():
            raise RunDirectoryError(
                f"{path} holds {min(foreign)} and no config.json, so it is no run directory; give an empty or new one"
            )
        return RunDirectory(path)

    @staticmethod
    def create(outdir: str | Path, *, slug: str) -> "RunDirectory":
        """The next free ``NNNNN-slug`` under ``outdir``.

        Raises:
            RunDirectoryError: The folder cannot be made.
        """
        root = Path(outdir)
        try:
            root.mkdir(parents=True, exist_ok=True)
            for _ in range(100):  # another process may take the number between looking and making
                taken = [int(m[1]) for p in root.iterdir() if (m := re.match(r"(\d{5,})-", p.name))]
                path = root / f"{max(taken, default=-1) + 1:05d}-{slug}"
                try:
                    path.mkdir()
                    return RunDirectory(path)
                except FileExistsError:
                    continue
        except OSError as error:
            raise RunDirectoryError(f"cannot make a run directory in {root}: {error.strerror or error}") from None
        raise RunDirectoryError(f"cannot find a free run number in {root}; choose another --outdir")

    @property
    def state(self) -> Path:
        """File of the state that training resumes from."""
        return self.path / "state-latest.pt"

    def snapshot(self, kimg: float) -> Path:
        """Folder of the snapshot at a number of kimg."""
        return self.path / f"snapshot-{kimg:09.3f}"

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.json``."""
        write_json(self.path / "config.json", config)

    def read_config(self) -> dict[str, Any]:
        """Read ``config.json``.

        Raises:
            RunDirectoryError: It is missing or not JSON.
        """
        path = self.path / "config.json"
        try:
            config = read_json(path)
        except FileNotFoundError:
            raise RunDirectoryError(f"{self.path} has no config.json; expected a run directory") from None
        except ConfigError as error:
            raise RunDirectoryError(str(error)) from None
        if not isinstance(config, dict):
            raise RunDirectoryError(f"{path} holds no JSON object; expected the configuration of a run")
        return config

    def append(self, name: str, line: dict[str, Any]) -> None:
        """Append one line to a ``.jsonl`` file.

        Raises:
            WriteError: The disk is full.
        """
        try:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise WriteError(f"cannot write {self.path / name}: {error.strerror or error}; make room for it") from None

    def truncate(self, name: str, *, kimg: float) -> None:
        """Drop the lines of a ``.jsonl`` file after the moment that training resumes from, and incomplete lines."""

        def stays(line: str) -> bool:
            try:
                return json.loads(line)["kimg"] <= kimg
            except (ValueError, KeyError, TypeError, RecursionError):
                return False

        path = self.path / name
        if path.exists():
            kept = [line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if stays(line)]
            text = "".join(f"{line}\n" for line in kept)
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Release the lock."""
        self._folder.release()


_FREE = {"kimg", "snapshot_kimg", "device", "precision", "compile", "data", "batch_gpu", "ahead", "watch_every"}
"""Settings that may change when a run is resumed; any other would make it another run."""


def open_run(
    outdir: str | Path, *, slug: str, resume: str | Path | None, run_dir: str | Path | None, ranks: Ranks
) -> RunDirectory:
    """The run directory of a training, locked by the first process.

    Args:
        outdir: Folder in which a new run directory is made.
        slug: End of the new directory's name.
        resume: Existing run directory.
        run_dir: Run directory that is made if it is missing.
        ranks: Processes that train together.

    Raises:
        RunDirectoryError: It cannot be made, is missing, or is in use.
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
    """Refuse to resume a run with another configuration.

    Settings that are newer than the run have their defaults.

    Raises:
        ConfigError: With the settings that differ, or that this version does not know.
        RunDirectoryError: The run's configuration cannot be read.
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
