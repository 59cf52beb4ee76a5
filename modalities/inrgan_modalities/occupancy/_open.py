"""Opening of shapes; missing signals are computed by several processes and cached."""

import contextlib
import logging
import multiprocessing
import os
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import replace
from pathlib import PurePosixPath

from tqdm import tqdm

from inrgan.data import AbstractArchive, AbstractSource, ArchiveSource, DataPath, is_stream, open_archive, open_source
from inrgan.errors import InrganError
from inrgan_modalities.occupancy import _volume
from inrgan_modalities.occupancy._reading import SUFFIXES, Reading, cache_folder
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
    labels: bool | str = False,
    seed: int = 0,
    workers: int | None = None,
) -> AbstractSource:
    """Open a folder, zip or stream of meshes and volumes as signals (1, n, n, n).

    Signals that are not in the cache are computed now, by several processes if there are many. Finished signals stay in
    the cache when the program is stopped. A mesh that cannot be read or signed is logged, skipped and counted.

    Args:
        data: Path of the data.
        signal: Conversion of distances to signals.
        resolution: Number of samples along each axis, n, for meshes.
        margin: Margin around meshes, as a fraction of half the side of the cube.
        up: Axis of the files that points up.
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
    reading = Reading(signal, resolution=resolution, margin=margin, up=up, cache=cache_folder())
    if is_stream(data):
        return open_source(data, suffixes=SUFFIXES, decode=reading, labels=labels, seed=seed)
    archive = open_archive(data, suffixes=SUFFIXES)
    workers = (os.cpu_count() or 1) if workers is None else workers
    if workers > 1:
        prepare(archive, reading, workers=workers)
    return ArchiveSource(archive, decode=reading, labels=labels)


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
