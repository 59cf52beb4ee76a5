"""A fixed part of a data set that is kept for scores, stated by a hash."""

import hashlib
from dataclasses import dataclass
from typing import final

from inrgan.data._source import AbstractSource, SubsetSource
from inrgan.errors import ConfigError


@final
@dataclass(frozen=True)
class Split:
    """Two parts of a data set.

    Attributes:
        train: what is trained on.
        test: what is scored against.
        digest: 16 digits of the SHA-256 of all names, those of the test part first: two splits with the same digest
            are the same.
    """

    train: SubsetSource
    test: SubsetSource
    digest: str


def split(source: AbstractSource, *, share: float) -> Split:
    """Part a data set by the hashes of its items' names: an item stays in its part when others come or go.

    Names are looked up, which decodes every file once where a bad one is replaced by another. No item is in both parts.

    Args:
        source: the whole.
        share: expected part of the items that is kept for scores.

    Raises:
        ConfigError: the share is not between 0 and 1, or leaves a part empty.

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
