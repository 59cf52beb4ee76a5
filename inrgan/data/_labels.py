"""Class labels from folder names."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from inrgan.errors import DataError


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
