"""Finding and opening of NetCDF files and Zarr stores."""

import contextlib
import glob
import importlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inrgan.data import UnusedFiles
from inrgan.errors import DataError, InrganError, MissingDependency

NETCDF = (".nc", ".nc4")
ZARR = (".zarr", ".zarr.zip")


def is_grid(path: Path) -> bool:
    """Whether a name is that of a NetCDF file or of a Zarr store.

    Example:
        >>> is_grid(Path("t2m.nc")), is_grid(Path("era5.zarr.zip")), is_grid(Path("lat.npy"))
        (True, True, False)
    """
    return path.name.lower().endswith((*NETCDF, *ZARR))


def find_grids(data: str | Path) -> tuple[list[Path], tuple[UnusedFiles, ...]] | None:
    """The NetCDF files and Zarr stores of a path, a folder or a pattern, sorted, and the other files.

    Args:
        data: Path of a file, a store or a folder, or a pattern with * or ?.

    Returns:
        Paths and unused files; None where there is no such file.

    Example:
        >>> find_grids("era5/*.nc")
        ([PosixPath('era5/1999.nc'), PosixPath('era5/2000.nc')], ())
    """
    path = Path(data).expanduser()
    if is_grid(path) and path.exists():
        return [path], ()
    if path.is_dir():
        files, unused = _in_folder(path)
    elif not path.exists() and any(c in str(data) for c in "*?["):
        matches = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
        if not matches:
            raise DataError(f"the pattern {data} stands for no file; check it, and quote it in a shell")
        files = [p for p in matches if is_grid(p)]
        others = Counter(p.suffix.lower() or "(no suffix)" for p in matches if not is_grid(p) and p.is_file())
        unused = tuple(UnusedFiles(s, "not read by this kind of data", n) for s, n in sorted(others.items()))
        if not files:
            raise DataError(f"the pattern {data} stands for {len(matches)} files, and none is .nc, .nc4 or .zarr")
    else:
        return None
    return (files, unused) if files else None


def _in_folder(folder: Path) -> tuple[list[Path], tuple[UnusedFiles, ...]]:
    files, others = [], Counter()
    for place, folders, names in os.walk(folder):
        for name in [*folders, *names]:
            path = Path(place, name)
            visible = not name.startswith(".") and name != "__MACOSX"
            grid, is_folder = visible and is_grid(path) and (path.is_file() or name.lower().endswith(".zarr")), name in folders
            if grid:
                files.append(path)
            elif not is_folder:
                others[path.suffix.lower() or "(no suffix)", "not read by this kind of data" if visible else "hidden"] += 1
        folders[:] = sorted(f for f in folders if not f.startswith(".") and f != "__MACOSX" and not f.lower().endswith(".zarr"))
    return sorted(files), tuple(UnusedFiles(s, reason, n) for (s, reason), n in sorted(others.items()))


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
