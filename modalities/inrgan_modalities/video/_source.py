"""Sources of videos: folders, zip files and shards."""

import json
import logging
from pathlib import Path
from typing import final

from inrgan.data import AbstractSource, ArchiveSource, DataPath, open_archive
from inrgan_modalities.video._archive import FRAME_SUFFIXES, VIDEO_SUFFIXES, VideoArchive
from inrgan_modalities.video._decoder import Decoder
from inrgan_modalities.video._index_cache import IndexCache
from inrgan_modalities.video._inspect import VideoInspector, Window
from inrgan_modalities.video._video_file import VideoFile


def open_clips(
    data: DataPath, *, channels: int, side: int, still_fps: float, labels: bool | str, window: Window | None = None,
    decoder: Decoder | None = None, progress: bool = True,
) -> AbstractSource:  # fmt: skip
    """Open a folder, zip or shards of videos, and index the files that are not in the cache.

    Every file is a video, and so is every folder of frames, in the order of the numbers in their names. The index
    (times of frames, key frames, sizes) is stored in the cache folder of the user, by path, size and date.

    Args:
        data: Folder, zip or shards; entries of a zip are unpacked to a temporary folder when they are needed.
        channels: Number of channels, 1 or 3.
        side: Samples along the shorter side in training.
        still_fps: Frames per second of folders of images.
        labels: As for ``Modality.source``.
        window: Window of training, with which the report compares the videos; any when None.
        decoder: Reader of the videos.
        progress: Whether to show a progress bar.

    Raises:
        DataError: There is no video, or too many videos are bad.
    """
    archive = VideoArchive(open_archive(data, suffixes=(*VIDEO_SUFFIXES, *FRAME_SUFFIXES)))
    known = IndexCache(data)
    reading = _Reading(
        known, channels=channels, side=side, still_fps=still_fps, decoder=Decoder() if decoder is None else decoder
    )
    source = ArchiveSource(archive, decode=reading, labels=labels, inspector=VideoInspector(reading, window=window))
    try:
        source.check(progress=progress)
    finally:
        known.save()
    return source


@final
class _Reading:
    """A map from a name and paths of files to a video."""

    def __init__(self, known: IndexCache, *, channels: int, side: int, still_fps: float, decoder: Decoder):
        self._known, self._decoder = known, decoder
        self._channels, self._side, self._still_fps = channels, side, still_fps
        self._warned: set[str] = set()

    def __call__(self, name: str, data: bytes) -> VideoFile:
        paths = json.loads(data)
        still = not name.lower().endswith((*VIDEO_SUFFIXES, ".webp"))
        place = str(Path(paths[0]).parent) if still else paths[0]
        index = self._known.get(name, paths)
        if index is None:
            index, _ = self._decoder.ask({"op": "index", "path": place, "files": paths if still else []})
            self._known.put(name, paths, index)
        if index["lost"] > 0 and name not in self._warned:
            self._warned.add(name)
            logging.getLogger("inrgan").warning(
                "%s ends early: its last %d frames cannot be read; the %d frames before are used.", name, index["lost"],
                len(index["stamps"]),
            )  # fmt: skip
        return VideoFile(
            place, index, files=paths if still else [], still_rate=self._still_fps, channels=self._channels,
            side=self._side, decoder=self._decoder,
        )  # fmt: skip
