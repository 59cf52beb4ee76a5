"""Indices of the videos of a data set, in a file of the user's cache folder."""

import hashlib
import importlib.util
import json
import logging
import os
from pathlib import Path
from typing import Any, final

from inrgan.errors import InrganError
from inrgan.files import write_json

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

    def __init__(self, data: str | Path):
        root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        where = hashlib.sha256(os.path.realpath(data).encode()).hexdigest()[:24]
        self._path = Path(root) / "inrgan" / "videos" / f"{where}.json"
        self._changed, self._zip = False, Path(data) if Path(data).is_file() else None
        try:
            self._entries = json.loads(self._path.read_text(encoding="utf-8"))
            assert isinstance(self._entries, dict)
        except (OSError, ValueError, AssertionError):
            self._entries = {}

    def get(self, name: str, paths: list[str]) -> dict[str, Any] | None:
        """The index of a video; None where its files changed, or there is none."""
        entry = self._entries.get(name)
        return entry["index"] if isinstance(entry, dict) and entry.get("state") == self._state(paths) else None

    def put(self, name: str, paths: list[str], index: dict[str, Any]) -> None:
        """Keep the index of a video."""
        self._entries[name], self._changed = {"state": self._state(paths), "index": index}, True

    def save(self) -> None:
        """Write what changed; a folder that cannot be written gives a warning."""
        if self._changed:
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
