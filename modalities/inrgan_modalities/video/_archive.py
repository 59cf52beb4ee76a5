"""Videos of a folder, zip or shards: files, animations, and folders of frames."""

import json
import re
import shutil
import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import final

from inrgan.data import AbstractArchive, FileCounts, natural_key, normalized
from inrgan.errors import DataError

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".webm", ".mkv", ".m4v", ".mpg", ".gif")
FRAME_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
ANOTHER_KIND = "another kind: images beside videos, which are no frames of one"
_THUMBNAIL = re.compile(r"[-_. ]*(thumb(nail)?|poster|cover|preview|fanart)s?[-_. ]*\d*$", re.IGNORECASE)
"""What programs add to the name of a video for its thumbnail, and names of folders of thumbnails."""
_HEAD = 21


@final
class VideoArchive(AbstractArchive):
    """Videos by name; the blob of a video is the JSON list of the paths of its files.

    A video is a file, an animated WebP, or a folder of frames: two or more images, in the order of the numbers in their
    names, with no video in the folder or below it. Thumbnails, which are named like videos, are no frames.

    Args:
        archive: Archive of the files, with the suffixes of videos and frames.

    Raises:
        DataError: There is no video.

    Example:
        >>> VideoArchive(open_archive("clips", suffixes=(*VIDEO_SUFFIXES, *FRAME_SUFFIXES))).names
        ('a.mp4', 'b')
    """

    def __init__(self, archive: AbstractArchive):
        self._archive = archive
        self._scratch: Path | None = None
        self._lock = threading.Lock()
        self.files_of: dict[str, list[str]] = {}
        folders: dict[str, list[str]] = defaultdict(list)
        for name in archive.names:
            if name.lower().endswith(VIDEO_SUFFIXES) or self._is_animated(name):
                self.files_of[name] = [name]
            else:
                folders[str(PurePosixPath(name).parent)].append(name)
        films = list(self.files_of)
        holders = {str(parent) for film in films for parent in PurePosixPath(film).parents}
        titles = {normalized(PurePosixPath(film).stem.lower()) for film in films}
        self._files = FileCounts(archive.files.used.copy(), archive.files.unused.copy())
        for folder, images in folders.items():
            if folder not in holders and _are_frames(folder, images, titles):
                self.files_of[archive.description if folder == "." else folder] = sorted(images, key=natural_key)
                continue
            for image in images:
                self._files.reject(image, ANOTHER_KIND)
        self._names = tuple(sorted(self.files_of))
        if not self._names:
            raise DataError(
                f"There is no video in {archive.description}: {sum(map(len, folders.values()))} images, and no folder "
                f"of two or more frames. Give files that end in {' '.join(VIDEO_SUFFIXES)}, or folders of frames."
            )

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def description(self) -> str:
        return self._archive.description

    @property
    def kind(self) -> str:
        return self._archive.kind

    @property
    def files(self) -> FileCounts:
        return self._files

    @property
    def documents(self) -> tuple[str, ...]:
        return self._archive.documents

    @property
    def class_source(self) -> str:
        return self._archive.class_source

    def classes(self, names: Sequence[str] | None = None) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
        """As stated for the first file of each video."""
        return self._archive.classes([self.files_of[name][0] for name in (self.names if names is None else names)])

    def read(self, name: str) -> bytes:
        with self._lock:  # several threads read
            if self._scratch is None:
                self._scratch = Path(tempfile.mkdtemp(prefix="inrgan-videos-"))
                weakref.finalize(self, shutil.rmtree, self._scratch, ignore_errors=True)
        return json.dumps([str(self._archive.local(n, self._scratch)) for n in self.files_of[name]]).encode()

    def close(self) -> None:
        self._archive.close()

    def _is_animated(self, name: str) -> bool:
        """Whether a file is a WebP whose header says that it is an animation."""
        if not name.lower().endswith(".webp"):
            return False
        try:
            head = self._archive.head(name, _HEAD)
        except DataError:  # which reading reports
            return False
        return head[:4] == b"RIFF" and head[8:16] == b"WEBPVP8X" and len(head) == _HEAD and bool(head[20] & 2)


def _are_frames(folder: str, images: Sequence[str], titles: Iterable[str]) -> bool:
    """Whether the images of a folder without videos are the frames of one."""
    if len(images) < 2:
        return False
    if not titles:
        return True
    if _THUMBNAIL.fullmatch(PurePosixPath(folder).name):
        return False
    return not all(_title(image) in titles for image in images)


def _title(image: str) -> str:
    """Name of the video that an image would be a thumbnail of: clip for clip.jpg, clip.mp4.jpg and clip-thumb.jpg."""
    stem = _THUMBNAIL.sub("", PurePosixPath(image).stem.lower())
    return normalized(PurePosixPath(stem).stem if stem.endswith(VIDEO_SUFFIXES) else stem)
