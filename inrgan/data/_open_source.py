"""Decoded items of whatever ``--data`` names."""

from collections.abc import Callable
from pathlib import Path

from inrgan._typing import Tensor
from inrgan.data._archive_source import ArchiveSource
from inrgan.data._large import AbstractItem
from inrgan.data._open import open_archive
from inrgan.data._source import AbstractSource
from inrgan.data._stream import StreamSource
from inrgan.data._stream_names import is_stream


def open_source(
    data: str | Path,
    *,
    suffixes: tuple[str, ...],
    decode: Callable[[str, bytes], Tensor | AbstractItem],
    labels: bool | str = False,
    seed: int = 0,
) -> AbstractSource:
    """Open a folder, zip or shards as a list of items, or a stream of shards as an endless sequence.

    Args:
        data: as for ``open_archive``; or a stream, as for ``StreamSource``.
        suffixes: wanted file suffixes with their dot; case does not matter.
        decode: makes an item of a file's name and bytes; raises DataError or NonFiniteError on a bad file.
        labels: as of ``Modality.source``.
        seed: of a stream's order.

    Raises:
        DataError: missing, empty or unreadable data.
        ConfigError: labels that a stream cannot have.
        MissingDependency: a stream, and webdataset is not installed.

    Example:
        >>> open_source("flowers.zip", suffixes=(".png",), decode=decode)[0].shape
        torch.Size([3, 64, 64])
    """
    if is_stream(data):
        return StreamSource(str(data), suffixes=suffixes, decode=decode, labels=labels, seed=seed)
    return ArchiveSource(open_archive(data, suffixes=suffixes), decode=decode, labels=labels)
