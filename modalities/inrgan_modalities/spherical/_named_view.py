"""Named views of the sphere."""

from dataclasses import replace

import torch
from einops import rearrange

from inrgan.domains import Sphere
from inrgan.errors import ConfigError
from inrgan.views import View, scattered
from inrgan_modalities.spherical._globe import globe_view

_KNOWN = (
    "tangent:LON,LAT,FOV or tangent:LON,LAT,FOV,ROLL (a camera), globe:LON,LAT (from outside), cube (six faces, one "
    "below the other), cross (an unfolded cube)"
)


def spherical_view(text: str, *, resolution: int) -> View:
    """The view of a name: ``tangent:LON,LAT,FOV[,ROLL]``, ``globe:LON,LAT``, ``cube`` or ``cross``; all in degrees.

    Points beside the sphere have weight 0.

    Args:
        text: Name of the view.
        resolution: Samples along the shorter side; approximate for a cross.

    Raises:
        ConfigError: The name is unknown, or its numbers are invalid.

    Example:
        >>> spherical_view("tangent:0,90,60", resolution=32).shape
        (32, 32)
    """
    name, _, rest = text.partition(":")
    try:
        numbers = [float(part) for part in rest.split(",")] if rest else []
    except ValueError:
        raise ConfigError(f"the view is {text!r}; expected numbers after {name}:, separated by commas") from None
    if name == "tangent" and len(numbers) in (3, 4):
        longitude, latitude, fov, *roll = numbers
        shape = (resolution, resolution)
        return Sphere().tangent(shape, center=(longitude, latitude), fov=fov, roll=roll[0] if roll else 0.0)
    if name == "globe" and len(numbers) == 2:
        return globe_view(resolution, center=(numbers[0], numbers[1]))
    if name == "cube" and not numbers:
        return Sphere().cube(resolution)
    if name == "cross" and not numbers:
        return cross_view(max(1, round(resolution / 3)))
    raise ConfigError(f"the view is {text!r}; expected one of {_KNOWN}")


def cross_view(side: int) -> View:
    """The unfolded cube in three rows of four: left, front, right, back, with up and down above and below the front.

    Empty cells have weight 0 and the points of the front.

    Raises:
        ConfigError: The side is below 1.

    Example:
        >>> cross_view(16).shape
        (48, 64)
    """
    cube = Sphere().cube(side)
    assert cube.points is not None and cube.weights is not None
    number = torch.tensor([[0, 4, 0, 0], [3, 0, 1, 2], [0, 5, 0, 0]])
    filled = torch.tensor([[0.0, 1, 0, 0], [1, 1, 1, 1], [0, 1, 0, 0]])

    def lay(x: torch.Tensor) -> torch.Tensor:
        """Face values (1, N, ...) arranged in the cells of the cross."""
        faces = x[0].unflatten(0, (6, side, side))[number]
        return rearrange(faces, "row column h w ... -> 1 (row h column w) ...")

    weights = lay(cube.weights) * filled.repeat_interleave(side, 0).repeat_interleave(side, 1).flatten()
    return replace(
        scattered(lay(cube.points), spacing=lay(cube.spacing)),
        shape=(3 * side, 4 * side),
        weights=weights / weights.mean(),
    )
