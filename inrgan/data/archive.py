"""Archives: the files of a folder or a zip file, by name."""

import hashlib
import logging
import os
import re
import threading
import zipfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn, final

from inrgan.data.dataset_json import document_classes, is_dataset_json
from inrgan.data.file_counts import HIDDEN, LABELS, LINK, NO_FILE, RING, FileCounts, suffix_of
from inrgan.data.links import DataPath, FollowLinks, is_ring
from inrgan.data.own_output import without_own
from inrgan.errors import DataError
from inrgan.files import replacing, user_path


class AbstractArchive(ABC):
    """A read-only, sorted list of named byte blobs.

    ``names`` are posix paths relative to the archive's root, sorted, without duplicates.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """All blob names, sorted."""

    @property
    def kind(self) -> str:
        """Kind of place in words, such as ``folder``."""
        return "files"

    @property
    @abstractmethod
    def description(self) -> str:
        """A short slug (lower-case letters, digits, dashes) for the names of run directories."""

    @property
    def files(self) -> FileCounts:
        """Numbers of files that are used, and not used with the reason."""
        counts = FileCounts()
        for name in self.names:
            counts.use(name)
        return counts

    @property
    def documents(self) -> tuple[str, ...]:
        """Names of the files of labels (``dataset.json``), which ``read`` reads as well."""
        return ()

    @abstractmethod
    def read(self, name: str) -> bytes:
        """The bytes of one blob; raises DataError when it is missing or cannot be read."""

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of one blob, at most ``size``; raises DataError as ``read`` does."""
        return self.read(name)[:size]

    @property
    def class_source(self) -> str:
        """Name of what states classes in the archive; empty where nothing does."""
        return "dataset.json" if self.documents else ""

    def classes(self, names: Sequence[str] | None = None) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
        """Class names, and an index into them for every item, if the archive states classes; None otherwise.

        Args:
            names: Names of the items; all of the archive when None.

        Raises:
            DataError: Only some items have a class, or a file of labels is damaged.
        """
        documents = {name: self.read(name) for name in self.documents}
        return document_classes(self.names if names is None else names, documents)

    def local(self, name: str, scratch: Path) -> Path:
        """A file with the bytes of one blob, for libraries that read only files.

        Args:
            name: Name of the blob.
            scratch: Folder for a copy, unless the blob is a file already; the suffix stays.

        Raises:
            DataError: As for ``read``.
            WriteError: The folder cannot be written.
        """
        path = scratch / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}{PurePosixPath(name).suffix}"
        if not path.exists():
            data = self.read(name)
            with replacing(path, flush=False) as temporary:
                temporary.write_bytes(data)
        return path

    @abstractmethod
    def close(self) -> None:
        """Release file handles; a later ``read`` opens them again."""


