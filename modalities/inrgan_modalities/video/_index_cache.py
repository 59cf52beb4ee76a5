"""Indices of the videos of a data set, in a file of the user's cache folder."""

import hashlib
import importlib.util
import json
import logging
import os
from pathlib import Path
from typing import Any, final

from inrgan.data import DataPath
from inrgan.errors import InrganError
from inrgan.files import cache_folder, user_path, write_json

_FORMAT = 2
"""Number of the format of an index; indices of another one are made again."""


@final
class IndexCache:
    """The indices of a data set by the name of the video; they are made again if lost.

    Args:
        data: Path of the data set.

    Example:
        >>> IndexCache("clips").get("a.mp4", ["clips/a.mp4"])["rows"]
        240
    """

    def __init__(self, data: DataPath):
        folder, path = cache_folder("videos"), user_path(data)
        where = hashlib.sha256(os.path.realpath(path).encode()).hexdigest()[:24]
        self._path = None if folder is None else folder / f"{where}.json"
        self._changed, self._zip = False, path if path.is_file() else None
        self._entries = _entries(self._path)

    def get(self, name: str, paths: list[str]) -> dict[str, Any] | None:
        """The index of a video; None where its files changed, or there is none."""
        entry = self._entries.get(name)
        return entry["index"] if isinstance(entry, dict) and entry.get("state") == self._state(paths) else None

    def put(self, name: str, paths: list[str], index: dict[str, Any]) -> None:
        """Keep the index of a video."""
        self._entries[name], self._changed = {"state": self._state(paths), "index": index}, True

    def save(self) -> None:
        """Write what changed; a folder that cannot be written gives a warning."""
        if self._changed and self._path is not None:
            try:
                write_json(self._path, self._entries)
            except InrganError as error:
                logging.getLogger("inrgan").warning("The index of the videos cannot be cached: %s", error)

    def _state(self, paths: list[str]) -> list[Any]:
        """A fingerprint that changes with the files; for zip entries, with the zip and the sizes of the entries."""
        stats = [os.stat(p) for p in paths]
        dates = [int(os.stat(self._zip).st_mtime_ns)] if self._zip else [int(s.st_mtime_ns) for s in stats]
        # An index says whether decord agrees with it, if it is installed.
        decord = importlib.util.find_spec("decord") is not None
        return [_FORMAT, decord, len(paths), sum(s.st_size for s in stats), max(dates)]


def _entries(path: Path | None) -> dict[str, Any]:
    """Entries of a file; none where it is missing or damaged."""
    try:
        found = json.loads(path.read_text(encoding="utf-8")) if path is not None else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
