"""Sources of videos: folders and zip files."""

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import threading
import weakref
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any, final

from inrgan.data import (
    AbstractArchive,
    AbstractSource,
    ArchiveSource,
    FileCounts,
    ItemInspector,
    Measure,
    open_archive,
)
from inrgan.errors import DataError, InrganError
from inrgan.files import write_json
from inrgan_modalities.video._decoder import Decoder
from inrgan_modalities.video._video_file import VideoFile

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".webm", ".mkv", ".m4v", ".mpg", ".gif")
IMAGES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def open_clips(
    data: str | Path, *, channels: int, side: int, seconds: float, still_fps: float, labels: bool | str,
    decoder: Decoder | None = None, progress: bool = True,
) -> AbstractSource:  # fmt: skip
    """Open a folder or zip of videos, and index the files that are not in the cache.

    Every file is a video, and so is every folder of images, in the order of the numbers in their names. The index
    (times of frames, key frames, sizes) is stored in the cache folder of the user, by path, size and date.

    Args:
        data: Folder or zip; entries of a zip are unpacked to a temporary folder when they are needed.
        channels: Number of channels, 1 or 3.
        side: Samples along the shorter side in training.
        seconds: Shortest accepted length; 0 for any.
        still_fps: Frames per second of folders of images.
        labels: As for ``Modality.source``.
        decoder: Reader of the videos.
        progress: Whether to show a progress bar.

    Raises:
        DataError: There is no video, or too many videos are bad.
    """
    archive = _Videos(open_archive(data, suffixes=(*VIDEO_SUFFIXES, *IMAGES)))
    reading = _Reading(
        archive, known=_Known(data), channels=channels, side=side, seconds=seconds, still_fps=still_fps,
        decoder=Decoder() if decoder is None else decoder,
    )  # fmt: skip
    inspector = ItemInspector(reading, measure=_measure, units={"duration": "s", "rate": "frames per second"})
    source = ArchiveSource(archive, decode=reading, labels=labels, inspector=inspector)
    try:
        source.check(progress=progress)
    finally:
        reading.known.save()
    return source


def _measure(video: VideoFile) -> dict[str, Measure]:
    """What the report before training says of a video."""
    return {"duration": video.seconds, "rate": video.rate, "shorter side as read": float(min(video.shape[1:]))}


@final
class _Videos(AbstractArchive):
    """Videos by name; the blob of a video is the JSON list of the paths of its files."""

    def __init__(self, archive: AbstractArchive):
        self._archive = archive
        self._scratch: Path | None = None
        self._lock = threading.Lock()
        self.files_of: dict[str, list[str]] = {}
        folders: dict[str, list[str]] = defaultdict(list)
        for name in archive.names:
            if name.lower().endswith(VIDEO_SUFFIXES):
                self.files_of[name] = [name]
            else:
                folders[str(PurePosixPath(name).parent)].append(name)
        for folder, names in folders.items():
            self.files_of[archive.description if folder == "." else folder] = sorted(names, key=_natural)
        self._names = tuple(sorted(self.files_of))

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
        return self._archive.files

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


@final
class _Reading:
    """A map from a name and paths of files to a video."""

    def __init__(
        self, archive: _Videos, *, known: "_Known", channels: int, side: int, seconds: float, still_fps: float,
        decoder: Decoder,
    ):  # fmt: skip
        self._archive, self.known, self._decoder = archive, known, decoder
        self._warned: set[str] = set()
        self._channels, self._side, self._seconds, self._still_fps = channels, side, seconds, still_fps

    def __call__(self, name: str, data: bytes) -> VideoFile:
        paths = json.loads(data)
        still = not name.lower().endswith(VIDEO_SUFFIXES)
        place = str(Path(paths[0]).parent) if still else paths[0]
        index = self.known.get(name, paths)
        if index is None:
            index, _ = self._decoder.ask({"op": "index", "path": place, "files": paths if still else []})
            self.known.put(name, paths, index)
        if index["lost"] > 0 and name not in self._warned:
            self._warned.add(name)
            logging.getLogger("inrgan").warning(
                "%s ends early: its last %d frames cannot be read; the %d frames before are used.", name, index["lost"],
                len(index["stamps"]),
            )  # fmt: skip
        video = VideoFile(
            place, index, files=paths if still else [], still_rate=self._still_fps, channels=self._channels,
            side=self._side, decoder=self._decoder, decord=not name.lower().endswith(".gif"),
        )  # fmt: skip
        if video.seconds < 0.999 * self._seconds:
            raise DataError(
                f"{name} lasts {video.seconds:.3g} seconds, the training window {self._seconds:.3g}; give fewer "
                "--frames, a higher --fps or --short hold, or remove it."
            )
        return video


def _natural(name: str) -> list[Any]:
    """Sort key that puts frame_2 before frame_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


@final
class _Known:
    """The index of a data set in a file of the user's cache folder; it is rebuilt if lost."""

    def __init__(self, data: str | Path):
        root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        where = hashlib.sha256(os.path.realpath(data).encode()).hexdigest()[:24]
        self._path = Path(root) / "inrgan" / "videos" / f"{where}.json"
        self._changed, self._zip = False, Path(data) if Path(data).is_file() else None
        try:
            self._entries = json.loads(self._path.read_text(encoding="utf-8"))
            assert isinstance(self._entries, dict)
        except (OSError, ValueError, AssertionError):
            self._entries = {}

    def get(self, name: str, paths: list[str]) -> dict[str, Any] | None:
        entry = self._entries.get(name)
        return entry["index"] if isinstance(entry, dict) and entry.get("state") == self._state(paths) else None

    def put(self, name: str, paths: list[str], index: dict[str, Any]) -> None:
        self._entries[name], self._changed = {"state": self._state(paths), "index": index}, True

    def save(self) -> None:
        if self._changed:
            try:
                write_json(self._path, self._entries)
            except InrganError as error:
                logging.getLogger("inrgan").warning("The index of the videos cannot be cached: %s", error)

    def _state(self, paths: list[str]) -> list[Any]:
        """A fingerprint that changes with the files; for zip entries, with the zip and the sizes of the entries."""
        stats = [os.stat(p) for p in paths]
        dates = [int(os.stat(self._zip).st_mtime_ns)] if self._zip else [int(s.st_mtime_ns) for s in stats]
        return [len(paths), sum(s.st_size for s in stats), max(dates)]
