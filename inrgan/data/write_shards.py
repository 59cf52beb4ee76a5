"""Writing a folder, zip or shards as tar shards in WebDataset layout."""

import io
import os
import shutil
import tarfile
import uuid
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import numpy as np

from inrgan.data.archive import AbstractArchive, slug
from inrgan.data.labels import labels_of
from inrgan.data.shards import CLASSES, key_of
from inrgan.errors import ConfigError, DataError, WriteError
from inrgan.process import progress_bar

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
    out = Path(out).expanduser()
    if out.exists() or out.is_symlink():
        raise ConfigError(f"{out} exists already, and shards never overwrite anything; give a new folder")
    if shard_bytes < 1 or seed < 0:
        raise ConfigError(f"shards of {shard_bytes} bytes and seed {seed} were asked for; expected 1 or more, and 0")
    stated = archive.classes() if labels is True else None
    classes, indices = labels_of(archive.names, labels) if stated is None else stated
    added = _class_files(archive, indices)
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


def _class_files(archive: AbstractArchive, indices: tuple[int, ...]) -> dict[str, bytes]:
    """Content of the class file of every key."""
    added: dict[str, bytes] = {}
    if not indices:
        return added
    existing = frozenset(archive.names)
    for name, index in zip(archive.names, indices, strict=True):
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
