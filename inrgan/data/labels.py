"""What the names of items decide: class labels, and which items are held out."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import final

from inrgan.data.archive import AbstractArchive
from inrgan.data.class_names import numbered
from inrgan.data.source import AbstractSource, SubsetSource
from inrgan.errors import ConfigError, DataError


def folder_labels(names: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Label every item with the name of the folder it lies in directly.

    ``train/dress/0001.x`` and ``test/dress/0002.x`` are both of the class ``dress``.

    Args:
        names: n posix paths.

    Returns:
        The class names in natural order (2 before 10), and n indices into them.

    Raises:
        DataError: An item lies at the top, in no folder.

    Example:
        >>> folder_labels(["b/1.x", "a/2.x", "b/3.x"])
        (('a', 'b'), (1, 0, 1))
    """
    parents = [PurePosixPath(name).parent.name for name in names]
    at_top = [name for name, parent in zip(names, parents, strict=True) if not parent]
    if at_top:
        raise DataError(
            f"{len(at_top)} of {len(names)} items lie in no folder (first: {at_top[0]!r}), but a class "
            "is the name of the folder an item lies in. Make one folder per class, or use no labels."
        )
    return numbered(parents)


def pattern_labels(names: Sequence[str], pattern: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Label every item with the part of its name at ``{label}`` in a pattern.

    The pattern describes the whole file name without its folder and suffix; ``*`` matches anything, ``{label}`` as
    little as the rest allows, and all else itself.

    Args:
        names: n posix paths.
        pattern: Pattern such as ``{label}_*``.

    Returns:
        The class names in natural order (2 before 10), and n indices into them.

    Raises:
        ConfigError: The pattern does not hold ``{label}`` exactly once.
        DataError: A name does not fit the pattern.

    Example:
        >>> pattern_labels(["a/7_jackson_0.wav", "b/3_theo_1.wav"], "{label}_*")
        (('3', '7'), (1, 0))
    """
    if pattern.count("{label}") != 1:
        raise ConfigError(f"the pattern of labels is {pattern!r}; expected one {{label}} in it, like {{label}}_*")
    before, after = (re.escape(part).replace(r"\*", ".*") for part in pattern.split("{label}"))
    rule = re.compile(f"{before}(.+?){after}", re.DOTALL)
    stems = [PurePosixPath(name).stem for name in names]
    matches = [rule.fullmatch(stem) for stem in stems]
    unmatched = [name for name, match in zip(names, matches, strict=True) if match is None]
    if unmatched:
        raise DataError(
            f"{len(unmatched)} of {len(names)} names do not fit the pattern of labels {pattern!r} (first: "
            f"{unmatched[0]!r}); rename them, or give another pattern"
        )
    return numbered([match[1] for match in matches if match is not None])


def labels_of(names: Sequence[str], labels: bool | str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Class names and indices: none for False, by folder for True, by ``pattern_labels`` for text.

    Example:
        >>> labels_of(["a/1.x", "b/2.x"], True)
        (('a', 'b'), (0, 1))
    """
    if isinstance(labels, str):
        return pattern_labels(names, labels)
    return folder_labels(names) if labels else ((), ())


def stated_labels(
    archive: AbstractArchive, labels: bool | str, *, names: Sequence[str] | None = None
) -> tuple[tuple[str, ...], tuple[int, ...], str]:
    """Class names, indices, and what they are from: the archive if it states classes, or else the items' names.

    Args:
        archive: Archive of the items.
        labels: Kind of labels, as for ``labels_of``.
        names: Names of the items; all of the archive when None.

    Raises:
        DataError: Only some items have a class, or a file of labels is damaged.

    Example:
        >>> stated_labels(FolderArchive("flowers", suffixes=(".png",)), True)[0]
        ('rose', 'tulip')
    """
    names = archive.names if names is None else names
    stated = archive.classes(names) if labels is True else None
    if stated is not None:
        return *stated, archive.class_source
    source = "" if labels is False else "folders" if labels is True else f"file names ({labels})"
    return *labels_of(names, labels), source


@final
@dataclass(frozen=True)
class Split:
    """The two parts of a data set.

    Attributes:
        train: Items for training.
        test: Items for evaluation.
        digest: First 16 digits of the SHA-256 of all names, those of the test part first; equal for equal splits.
    """

    train: SubsetSource
    test: SubsetSource
    digest: str


def split(source: AbstractSource, *, share: float) -> Split:
    """Split a data set by the hashes of its items' names: an item keeps its side when others come or go.

    No item is on both sides. Where bad files are replaced, looking up the names decodes every file once.

    Args:
        source: Data set to split.
        share: Expected fraction of the items that is held out for evaluation.

    Raises:
        ConfigError: The share is not between 0 and 1, or leaves a part empty.

    Example:
        >>> parts = split(SyntheticShapes(100), share=0.2)
        >>> len(parts.train) + len(parts.test)
        100
    """
    if not 0 < share < 1:
        raise ConfigError(f"the share of items to hold out is {share}; expected above 0 and below 1")
    names = [source.name(i) for i in range(len(source))]
    held = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:6], "big") < share * 2**48 for name in names]
    train, test = ([i for i, out in enumerate(held) if out is side] for side in (False, True))
    if not train or not test:
        raise ConfigError(
            f"holding out a share of {share} of {len(names)} items leaves {len(train)} to train on and {len(test)} to "
            "score against; choose another share, or give more items"
        )
    text = "\n\n".join("\n".join(sorted({names[i] for i in part})) for part in (test, train))
    return Split(
        SubsetSource(source, train), SubsetSource(source, test), hashlib.sha256(text.encode()).hexdigest()[:16]
    )
