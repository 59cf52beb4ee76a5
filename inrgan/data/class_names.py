"""Names of classes: one Unicode form, natural order, and what a name or a number given by a user means."""

import re
import unicodedata
from collections.abc import Sequence

from inrgan.errors import ConfigError

_SHOWN = 12


def normalized(name: str) -> str:
    r"""A name in Unicode's composed form (NFC), so that the names of different systems compare equal.

    Example:
        >>> len("e\u0301"), len(normalized("e\u0301"))
        (2, 1)
    """
    return unicodedata.normalize("NFC", name)


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Sort key by which 2 comes before 10, in any part of a name.

    Example:
        >>> sorted(["10", "2", "a10", "a2"], key=natural_key)
        ['2', '10', 'a2', 'a10']
    """
    parts = (part for part in re.split(r"([0-9]+)", name) if part)
    return tuple(_digits(part) if part[0] in "0123456789" else (1, 0, part) for part in parts), name


def _digits(part: str) -> tuple[int, int, str]:
    # By length and text instead of by int(), which refuses thousands of digits.
    significant = part.lstrip("0")
    return 0, len(significant), significant


def numbered(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Distinct names in one Unicode form and natural order, and the number of each given name among them.

    Example:
        >>> numbered(["10", "2", "10"])
        (('2', '10'), (1, 0, 1))
    """
    forms = {name: normalized(name) for name in set(names)}
    classes = tuple(sorted(set(forms.values()), key=natural_key))
    index = {name: i for i, name in enumerate(classes)}
    return classes, tuple(index[forms[name]] for name in names)


def class_index(names: Sequence[str], label: int | str) -> int:
    """Position of a class that is given by name or number; both mean the same as text and as an integer.

    A number is a name where classes are named by numbers (``2`` is then also ``002``), and otherwise a position.

    Args:
        names: Names of all classes.
        label: Name or number.

    Raises:
        ConfigError: There is no such class.

    Example:
        >>> class_index(("0", "2", "10"), 2), class_index(("cat", "dog"), "1")
        (1, 1)
    """
    text = str(label)
    if text in names:
        return list(names).index(text)
    forms = [normalized(name) for name in names]
    if normalized(text) in forms:
        return forms.index(normalized(text))
    if _is_number(text):
        numbers = [i for i, name in enumerate(forms) if _is_number(name)]
        same = [i for i in numbers if _digits(forms[i]) == _digits(text)]
        if len(same) == 1:
            return same[0]
        if not numbers and _digits(text) < _digits(str(len(names))):
            return int(text)
    listed = ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
    raise ConfigError(f"unknown label {label!r}; expected one of {listed or 'none at all'}")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal()
