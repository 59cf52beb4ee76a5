"""What the names inside an archive mean: which are hidden, which are wanted, what to say when none is."""

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import PurePosixPath

from inrgan.errors import DataError


def is_visible(name: str) -> bool:
    """Tell whether no part of a posix path is hidden (``.git``, ``..``) or macOS litter (``__MACOSX``)."""
    return not any(part.startswith(".") or part == "__MACOSX" for part in PurePosixPath(name).parts)


def refuse_climbing(name: str, *, where: str) -> None:
    """Raise DataError for a member whose name leads out of its archive: no program writes such, save to do harm."""
    if ".." in PurePosixPath(name.replace("\\", "/")).parts:
        raise DataError(f"{where} holds a member {name!r}, which climbs out of the archive; it is refused as unsafe.")


def has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    """Tell whether a name ends in one of the suffixes, whatever their case."""
    return name.lower().endswith(tuple(suffix.lower() for suffix in suffixes))


def slug(text: str) -> str:
    """Shorten a file name to lower-case letters, digits and dashes, fit for a folder's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:40].strip("-") or "data"


def nothing_found(where: str, *, suffixes: tuple[str, ...], others: Iterable[str]) -> str:
    """Word the error for a place that holds no wanted file: what was looked for and what was there."""
    found = Counter(PurePosixPath(name).suffix.lower() or "(no suffix)" for name in others)
    listed = ", ".join(f"{count} {suffix}" for suffix, count in found.most_common(5))
    there = f"it holds {listed}{', ...' if len(found) > 5 else ''}" if found else "it is empty"
    return (
        f"No usable file in {where}: {there}; looked for {' '.join(suffixes)} in it and in all its folders. "
        "Give another path, or convert the files."
    )
