"""Pick the reader that fits a path."""

from pathlib import Path

from jaxtyping import Shaped
from torch import Tensor

from inrgan.data import AbstractSource, is_stream, open_source
from inrgan.domains import Box
from inrgan.errors import ConfigError, DataError
from inrgan.images import SUFFIXES, read_image
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
    low: float | None = None,
    high: float | None = None,
    variable: str = "",
    labels: bool | str = False,
    seed: int = 0,
) -> AbstractSource:
    """Open signals on the whole sphere: items (C, H, 2H) on the canonical equirectangular grid.

    A folder, zip or stream of equirectangular images; a .npy file of fields with lat.npy and lon.npy beside it, or a
    folder with these three; a NetCDF file (.nc, .nc4), or a folder with one.

    Args:
        data: The path.
        channels: C.
        low: Value of fields that is mapped to -1.
        high: Value of fields that is mapped to 1.
        variable: Variable of NetCDF files; several, separated by commas, are the channels.
        labels: Label images with the folder that they lie in.
        seed: Seed of the order of a stream of images.

    Returns:
        Images as uint8 as stored, or floats in [-1, 1]; fields as floats in [-1, 1].

    Raises:
        DataError: Missing, unreadable or ambiguous data; the message asks what it needs to know.
        NonFiniteError: A field with missing values.
        ConfigError: Options that do not go with the data.
        MissingDependency: Pillow or netCDF4 is not installed.

    Example:
        >>> open_spherical("t2m.npy", channels=1, low=210, high=310)[0].shape
        torch.Size([1, 64, 128])
    """
    path = Path(data).expanduser()
    units = given_units(low, high)
    field = None if is_stream(data) else _field_path(path)
    if field is None:
        if units is not None or variable:
            raise ConfigError(f"--low, --high and --variable speak of fields, but {data} holds images; leave them out")
        return open_source(data, suffixes=SUFFIXES, decode=_Panoramas(channels), labels=labels, seed=seed)
    if labels:
        raise ConfigError(f"--labels was asked for, but the fields of {field} have none; leave it out")
    if field.suffix.lower() in _NETCDF:
        return FieldSource(NetcdfFile(field, variable=variable, channels=channels), units=units)
    if variable:
        raise ConfigError(f"--variable {variable} speaks of NetCDF files, but {field} is none; leave it out")
    return FieldSource(NpyFile(field, channels=channels), units=units)


def _field_path(path: Path) -> Path | None:
    """The file of fields that a path means; None where it means images."""
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
        raise DataError(f"{path} holds {len(several)} NetCDF files ({listed}); which one is meant? Give its path.")
    return several[0] if several else None


class _Panoramas:
    """Decodes equirectangular images; a class, so that a source can be sent to another process."""

    def __init__(self, channels: int):
        self._channels = channels

    def __call__(self, name: str, data: bytes) -> Shaped[Tensor, "C H W"]:
        image = read_image(name, data, channels=self._channels)
        _, height, width = image.shape
        if abs(width / height - 2) > 2 * _ASPECT_SLACK:
            raise DataError(
                f"{name} is {width} x {height} pixels; an equirectangular image is twice as wide as high (within 1%). "
                "Is it a crop or another projection? Convert it."
            )
        if width == 2 * height:
            return image
        # Nearly 2:1, from a careless resize: the pixels of both axes are made equally large.
        view = Box(2, aspect=(2.0, 1.0)).grid((rows := min(height, width // 2), 2 * rows))
        return resample(image[None], view, lower=(-2.0, -1.0), upper=(2.0, 1.0))[0].clamp(-1, 1)
