"""Decoded items: those that are more than arrays, the cache that keeps them, and the policy for bad files."""

import abc
import logging
import math
import threading
from collections.abc import Callable, Hashable, Iterable, MutableMapping, Sequence
from typing import Any, TypeVar, final

from jaxtyping import Float, Shaped
from torch import Tensor

from inrgan.errors import ConfigError, DataError, NonFiniteError
from inrgan.resampling import reached, resample
from inrgan.views import View


class AbstractItem(abc.ABC):
    """A real signal that is more than an array of values, such as one with a rate of its own; immutable."""

    @property
    @abc.abstractmethod
    def nbytes(self) -> int:
        """Number of bytes that the item takes in memory while a cache keeps it."""

    def keep(self) -> None:  # noqa: B027 - most items are in memory from the start
        """Note that a cache keeps the item: what is read from disk may stay in memory, up to ``nbytes``."""


class AbstractLargeItem(AbstractItem):
    """A real signal on a box of which only the observed part is read, at one of several resolutions.

    A source may give such items instead of arrays. Memory and time then depend on the view, not on the signal.
    """

    shape: tuple[int, ...]
    """(C, *K) at full resolution, x last."""

    levels: int
    """Number of resolutions. At level k, samples are means of boxes of 2ᵏ samples along every axis."""

    @property
    def nbytes(self) -> int:
        return 0

    @abc.abstractmethod
    def read(self, level: int, window: Sequence[slice]) -> Shaped[Tensor, "C *W"]:
        """Part of a level, whose axes have K / 2ᵏ samples: uint8, or floats in [−1, 1]."""

    def observe(self, view: View, *, lower: Sequence[float], upper: Sequence[float]) -> Float[Tensor, "1 C *S"]:
        """The signal at a view with a batch of 1, anti-aliased to the view's spacing.

        Samples come from the coarsest level that is at least as fine as the view, and only from where the filter
        reaches.

        Args:
            view: View of one item.
            lower: Start of the signal along each axis, x first, in coordinate units.
            upper: End of the signal, likewise.

        Example:
            >>> item.observe(Box(2).grid((4, 6)), lower=(-1, -1), upper=(1, 1)).shape
            torch.Size([1, 3, 4, 6])
        """
        assert view.batch == 1, "large items are read from one view at a time"
        axes = view.axes if view.axes is not None else view.coords.unbind(-1)
        spacings = view.axis_spacing if view.axes is not None else view.spacing.unbind(-1)
        counts = list(reversed(self.shape[1:]))
        cells = [(b - a) / n for a, b, n in zip(lower, upper, counts, strict=True)]
        finest = [float(s.min()) for s in spacings]
        ratio = min(s / c for s, c in zip(finest, cells, strict=True))
        level = min(self.levels - 1, max(0, math.floor(math.log2(max(1.0, ratio * 1.0001)))))
        window, starts, ends = [], [], []
        for d, positions in enumerate(axes):
            n, step = counts[d] >> level, cells[d] * 2**level
            used = reached(positions, count=n, lower=lower[d], upper=upper[d], spacing=spacings[d])
            window.insert(0, slice(used.start, used.stop))
            starts.append(lower[d] + used.start * step)
            ends.append(lower[d] + used.stop * step)
        return resample(self.read(level, window)[None], view, lower=starts, upper=ends)


@final
class ItemCache:
    """Decoded items by key, up to a number of bytes; threads may share it.

    Nothing is evicted when the cache is full: in a shuffled order, no item is likelier to be needed than another.

    Args:
        limit: Number of bytes; 0 for an empty cache.

    Raises:
        ConfigError: The limit is negative.

    Example:
        >>> cache = ItemCache(1 << 20)
        >>> cache.put(0, torch.zeros(3, 64, 64)), cache.get(1)
        (True, None)
    """

    def __init__(self, limit: int = 1 << 30):
        if limit < 0:
            raise ConfigError(f"a cache of {limit} bytes was asked for; expected 0 or more")
        self.limit = limit
        self.nbytes = 0
        """Bytes in use."""
        self._held: dict[Hashable, tuple[Any, int]] = {}
        self._lock = threading.Lock()

    def __contains__(self, key: Hashable) -> bool:
        return key in self._held

    def get(self, key: Hashable) -> Any:
        """The value at a key; None where there is none."""
        return self._held.get(key, (None, 0))[0]

    def put(self, key: Hashable, item: Tensor | AbstractItem) -> bool:
        """Keep an item if it fits.

        Returns:
            Whether there is an item at the key now.
        """
        with self._lock:
            if key in self._held:
                return True
            if self.nbytes + item.nbytes > self.limit or self.limit == 0:
                return False
            self._held[key] = (item, item.nbytes)
            self.nbytes += item.nbytes
        if isinstance(item, AbstractItem):
            item.keep()
        return True

    def drop(self, unwanted: Callable[[Any], bool]) -> None:
        """Remove the items at all keys of a kind."""
        with self._lock:
            for key in [key for key in self._held if unwanted(key)]:
                self.nbytes -= self._held.pop(key)[1]


