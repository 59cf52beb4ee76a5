"""Reading data: archives of bytes, sources of decoded items, labels and the order of training."""

from inrgan.data.archive import AbstractArchive, FolderArchive, ZipArchive, is_visible
from inrgan.data.class_names import class_index, natural_key, normalized
from inrgan.data.file_counts import HIDDEN, OTHER_KIND, OWN, FileCounts
from inrgan.data.inspection import AbstractInspector, ItemInspector, Measure
from inrgan.data.items import AbstractItem, AbstractLargeItem, BadFiles, ItemCache
from inrgan.data.labels import Split, folder_labels, labels_of, pattern_labels, split, stated_labels
from inrgan.data.links import DataPath, FollowLinks, is_ring, located
from inrgan.data.opening import ArchiveSource, open_archive, open_source
from inrgan.data.own_output import is_own_folder
from inrgan.data.report import DataReport, Range, UnusedFiles
from inrgan.data.shards import ShardArchive, write_shards
from inrgan.data.source import AbstractSource, AbstractSyntheticSource, SubsetSource, epoch_indices
from inrgan.data.stream import StreamSource
from inrgan.data.stream_shards import is_stream, reaches_out

__all__ = [
    "HIDDEN",
    "OTHER_KIND",
    "OWN",
    "AbstractArchive",
    "AbstractInspector",
    "AbstractItem",
    "AbstractLargeItem",
    "AbstractSource",
    "AbstractSyntheticSource",
    "ArchiveSource",
    "BadFiles",
    "DataPath",
    "DataReport",
    "FileCounts",
    "FolderArchive",
    "FollowLinks",
    "ItemCache",
    "ItemInspector",
    "Measure",
    "Range",
    "ShardArchive",
    "Split",
    "StreamSource",
    "SubsetSource",
    "UnusedFiles",
    "ZipArchive",
    "class_index",
    "epoch_indices",
    "folder_labels",
    "is_own_folder",
    "is_ring",
    "is_stream",
    "is_visible",
    "labels_of",
    "located",
    "natural_key",
    "normalized",
    "open_archive",
    "open_source",
    "pattern_labels",
    "reaches_out",
    "split",
    "stated_labels",
    "write_shards",
]
