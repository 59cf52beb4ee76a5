"""Run directories: names, locks, training states, and the check of runs to resume."""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import os
import pickle
import re
import sys
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from inrgan.checkpoint import FORMAT
from inrgan.config import TrainConfig
from inrgan.errors import CheckpointError, ConfigError, RunDirectoryError, WriteError
from inrgan.files import LockedFolder, read_json, replacing, user_path, write_json
from inrgan.registry import rebuild_as
from inrgan.training.distribution import Ranks

VERSION = 1
_PICKLE = b"\x80"
_LOG = logging.getLogger("inrgan")


class DamagedStateError(CheckpointError):
    """Damaged state on the disk, which the previous state can replace."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to one file; the previous file stays beside it.

    The new file is flushed to the disk and read back before it replaces the previous one, so that at any moment, and
    after a kill at any moment, ``path`` or ``previous_state(path)`` is complete.

    Raises:
        WriteError: The disk is full, or the file differs when read back; the previous state is intact.
    """
    buffer = io.BytesIO()  # torch hides the disk's error when it writes to a file itself
    torch.save({"format": "inrgan-state", "version": VERSION, **state}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        _flush(temporary)
        if _digest(temporary) != hashlib.sha256(buffer.getbuffer()).digest():
            raise WriteError(
                f"{path} differs from the written state when read back; the previous state is intact. The disk may be "
                "failing: copy the run directory to another one"
            )
        if path.exists():
            os.replace(path, previous_state(path))


def previous_state(path: Path) -> Path:
    """File of the previous state."""
    return path.with_name("state-previous.pt")


def has_state(path: Path) -> bool:
    """Whether there is a state to resume from."""
    return path.exists() or previous_state(path).exists()


def load_last_state(path: Path, *, device: torch.device) -> dict[str, Any]:
    """Last state, or the previous one if the last is damaged or missing, with a warning in the log.

    Raises:
        CheckpointError: Neither can be read, as for ``load_state``.
    """
    try:
        if not path.exists() and previous_state(path).exists():  # killed between two renames
            return load_state(previous_state(path), device=device)
        return load_state(path, device=device)
    except DamagedStateError as error:
        if not previous_state(path).exists():
            raise
        state = load_state(previous_state(path), device=device)
        _LOG.warning("%s; resuming from %s instead", str(error).partition(";")[0], previous_state(path).name)
        return state


def load_state(path: Path, *, device: torch.device) -> dict[str, Any]:
    """Read a training state; nothing in the file can run code.

    Raises:
        CheckpointError: The file is missing, truncated, foreign, or a pickle that would execute code.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} has no {path.name} to resume from; use --init-from a snapshot") from None
    except OSError as error:
        raise DamagedStateError(
            f"{path} cannot be read ({error.strerror or error}); start from the last snapshot with --init-from"
        ) from None
    return decode_state(data, path=path, device=device)


def decode_state(data: bytes, *, path: Path, device: torch.device) -> dict[str, Any]:
    """Training state from a file's bytes; ``path`` is for messages.

    Raises:
        CheckpointError: The data are truncated, foreign, or a pickle that would execute code.
    """
    try:
        if not data.startswith(_PICKLE):  # torch rejects a pickle, with the name of its code
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                broken = archive.testzip()  # torch itself does not check the checksums
            if broken is not None:
                raise ValueError(f"the checksum of {broken} is wrong")
        state = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        # Not torch's message, which explains how to switch this check off.
        wanted = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error))
        named = f" ({wanted[1]})" if wanted else ""
        raise CheckpointError(
            f"{path} is refused: it would execute code{named}, while training states have tensors and plain values "
            "only; start from a snapshot with --init-from"
        ) from None
    except Exception as error:  # torch.load raises many errors for damaged archives
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedStateError(
            f"{path} is truncated or corrupt ({reason}); start from the last snapshot with --init-from"
        ) from None
    if not isinstance(state, dict) or state.get("format") != "inrgan-state" or state.get("version") != VERSION:
        raise CheckpointError(f"{path} is not a training state of this version of inrgan")
    return state


def _flush(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if sys.platform == "linux":  # so that the file is read back from the disk, not from the page cache
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _digest(path: Path) -> bytes:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.digest()


class RunDirectory:
    """Folder of a run, locked by one process at a time.

    Args:
        path: Path of an existing folder.
        held: False where another process of the same run has locked it; this one must then write nothing.

    Raises:
        RunDirectoryError: The folder is missing, or another process has locked it.
    """

    def __init__(self, path: Path, *, held: bool = True):
        self.path, self._held = path, held
        self._folder = LockedFolder(path, tidied=("snapshot-*",))
        self._locked = False
        self._left: tuple[int, int] | None = None
        if held:
            if not path.is_dir():
                raise RunDirectoryError(f"there is no run directory at {path}")
            with contextlib.suppress(FileNotFoundError, ConfigError):  # reported when it is needed
                _refuse_saved(path, read_json(path / "config.json"))
            self.lock()

    def lock(self) -> None:
        """Lock the folder, unless it is; ``close`` unlocks it.

        Raises:
            RunDirectoryError: Another process has locked it, or has continued the run since it was unlocked.
        """
        if not self._held or self._locked:
            return
        try:
            acquired = self._folder.acquire()
        except OSError as error:
            raise RunDirectoryError(
                f"cannot use {self.path}: {error.strerror or error}; free space or change permissions"
            ) from None
        if not acquired:
            raise RunDirectoryError(
                f"{self.path} is in use by another process; wait for it, or train into another directory"
            )
        if self._left is not None and self._left != self._stamp():
            self._folder.release()
            raise RunDirectoryError(f"{self.path} was continued in the meantime; resume it with a new Trainer")
        self._locked = True

    def _stamp(self) -> tuple[int, int]:
        """Size and time of the last state."""
        found = self.state.stat() if self.state.exists() else None
        return (0, 0) if found is None else (found.st_size, found.st_mtime_ns)

    @staticmethod
    def at(path: Path) -> "RunDirectory":
        """Run directory at an exact path, created if it is missing; for commands that start or resume a run.

        Raises:
            RunDirectoryError: It cannot be created, is in use, or contains something other than a run.
        """
        try:
            path = user_path(path)
            path.mkdir(parents=True, exist_ok=True)
            foreign = [p.name for p in path.iterdir() if not p.name.startswith(".")]
        except OSError as error:
            raise RunDirectoryError(f"cannot create the run directory {path}: {error.strerror or error}") from None
        if foreign and not (path / "config.json").exists():
            raise RunDirectoryError(
                f"{path} has {min(foreign)} and no config.json, so it is no run directory; give an empty or new one"
            )
        return RunDirectory(path)

    @staticmethod
    def create(outdir: str | Path, *, slug: str) -> "RunDirectory":
        """Next free ``NNNNN-slug`` under ``outdir``.

        Raises:
            RunDirectoryError: The folder cannot be created.
        """
        root = user_path(outdir)
        try:
            root.mkdir(parents=True, exist_ok=True)
            for _ in range(100):  # another process may take the number between the search and the creation
                taken = [int(m[1]) for p in root.iterdir() if (m := re.match(r"(\d{5,})-", p.name))]
                path = root / f"{max(taken, default=-1) + 1:05d}-{slug}"
                try:
                    path.mkdir()
                    return RunDirectory(path)
                except FileExistsError:
                    continue
        except OSError as error:
            raise RunDirectoryError(f"cannot create a run directory in {root}: {error.strerror or error}") from None
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
            RunDirectoryError: The file is missing or not JSON.
        """
        path = self.path / "config.json"
        try:
            config = read_json(path)
        except FileNotFoundError:
            raise RunDirectoryError(f"{self.path} has no config.json; expected a run directory") from None
        except ConfigError as error:
            raise RunDirectoryError(str(error)) from None
        if not isinstance(config, dict):
            raise RunDirectoryError(f"{path} is not a JSON object; expected the configuration of a run")
        _refuse_saved(self.path, config)
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
            raise WriteError(
                f"cannot write {self.path / name}: {error.strerror or error}; free space on the disk"
            ) from None

    def truncate(self, name: str, *, kimg: float) -> None:
        """Drop the lines of a ``.jsonl`` file after the point that training resumes from, and incomplete lines."""

        def stays(line: str) -> bool:
            try:
                return json.loads(line)["kimg"] <= kimg
            except (ValueError, KeyError, TypeError, RecursionError):
                return False

        path = self.path / name
        if path.exists():
            remaining = [
                line for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if stays(line)
            ]
            text = "".join(f"{line}\n" for line in remaining)
            with replacing(path) as temporary:
                temporary.write_text(text, encoding="utf-8")

    def close(self) -> None:
        """Release the lock."""
        if self._locked:
            self._left, self._locked = self._stamp(), False
            self._folder.release()


def _refuse_saved(path: Path, config: Any) -> None:
    """Refuse a folder with a saved generator, such as a snapshot of a run."""
    if isinstance(config, dict) and config.get("format") == FORMAT:
        run = path.absolute().parent
        instead = f"--resume {run} to continue its run, or " if (run / "config.json").exists() else ""
        raise RunDirectoryError(
            f"{path} is a saved generator and no run directory; give {instead}--init-from {path} to start a new run "
            "from its weights"
        )


_FREE = {
    "kimg", "snapshot_kimg", "device", "precision", "tf32", "graphs", "compile", "data", "follow_links", "batch_gpu",
    "ahead", "workers", "watch_every",
}  # fmt: skip
"""Settings that may change when a run is resumed; any other would change the run."""


def open_run(
    outdir: str | Path, *, slug: str, resume: str | Path | None, run_dir: str | Path | None, ranks: Ranks
) -> RunDirectory:
    """Run directory of a training, locked by the first process.

    Args:
        outdir: Folder of new run directories.
        slug: End of a new directory's name.
        resume: Existing run directory.
        run_dir: Run directory that is created if it is missing.
        ranks: Processes that train together.

    Raises:
        RunDirectoryError: The directory cannot be created, is missing, or is in use.
    """
    if not ranks.first:
        return RunDirectory(ranks.share(Path()), held=False)
    if resume is not None:
        run = RunDirectory(user_path(resume))
    elif run_dir is not None:
        run = RunDirectory.at(Path(run_dir))
    else:
        run = RunDirectory.create(outdir, slug=slug)
    ranks.share(run.path)
    return run


def check_same_run(run: RunDirectory, config: TrainConfig, *, ranks: Ranks) -> None:
    """Check that a run is resumed with its own configuration.

    Settings newer than the run have their default values.

    Raises:
        ConfigError: Some settings differ or are unknown to this version; the message names them.
        RunDirectoryError: The run's configuration cannot be read.
    """
    saved = ranks.share(run.read_config() if ranks.first else {})
    described = saved.get("modality")
    if not isinstance(described, dict) or described.get("name") != config.modality.name:
        raise ConfigError(f"{run.path} is no run of {config.modality.name}; resume it with its own modality")
    arguments = described.get("arguments")
    modality = rebuild_as(type(config.modality), arguments)
    its = TrainConfig.from_json({**saved, "data": None}, modality=modality).to_json()
    mine = config.to_json()
    compared = {field.name for field in dataclasses.fields(modality) if field.compare}  # type: ignore[arg-type]
    changed = _changed(
        *({name: x for name, x in m.arguments().items() if name in compared} for m in (modality, config.modality))
    )
    changed += _changed(its["views"], mine["views"])
    names = [name for name in mine if name not in {*_FREE, "modality", "views"}]
    changed += _changed({name: its[name] for name in names}, {name: mine[name] for name in names})
    if changed:
        raise _another(run, changed)


def _changed(its: Mapping[str, Any], mine: Mapping[str, Any]) -> list[str]:
    """Flags whose values differ, with both values."""
    return [
        f"--{name.replace('_', '-')} {_shown(its[name])}, not {_shown(value)}"
        for name, value in mine.items() if its[name] != value
    ]  # fmt: skip


def _shown(value: Any) -> str:
    """A value as on the command line."""
    text = ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _another(run: RunDirectory, changed: Sequence[str]) -> ConfigError:
    return ConfigError(
        f"{run.path} was trained with {'; '.join(changed)}; resume it without these flags, or start a new run with "
        "--init-from"
    )
