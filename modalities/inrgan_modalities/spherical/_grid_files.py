"""Finding and opening of NetCDF files and Zarr stores."""

import contextlib
import glob
import importlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inrgan.data import (
    HIDDEN,
    OTHER_KIND,
    OWN,
    DataPath,
    FileCounts,
    FollowLinks,
    UnusedFiles,
    is_own_folder,
    is_ring,
    is_visible,
)
from inrgan.errors import DataError, InrganError, MissingDependency
from inrgan.files import user_path
from inrgan_modalities.spherical._classic_header import check_header

NETCDF = (".nc", ".nc4")
ZARR = (".zarr", ".zarr.zip")


def is_grid(path: Path) -> bool:
    """Whether a name is that of a NetCDF file or of a Zarr store.

    Example:
        >>> is_grid(Path("t2m.nc")), is_grid(Path("era5.zarr.zip")), is_grid(Path("lat.npy"))
        (True, True, False)
    """
    return path.name.lower().endswith((*NETCDF, *ZARR))


def find_grids(data: DataPath) -> tuple[list[Path], tuple[UnusedFiles, ...]] | None:
    """The NetCDF files and Zarr stores of a path, a folder or a pattern, sorted, and the other files.

    Args:
        data: Path of a file, a store or a folder, or a pattern with * or ?.

    Returns:
        Paths and unused files; None where there is no such file.

    Example:
        >>> find_grids("era5/*.nc")
        ([PosixPath('era5/1999.nc'), PosixPath('era5/2000.nc')], ())
    """
    path = user_path(data)
    if is_grid(path) and path.exists():
        return [path], ()
    if path.is_dir():
        files, counts = _in_folder(path, follow=isinstance(data, FollowLinks))
    elif not path.exists() and any(c in str(data) for c in "*?["):
        matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
        if not matches:
            raise DataError(f"the pattern {data} stands for no file; check it, and quote it in a shell")
        files = [p for p in matches if is_grid(p)]
        counts = FileCounts()
        for place in matches:
            if place not in files and place.is_file():
                counts.leave(place.name, OTHER_KIND)
        if not files:
            raise DataError(f"the pattern {data} stands for {len(matches)} files, and none is .nc, .nc4 or .zarr")
    else:
        return None
    unused = tuple(UnusedFiles(suffix, reason, n) for (suffix, reason), n in sorted(counts.unused.items()))
    return (files, unused) if files else None


def _in_folder(folder: Path, *, follow: bool) -> tuple[list[Path], FileCounts]:
    files, counts = [], FileCounts()
    for place, folders, names in os.walk(folder, followlinks=follow):
        if is_own_folder(Path(place)):
            for name in names:
                counts.leave(name, OWN)
            folders.clear()
            continue
        folders[:] = [name for name in folders if not is_ring(Path(place, name))]
        files += [Path(place, name) for name in folders if is_visible(name) and name.lower().endswith(".zarr")]
        folders[:] = [name for name in folders if is_visible(name) and not name.lower().endswith(".zarr")]
        for name in names:
            if is_visible(name) and is_grid(path := Path(place, name)) and path.is_file():
                files.append(path)
            else:
                counts.leave(name, OTHER_KIND if is_visible(name) else HIDDEN)
    return sorted(files), counts


def open_dataset(path: Path) -> Any:
    """An open xarray.Dataset, whose values are read when they are used.

    Raises:
        MissingDependency: xarray, netCDF4 or zarr is not installed.
        DataError: The file is damaged, or not what its name says.
    """
    zarr = path.name.lower().endswith(ZARR)
    try:
        xarray = importlib.import_module("xarray")
        library = importlib.import_module("zarr" if zarr else "netCDF4")
    except ImportError as error:
        name = str(error.name or "xarray").partition(".")[0]
        raise MissingDependency(name, extra="spherical", why="Reading NetCDF files and Zarr stores") from error
    if not zarr:
        check_header(path)
    with reading(str(path)), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of several fill values, attributes that are no text, and the like
        place: Any = str(path)
        if zarr and path.is_file():
            place = library.storage.ZipStore(str(path), mode="r")
        return xarray.open_dataset(
            place, engine="zarr" if zarr else "netcdf4", decode_times=False, decode_coords=False, cache=False,
            **({"consolidated": False} if zarr else {}),
        )  # fmt: skip


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """Convert errors of the libraries, which raise all kinds on damaged files, to ``DataError``."""
    try:
        yield
    except InrganError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        raise DataError(
            f"{what} cannot be read as {'Zarr' if '.zarr' in what else 'NetCDF'} ({type(error).__name__}: "
            f"{text[:300]}); copy or create it again"
        ) from error
