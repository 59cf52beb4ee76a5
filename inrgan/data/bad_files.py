"""The one policy for files that cannot be decoded."""

import logging
import threading
from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TypeVar, final

from inrgan.errors import DataError, NonFiniteError

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
        if name not in self._names and len(self._names) < _MAX_NAMED:
            self._names[name] = None
            logging.getLogger("inrgan").warning("Skipping %s: %s", name, error)