@final
class FolderArchive(AbstractArchive):
    """The files below a folder, at any depth.

    Hidden files, ``__MACOSX`` folders and run directories are ignored. Links to files inside the folder are followed;
    links to the outside, and all links to folders, are skipped and counted in ``skipped_links``.

    Args:
        path: Path of the folder; ``FollowLinks`` to follow all links.
        suffixes: Suffixes of wanted files with their dot, such as ``(".png", ".jpg")``; case does not matter.
        reasons: Reasons why files of other suffixes are not read, by suffix in lower case.

    Raises:
        DataError: The path is not a folder, cannot be listed, is a run directory, or holds no wanted
            file.

    Example:
        >>> archive = FolderArchive("flowers", suffixes=(".png",))
        >>> len(archive.read(archive.names[0]))
        20481
    """

    def __init__(self, path: DataPath, *, suffixes: tuple[str, ...], reasons: Mapping[str, str] | None = None):
        # os.path.realpath, since Path.resolve raises on a ring of links before Python 3.13.
        self._root = Path(os.path.realpath(user_path(path)))
        if not self._root.is_dir():
            raise DataError(f"{path} is not a folder. Give the path of a folder that exists.")
        self.skipped_links = 0
        self._files = FileCounts()
        found = without_own(
            self._walk(follow=isinstance(path, FollowLinks)), read=self._bytes, files=self._files, where=str(path)
        )
        self._names, self._documents = _sorted_out(found, suffixes, reasons or {}, self._files)
        if self.skipped_links:
            logging.getLogger("inrgan").warning(
                "%s: skipped %d links to folders, or to the outside; --follow-links uses them.",
                path,
                self.skipped_links,
            )
        if not self._names:
            message = nothing_found(str(path), suffixes=suffixes, others=found, reasons=reasons)
            raise DataError(message + f" Links skipped: {self.skipped_links}." * bool(self.skipped_links))
        self._listed = frozenset((*self._names, *self._documents))

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def kind(self) -> str:
        return "folder"

    @property
    def description(self) -> str:
        return slug(self._root.name)

    @property
    def files(self) -> FileCounts:
        return self._files

    @property
    def documents(self) -> tuple[str, ...]:
        return self._documents

    def read(self, name: str) -> bytes:
        """The bytes of one file; raises DataError when it is not listed or cannot be read."""
        return self._read(name, -1)

    def head(self, name: str, size: int) -> bytes:
        return self._read(name, size)

    def _read(self, name: str, size: int) -> bytes:
        if name not in self._listed:
            raise DataError(f"{self._root} lists no file {name!r}. Use one of the archive's names.")
        return self._bytes(name, size)

    def _bytes(self, name: str, size: int) -> bytes:
        try:
            with open(self._root / name, "rb", buffering=0) as file:
                return file.read(size)
        except OSError as error:
            raise DataError(
                f"Cannot read {self._root / name}: {error.strerror or error}. Check that the file is still "
                "there and may be read."
            ) from error

    def local(self, name: str, scratch: Path) -> Path:
        """The file itself; raises DataError when it is not listed."""
        del scratch
        if name not in self._listed:
            raise DataError(f"{self._root} lists no file {name!r}. Use one of the archive's names.")
        return self._root / name

    def close(self) -> None:
        """Do nothing, since no handle stays open."""

    def _walk(self, *, follow: bool) -> list[str]:
        found = []
        for folder, subfolders, files in os.walk(self._root, onerror=_refuse, followlinks=follow):
            here = Path(folder)
            hidden = [name for name in subfolders if not is_visible(name)]
            self._files.unused["(folder)", HIDDEN] += len(hidden)
            # Pruned in place, so that os.walk does not enter these folders.
            subfolders[:] = [name for name in subfolders if is_visible(name) and not self._skips(here / name, follow)]
            for name in files:
                file = here / name
                if not is_visible(name):
                    self._files.leave(name, HIDDEN)
                elif not follow and file.is_symlink() and not self._inside(file):
                    self.skipped_links += 1
                    self._files.leave(name, LINK)
                elif file.is_file():  # neither a broken link nor a pipe, whose reading would hang
                    found.append(file.relative_to(self._root).as_posix())
                else:
                    self._files.leave(name, NO_FILE)
        return found

    def _skips(self, folder: Path, follow: bool) -> bool:
        """Whether a folder is a link that is not followed; counts it."""
        if not folder.is_symlink():
            return False
        reason = LINK
        if follow:
            if not is_ring(folder):
                return False
            reason = RING
        self.skipped_links += 1
        self._files.unused["(folder)", reason] += 1
        return True

    def _inside(self, file: Path) -> bool:
        return Path(os.path.realpath(file)).is_relative_to(self._root)


def _refuse(error: OSError) -> NoReturn:
    raise DataError(
        f"Cannot list {error.filename}: {error.strerror or error}. Check the folder's permissions."
    ) from error


def is_visible(name: str) -> bool:
    """Whether no part of a posix path is hidden (``.git``, ``..``) or macOS litter (``__MACOSX``)."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def refuse_climbing(name: str, *, where: str) -> None:
    """Raise DataError for a member whose name leads out of its archive, which only malicious programs write."""
    if ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise DataError(f"{where} holds a member {name!r}, which climbs out of the archive; it is refused as unsafe.")


def has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a name ends in one of the suffixes, in upper or lower case."""
    return name.lower().endswith(tuple(suffix.lower() for suffix in suffixes))


