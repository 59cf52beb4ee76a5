"""Reading of points from text files: one point per line, with or without a header and a count."""

import io
import re
from pathlib import PurePosixPath

import numpy as np

from inrgan.errors import DataError

SUFFIXES = (".xyz", ".xyzn", ".xyzrgb", ".pts")
_COMMENTS = (b"#", b"//", b"!")
_AXES = ("x", "y", "z")
_NORMALS = (("nx", "ny", "nz"), ("normal_x", "normal_y", "normal_z"), ("normalx", "normaly", "normalz"))
_EQUAL = 0.01
"""Relative difference of lengths up to which three columns are the directions of normals."""


def read_text(name: str, data: bytes, *, most: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Points (N, 3) and normals (N, 3) of a text file; None if it has no normals.

    Numbers are separated by spaces, tabs, commas or semicolons. A header such as CloudCompare's ``//X Y Z Nx Ny Nz``
    states the columns, and a line of one number the count. Without a header, the suffix and the values decide: normals
    have values below 0 and, except in the six columns of xyz, equal lengths. Other columns are colors and measurements,
    which a shape does not need.

    Args:
        name: Name of the file; its suffix decides the columns.
        data: Content of the file.
        most: Largest number of points.

    Raises:
        DataError: A line does not have the numbers of the others, the count is another one, or the columns are
            ambiguous.

    Example:
        >>> read_text("scan.xyz", Path("scan.xyz").read_bytes(), most=10**6)[0].shape
        (20000, 3)
    """
    lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    columns, count, rows = _parts(lines)
    if count is not None and count != len(rows):
        raise DataError(f"{name} states {count} points and has {len(rows)} lines of points; is it cut short, or are "
                        "there several scans? Export it again, one scan per file")  # fmt: skip
    if len(rows) > most:
        raise DataError(f"{name} has {len(rows)} points; expected at most {most}. Subsample it")
    if not rows:
        raise DataError(f"{name} has no points; expected three or more numbers per line")
    numbers = _numbers(name, rows)
    if columns and len(columns) != numbers.shape[1]:
        raise DataError(f"{name} names {len(columns)} columns and has {numbers.shape[1]}; expected a name for each")
    if columns:
        axes, normals = _named(name, columns)
    else:
        axes, normals = _unnamed(name, numbers)
    return numbers[:, axes], None if normals is None else numbers[:, normals]


def _parts(lines: list[bytes]) -> tuple[list[str], int | None, list[bytes]]:
    """Names of the columns, empty without a header; the count, if stated; and the lines of points."""
    columns: list[str] = []
    count, start = None, 0
    while start < len(lines):
        words = _words(lines[start])
        if set(_AXES) <= set(words):
            columns = words
        elif count is None and len(words) == 1 and words[0].isdigit():
            count = int(words[0])
        elif not lines[start].lstrip().startswith(_COMMENTS):
            break
        start += 1
    return columns, count, [line for line in lines[start:] if not line.lstrip().startswith(_COMMENTS)]


def _words(line: bytes) -> list[str]:
    text = line.decode("latin-1").strip().lstrip("/#! ").lower()
    return [word for word in re.split(r"[\s,;\"]+", text) if word]


def _numbers(name: str, rows: list[bytes]) -> np.ndarray:
    if b";" in rows[0] and b"," in rows[0]:
        raise DataError(f"{name} has decimal commas; expected decimal points. Export it again")
    delimiter = next((mark for mark in (";", ",") if mark.encode() in rows[0]), None)
    try:
        text = io.StringIO(b"\n".join(rows).decode("latin-1"))
        numbers = np.loadtxt(text, dtype=np.float64, ndmin=2, delimiter=delimiter, comments=None)
    except ValueError as error:
        raise DataError(
            f"{name} cannot be read as points ({error}); expected the same numbers in every line, separated by spaces, "
            "tabs, commas or semicolons, with decimal points"
        ) from error
    if numbers.shape[1] < 3:
        raise DataError(f"{name} has {numbers.shape[1]} numbers per line; expected three coordinates or more")
    return numbers


def _named(name: str, columns: list[str]) -> tuple[list[int], list[int] | None]:
    for wanted in (_AXES, *_NORMALS):
        if any(columns.count(word) > 1 for word in wanted):
            raise DataError(f"{name} names a column twice ({' '.join(columns)}); expected one of each")
    normals = next((names for names in _NORMALS if set(names) <= set(columns)), None)
    return [columns.index(word) for word in _AXES], None if normals is None else [columns.index(n) for n in normals]


def _unnamed(name: str, numbers: np.ndarray) -> tuple[list[int], list[int] | None]:
    suffix, width = PurePosixPath(name).suffix.lower(), numbers.shape[1]
    axes, first, last = [0, 1, 2], [3, 4, 5], [width - 3, width - 2, width - 1]
    if suffix in (".xyzn", ".xyzrgb"):
        if width != 6:
            raise DataError(f"{name} has {width} numbers per line; expected six, as its suffix says, or a header")
        return axes, first if suffix == ".xyzn" else None
    if width < 6:
        return axes, None
    if suffix == ".xyz" and width == 6 and (numbers[:, 3:] < 0).any():
        return axes, first
    found = [columns for columns in ([first] if width == 6 else [first, last]) if _are_directions(numbers[:, columns])]
    if len(found) > 1:
        raise DataError(f"{name} has {width} columns, and normals may be in two places; expected a header that names "
                        "them, such as //X Y Z R G B Nx Ny Nz")  # fmt: skip
    return axes, found[0] if found else None


def _are_directions(values: np.ndarray) -> bool:
    if not (values < 0).any():  # a closed surface has normals in all directions; one color for all is no normal
        return False
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.linalg.norm(values, axis=1)
        middle = float(np.median(lengths))
        return middle > 0 and bool((np.abs(lengths - middle) <= _EQUAL * middle).all())
