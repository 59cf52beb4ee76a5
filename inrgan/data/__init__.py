"""Reading data: archives of bytes, sources of decoded items, labels and the order of training."""

from inrgan.data.archive import AbstractArchive, FolderArchive, ZipArchive
from inrgan.data.items import AbstractItem, AbstractLargeItem, BadFiles, ItemCache
from inrgan.data.labels import Split, folder_labels, labels_of, pattern_labels, split
from inrgan.data.opening import ArchiveSource, open_archive, open_source
from inrgan.data.shards import ShardArchive, write_shards
from inrgan.data.source import AbstractSource, AbstractSyntheticSource, SubsetSource, epoch_indices
from inrgan.data.stream import StreamSource
from inrgan.data.stream_shards import is_stream, reaches_out

__all__ = [
    "AbstractArchive",
    "AbstractItem",
    "AbstractLargeItem",
    "AbstractSource",
    "AbstractSyntheticSource",
    "ArchiveSource",
    "BadFiles",
    "FolderArchive",
    "ItemCache",
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