MAX_BAD = 0.05
"""Largest fraction of bad files."""
MIN_JUDGED = 20
"""Number of files from which the fraction counts."""
_MAX_NAMED = 1000

T = TypeVar("T")


@final
class BadFiles:
    """Bad files of a data set: named in the log, skipped, counted and replaced by the next good one.

    Reading stops when more than 5% of at least 20 files are bad, or when none of the candidates is good.

    Args:
        where: Name of the data set, for messages.
        total: Number of files; None for a stream.

    Example:
        >>> files, decoded = BadFiles("photos", total=2), {}
        >>> files.first_good([0, 1], decoded=decoded, name=str, decode=lambda i: 1 / 0 if i else "item")
        (0, 'item')
    """

    def __init__(self, where: str, *, total: int | None = None):
        self.where, self.total = where, total
        self.met = 0
        """Number of files that were decoded, successfully or not."""
        self.count = 0
        """Number of bad files among them."""
        self._names: dict[str, None] = {}
        self._failed_later: set[str] = set()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()

    def first_good(
        self, candidates: Iterable[int], *, decoded: MutableMapping[int, bool], name: Callable[[int], str],
        decode: Callable[[int], T],
    ) -> tuple[int, T]:  # fmt: skip
        """The first candidate that can be decoded.

        Args:
            candidates: Numbers of files, in order of preference.
            decoded: Whether each file that was met before is good; updated.
            name: Name of a file.
            decode: Function from the number of a file to its item.

        Returns:
            Number of the file, and its item.

        Raises:
            DataError: Too many files are bad, or all candidates are.
        """
        for i in candidates:
            if decoded.get(i) is False:
                continue
            item = self.attempt(i, decoded=decoded, name=name, decode=decode)
            self.check()
            if item is not None:
                return i, item
        raise self.error()

    def attempt(
        self, i: int, *, decoded: MutableMapping[int, bool], name: Callable[[int], str], decode: Callable[[int], T]
    ) -> T | None:
        """The item of one file, or None if the file is bad; does not judge whether too many are."""
        try:
            item = decode(i)
        except (DataError, NonFiniteError) as error:
            self._note(i, decoded, good=False)
            self._warn(name(i), error)
            return None
        self._note(i, decoded, good=True)
        return item

    def note_failure(self, name: str, error: Exception) -> None:
        """Count a file that was good when it was opened and failed later, once; raise DataError if too many are bad."""
        with self._lock:
            self.count += name not in self._failed_later
            self._failed_later.add(name)
        self._warn(name, error)
        self.check()

    def check(self) -> None:
        """Raise DataError if too many of the files met so far are bad."""
        if (self.met >= MIN_JUDGED and self.count > MAX_BAD * self.met) or self.count == self.total:
            raise self.error()

    def error(self) -> DataError:
        """The error that says how many files are bad, and which are the first ones."""
        first = ", ".join(list(self._names)[:5])
        return DataError(
            f"{self.count} of the {self.met} files met so far in {self.where} cannot be read (first: {first}); "
            f"expected at most {MAX_BAD:.0%}. See the warnings for the reasons; fix the files or remove them."
        )

    def _note(self, i: int, decoded: MutableMapping[int, bool], *, good: bool) -> None:
        with self._lock:  # two threads may meet the same file
            before = decoded.get(i)
            self.met += before is None
            self.count += int(not good) - int(before is False)
            decoded[i] = good

    def _warn(self, name: str, error: Exception) -> None:
        with self._lock:
            new = name not in self._names and len(self._names) < _MAX_NAMED
            if new:
                self._names[name] = None
        if new:
            logging.getLogger("inrgan").warning("Skipping %s: %s", name, error)
