"""Counts of the files of a data set: used, and not used with the reason."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

HIDDEN = "hidden"
LINK = "link to a folder or to the outside; --follow-links uses them"
RING = "link to a folder that contains it"
OWN = "in a run directory or a saved generator"
NO_FILE = "no regular file"
OTHER_KIND = "not read by this kind of data"
LABELS = "labels, read with --labels"


@dataclass(frozen=True)
class FileCounts:
    """Numbers of files by suffix.

    Example:
        >>> counts = FileCounts()
        >>> counts.use("a/1.JPG"), counts.leave("notes.txt", OTHER_KIND), counts.used
        (None, None, Counter({'.jpg': 1}))
    """

    used: Counter[str] = field(default_factory=Counter)
    """Used files by suffix."""
    unused: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Files that are not used, by suffix and reason."""

    def use(self, name: str) -> None:
        """Count a file that is used."""
        self.used[suffix_of(name)] += 1

    def leave(self, name: str, reason: str) -> None:
        """Count a file that is not used."""
        self.unused[suffix_of(name), reason] += 1

    def reject(self, name: str, reason: str) -> None:
        """Count a file as not used that was counted as used before."""
        suffix = suffix_of(name)
        self.used[suffix] -= 1
        if self.used[suffix] == 0:
            del self.used[suffix]
        self.leave(name, reason)

    def leave_other(self, name: str, reasons: Mapping[str, str]) -> None:
        """Count a file of a suffix that is not read.

        Args:
            name: Posix path.
            reasons: Reasons by suffix, where there is a special one.
        """
        self.leave(name, reasons.get(suffix_of(name), OTHER_KIND))


def suffix_of(name: str) -> str:
    """Suffix of a posix path in lower case, for counting.

    Example:
        >>> suffix_of("a/1.JPG"), suffix_of("a/README")
        ('.jpg', '(no suffix)')
    """
    file = name[name.rfind("/") + 1 :]  # several times as fast as pathlib
    dot = file.rfind(".")
    return file[dot:].lower() if 0 < dot < len(file) - 1 else "(no suffix)"
