"""Tar shards in WebDataset layout: read at random, and written."""

import io
import logging
import os
import shutil
import tarfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, final

import numpy as np

from inrgan.data.archive import AbstractArchive, has_suffix, is_visible, nothing_found, refuse_climbing, slug
from inrgan.data.class_names import normalized, numbered
from inrgan.data.dataset_json import is_dataset_json
from inrgan.data.file_counts import HIDDEN, LABELS, NO_FILE, FileCounts
from inrgan.data.labels import stated_labels
from inrgan.errors import ConfigError, DataError, WriteError
from inrgan.files import user_path
from inrgan.process import progress_bar

CLASSES = "classes.txt"
"""File beside the shards: one class name per line, for the numbers in ``.cls`` members."""
TAR_FAULTS = (OSError, tarfile.TarError, ValueError, OverflowError, EOFError, RecursionError)
"""Exceptions of tarfile on damaged files: mostly ReadError, and those of its parts, such as UnicodeDecodeError."""
_MAX_CLASS_BYTES = 1 << 20


class _Place(NamedTuple):
    """Location of a member's bytes."""

    shard: int
    offset: int
    size: int


@final
class ShardArchive(AbstractArchive):
    """The members of tar files, read in place in any order by an index of their offsets.

    The layout is that of WebDataset: ``KEY.png`` beside ``KEY.cls``, whose text is the class of the item, where KEY is
    the path up to the first dot of the file's name. Shards of a folder's files under their own paths have the names,
    order and labels of the folder. No file stays open, so the archive may be pickled, forked and shared by threads.
    Hidden members are ignored; links, devices and other members that are not regular files are skipped and counted in
    ``skipped``. Of two members with the same name in a shard the later one counts, as in tar.

    Args:
        paths: Paths of the uncompressed tar files.
        suffixes: Suffixes of wanted files with their dot, such as ``(".png", ".jpg")``; case does not matter.
        reasons: Reasons why files of other suffixes are not read, by suffix in lower case.
        description: Slug for the names of run directories; from the first file's folder when None.
        max_entry_bytes: Largest size of a member that is read.

    Raises:
        DataError: A file is missing, not a plain tar file, or cut short; a member's name leads out with ``..``; two
            shards hold a member of the same name; no member is wanted; a class is missing or has no name in
            classes.txt.

    Example:
        >>> archive = ShardArchive(["flowers-000000.tar", "flowers-000001.tar"], suffixes=(".png",))
        >>> len(archive.read(archive.names[0]))
        20481
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        *,
        suffixes: tuple[str, ...],
        reasons: Mapping[str, str] | None = None,
        description: str | None = None,
        max_entry_bytes: int = 1 << 30,
    ):
        self._paths = tuple(user_path(path).absolute() for path in paths)
        if not self._paths:
            raise DataError("no shard was given; expected at least one .tar file")
        self._description = slug(description or self._paths[0].parent.name)
        self._max_entry_bytes = max_entry_bytes
        self.skipped = 0
        self._files = FileCounts()
        self._stamps = [_stamp(path) for path in self._paths]
        wanted: dict[str, _Place] = {}
        classes: dict[str, _Place] = {}
        documents: dict[str, _Place] = {}
        others: list[str] = []
        for shard, path in enumerate(self._paths):
            for name, place in self._members(shard, path):
                kinds = [wanted] * has_suffix(name, suffixes) + [classes] * name.endswith(".cls")
                kinds += [documents] * is_dataset_json(name)
                for kind in kinds:
                    if name in kind and kind[name].shard != shard:
                        raise DataError(
                            f"{self._paths[kind[name].shard]} and {path} both hold {name!r}; names must differ. "
                            "Rename the members, or leave one of the shards out."
                        )
                    kind[name] = place
                if not kinds:
                    others.append(name)
        if self.skipped:
            logging.getLogger("inrgan").warning(
                "%s: skipped %d members that are not regular files (links, devices, ...).", paths[0], self.skipped
            )
        if not wanted:
            where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} shards from {paths[0]} on"
            found = [*others, *classes, *documents]
            raise DataError(nothing_found(where, suffixes=suffixes, others=found, reasons=reasons))
        for name in wanted:
            self._files.use(name)
        for name in others:
            self._files.leave_other(name, reasons or {})
        for name in (*classes, *documents):
            if name not in wanted:
                self._files.leave(name, LABELS)
        self._places = {**documents, **wanted}
        self._names = tuple(sorted(wanted))
        self._documents = tuple(sorted(documents))
        self._classes = classes

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def kind(self) -> str:
        return "tar shards"

    @property
    def description(self) -> str:
        return self._description

    @property
    def files(self) -> FileCounts:
        return self._files

    @property
    def documents(self) -> tuple[str, ...]:
        return self._documents

    @property
    def class_source(self) -> str:
        return ".cls members" if self._classes else super().class_source

    def head(self, name: str, size: int) -> bytes:
        """The first bytes of one member; raises DataError as ``read`` does."""
        return self._bytes(self._place(name), name, most=size)

    def read(self, name: str) -> bytes:
        """The bytes of one member; raises DataError when it is missing, changed or too large."""
        return self._bytes(self._place(name), name)

    def _place(self, name: str) -> _Place:
        if name not in self._places:
            raise DataError(f"{self._paths[0].parent} lists no member {name!r}. Use one of the archive's names.")
        place = self._places[name]
        if place.size > self._max_entry_bytes:
            raise DataError(
                f"Member {name!r} of {self._paths[place.shard]} has {place.size} bytes, more than the "
                f"{self._max_entry_bytes} allowed. Take it out of the shard."
            )
        return place

    def classes(self, names: Sequence[str] | None = None) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
        """Class names, and an index into them for every item, from ``.cls`` members or ``dataset.json``, or None.

        ``classes.txt`` beside the shards gives the names for numbers.

        Args:
            names: Names of the items; all of the archive when None.

        Raises:
            DataError: Some items have no class, or a class has no name.
        """
        if not self._classes:
            return super().classes(names)
        items = self._names if names is None else names
        texts = []
        for name in items:
            place = self._classes.get(f"{key_of(name)}.cls")
            if place is None or place.size > _MAX_CLASS_BYTES:
                raise DataError(
                    f"{name!r} has no class file {key_of(name)}.cls in the shards, and others have one; expected one "
                    "for every item. Add it, or use no labels."
                )
            texts.append(self._bytes(place, name).decode(errors="replace").strip())
        classes = self._class_names()
        if classes is None:
            return numbered(texts)
        index = {str(i): i for i in range(len(classes))}
        unmatched = [(name, text) for name, text in zip(items, texts, strict=True) if text not in index]
        if unmatched:
            raise DataError(
                f"{unmatched[0][0]!r} is of class {unmatched[0][1][:40]!r}; expected a number from 0 to "
                f"{len(classes) - 1}, a line of {CLASSES} beside the shards. Correct one of the two."
            )
        return classes, tuple(index[text] for text in texts)

    def close(self) -> None:
        """Do nothing, since no handle stays open."""

    def _class_names(self) -> tuple[str, ...] | None:
        path = self._paths[0].parent / CLASSES
        try:
            if not path.is_file():
                return None
            if path.stat().st_size > _MAX_CLASS_BYTES:
                raise DataError(f"{path} has over {_MAX_CLASS_BYTES} bytes; expected one class name per line.")
            text = path.read_text(encoding="utf-8", errors="replace")
            return tuple(normalized(line) for line in text.splitlines())
        except OSError as error:
            raise DataError(f"Cannot read {path}: {error.strerror or error}. Check its rights.") from error

    def _members(self, shard: int, path: Path) -> Iterator[tuple[str, _Place]]:
        size, last = self._stamps[shard][0], -1
        try:
            # Plain tar alone: in a compressed one nothing can be found without unpacking all before it.
            with tarfile.open(path, "r:") as opened:
                file: Any = opened  # its list of members has no public type
                while (member := file.next()) is not None:
                    if member.offset <= last or member.size < 0:
                        raise DataError(f"{path} is damaged: its members are not in order. Make or copy it again.")
                    last = member.offset
                    if member.isdir():
                        continue
                    if not member.isreg() or member.issparse():
                        self.skipped += 1
                        self._files.leave(member.name, NO_FILE)
                        continue
                    if member.offset_data + member.size > size:
                        raise DataError(f"{path} is cut short at {member.name!r}. Make or copy it again.")
                    refuse_climbing(member.name, where=str(path))
                    name = str(PurePosixPath(member.name.lstrip("/")))
                    if is_visible(name):
                        yield name, _Place(shard, member.offset_data, member.size)
                    else:
                        self._files.leave(name, HIDDEN)
                # tarfile takes a damaged header or a missing end for the end: items would be lost silently.
                if not _ends(path, file.offset):
                    raise DataError(
                        f"{path} is damaged or cut short at byte {file.offset}: no member and no end is there. "
                        "Make or copy it again."
                    )
        except DataError:
            raise
        except TAR_FAULTS as error:
            raise DataError(
                f"{path} is not a whole, uncompressed tar file ({error}). Make or copy it again; unpack what is "
                "compressed."
            ) from error

    def _bytes(self, place: _Place, name: str, *, most: int | None = None) -> bytes:
        size = place.size if most is None else min(most, place.size)
        path = self._paths[place.shard]
        if _stamp(path) != self._stamps[place.shard]:
            raise DataError(f"{path} has changed since it was opened. Start again.")
        try:
            with open(path, "rb", buffering=0) as file:
                file.seek(place.offset)
                data = file.read(size)
        except OSError as error:
            raise DataError(f"Cannot read {name!r} of {path}: {error.strerror or error}. Check the disk.") from error
        if data is None or len(data) != size:
            raise DataError(f"{path} ends in the middle of {name!r}. Make or copy it again.")
        return data


def key_of(name: str) -> str:
    """WebDataset key of a member: its path up to the first dot of its file's name.

    Example:
        >>> key_of("a.b/0001.seg.png")
        'a.b/0001'
    """
    folder, slash, file = name.rpartition("/")
    return folder + slash + file.partition(".")[0]


def _ends(path: Path, offset: int) -> bool:
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        if not path.is_file():  # a pipe or a device would hang or never end
            state = "is not a regular file" if path.exists() else "is missing"
            raise DataError(f"The shard {path} {state}; expected a .tar file. Check the path.")
        found = os.stat(path)
    except OSError as error:
        raise DataError(f"Cannot open {path}: {error.strerror or error}. Check the path and its rights.") from error
    return found.st_size, found.st_mtime_ns


_BLOCK = tarfile.BLOCKSIZE


def write_shards(
    archive: AbstractArchive,
    out: str | Path,
    *,
    labels: bool | str = False,
    shard_bytes: int = 256 << 20,
    seed: int = 0,
    progress: bool = False,
) -> list[Path]:
    """Write the blobs of an archive to tar shards under their own names, in a random order.

    The order helps those who read shards as streams; opened by their path, shards have the items and the order of the
    archive itself. Members of one key (``0001.png`` and ``0001.json``) stay together. The same call writes the same
    bytes. The folder appears complete or not at all.

    Args:
        archive: Archive to write.
        out: Path of a new folder.
        labels: True or a pattern, as for ``Modality.source``: the class of every item is written beside it as
            ``KEY.cls``, a number, and the class names to ``classes.txt``.
        shard_bytes: Largest size of a shard of several keys.
        seed: Seed of the order.
        progress: Whether to show a progress bar.

    Returns:
        Paths of the shards.

    Raises:
        ConfigError: ``out`` exists, or a number is out of range.
        DataError: A blob cannot be read, or classes are to be written and exist already, or differ within a key.
        WriteError: The folder cannot be written; nothing is left.

    Example:
        >>> [path.name for path in write_shards(archive, "shards")]
        ['flowers-000000.tar', 'flowers-000001.tar']
    """
    out = user_path(out)
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out} exists already, and shards never overwrite anything; give a new folder")
    if shard_bytes < 1 or seed < 0:
        raise ConfigError(f"shards of {shard_bytes} bytes and seed {seed} were asked for; expected 1 or more, and 0")
    items = [name for name in archive.names if not is_dataset_json(name)]
    classes, indices, _ = stated_labels(archive, labels, names=items)
    added = _class_files(archive, items, indices)
    temporary = out.absolute().with_name(f".{out.name}.{uuid.uuid4().hex}")
    try:
        temporary.mkdir(parents=True)
        names = _write(archive, added, temporary, shard_bytes=shard_bytes, seed=seed, progress=progress)
        if classes:
            (temporary / CLASSES).write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
        os.replace(temporary, out)
    except OSError as error:
        raise WriteError(
            f"Cannot write {out}: {error.strerror or error}. Give another path, or make room or rights for it; "
            "nothing was left there"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return [out / name for name in names]


def _class_files(archive: AbstractArchive, names: Sequence[str], indices: tuple[int, ...]) -> dict[str, bytes]:
    """Content of the class file of every key."""
    added: dict[str, bytes] = {}
    if not indices:
        return added
    existing = frozenset(archive.names)
    for name, index in zip(names, indices, strict=True):
        file = f"{key_of(name)}.cls"
        if file in existing:
            raise DataError(f"{file} is there already, and the class of {name} was to be written there; drop --labels")
        if added.setdefault(file, b"%d" % index) != b"%d" % index:
            raise DataError(
                f"items of different classes share the key {key_of(name)!r}, which ends at the first dot of a file's "
                "name, and a class file is of a key; rename them"
            )
    return added


def _write(
    archive: AbstractArchive, added: dict[str, bytes], folder: Path, *, shard_bytes: int, seed: int, progress: bool
) -> list[str]:
    groups = [list(group) for _, group in groupby(sorted(archive.names, key=lambda n: (key_of(n), n)), key=key_of)]
    prefix, shards, size = slug(archive.description), list[str](), 0
    with ExitStack() as last, progress_bar(len(archive.names), unit="file", quiet=not progress) as bar:
        file: tarfile.TarFile | None = None
        for i in np.random.default_rng(seed).permutation(len(groups)):
            blobs = [(name, archive.read(name)) for name in groups[i]]
            if (cls := f"{key_of(groups[i][0])}.cls") in added:
                blobs.append((cls, added[cls]))
            more = sum(_BLOCK - len(data) // -_BLOCK * _BLOCK for _, data in blobs)
            if file is None or size + more > shard_bytes:
                last.close()
                shards.append(f"{prefix}-{len(shards):06d}.tar")
                file = last.enter_context(tarfile.open(folder / shards[-1], "w", format=tarfile.PAX_FORMAT))
                size = 0
            for name, data in blobs:
                # Owner, rights and times are tarfile's own zeros: the same call writes the same bytes.
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
            size += more
            bar.update(len(groups[i]))
    return shards
