"""Opening of data sets: files that are decoded one by one, from folders, zips, shards and streams."""

import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import final

from jaxtyping import Shaped
from torch import Tensor

from inrgan.data.archive import AbstractArchive, FolderArchive, ZipArchive, has_suffix, is_visible
from inrgan.data.dataset_json import NoLabels
from inrgan.data.file_counts import LABELS
from inrgan.data.inspection import AbstractInspector, examine
from inrgan.data.items import AbstractItem, BadFiles
from inrgan.data.labels import stated_labels
from inrgan.data.links import DataPath, FollowLinks
from inrgan.data.own_output import holds_only_own
from inrgan.data.report import DataReport, UnusedFiles
from inrgan.data.shards import CLASSES, ShardArchive
from inrgan.data.source import AbstractSource
from inrgan.data.stream import StreamSource
from inrgan.data.stream_shards import expanded, has_range, is_stream, without_range
from inrgan.errors import DataError
from inrgan.files import user_path
from inrgan.process import progress_bar


@final
class ArchiveSource(AbstractSource):
    """The decoded blobs of an archive, decoded anew each time; training keeps them in a cache of its own.

    A file that cannot be decoded is replaced by the next good one (i + 1, i + 2, ..., around to 0), see ``BadFiles``.
    Which one that is depends on the files alone, so a resumed run sees the same. ``name`` and ``label`` describe the
    replacement, and therefore decode a file that was not met before.

    Args:
        archive: Archive of the bytes.
        decode: Function from a file's name and bytes to an item; raises DataError or NonFiniteError for a bad file.
        labels: True for the class that the archive states, or else the folder of each item; a pattern for a part of
            its name, see ``labels_of``.
        inspector: What the kind of data can say of its files before training.

    Raises:
        DataError: On reading, when more than 5% of the files met so far are bad, once 20 were met, or when
            all are bad; on creation, when labels are asked for and a file lies in no folder or fits no pattern.

    Example:
        >>> source = ArchiveSource(archive, decode=decode, labels=False)
        >>> source[0].shape
        torch.Size([3, 64, 64])
    """

    def __init__(
        self, archive: AbstractArchive, *, decode: Callable[[str, bytes], Tensor | AbstractItem], labels: bool | str,
        inspector: AbstractInspector | None = None,
    ):  # fmt: skip
        self._archive = archive
        self._decode = decode
        self._inspector = inspector
        self._label_names, self._labels, self._label_source = stated_labels(archive, labels)
        self._files = BadFiles(archive.description, total=len(archive.names))
        self._decoded: dict[int, bool] = {}

    @property
    def description(self) -> str:
        return self._archive.description

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._label_names

    @property
    def bad(self) -> int:
        return self._files.count

    def __len__(self) -> int:
        return len(self._archive.names)

    def __getitem__(self, i: int) -> Shaped[Tensor, "..."] | AbstractItem:
        """Item i, or the next good one; raises DataError when too many files are bad."""
        return self._first_good(i)[1]

    def name(self, i: int) -> str:
        return self._archive.names[self._resolved(i)]

    def label(self, i: int) -> int:
        return self._labels[self._resolved(i)] if self._labels else 0

    def note_failure(self, i: int, error: Exception) -> None:
        """Count the file of item i once, and name it; raises DataError when too many are bad."""
        self._files.note_failure(self.name(i), error)

    def report(self) -> DataReport:
        """What the archive holds; decodes up to some hundred items, for at most some seconds."""
        files, labelled = self._archive.files, self._label_source == self._archive.class_source
        counts = Counter(self._labels)
        report = DataReport(
            data=self.description, kind=self._archive.kind, items=len(self), used=dict(files.used),
            unused=tuple(
                UnusedFiles(suffix, reason, n) for (suffix, reason), n in sorted(files.unused.items())
                if n and not (labelled and reason == LABELS)
            ),
            labels=self._label_source, classes={name: counts[i] for i, name in enumerate(self._label_names)},
            notes=() if labelled else self._unused_labels(),
        )  # fmt: skip
        return report if self._inspector is None else examine(self._archive, self._inspector, report)

    def _unused_labels(self) -> tuple[str, ...]:
        """A note on the classes that the archive states, which were not asked for."""
        source = self._archive.class_source
        if not source:
            return ()
        try:
            stated = self._archive.classes()
        except NoLabels:
            return ()
        except DataError as error:
            return (f"class labels: those in {source} cannot be used: {error}",)
        classes = 0 if stated is None else len(stated[0])
        return (f"class labels: {classes} classes in {source} are not used; --labels trains on them",)

    def check(self, progress: bool = False) -> None:
        """Decode every file once, and only then judge whether too many are bad.

        Args:
            progress: Whether to show a progress bar.

        Raises:
            DataError: All files are bad, or more than 5% of 20 or more.
        """
        with progress_bar(len(self), unit="file", quiet=not progress) as bar:
            for i in range(len(self)):
                self._files.attempt(i, decoded=self._decoded, name=self._archive.names.__getitem__, decode=self._item)
                bar.update()
        self._files.check()

    def close(self) -> None:
        self._archive.close()

    def _candidates(self, i: int) -> Iterator[int]:
        n = len(self)
        return (j % n for j in range(self._checked(i), i + n))

    def _resolved(self, i: int) -> int:
        """Number of the file that stands for item i."""
        good = next((j for j in self._candidates(i) if self._decoded.get(j) is not False), None)
        return good if good is not None and good in self._decoded else self._first_good(i)[0]

    def _first_good(self, i: int) -> tuple[int, Tensor | AbstractItem]:
        return self._files.first_good(
            self._candidates(i), decoded=self._decoded, name=self._archive.names.__getitem__, decode=self._item
        )

    def _item(self, i: int) -> Tensor | AbstractItem:
        name = self._archive.names[i]
        return self._decode(name, self._archive.read(name))


