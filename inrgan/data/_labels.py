"""Class labels from folder names, or from file names by a pattern."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from inrgan.errors import ConfigError, DataError


def folder_labels(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Label every item with the name of the folder it lies in directly.

    ``train/dress/0001.x`` and ``test/dress/0002.x`` are both of the class ``dress``.

    Args:
        names: n posix paths.

    Returns:
        The class names, sorted, and n indices into them.

    Raises:
        DataError: An item lies at the top, in no folder.

    Example:
        >>> folder_labels(["b/1.x", "a/2.x", "b/3.x"])
        (('a', 'b'), (1, 0, 1))
    """
    parents = [PurePosixPath(name).parent.name for name in names]
    homeless = [name for name, parent in zip(names, parents, strict=True) if not parent]
    if homeless:
        raise DataError(
            f"{len(homeless)} of {len(names)} items lie in no folder (first: {homeless[0]!r}), but a class "
            "is the name of the folder an item lies in. Make one folder per class, or use no labels."
        )
    classes = tuple(sorted(set(parents)))
    index = {name: i for i, name in enumerate(classes)}
    return classes, tuple(index[parent] for parent in parents)


def pattern_labels(names: Sequence[str], pattern: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Label every item with the part of its name that stands where a pattern says ``{label}``.

    The pattern describes the whole file name without its folder and suffix; ``*`` is anything, ``{label}`` is as
    little as the rest allows, and all else stands for itself.

    Args:
        names: n posix paths.
        pattern: such as ``{label}_*``.

    Returns:
        The class names, sorted, and n indices into them.

    Raises:
        ConfigError: the pattern does not hold ``{label}`` exactly once.
        DataError: a name does not fit the pattern.

    Example:
        >>> pattern_labels(["a/7_jackson_0.wav", "b/3_theo_1.wav"], "{label}_*")
        (('3', '7'), (1, 0))
    """
    if pattern.count("{label}") != 1:
        raise ConfigError(f"the pattern of labels is {pattern!r}; expected one {{label}} in it, like {{label}}_*")
    before, after = (re.escape(part).replace(r"\*", ".*") for part in pattern.split("{label}"))
    rule = re.compile(f"{before}(.+?){after}", re.DOTALL)
    stems = [PurePosixPath(name).stem for name in names]
    found = [rule.fullmatch(stem) for stem in stems]
    strange = [name for name, match in zip(names, found, strict=True) if match is None]
    if strange:
        raise DataError(
            f"{len(strange)} of {len(names)} names do not fit the pattern of labels {pattern!r} (first: "
            f"{strange[0]!r}); rename them, or give another pattern"
        )
    texts = [match[1] for match in found if match is not None]
    classes = tuple(sorted(set(texts)))
    index = {name: i for i, name in enumerate(classes)}
    return classes, tuple(index[text] for text in texts)


def labels_of(names: Sequence[str], labels: bool | str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Class names and indices as asked for: False for none, True by folder, text by ``pattern_labels``.

    Example:
        >>> labels_of(["a/1.x", "b/2.x"], True)
        (('a', 'b'), (0, 1))
    """
    if isinstance(labels, str):
        return pattern_labels(names, labels)
    return folder_labels(names) if labels else ((), ())
