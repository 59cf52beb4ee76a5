"""Items decoded from the blobs of an archive; a few damaged files do not stop a run."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, final

from inrgan._typing import Shaped, Tensor
from inrgan.data._archive import AbstractArchive
from inrgan.data._labels import labels_of
from inrgan.data._large import AbstractItem
from inrgan.data._source import AbstractSource
from inrgan.errors import ConfigError, DataError, NonFiniteError
from inrgan.process import progress_bar

_MOST_BAD = 0.05
_JUDGED_FROM = 20
_UNKNOWN, _GOOD, _BAD = 0, 1, 2


@final
class ArchiveSource(AbstractSource):
    """The decoded blobs of an archive, decoded when asked for and kept while room lasts.

    A file that cannot be decoded is logged once, counted in ``bad`` and replaced by the next good one (i + 1,
    i + 2, ..., round to 0). Which one that is depends on the files alone, so a resumed run sees the same.
    ``name`` and ``label`` speak of the replacement, and therefore decode a file not met before.

    Args:
        archive: Where the bytes come from.
        decode: Makes an item of a file's name and bytes; raises DataError or NonFiniteError on a bad file.
        labels: True to label every item with the class that the archive tells, or else the folder it lies in; or a
            pattern of its name, see `labels_of`.
        cache_bytes: Decoded items are kept until they fill this many bytes; 0 keeps none.

    Raises:
        DataError: On reading, when more than 5 % of the files met so far are bad, once 20 were met, or when
            all are bad; on creation, when labels are asked for and a file lies in no folder or fits no pattern.
        ConfigError: ``cache_bytes`` is negative.

    Example:
        >>> source = ArchiveSource(archive, decode=decode, labels=False)
        >>> source[0].shape
        torch.Size([3, 64, 64])
    """

    def __init__(
        self,
        archive: AbstractArchive,
        *,
        decode: Callable[[str, bytes], Tensor | AbstractItem],
        labels: bool | str,
        cache_bytes: int = 1 << 30,
    ):
        if cache_bytes < 0:
            raise ConfigError(f"cache_bytes is {cache_bytes}; expected 0 or more. Give 0 to keep nothing.")
        self._archive = archive
        self._decode = decode
        self._room = cache_bytes
        told = archive.classes() if labels is True else None
        self._label_names, self._labels = labels_of(archive.names, labels) if told is None else told
        self._state = bytearray(len(archive.names))
        self._start()

    @property
    def description(self) -> str:
        return self._archive.description

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._label_names

    @property
    def bad(self) -> int:
        return self._state.count(_BAD)

    def __len__(self) -> int:
        return len(self._state)

    def __getitem__(self, i: int) -> Shaped[Tensor, "..."] | AbstractItem:
        """Return item i, or the next good one; raises DataError when too many files are bad."""
        for j in self._candidates(i):
            item = self._item(j)
            if item is not None:
                return item
            self._judge()
        raise self._too_many()

    def name(self, i: int) -> str:
        return self._archive.names[self._resolved(i)]

    def label(self, i: int) -> int:
        return self._labels[self._resolved(i)] if self._labels else 0

    def check(self, progress: bool = False) -> None:
        """Decode every file once, and only then judge whether too many are bad.

        Args:
            progress: Whether to show a progress bar.

        Raises:
            DataError: All files are bad, or more than 5 % of 20 or more.
        """
        with progress_bar(len(self), unit="file", quiet=not progress) as bar:
            for i in range(len(self)):
                self._item(i)
                bar.update()
        self._judge()

    def __getstate__(self) -> dict[str, Any]:
        # A worker fills its own cache: sending this one would cost more than decoding.
        state = vars(self).copy()
        del state["_cache"], state["_cached_bytes"], state["_lock"]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def _start(self) -> None:
        self._cache: dict[int, Tensor | AbstractItem] = {}
        self._cached_bytes = 0
        self._lock = threading.Lock()

    def _candidates(self, i: int) -> Iterator[int]:
        n = len(self)
        return (j % n for j in range(self._checked(i), i + n) if self._state[j % n] != _BAD)

    def _resolved(self, i: int) -> int:
        for j in self._candidates(i):
            if self._state[j] == _GOOD or self._item(j) is not None:
                return j
            self._judge()
        raise self._too_many()

    def _item(self, i: int) -> Tensor | AbstractItem | None:
        """Decode file i, or take it from the cache; None when it is bad."""
        if i in self._cache:
            return _own(self._cache[i])
        name = self._archive.names[i]
        try:
            item = self._decode(name, self._archive.read(name))
        except (DataError, NonFiniteError) as error:
            with self._lock:
                news = self._state[i] != _BAD
                self._state[i] = _BAD
            if news:
                logging.getLogger("inrgan").warning("Skipping %s: %s", name, error)
            return None
        size = item.nbytes
        with self._lock:
            self._state[i] = _GOOD
            # Nothing is ever thrown out: in a shuffled order no item is likelier to be wanted than another.
            if i not in self._cache and self._cached_bytes + size <= self._room:
                self._cache[i] = _own(item)
                self._cached_bytes += size
        return item

    def _judge(self) -> None:
        seen = len(self) - self._state.count(_UNKNOWN)
        bad = self.bad
        if bad == len(self) or (seen >= _JUDGED_FROM and bad > _MOST_BAD * seen):
            raise self._too_many()

    def _too_many(self) -> DataError:
        seen = len(self) - self._state.count(_UNKNOWN)
        first = [name for name, state in zip(self._archive.names, self._state, strict=True) if state == _BAD][:5]
        return DataError(
            f"{self.bad} of the {seen} files met so far in {self.description} cannot be read (first: "
            f"{', '.join(first)}); expected at most {_MOST_BAD:.0%}. See the warnings for the reasons; mend "
            "the files or take them away."
        )


def _own(item: Tensor | AbstractItem) -> Tensor | AbstractItem:
    """A tensor is its receiver's to change; other items never change."""
    return item.clone() if isinstance(item, Tensor) else item
