"""Run directories: their names, their lock, and what lies in them."""

import json
import re
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from inrgan.errors import ConfigError, RunDirectoryError, WriteError
from inrgan.files import read_json, replacing, write_json


class RunDirectory:
    """A run's folder, held by one process at a time.

    Args:
        path: an existing folder.
        held: False for one that another process of the same run holds; nothing may then be written.

    Raises:
        RunDirectoryError: it is not there, or another process holds it.
    """

    def __init__(self, path: Path, *, held: bool = True):
        self.path = path
        self._lock = FileLock(path / ".lock")
        if not held:
            return
        if not path.is_dir():
            raise RunDirectoryError(f"there is no run directory at {path}")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunDirectoryError(
                f"{path} is in use by another process; wait for it, or train into a directory of its own"
            ) from None
        except OSError as error:
            raise RunDirectoryError(f"cannot use {path}: {error.strerror or error}; make room or rights") from None
        self._tidy()

    @staticmethod
    def at(path: Path) -> "RunDirectory":
        """This very folder, made where it is missing; for a run that is started and gone on with by one command.

        Raises:
            RunDirectoryError: it cannot be made or is in use, or holds something else than a run.
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
            RunDirectoryError: the folder cannot be made.
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
        """The state from which training goes on exactly."""
        return self.path / "state-latest.pt"

    def snapshot(self, kimg: float) -> Path:
        """Where the snapshot of a moment belongs."""
        return self.path / f"snapshot-{kimg:09.3f}"

    def write_config(self, config: dict[str, Any]) -> None:
        """Write ``config.json``."""
        write_json(self.path / "config.json", config)

    def read_config(self) -> dict[str, Any]:
        """Read ``config.json``.

        Raises:
            RunDirectoryError: it is missing or not JSON.
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
        """Add one line to a ``.jsonl`` file.

        Raises:
            WriteError: the disk is full.
        """
        try:
            with open(self.path / name, "a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
        except OSError as error:
            raise WriteError(f"cannot write {self.path / name}: {error.strerror or error}; make room for it") from None

    def truncate(self, name: str, *, kimg: float) -> None:
        """Drop the lines of a ``.jsonl`` file that come after a moment to which training went back.

        A line that a crash cut short is dropped, too.
        """

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
        """Let other processes have it."""
        self._lock.release()

    def _tidy(self) -> None:
        """Remove what a killed process left half written, which otherwise fills the disk kill by kill."""
        for folder in (self.path, *self.path.glob("snapshot-*")):
            for leftover in folder.glob(".*.*"):
                if re.search(r"\.[0-9a-f]{32}(\.|$)", leftover.name):
                    leftover.unlink(missing_ok=True)
