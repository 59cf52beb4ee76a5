"""Writing files so that a crash or a full disk never leaves a half one under the final name."""

import json
import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from inrgan.errors import ConfigError, WriteError

MOST_JSON_BYTES = 16 << 20
"""Of a configuration that is read."""


@contextmanager
def replacing(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder, moved over ``path`` when the block ends well.

    A missing folder is created; when the block fails, the temporary file is removed. The file gets the permissions
    that the user's umask gives.

    Args:
        path: the file that appears whole or not at all.
        flush: wait until the disk has the data, so that a power cut cannot leave an empty file under the name. Files
            whose readers notice damage, and can make them anew, need not wait.

    Raises:
        WriteError: the disk is full, or the folder or the file cannot be written; what stood at ``path`` is intact.

    Example:
        >>> with replacing(Path("figures/one.txt")) as temporary:
        ...     temporary.write_text("1")
    """
    # Not tempfile.mkstemp: it would leave the file unreadable to others whatever the user's umask says.
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if flush:
                with open(temporary, "rb") as file:
                    os.fsync(file.fileno())
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WriteError(
            f"Cannot write {path}: {error.strerror or error}. Give another path, or make room or rights for it. "
            "What was there before, if anything, is untouched"
        ) from error


def write_json(path: Path, data: Any) -> None:
    """Write plain data as indented JSON, whole or not at all.

    Raises:
        WriteError: as for ``replacing``.

    Example:
        >>> write_json(Path("sizes.json"), {"shape": [512, 1024]})
    """
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Plain data from a JSON file that anyone may have written: no larger than a configuration needs to be.

    Raises:
        FileNotFoundError: it is not there.
        ConfigError: it is larger than 16 MiB, no plain file, cannot be read, is not JSON, or is nested too deeply.

    Example:
        >>> read_json(Path("sizes.json"))
        {'shape': [512, 1024]}
    """
    try:
        if path.exists() and not path.is_file():  # a pipe or a device would hang or never end
            raise ConfigError(f"{path} is no plain file; expected JSON")
        with open(path, "rb") as file:
            data = file.read(MOST_JSON_BYTES + 1)
        if len(data) > MOST_JSON_BYTES:
            raise ConfigError(f"{path} is not JSON of a sensible size: it has over {MOST_JSON_BYTES >> 20} MiB")
        return json.loads(data.decode("utf-8"))
    except (FileNotFoundError, ConfigError):
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {str(error) or type(error).__name__}") from None


def known_suffix(path: Path, suffixes: Sequence[str]) -> str:
    """The path's suffix in lower case.

    Raises:
        ConfigError: it is none of ``suffixes``.

    Example:
        >>> known_suffix(Path("a.PNG"), (".png", ".jpg"))
        '.png'
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise ConfigError(f"Cannot write {path}: its suffix is {suffix!r}; use one of {' '.join(suffixes)}.")
    return suffix
