"""Files written completely or not at all, and folders locked for one process."""

import json
import os
import re
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from filelock import FileLock, Timeout

from inrgan.errors import ConfigError, WriteError

MAX_JSON_BYTES = 16 << 20
"""Largest size of a configuration file."""
_TEMPORARY = re.compile(r"\..*\.[0-9a-f]{32}(\.|$)")


def user_path(path: str | os.PathLike[str]) -> Path:
    """Path with ``~`` expanded, which shells leave alone in ``--out=~/a.png`` and within quotes.

    Raises:
        ConfigError: No home directory is known.

    Example:
        >>> user_path("~/a.png")
        PosixPath('/home/ada/a.png')
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise ConfigError(f"{path} begins with ~, and no home directory is known; give an absolute path") from None


def cache_folder(name: str) -> Path | None:
    """Folder in ``$INRGAN_CACHE``, or ``inrgan`` in the user's cache; None where no home directory is known.

    Example:
        >>> cache_folder("videos")
        PosixPath('/home/ada/.cache/inrgan/videos')
    """
    own = os.environ.get("INRGAN_CACHE")
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if own:
        return user_path(own) / name
    return Path(root) / "inrgan" / name if os.path.isabs(root) else None


@contextmanager
def replacing(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a temporary path in the same folder, moved to ``path`` when the block succeeds.

    A missing folder is created. When the block fails, the temporary file is removed. The file's permissions follow the
    user's umask.

    Args:
        path: Path of the file, which appears complete or not at all.
        flush: Whether to wait until the data are on the disk, so that a power cut cannot leave an empty file. Files
            whose readers detect damage and can create them again need no flush.

    Raises:
        WriteError: The disk is full, or the folder or the file cannot be written; an existing file at ``path`` stays
            intact.

    Example:
        >>> with replacing(Path("figures/one.txt")) as temporary:
        ...     temporary.write_text("1")
    """
    path = user_path(path)
    # Not tempfile.mkstemp, whose files are unreadable to others whatever the user's umask.
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
            f"Cannot write {path}: {error.strerror or error}. Give another path, free space or change permissions. "
            "An existing file is unchanged"
        ) from error


def write_json(path: Path, data: Any) -> None:
    """Write plain data as indented JSON, completely or not at all.

    Raises:
        WriteError: As for ``replacing``.

    Example:
        >>> write_json(Path("sizes.json"), {"shape": [512, 1024]})
    """
    text = json.dumps(data, indent=2, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Plain data from an untrusted JSON file.

    Raises:
        FileNotFoundError: The file does not exist.
        ConfigError: The file is larger than 16 MiB, not a regular file, unreadable, not JSON, or nested too deeply.

    Example:
        >>> read_json(Path("sizes.json"))
        {'shape': [512, 1024]}
    """
    try:
        if path.exists() and not path.is_file():  # a pipe or a device would hang or never end
            raise ConfigError(f"{path} is not a regular file; expected JSON")
        with open(path, "rb") as file:
            data = file.read(MAX_JSON_BYTES + 1)
        if len(data) > MAX_JSON_BYTES:
            raise ConfigError(f"{path} is too large for a configuration: it has over {MAX_JSON_BYTES >> 20} MiB")
        return json.loads(data.decode("utf-8"))
    except (FileNotFoundError, ConfigError):
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {str(error) or type(error).__name__}") from None


@final
class LockedFolder:
    """Folder used by one process at a time, cleared of the temporary files of killed processes.

    Args:
        path: Path of an existing folder.
        lock: Name of the lock file.
        tidied: Patterns of its subfolders that are cleared as well.

    Example:
        >>> folder = LockedFolder(Path("runs/00000-image"))
        >>> folder.acquire()
        True
        >>> folder.release()
    """

    def __init__(self, path: Path, *, lock: str = ".lock", tidied: Sequence[str] = ()):
        self.path = path
        self._lock = FileLock(path / lock)
        self._tidied = tuple(tidied)

    def acquire(self) -> bool:
        """Lock the folder and remove leftover temporary files; False if another process has locked it.

        Raises:
            OSError: The lock file cannot be written.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            return False
        for folder in (self.path, *(p for pattern in self._tidied for p in self.path.glob(pattern))):
            for leftover in folder.glob(".*.*"):
                if _TEMPORARY.match(leftover.name):
                    leftover.unlink(missing_ok=True)
        return True

    def release(self) -> None:
        """Unlock the folder."""
        self._lock.release()


def known_suffix(path: Path, suffixes: Sequence[str]) -> str:
    """Suffix of the path in lower case.

    Raises:
        ConfigError: The suffix is not in ``suffixes``.

    Example:
        >>> known_suffix(Path("a.PNG"), (".png", ".jpg"))
        '.png'
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise ConfigError(f"Cannot write {path}: its suffix is {suffix!r}; use one of {' '.join(suffixes)}.")
    return suffix
