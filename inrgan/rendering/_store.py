"""The tiles of an unfinished render on disk, from which it goes on after any stop."""

import json
import shutil
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from inrgan.errors import ConfigError
from inrgan.files import replacing, write_json

_FORMAT = {"format": "inrgan-render", "version": 1}


class TileStore:
    """A folder with one compressed file per tile, and ``job.json``, which says what is rendered.

    Opening a folder that is there goes on with it, if it holds the same job and no other process is at it.

    Args:
        folder: made when it is not there.
        job: plain JSON values that decide every number of the render.

    Raises:
        ConfigError: the folder holds another job or something else, or another process works in it.
        WriteError: the folder cannot be written.
        OSError: the same, before there is anything to lose.
    """

    def __init__(self, folder: Path, job: Mapping[str, Any]):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(folder / "lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ConfigError(
                f"another process is rendering in {folder}; wait for it, or render to another file"
            ) from None
        try:
            self._agree(json.loads(json.dumps({**_FORMAT, **job}, allow_nan=False)))
        except BaseException:
            self.close()
            raise

    def _agree(self, job: dict[str, Any]) -> None:
        path = self.folder / "job.json"
        other = f"delete {self.folder} to start anew, or render to another file"
        try:
            there = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            # A process that ends before it writes its job leaves nothing but the lock and hidden files.
            if any(p.name != "lock" and not p.name.startswith(".") for p in self.folder.iterdir()):
                raise ConfigError(
                    f"{self.folder} is not an unfinished render; move it, or render to another file"
                ) from None
            write_json(path, job)
            return
        except ValueError:
            there = None
        if not isinstance(there, dict) or any(there.get(key) != value for key, value in _FORMAT.items()):
            raise ConfigError(f"{path} does not describe a render of this version; {other}")
        differ = [key for key in job if there.get(key) != job[key]]
        if differ:
            settings = ", ".join(
                f"{key} is {_short(there.get(key))} there and {_short(job[key])} here" for key in differ
            )
            raise ConfigError(f"{self.folder} is an unfinished render of other settings: {settings}; {other}")

    def has(self, level: int, index: Sequence[int]) -> bool:
        """Whether a tile is there; it may turn out to be damaged."""
        return self._path(level, index).exists()

    def size(self, level: int, index: Sequence[int]) -> int:
        """Bytes that a tile takes."""
        return self._path(level, index).stat().st_size

    def read(
        self, level: int, index: Sequence[int], *, shape: Sequence[int], dtype: np.dtype
    ) -> NDArray[np.generic] | None:
        """A tile, or None when it is not there or damaged."""
        try:
            data = zlib.decompress(self._path(level, index).read_bytes())  # compares a checksum, too
            return np.frombuffer(data, dtype=dtype).reshape(shape)
        except (FileNotFoundError, zlib.error, ValueError):
            return None

    def write(self, level: int, index: Sequence[int], values: NDArray[np.generic]) -> None:
        """Keep a tile.

        Raises:
            WriteError: the disk is full.
        """
        data = zlib.compress(np.ascontiguousarray(values).tobytes(), level=1)
        with replacing(self._path(level, index), flush=False) as temporary:  # a damaged tile is noticed and made anew
            temporary.write_bytes(data)

    def close(self) -> None:
        """Let other processes have it."""
        self._lock.release()

    def remove(self) -> None:
        """Delete it all, the job last: what a stop leaves still says what it is."""
        for path in self.folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
        self.close()
        shutil.rmtree(self.folder)

    def _path(self, level: int, index: Sequence[int]) -> Path:
        *rows, last = (str(i) for i in index)
        return self.folder.joinpath(f"level{level}", *rows, f"{last}.z")


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:12]}…{text[-1]}"
