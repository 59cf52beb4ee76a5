"""Items decoded from the blobs of an archive."""

from collections.abc import Callable, Iterator
from typing import final

from inrgan._typing import Shaped, Tensor
from inrgan.data.archive import AbstractArchive
from inrgan.data.bad_files import BadFiles
from inrgan.data.items import AbstractItem
from inrgan.data.labels import labels_of
from inrgan.data.source import AbstractSource
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

    Raises:
        DataError: On reading, when more than 5% of the files met so far are bad, once 20 were met, or when
            all are bad; on creation, when labels are asked for and a file lies in no folder or fits no pattern.

    Example:
        >>> source = ArchiveSource(archive, decode=decode, labels=False)
        >>> source[0].shape
        torch.Size([3, 64, 64])
    """

    def __init__(
        self, archive: AbstractArchive, *, decode: Callable[[str, bytes], Tensor | AbstractItem], labels: bool | str
    ):
        self._archive = archive
        self._decode = decode
        stated = archive.classes() if labels is True else None
        self._label_names, self._labels = labels_of(archive.names, labels) if stated is None else stated
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
