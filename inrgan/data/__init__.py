"""Reading data: archives of bytes, sources of decoded items, labels and the order of training."""

from inrgan.data._archive import AbstractArchive
from inrgan.data._archive_source import ArchiveSource
from inrgan.data._folder import FolderArchive
from inrgan.data._labels import folder_labels, labels_of, pattern_labels
from inrgan.data._large import AbstractItem, AbstractLargeItem
from inrgan.data._open import open_archive
from inrgan.data._open_source import open_source
from inrgan.data._order import epoch_indices
from inrgan.data._shards import ShardArchive
from inrgan.data._source import AbstractSource, SubsetSource
from inrgan.data._split import Split, split
from inrgan.data._stream import StreamSource
from inrgan.data._stream_names import is_stream, reaches_out
from inrgan.data._synthetic import AbstractSyntheticSource
from inrgan.data._write_shards import write_shards
from inrgan.data._zip import ZipArchive

__all__ = [
    "AbstractArchive",
    "AbstractItem",
    "AbstractLargeItem",
    "AbstractSource",
    "AbstractSyntheticSource",
    "ArchiveSource",
    "FolderArchive",
    "ShardArchive",
    "Split",
    "StreamSource",
    "SubsetSource",
    "ZipArchive",
    "epoch_indices",
    "folder_labels",
    "is_stream",
    "labels_of",
    "open_archive",
    "open_source",
    "pattern_labels",
    "reaches_out",
    "split",
    "write_shards",
]
