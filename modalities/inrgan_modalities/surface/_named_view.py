"""Named views of a surface."""

from dataclasses import replace

import torch

from inrgan.domains import Surface
from inrgan.errors import ConfigError
from inrgan.views import View, scattered
from inrgan_modalities.surface._camera import look_at

_KNOWN = (
    "camera:AZIMUTH,ELEVATION (from outside), patch:X,Y,Z,SIDE or patch:X,Y,Z,SIDE,ROLL (about the nearest point, "
    "flattened), chart:NUMBER, vertices"
)
_FLATTEST = 0.2
"""Largest foreshortening that the band limit follows; pixels get sparser without bound toward the outline."""


def surface_view(surface: Surface, text: str, *, resolution: int) -> View:
    """The view of a name: ``camera:AZIMUTH,ELEVATION``, ``patch:X,Y,Z,SIDE[,ROLL]``, ``chart:NUMBER`` or ``vertices``.

    Angles are in degrees, positions and lengths in units of the mesh. Points beside the surface have weight 0.

    Args:
        surface: Surface of the view.
        text: Name of the view.
        resolution: Samples along the shorter side; for vertices, the resolution to which signals are band-limited.

    Raises:
        ConfigError: The name is unknown, or its numbers are invalid.

    Example:
        >>> surface_view(surface, "patch:1,0,0,0.5", resolution=32).shape
        (32, 32)
    """
    name, _, rest = text.partition(":")
    try:
        numbers = [float(part) for part in rest.split(",")] if rest else []
    except ValueError:
        raise ConfigError(f"the view is {text!r}; expected numbers after {name}:, separated by commas") from None
    if name == "camera" and len(numbers) == 2:
        return camera_view(surface, resolution, azimuth=numbers[0], elevation=numbers[1])
    if name == "patch" and len(numbers) in (4, 5):
        x, y, z, side, *roll = numbers
        shape = (resolution, resolution)
        return surface.tangent(shape, center=(x, y, z), side=side, roll=roll[0] if roll else 0.0)
    if name == "chart" and len(numbers) == 1:
        return chart_view(surface, resolution, number=numbers[0])
    if name == "vertices" and not numbers:
        return surface.vertices(spacing=surface.spacing(resolution))
    raise ConfigError(f"the view is {text!r}; expected one of {_KNOWN}")


def camera_view(surface: Surface, size: int, *, azimuth: float, elevation: float) -> View:
    """The view of a distant camera, with one sample per pixel; see ``look_at``.

    Example:
        >>> camera_view(surface, 64, azimuth=30, elevation=40).shape
        (64, 64)
    """
    sight = look_at(surface.mesh, size, azimuth=azimuth, elevation=elevation)
    points = surface.mesh.corners[0, 0].expand(size, size, 3).clone()  # any point, with weight 0
    points[sight.hit] = surface.mesh.positions(sight.face, sight.inside)
    spacing = torch.full((size, size), sight.pixel, dtype=torch.float64)
    spacing[sight.hit] = sight.pixel / sight.slant.clamp(min=_FLATTEST)
    weights = sight.hit.float().reshape(1, -1)
    view = scattered(points.reshape(1, -1, 3).float(), spacing=spacing.reshape(1, -1, 1).expand(-1, -1, 3).float())
    return replace(view, shape=(size, size), weights=weights / weights.mean().clamp(min=1e-6))


def chart_view(surface: Surface, size: int, *, number: float) -> View:
    """The view of one chart.

    Raises:
        ConfigError: There is no chart with that number.

    Example:
        >>> chart_view(surface, 16, number=0).shape
        (16, 16)
    """
    if not 0 <= number < surface.chart_count or number != int(number):
        raise ConfigError(f"the chart is {number:g}; expected 0 to {surface.chart_count - 1}")
    whole = surface.grid((surface.chart_count * size, size))
    return whole.window((slice(int(number) * size, (int(number) + 1) * size), slice(0, size)))
