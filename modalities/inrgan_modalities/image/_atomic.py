"""A file appears whole or not at all."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from inrgan.errors import ConfigError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder, moved over ``path`` when the block ends well.

    A missing folder is created; when the block fails, the temporary file is removed.

    Raises:
        ConfigError: The folder or the file cannot be written.
    """
    # Not tempfile.mkstemp: it would leave the file unreadable to others whatever the user's umask says.
    temporary = path.with_name(f".{path.stem}.{uuid.uuid4().hex}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(
            f"Cannot write {path}: {error.strerror or error}. Give another path, or make room or rights for it."
        ) from error


def known_suffix(path: Path, suffixes: tuple[str, ...]) -> str:
    """Return the path's suffix in lower case; raises ConfigError unless it is one of ``suffixes``."""
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise ConfigError(f"Cannot write {path}: its suffix is {suffix!r}; use one of {' '.join(suffixes)}.")
    return suffix
