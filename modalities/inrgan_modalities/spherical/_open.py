"""Choice of the reader for a path."""

from pathlib import Path

from jaxtyping import Shaped
from torch import Tensor

from inrgan.data import AbstractSource, is_stream, open_source
from inrgan.domains import Box
from inrgan.errors import ConfigError, DataError
from inrgan.images import ImageInspector, image_suffixes, read_image
from inrgan.resampling import resample
from inrgan_modalities.spherical._field_source import FieldSource
from inrgan_modalities.spherical._netcdf import NetcdfFile
from inrgan_modalities.spherical._npy_file import NpyFile, find_npy
from inrgan_modalities.spherical._units import given_units

_NETCDF = (".nc", ".nc4")
_ASPECT_SLACK = 0.01


def open_spherical(
    data: str | Path,
    *,
    channels: int,
    resolution: int = 64,
    low: float | None = None,
    high: float | None = None,
    variable: str = "",
    labels: bool | str = False,
    seed: int = 0,
) -> AbstractSource:
    """Open signals on the full sphere: items (C, H, 2H) on the canonical equirectangular grid.

    The data are a folder, zip or stream of equirectangular images; a .npy file of fields with lat.npy and lon.npy in
    the same folder, or that folder; or a NetCDF file (.nc, .nc4), or a folder with one.

    Args:
        data: Path of the data.
        channels: Number of channels, C.
        resolution: Number of rows in training, for the report on the data.
        low: Value in the files that is mapped to -1.
        high: Value in the files that is mapped to 1.
        variable: Variable of NetCDF files; several variables, separated by commas, become the channels.
        labels: Whether the folder of an image is its label.
        seed: Seed of the order of a stream of images.

    Returns:
        Source of images (uint8 as stored, or floats in [-1, 1]) or fields (floats in [-1, 1]).

    Raises:
        DataError: The data are missing, unreadable or ambiguous; the message says what is needed.
        NonFiniteError: A field has missing values.
        ConfigError: An option does not apply to the data.
        MissingDependency: Pillow or netCDF4 is not installed.

    Example:
        >>> open_spherical("t2m.npy", channels=1, low=210, high=310)[0].shape
        torch.Size([1, 64, 128])
    """
    path = Path(data).expanduser()
    units = given_units(low, high)
    field = None if is_stream(data) else _field_path(path)
    if field is None:
        if variable:
            raise ConfigError(f"--variable {variable} applies to NetCDF files, but {data} holds images; leave it out")
        inspector = ImageInspector(
            channels=channels, resolution=resolution, samples=_rows, low=low, high=high, check=_check_aspect
        )  # fmt: skip
        decode = _Panoramas(channels, low=low, high=high)
        return open_source(
            data, suffixes=image_suffixes(), decode=decode, labels=labels, seed=seed, inspector=inspector
        )  # fmt: skip
    if labels:
        raise ConfigError(f"--labels needs labeled data, but the fields of {field} have none; leave it out")
    if field.suffix.lower() in _NETCDF:
        return FieldSource(NetcdfFile(field, variable=variable, channels=channels), units=units)
    if variable:
        raise ConfigError(f"--variable {variable} applies to NetCDF files, but {field} is not one; leave it out")
    return FieldSource(NpyFile(field, channels=channels), units=units)


def _field_path(path: Path) -> Path | None:
    """The file of fields at a path; None for images."""
    if path.is_file() and path.suffix.lower() in (".npy", *_NETCDF):
        return path
    if not path.is_dir():
        return None
    found = find_npy(path)
    if found is not None:
        return found
    several = sorted(p for p in path.iterdir() if p.suffix.lower() in _NETCDF and not p.name.startswith("."))
    if len(several) > 1:
        listed = ", ".join(p.name for p in several[:8])
        raise DataError(f"{path} holds {len(several)} NetCDF files ({listed}). Give the path of one of them.")
    return several[0] if several else None


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