def slug(text: str) -> str:
    """A file name as at most 40 lower-case letters, digits and dashes, for the name of a folder."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "data"


def _sorted_out(
    found: Iterable[str], suffixes: tuple[str, ...], reasons: Mapping[str, str], files: FileCounts
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of wanted files and of files of labels, sorted; counts all that were found."""
    wanted, documents = [], []
    endings = tuple(suffix.lower() for suffix in suffixes)
    for name in found:
        if is_dataset_json(name):
            documents.append(name)
        if name.lower().endswith(endings):
            wanted.append(name)
            files.use(name)
        elif is_dataset_json(name):
            files.leave(name, LABELS)
        else:
            files.leave_other(name, reasons)
    return tuple(sorted(wanted)), tuple(sorted(documents))


def nothing_found(
    where: str, *, suffixes: tuple[str, ...], others: Iterable[str], reasons: Mapping[str, str] | None = None
) -> str:
    """The error message for a place without a wanted file: what was looked for, and what was found."""
    found = Counter(suffix_of(name) for name in others)
    special = "".join(f" {suffix}: {reason}." for suffix, reason in (reasons or {}).items() if suffix in found)
    listed = ", ".join(f"{count} {suffix}" for suffix, count in found.most_common(5))
    there = f"it holds {listed}{', ...' if len(found) > 5 else ''}" if found else "it is empty"
    return (
        f"No usable file in {where}: {there}; looked for {' '.join(suffixes)} in it and in all its folders. "
        f"Give another path, or convert the files.{special}"
    )


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
        reasons: Reasons why files of other suffixes are not read, by suffix in lower case.
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

    def __init__(
        self, path: str | Path, *, suffixes: tuple[str, ...], reasons: Mapping[str, str] | None = None,
        max_entry_bytes: int = 1 << 30,
    ):  # fmt: skip
        self._path = user_path(path).absolute()
        self._max_entry_bytes = max_entry_bytes
        self._files = FileCounts()
        self._start()
        entries = {}
        with self._locked() as file:
            for info in file.infolist():
                refuse_climbing(info.filename, where=str(path))
                # Some Windows tools write backslashes, against the standard.
                name = info.filename.replace("\\", "/").lstrip("/")
                if not name or name.endswith("/"):  # info.is_dir fails on an empty name
                    continue
                if is_visible(name):
                    entries[name] = info
                else:
                    self._files.leave(name, HIDDEN)
        self._entry_names = {name: info.filename for name, info in entries.items()}
        found = without_own(entries, read=self._read, files=self._files, where=str(path))
        self._names, self._documents = _sorted_out(found, suffixes, reasons or {}, self._files)
        if not self._names:
            raise DataError(nothing_found(str(path), suffixes=suffixes, others=found, reasons=reasons))
        wanted = {name: entries[name] for name in (*self._names, *self._documents)}
        for name, info in wanted.items():
            if info.flag_bits & _ENCRYPTED:
                raise DataError(
                    f"{path} is encrypted (entry {name!r}), and only plain zip files can be read. Unpack it "
                    "with its password and give the folder."
                )
        self._entry_names = {name: info.filename for name, info in wanted.items()}

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def kind(self) -> str:
        return "zip file"

    @property
    def description(self) -> str:
        return slug(self._path.stem)

    @property
    def files(self) -> FileCounts:
        return self._files

    @property
    def documents(self) -> tuple[str, ...]:
        return self._documents

    def read(self, name: str) -> bytes:
        """The bytes of one entry; raises DataError when it is not there, damaged or too large."""
        return self._read(name, -1)

    def head(self, name: str, size: int) -> bytes:
        return self._read(name, size)

    def _read(self, name: str, size: int) -> bytes:
        if name not in self._entry_names:
            raise DataError(f"{self._path} lists no entry {name!r}. Use one of the archive's names.")
        try:
            with self._locked() as file:
                info = file.getinfo(self._entry_names[name])
                self._check_size(info)
                entry = file.open(info)
            try:
                return entry.read(size)  # several threads unpack at a time; zipfile locks what they share
            finally:
                with self._locked():
                    entry.close()
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
