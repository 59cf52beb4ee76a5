"""Opening of shapes; missing signals are computed by several processes and cached."""

import contextlib
import logging
import multiprocessing
import os
import threading
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any, final

from torch import Tensor
from tqdm import tqdm

from inrgan.data import AbstractArchive, AbstractSource, ArchiveSource, DataPath, is_stream, open_archive, open_source
from inrgan.errors import InrganError
from inrgan.files import cache_folder
from inrgan_modalities.occupancy import _volume
from inrgan_modalities.occupancy._inspect import UNREAD, ShapeInspector
from inrgan_modalities.occupancy._reading import SUFFIXES, Reading
from inrgan_modalities.occupancy._signal import Signal

_WORTH = 48
"""Number of files below which starting processes costs more than it saves."""


def open_shapes(
    data: DataPath,
    *,
    signal: Signal,
    resolution: int,
    margin: float,
    up: str,
    needed: int | None = None,
    labels: bool | str = False,
    seed: int = 0,
    workers: int | None = None,
) -> AbstractSource:
    """Open a folder, zip or stream of meshes and volumes as signals (1, n, n, n).

    Signals that are not in the cache are computed before the first item, by several processes if there are many.
    Finished signals stay in the cache when the program is stopped. A mesh that cannot be read or signed is logged,
    skipped and counted.

    Args:
        data: Path of the data.
        signal: Conversion of distances to signals.
        resolution: Number of samples along each axis, n, for meshes.
        margin: Margin around meshes, as a fraction of half the side of the cube.
        up: Axis of the files that points up.
        needed: Samples along each axis in training, for the report on the data; None for ``resolution``.
        labels: As for ``Modality.source``.
        seed: Seed of the order of a stream, whose meshes are computed when they are read.
        workers: Number of processes; None for the number of cores, 1 for the current process.

    Raises:
        DataError: The data are missing, empty or unreadable.
        MissingDependency: A library is not installed.

    Example:
        >>> open_shapes("chairs.zip", signal=Signal("distance", 0.2), resolution=64, margin=0.1, up="z")[0].shape
        torch.Size([1, 64, 64, 64])
    """
    reading = Reading(signal, resolution=resolution, margin=margin, up=up, cache=cache_folder("occupancy"))
    if is_stream(data):
        return open_source(data, suffixes=SUFFIXES, decode=reading, labels=labels, seed=seed)
    archive = open_archive(data, suffixes=SUFFIXES, reasons=UNREAD)
    workers = (os.cpu_count() or 1) if workers is None else workers
    inspector = ShapeInspector(resolution=needed or resolution, up=up)
    return ArchiveSource(
        archive, decode=_Prepared(archive, reading, workers=workers), labels=labels, inspector=inspector
    )


@final
class _Prepared:
    """Decoder of files that computes missing signals by several processes before the first item.

    Not earlier, so that what the data are is said first, without waiting.
    """

    def __init__(self, archive: AbstractArchive, reading: Reading, *, workers: int):
        self._archive, self._reading, self._workers = archive, reading, workers
        self._lock, self._done = threading.Lock(), workers <= 1

    def __call__(self, name: str, data: bytes) -> Tensor:
        with self._lock:
            if not self._done:
                self._done = True  # a failure is not repeated for every item
                prepare(self._archive, self._reading, workers=self._workers)
        return self._reading(name, data)

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._lock = threading.Lock()


def prepare(archive: AbstractArchive, reading: Reading, *, workers: int, least: int = _WORTH) -> int:
    """Compute the signals of an archive that are not in the cache, and return their number.

    Args:
        archive: Archive of the files.
        reading: Reader of the files.
        workers: Number of processes.
        least: Number of missing signals below which they are computed on first use instead.
    """
    missing = [name for name in archive.names if _wanting(archive, reading, name)]
    if len(missing) < least or reading.cache is None:
        return 0
    logging.getLogger("inrgan").info("Signed distances of %d meshes with %d processes.", len(missing), workers)
    # Spawned, because a forked copy of a process with threads may hang.
    with (
        ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool,
        tqdm(total=len(missing), unit="mesh", disable=None) as bar,
    ):
        names, pending = iter(missing), set[Future[None]]()
        try:
            while True:
                # A few at a time, so that a large archive is never completely in memory.
                while len(pending) < 4 * workers and (name := next(names, None)) is not None:
                    pending.add(pool.submit(_compute, replace(reading), name, archive.read(name)))
                if not pending:
                    return len(missing)
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
                    bar.update()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _wanting(archive: AbstractArchive, reading: Reading, name: str) -> bool:
    if PurePosixPath(name).suffix.lower() in _volume.SUFFIXES:  # point clouds among these are computed on first use
        return False
    try:
        cached = reading.cache_path(archive.read(name))
    except InrganError:
        return False  # reported and counted when the file is read
    return cached is not None and not cached.exists()


def _compute(reading: Reading, name: str, data: bytes) -> None:
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with contextlib.suppress(InrganError):  # as above
        reading(name, data)
