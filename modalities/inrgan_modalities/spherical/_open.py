"""Choice of the reader for a path."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from jaxtyping import Shaped
from torch import Tensor

from inrgan.data import AbstractSource, DataPath, is_stream, open_source
from inrgan.domains import Box
from inrgan.errors import ConfigError, DataError
from inrgan.files import user_path
from inrgan.images import ImageInspector, image_suffixes, read_image
from inrgan.resampling import resample
from inrgan_modalities.spherical._field_source import FieldSource
from inrgan_modalities.spherical._grid_files import find_grids
from inrgan_modalities.spherical._gridded import GriddedFiles
from inrgan_modalities.spherical._npy_file import NpyFile, find_npy
from inrgan_modalities.spherical._selection import selection_words
from inrgan_modalities.spherical._units import given_units

_ASPECT_SLACK = 0.01


def open_spherical(
    data: DataPath,
    *,
    channels: int,
    resolution: int = 64,
    low: float | None = None,
    high: float | None = None,
    variable: str = "",
    select: Mapping[str, float | str] | Iterable[str] = (),
    labels: bool | str = False,
    seed: int = 0,
) -> AbstractSource:
    """Open signals on the full sphere: items (C, H, 2H) on the canonical equirectangular grid.

    The data are a folder, zip or stream of equirectangular images; a .npy file of fields with lat.npy and lon.npy in
    the same folder, or that folder; or NetCDF files (.nc, .nc4) or Zarr stores (.zarr, .zarr.zip): one, a folder, or a
    pattern such as ``era5/t2m_*.nc``. Several are one data set along time.

    Args:
        data: Path of the data.
        channels: Number of channels, C.
        resolution: Number of rows in training, for the report on the data.
        low: Value in the files that is mapped to -1.
        high: Value in the files that is mapped to 1.
        variable: Variable of NetCDF files; several variables, separated by commas, become the channels.
        select: Values along further dimensions of NetCDF files, by name, or words such as "level=500".
        labels: Whether the folder of an image is its label.
        seed: Seed of the order of a stream of images.

    Returns:
        Source of images (uint8 as stored, or floats in [-1, 1]) or fields (floats in [-1, 1], NaN where missing).

    Raises:
        DataError: The data are missing, unreadable or ambiguous; the message says what is needed.
        NonFiniteError: A field has infinite values.
        ConfigError: An option does not apply to the data.
        MissingDependency: Pillow, xarray, netCDF4 or zarr is not installed.

    Example:
        >>> open_spherical("t2m.npy", channels=1, low=210, high=310)[0].shape
        torch.Size([1, 64, 128])
    """
    path = user_path(data)
    units, words = given_units(low, high), selection_words(select)
    npy = None if is_stream(data) else _npy_path(path)
    grids = None if is_stream(data) or npy is not None else find_grids(data)
    if grids is None:
        for name, value in (("variable", variable), ("select", ", ".join(words))):
            if value:
                kind = "images" if npy is None else "an array"
                raise ConfigError(
                    f"--{name} {value} applies to NetCDF files and Zarr stores, but {data} holds {kind}; leave it out"
                )
    if grids is None and npy is None:
        inspector = ImageInspector(
            channels=channels, resolution=resolution, samples=_rows, low=low, high=high, check=_check_aspect
        )  # fmt: skip
        decode = _Panoramas(channels, low=low, high=high)
        return open_source(
            data, suffixes=image_suffixes(), decode=decode, labels=labels, seed=seed, inspector=inspector
        )  # fmt: skip
    if labels:
        raise ConfigError(f"--labels needs labeled data, but the fields of {data} have none; leave it out")
    if npy is not None:
        return FieldSource(NpyFile(npy, channels=channels), units=units)
    assert grids is not None
    files, unused = grids
    name = files[0].name if len(files) == 1 else path.name if path.is_dir() else str(data)
    file = GriddedFiles(files, name=name, variable=variable, channels=channels, select=words)
    return FieldSource(file, units=units, unused=unused)


def _npy_path(path: Path) -> Path | None:
    """The array of fields at a path; None where there is none."""
    if path.suffix.lower() == ".npy" and path.is_file():
        return path
    return find_npy(path) if path.is_dir() else None


def _rows(rows: int, columns: int) -> float:
    """Rows of an equirectangular image that its resolution amounts to."""
    return min(rows, columns / 2)


def _check_aspect(name: str, height: int, width: int) -> None:
    if abs(width / height - 2) > 2 * _ASPECT_SLACK:
        raise DataError(
            f"{name} is {width} x {height} pixels; an equirectangular image is twice as wide as high (within 1%). "
            "Is it a crop or another projection? Convert it."
        )


class _Panoramas:
    """Decoder of equirectangular images; a class, so that a source can be sent to another process."""

    def __init__(self, channels: int, *, low: float | None, high: float | None):
        self._channels, self._low, self._high = channels, low, high

    def __call__(self, name: str, data: bytes) -> Shaped[Tensor, "C H W"]:
        image = read_image(name, data, channels=self._channels, low=self._low, high=self._high)
        _, height, width = image.shape
        _check_aspect(name, height, width)
        if width == 2 * height:
            return image
        # Nearly 2:1, from an inexact resize: the pixels of both axes are made equally large.
        view = Box(2, aspect=(2.0, 1.0)).grid((rows := min(height, width // 2), 2 * rows))
        return resample(image[None], view, lower=(-2.0, -1.0), upper=(2.0, 1.0))[0].clamp(-1, 1)
