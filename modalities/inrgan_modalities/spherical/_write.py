"""Writing of spherical signals."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import Sphere
from inrgan.errors import NonFiniteError, ShapeError
from inrgan.files import known_suffix, replacing
from inrgan.images import ANIMATION_SUFFIXES, tile, write_animation, write_image
from inrgan_modalities.spherical._colours import as_images, at_rest_zero
from inrgan_modalities.spherical._globe import write_globe
from inrgan_modalities.spherical._netcdf_write import write_netcdf
from inrgan_modalities.spherical._units import Units
from inrgan_modalities.spherical._viewer import viewer_page

_IMAGES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp")
_NETCDF = (".nc", ".nc4")
WHOLE_SUFFIXES = (*_NETCDF, ".html", *ANIMATION_SUFFIXES)
"""Suffixes of files that hold the full sphere."""
_GLOBE, _SMALL_GLOBE = 256, 128


def write_spherical(
    values: Float[Tensor, "B C H W"],
    path: str | Path,
    *,
    units: Units | None = None,
    variable: str = "",
    unit: str = "",
    attributes: Sequence[str] = (),
) -> None:
    """Write views of one or several spheres; the suffix decides the format.

    Images (.png, .jpg, .tif, .webp) are laid out in a grid, with fields of one channel in colors from blue to red,
    and vectors of two channels by direction and size.
    .npy holds (B, C, H, W) in single precision, in physical units if there are any, with NaN beside a globe. These
    formats take any view. The others take the full sphere, (H, 2H): .nc, in physical units; .html, an interactive
    page; .gif and .mp4, a rotating globe.

    Args:
        values: Values in [-1, 1]; +inf for points that are not on the sphere.
        path: Path of the file.
        units: Units of fields; None for images.
        variable: Names of the channels in .nc.
        unit: Name of the unit in .nc.
        attributes: Further attributes in .nc, as words such as channel0.long_name=temperature.

    Raises:
        ConfigError: The suffix is not supported.
        ShapeError: The format needs the full sphere or cannot hold the channels.
        NonFiniteError: A value is NaN or infinite.
        WriteError: The path cannot be written.
        MissingDependency: A library for the suffix is not installed.

    Example:
        >>> write_spherical(torch.zeros(2, 3, 64, 128), "two.png")
    """
    path = Path(path)
    suffix = known_suffix(path, (*_IMAGES, ".npy", *WHOLE_SUFFIXES))
    if values.numel() == 0:
        raise ShapeError(f"nothing to write to {path.name}: the values have shape {tuple(values.shape)}")
    values = values.detach().float().cpu()
    if not (torch.isfinite(values) | torch.isposinf(values)).all():
        raise NonFiniteError(f"the values to write to {path.name} hold NaN or infinity; check the model")
    whole = values.shape[3] == 2 * values.shape[2] and bool(torch.isfinite(values).all())
    if suffix in WHOLE_SUFFIXES and not whole:
        raise ShapeError(
            f"{path.name} cannot hold signals of shape {tuple(values.shape[2:])}; {suffix} holds full spheres, twice "
            "as wide as high. Write images or .npy, or leave out the view."
        )
    field = units is not None
    if suffix == ".npy" or suffix in _NETCDF:
        array = values.clamp(-1, 1).masked_fill(torch.isposinf(values), np.nan).numpy()
        array = array if units is None else units.to_physical(array).astype(np.float32)
        if suffix in _NETCDF:
            write_netcdf(array, path, variable=variable, unit=unit, attributes=attributes)
            return
        with replacing(path) as temporary:
            np.save(temporary, array, allow_pickle=False)
        return
    values = at_rest_zero(values, units)
    if suffix == ".html":
        page = viewer_page(as_images(values, field=field), title=path.stem)
        with replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")
    elif suffix in ANIMATION_SUFFIXES:
        size = _GLOBE if len(values) == 1 else _SMALL_GLOBE
        write_globe(lambda view: Sphere().carry(values, view), path, size=size, diverging=field)
    else:
        write_image(tile(as_images(values, field=field), gap=2 if len(values) > 1 else 0), path)


def write_spherical_interpolation(
    values: Float[Tensor, "T C H W"], path: str | Path, *, rate: float, units: Units | None = None
) -> None:
    """Write an interpolation as an equirectangular video, .gif or .mp4, or as an array (T, C, H, W), .npy.

    Raises:
        ConfigError: The suffix is not supported.
        ShapeError: A video cannot hold the channels.
        NonFiniteError: A value is NaN or infinite.

    Example:
        >>> write_spherical_interpolation(torch.zeros(8, 3, 64, 128), "interpolation.gif", rate=24)
    """
    if known_suffix(Path(path), (*ANIMATION_SUFFIXES, ".npy")) == ".npy":
        write_spherical(values, path, units=units)
        return
    values = at_rest_zero(values.detach().float().cpu(), units)
    write_animation(as_images(values, field=units is not None), path, fps=rate)
