"""Globes: the sphere from outside, as an image and as a rotating video."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.files import known_suffix
from inrgan.images import ANIMATION_SUFFIXES, tile, write_animation
from inrgan.views import View, scattered
from inrgan_modalities.spherical._colours import as_images

_MARGIN = 1.04
"""Half the side of the image, in radii of the globe."""
_FLATTEST = 0.2
"""Largest foreshortening that the band limit follows; samples get sparser without bound toward the edge."""
_TILT = 25.0


def globe_view(size: int, *, center: tuple[float, float], device: torch.device | str = "cpu") -> View:
    """The sphere seen from far outside (orthographic), north up.

    Points beside the globe have weight 0 and are replaced by the nearest points of its edge.

    Args:
        size: Number of samples along both sides.
        center: Longitude and latitude that face the viewer, in degrees.
        device: Device of the view.

    Raises:
        ConfigError: The size is below 2, or the center is not on the sphere.

    Example:
        >>> globe_view(64, center=(15, 50)).shape
        (64, 64)
    """
    longitude, latitude = center
    if size < 2 or not all(math.isfinite(v) for v in center) or abs(latitude) > 90:
        raise ConfigError(
            f"the globe has {size} samples about longitude {longitude:g}, latitude {latitude:g}; expected 2 "
            "or more samples and a latitude from -90 to 90 degrees"
        )
    lon, lat = math.radians(longitude), math.radians(latitude)
    toward = torch.tensor([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
    east = torch.tensor([-math.sin(lon), math.cos(lon), 0.0])
    north = torch.linalg.cross(toward, east)
    right, up = _plane(size)
    radius = torch.hypot(right, up)
    edge = radius.clamp(min=1.0)
    right, up = right / edge, up / edge
    depth = (1 - right.square() - up.square()).clamp(min=0).sqrt()
    points = right[:, None] * east + up[:, None] * north + depth[:, None] * toward
    spacing = (2 * _MARGIN / size) / depth.clamp(min=_FLATTEST)
    inside = (radius <= 1).float()
    view = replace(
        scattered(points, spacing=spacing[None, :, None].expand(1, -1, 3).contiguous()),
        shape=(size, size),
        weights=(inside / inside.mean())[None],
    )
    return view.to(device)


def globe_video(
    field: Field,
    path: str | Path,
    *,
    size: int = 256,
    seconds: float = 4.0,
    rate: float = 15.0,
    start: float = 0.0,
    diverging: bool = False,
) -> None:
    """Write a looping video of a globe that rotates once, eastward, and shows both poles.

    The latitude that faces the viewer varies between 25 degrees north and south. Several fields are laid out in a grid.

    Args:
        field: Sampled field, which is evaluated for every frame.
        path: Path that ends in .gif or .mp4.
        size: Number of samples along the side of each globe.
        seconds: Duration of the rotation.
        rate: Frames per second.
        start: Longitude that faces the viewer in the first frame, in degrees.
        diverging: Whether fields of one channel are color mapped.

    Raises:
        ConfigError: The suffix is not supported, or a number is out of range.
        MissingDependency: Pillow (.gif) or PyAV (.mp4) is not installed.

    Example:
        >>> globe_video(G.sample([3]), "globe.gif")
    """

    def look(view: View) -> Tensor:
        return field.look(view.to(field.device)).cpu()

    write_globe(look, path, size=size, seconds=seconds, rate=rate, start=start, diverging=diverging)


def write_globe(
    look: Callable[[View], Tensor],
    path: str | Path,
    *,
    size: int,
    seconds: float = 4.0,
    rate: float = 15.0,
    start: float = 0.0,
    diverging: bool = False,
) -> None:
    """Write a video like that of ``globe_video``, for any function of a view.

    Raises:
        ConfigError: As for ``globe_video``.

    Example:
        >>> write_globe(lambda view: Sphere().carry(values, view), "globe.gif", size=128)
    """
    known_suffix(Path(path), ANIMATION_SUFFIXES)  # before minutes of work
    if not (0 < seconds < 3600 and 0 < rate <= 1000):
        raise ConfigError(f"a rotation of {seconds:g} s at {rate:g} frames per second; expected positive numbers")
    count = max(2, round(seconds * rate))
    cover = _cover(size)
    frames = []
    for i in range(count):
        turn = 2 * math.pi * i / count
        # West to east: longitudes come into view from the left.
        view = globe_view(size, center=(start - math.degrees(turn), _TILT * math.cos(turn)))
        seen = as_images(look(view), field=diverging)
        # The edge is antialiased by the fraction of a sample that the globe covers; the background is white.
        frames.append(tile(seen * cover + (1 - cover), gap=2 if len(seen) > 1 else 0))
    write_animation(torch.stack(frames), path, fps=rate)


def _plane(size: int) -> tuple[Tensor, Tensor]:
    """Distances to the right and up, in radii of the globe, in array order."""
    across = ((2 * torch.arange(size) + 1) / size - 1) * _MARGIN
    up, right = torch.meshgrid(-across, across, indexing="ij")
    return right.flatten(), up.flatten()


def _cover(size: int) -> Float[Tensor, "H W"]:
    right, up = _plane(size)
    step = 2 * _MARGIN / size
    return ((1 - torch.hypot(right, up)) / step + 0.5).clamp(0, 1).reshape(size, size)
