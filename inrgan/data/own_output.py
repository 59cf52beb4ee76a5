"""Files of this library's own making: run directories and saved generators, which are never data."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from inrgan.data.file_counts import OWN, FileCounts
from inrgan.errors import DataError

_CONFIG = "config.json"
_MAX_BYTES = 1 << 20


def is_own(config: bytes) -> bool:
    """Whether the bytes are the ``config.json`` of a run or of a saved generator.

    Example:
        >>> is_own(b'{"modality": {"name": "image", "arguments": {}}, "kimg": 100}')
        True
    """
    try:
        described = json.loads(config)
    except (ValueError, RecursionError):
        return False
    modality = described.get("modality") if isinstance(described, dict) else None
    return isinstance(modality, dict) and set(modality) == {"name", "arguments"}


def is_own_folder(folder: Path) -> bool:
    """Whether a folder is a run directory or has a saved generator.

    Example:
        >>> is_own_folder(Path("runs/00000-image-shapes-tiny"))
        True
    """
    try:
        return is_own((folder / _CONFIG).read_bytes()[:_MAX_BYTES])
    except OSError:
        return False


def without_own(names: Iterable[str], *, read: Callable[[str, int], bytes], files: FileCounts, where: str) -> list[str]:
    """Names of files that are outside of run directories and saved generators.

    Args:
        names: Posix paths of all files.
        read: Function from a name and a number of bytes to the first bytes of the file.
        files: Counts, to which the files inside are added.
        where: The place, for messages.

    Raises:
        DataError: The place itself is a run directory or a saved generator.

    Example:
        >>> without_own(["a.png", "runs/00000-image/fakes.png", ...], read=read, files=files, where="photos")
        ['a.png']
    """
    names = list(names)
    candidates = [name for name in names if name == _CONFIG or name.endswith(f"/{_CONFIG}")]
    own = {PurePosixPath(name).parent for name in candidates if is_own(read(name, _MAX_BYTES))}
    if not own:
        return names
    if PurePosixPath() in own:
        raise DataError(
            f"{where} is a run directory or a saved generator, whose files are never data; expected a folder of files "
            "to train on. Give its path with --data."
        )
    kept = []
    for name in names:
        if own.isdisjoint(PurePosixPath(name).parents):
            kept.append(name)
        else:
            files.leave(name, OWN)
    return kept


def holds_only_own(folder: Path) -> bool:
    """Whether all files below a folder are those of run directories and saved generators; hidden ones do not count.

    Example:
        >>> holds_only_own(Path("runs"))
        True
    """
    for place, subfolders, files in os.walk(folder):
        here = Path(place)
        if is_own_folder(here):
            subfolders.clear()
        elif any(not name.startswith(".") for name in files):
            return False
    return True
