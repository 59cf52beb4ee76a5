"""Archives that are zip files."""

import os
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from inrgan.data.archive import AbstractArchive, has_suffix, is_visible, nothing_found, refuse_climbing, slug
from inrgan.errors import DataError

_ENCRYPTED = 0x1
_MAX_RATIO = 1000
_MIN_BOMB_BYTES = 64 << 20


@final
class ZipArchive(AbstractArchive):
    """The entries of a zip file, read in place without unpacking.

    The file is opened when first read, once per process, so the archive may be pickled, forked and shared by
    threads. Hidden entries and ``__MACOSX`` folders are ignored.

    Args:
        path: Path of the zip file.
        suffixes: Suffixes of wanted files with their dot, such as ``(".png", ".jpg")``; case does not matter.
        max_entry_bytes: Largest unpacked size of an entry that is read.

    Raises:
        DataError: The file is missing, not a zip file, cut short, encrypted, without a wanted entry, or has an entry
            whose name leads out with ``..``; on reading, an entry is damaged, too large, or packed so tightly that it
            must be a decompression bomb (over 1000 times smaller, and over 64 MiB unpacked).

    Example:
        >>> archive = ZipArchive("flowers.zip", suffixes=(".png",))
        >>> len(archive.read(archive.names[0]))
        20481
    """

    def __init__(self, path: str | Path, *, suffixes: tuple[str, ...], max_entry_bytes: int = 1 << 30):
        self._path = Path(path).expanduser().absolute()
        self._max_entry_bytes = max_entry_bytes
        self._start()
        entries = {}
        with self._locked() as file:
            for info in file.infolist():
                refuse_climbing(info.filename, where=str(path))
                # Some Windows tools write backslashes, against the standard.
                name = info.filename.replace("\\", "/").lstrip("/")
                if name and not name.endswith("/") and is_visible(name):  # info.is_dir fails on an empty name
                    entries[name] = info
        wanted = {name: info for name, info in entries.items() if has_suffix(name, suffixes)}
        if not wanted:
            raise DataError(nothing_found(str(path), suffixes=suffixes, others=entries))
        for name, info in wanted.items():
            if info.flag_bits & _ENCRYPTED:
                raise DataError(
                    f"{path} is encrypted (entry {name!r}), and only plain zip files can be read. Unpack it "
                    "with its password and give the folder."
                )
        self._entry_names = {name: info.filename for name, info in wanted.items()}
        self._names = tuple(sorted(wanted))

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def description(self) -> str:
        return slug(self._path.stem)

    def read(self, name: str) -> bytes:
        """The bytes of one entry; raises DataError when it is not there, damaged or too large."""
        if name not in self._entry_names:
            raise DataError(f"{self._path} lists no entry {name!r}. Use one of the archive's names.")
        with self._locked() as file:
            try:
                info = file.getinfo(self._entry_names[name])
                self._check_size(info)
                return file.read(info)
            except DataError:
                raise
            # zipfile passes on whatever the decompressor says: zlib.error, LZMAError, EOFError, KeyError, ...
            except Exception as error:
                raise DataError(
                    f"Entry {name!r} of {self._path} cannot be read ({type(error).__name__}: {error}). "
                    "Download or make the zip file again."
                ) from error

    def close(self) -> None:
        """Close this process's handle; a later ``read`` opens the file again."""
        handle = self._handles.pop(os.getpid(), None)
        if handle is not None:
            handle.close()

    def __getstate__(self) -> dict[str, Any]:
        state = vars(self).copy()
        del state["_handles"], state["_locks"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def _start(self) -> None:
        # Keyed by process: a forked child must share neither the file offset nor a lock held by a thread that
        # the fork did not copy. dict.setdefault is atomic, so that two threads get the same lock.
        self._handles: dict[int, zipfile.ZipFile] = {}
        self._locks: dict[int, threading.Lock] = {}

    @contextmanager
    def _locked(self) -> Iterator[zipfile.ZipFile]:
        pid = os.getpid()
        with self._locks.setdefault(pid, threading.Lock()):
            if pid not in self._handles:
                self._handles[pid] = _open(self._path)
            yield self._handles[pid]

    def _check_size(self, info: zipfile.ZipInfo) -> None:
        # zipfile never unpacks more than the size the directory states, so a lying entry is caught as well.
        ratio = info.file_size / max(info.compress_size, 1)
        if info.file_size > self._max_entry_bytes:
            reason = f"unpacks to {info.file_size} bytes, more than the {self._max_entry_bytes} allowed"
        elif ratio > _MAX_RATIO and info.file_size > _MIN_BOMB_BYTES:
            reason = f"unpacks to {ratio:.0f} times its size, more than the {_MAX_RATIO} allowed"
        else:
            return
        raise DataError(
            f"Entry {info.filename!r} of {self._path} {reason}: a decompression bomb? Take it out of the zip file."
        )


def _open(path: Path) -> zipfile.ZipFile:
    try:
        with path.open("rb") as file:
            begins_as_zip = file.read(4) == b"PK\x03\x04"
        return zipfile.ZipFile(path)
    except OSError as error:
        raise DataError(f"Cannot open {path}: {error.strerror or error}. Check the path and its rights.") from error
    except Exception as error:  # of damaged directories: BadZipFile, struct.error, UnicodeDecodeError, ...
        state = "begins as a zip file but is cut short or damaged" if begins_as_zip else "is not a zip file"
        raise DataError(f"{path} {state}; a whole zip file was expected. Download or make it again.") from error