_PACKED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def open_archive(
    path: DataPath, *, suffixes: tuple[str, ...], reasons: Mapping[str, str] | None = None
) -> AbstractArchive:
    """Open a folder, a zip file or tar shards as a sorted list of named byte blobs.

    Args:
        path: A folder of files or of .tar shards; a zip or tar file, recognized by its content rather than its name;
            or a pattern of shards like ``train-{0000..0012}.tar``.
        suffixes: Suffixes of wanted files with their dot; case does not matter.
        reasons: Reasons why files of other suffixes are not read, by suffix in lower case, such as a missing library.

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
    place = user_path(path)
    try:
        if place.is_dir():
            shards = _shards_in(place, suffixes, follow=isinstance(path, FollowLinks))
            if shards:
                return ShardArchive(shards, suffixes=suffixes, reasons=reasons, description=place.absolute().name)
            return FolderArchive(path, suffixes=suffixes, reasons=reasons)
        if not place.exists() and has_range(str(place)):
            paths, name = list(expanded(str(place))), without_range(place.stem)
            return ShardArchive(paths, suffixes=suffixes, reasons=reasons, description=name)
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
        return ZipArchive(place, suffixes=suffixes, reasons=reasons)
    if is_tar:
        return ShardArchive([place], suffixes=suffixes, reasons=reasons, description=place.stem)
    if is_packed:
        raise DataError(f"{path} is compressed, and items are read at random. Unpack it to a plain .tar file.")
    raise DataError(f"{path} is neither a folder, a zip file nor a tar file. Give a folder, a zip file or tar shards.")


def open_source(
    data: DataPath,
    *,
    suffixes: tuple[str, ...],
    decode: Callable[[str, bytes], Tensor | AbstractItem],
    labels: bool | str = False,
    seed: int = 0,
    inspector: AbstractInspector | None = None,
) -> AbstractSource:
    """Open a folder, zip or shards as a list of items, or a stream of shards as an endless sequence.

    Args:
        data: Path as for ``open_archive``, or a stream as for ``StreamSource``.
        suffixes: Suffixes of wanted files with their dot; case does not matter.
        decode: Function from a file's name and bytes to an item; raises DataError or NonFiniteError for a bad file.
        labels: Kind of labels, as for ``Modality.source``.
        seed: Seed of a stream's order.
        inspector: What the kind of data can say of its files before training; not for streams.

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
    archive = open_archive(data, suffixes=suffixes, reasons=None if inspector is None else inspector.unread)
    return ArchiveSource(archive, decode=decode, labels=labels, inspector=inspector)


def _shards_in(folder: Path, suffixes: tuple[str, ...], *, follow: bool) -> list[Path]:
    """The .tar files of a folder, sorted; refuses a folder that holds other data as well."""
    entries = sorted(entry for entry in folder.iterdir() if is_visible(entry.name))
    shards = [entry for entry in entries if entry.suffix.lower() == ".tar" and entry.is_file()]
    if not shards:
        return []
    others = [
        entry
        for entry in entries
        if (entry.is_dir() and not holds_only_own(entry))
        or (has_suffix(entry.name, suffixes) and entry not in shards and entry.name != CLASSES)
    ]
    if others:
        raise DataError(
            f"{folder} holds both tar shards ({shards[0].name}, ...) and other data ({others[0].name}); expected one "
            "kind. Give the shards by a pattern like train-{0000..0012}.tar, or move one of the two away."
        )
    outside = [s for s in shards if not follow and not s.resolve().is_relative_to(folder.resolve())]
    if outside:
        raise DataError(
            f"{outside[0]} is a link that leads out of the folder; expected the shard itself, or --follow-links."
        )
    return shards
