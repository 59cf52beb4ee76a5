"""Writing files so that a crash or a full disk never leaves a half one under the final name."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from inrgan.errors import RunDirectoryError


def write_atomic(path: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` fill a temporary file beside ``path``, flush it to disk, then rename it into place.

    Raises:
        RunDirectoryError: the disk is full or the folder cannot be written; what stood at ``path`` is intact.
    """
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        write(temporary)
        with open(temporary, "rb") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise RunDirectoryError(
            f"cannot write {path}: {error.strerror or error}; free some space or choose another folder. "
            "The last good file, if there was one, is untouched"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    """Write plain data as indented JSON, atomically."""
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    write_atomic(path, lambda p: p.write_text(text, encoding="utf-8"))
