"""Class labels from ``dataset.json``, the file that StyleGAN's dataset tool writes beside images."""

import json
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from inrgan.data.class_names import normalized, numbered
from inrgan.errors import DataError

DATASET_JSON = "dataset.json"
"""File of labels: ``{"labels": [["00000/img00000000.png", 3], ...]}``, with paths relative to its folder."""


class NoLabels(DataError):
    """A file of labels states that there are none."""


def is_dataset_json(name: str) -> bool:
    """Whether a posix path is a file of labels.

    Example:
        >>> is_dataset_json("photos/dataset.json")
        True
    """
    return name == DATASET_JSON or name.endswith(f"/{DATASET_JSON}")


def document_classes(
    names: Sequence[str], documents: Mapping[str, bytes]
) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
    """Classes that files of labels state: their names in natural order, and the number of each item.

    Args:
        names: n posix paths of items.
        documents: Content of each ``dataset.json``, by its path.

    Returns:
        Class names and n indices into them; None where there is no document.

    Raises:
        NoLabels: The labels of a document are null.
        DataError: A document is damaged, its labels are no classes, or an item has none.

    Example:
        >>> document_classes(["a.png", "b.png"], {"dataset.json": b'{"labels": [["a.png", 7], ["b.png", 2]]}'})
        (('2', '7'), (1, 0))
    """
    if not documents:
        return None
    stated: dict[str, str] = {}
    for where, data in sorted(documents.items()):
        folder = PurePosixPath(where).parent
        stated |= {normalized(str(folder / path)): text for path, text in _labels(where, data).items()}
    missing = [name for name in names if normalized(name) not in stated]
    listed = " and ".join(sorted(documents)[:3])
    if missing:
        raise DataError(
            f"{len(missing)} of {len(names)} items have no label in {listed} (first: {missing[0]!r}); expected one for "
            f"each. Add them, or remove {DATASET_JSON} to use the folders as classes."
        )
    return numbered([stated[normalized(name)] for name in names])


def _labels(where: str, data: bytes) -> dict[str, str]:
    """Class of each path of one document, as text."""
    try:
        document = json.loads(data)
        pairs = document["labels"]
        pairs = [] if pairs is None else list(pairs.items()) if isinstance(pairs, dict) else pairs
        paths = {str(path).replace("\\", "/").lstrip("/"): label for path, label in pairs}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f'{where} is no file of labels ({type(error).__name__}: {error}); expected {{"labels": [[path, class], '
            "...]}. Make it again, or remove it."
        ) from error
    if not paths:
        raise NoLabels(
            f"{where} states no labels (null); leave out --labels, or remove the file to use the folders as classes"
        )
    return {path: _text(where, path, label) for path, label in paths.items()}


def _text(where: str, path: str, label: Any) -> str:
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, bool) or not isinstance(label, (int, str)) or label == "":
        raise DataError(
            f"{where} gives {path!r} the label {str(label)[:60]}; expected a class, as a whole number or a name. "
            "Vectors and other conditions are not supported: leave out --labels."
        )
    return str(label)
