"""Opening whatever ``--data`` names: an archive of bytes, or a source of decoded items."""

import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from inrgan._typing import Tensor
from inrgan.data.archive import AbstractArchive, FolderArchive, has_suffix, is_visible
from inrgan.data.archive_source import ArchiveSource
from inrgan.data.items import AbstractItem
from inrgan.data.shards import CLASSES, ShardArchive
from inrgan.data.source import AbstractSource
from inrgan.data.stream import StreamSource
from inrgan.data.stream_shards import expanded, has_range, is_stream, without_range
from inrgan.data.zip_archive import ZipArchive
from inrgan.errors import DataError

_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def open_archive(path: str | Path, *, suffixes: tuple[str, ...]) -> AbstractArchive:
    """Open a folder, a zip file or tar shards as a sorted list of named byte blobs.

    Args:
        path: A folder of files or of .tar shards; a zip or tar file, recognized by its content rather than its name;
            or a pattern of shards like ``train-{0000..0012}.tar``.
        suffixes: Suffixes of wanted files with their dot; case does not matter.

    Returns:
        An archive of at least one blob.

    Raises:
        DataError: The path is missing, none of these, a compressed tar file, a folder with both shards and other
            data, or holds no file with a wanted suffix.

    Example:
        >>> len(open_archive("flowers.zip", suffixes=(".png", ".jpg")).names)
        8189
    """
    if is_stream(path):
        raise DataError(
            f"{path} is a stream, which is read from its start, and random access to items is needed here. Give a "
            "folder, a zip file or tar shards by their path."
        )
    place = Path(path).expanduser()
    try:
        if place.is_dir():
            shards = _shards_in(place, suffixes)
            if shards:
                return ShardArchive(shards, suffixes=suffixes, description=place.absolute().name)
            return FolderArchive(place, suffixes=suffixes)
        if not place.exists() and has_range(str(place)):
            return ShardArchive(list(expanded(str(place))), suffixes=suffixes, description=without_range(place.stem))
        if not place.exists():
            raise DataError(f"There is nothing at {path}; expected a folder, a zip file or tar shards. Check the path.")
        if not place.is_file():
            raise DataError(f"{path} is neither a file nor a folder. Give a folder, a zip file or tar shards.")
        is_zip = place.suffix.lower() == ".zip" or zipfile.is_zipfile(place)
        is_packed = place.name.lower().endswith(_PACKED)
        is_tar = not is_zip and not is_packed and (place.suffix.lower() == ".tar" or tarfile.is_tarfile(place))
    except (OSError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"Cannot open {path}: {reason}. Check the path and its rights.") from error
    if is_zip:
        return ZipArchive(place, suffixes=suffixes)
    if is_tar:
        return ShardArchive([place], suffixes=suffixes, description=place.stem)
    if is_packed:
        raise DataError(f"{path} is compressed, and items are read at random. Unpack it to a plain .tar file.")
    raise DataError(f"{path} is neither a folder, a zip file nor a tar file. Give a folder, a zip file or tar shards.")


def open_source(
    data: str | Path,
    *,
    suffixes: tuple[str, ...],
    decode: Callable[[str, bytes], Tensor | AbstractItem],
    labels: bool | str = False,
    seed: int = 0,
) -> AbstractSource:
    """Open a folder, zip or shards as a list of items, or a stream of shards as an endless sequence.

    Args:
        data: Path as for ``open_archive``, or a stream as for ``StreamSource``.
        suffixes: Suffixes of wanted files with their dot; case does not matter.
        decode: Function from a file's name and bytes to an item; raises DataError or NonFiniteError for a bad file.
        labels: Kind of labels, as for ``Modality.source``.
        seed: Seed of a stream's order.

    Raises:
        DataError: The data are missing, empty or unreadable.
        ConfigError: A stream cannot have these labels.
        MissingDependency: The data are a stream, and webdataset is not installed.

    Example:
        >>> open_source("flowers.zip", suffixes=(".png",), decode=decode)[0].shape
        torch.Size([3, 64, 64])
    """
    if is_stream(data):
        return StreamSource(str(data), suffixes=suffixes, decode=decode, labels=labels, seed=seed)
    return ArchiveSource(open_archive(data, suffixes=suffixes), decode=decode, labels=labels)


def _shards_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The .tar files of a folder, sorted; refuses a folder that holds other data as well."""
    entries = sorted(entry for entry in folder.iterdir() if is_visible(entry.name))
    shards = [entry for entry in entries if entry.suffix.lower() == ".tar" and entry.is_file()]
    if not shards:
        return []
    others = [
        entry
        for entry in entries
        if entry.is_dir() or (has_suffix(entry.name, suffixes) and entry not in shards and entry.name != CLASSES)
    ]
    if others:
        raise DataError(
            f"{folder} holds both tar shards ({shards[0].name}, ...) and other data ({others[0].name}); expected one "
            "kind. Give the shards by a pattern like train-{0000..0012}.tar, or move one of the two away."
        )
    outside = [s for s in shards if not s.resolve().is_relative_to(folder.resolve())]
    if outside:
        raise DataError(f"{outside[0]} is a link that leads out of the folder; expected the shard itself.")
    return shards
