"""Zarr: a group with one array per level, for signals of any number of axes."""

from pathlib import Path
from typing import final

import numpy as np

from inrgan.rendering._pyramid import Pyramid
from inrgan.rendering._writers import AbstractWriter, Place, Tick, load


@final
class ZarrWriter(AbstractWriter):
    """``.zarr``, through zarr: single precision in −1 to 1, with the multiscales metadata of OME-NGFF 0.5.

    The metadata's scale and translation are the spacing and the first sample in coordinate units.
    (Moore et al. 2021, "OME-NGFF: a next-generation file format for expanding bioimaging data-access strategies".)
    """

    dtype = np.dtype(np.float32)
    smallest = 256

    def __init__(self):
        self._zarr = load("zarr", name="zarr (Python 3.11 or newer)", suffix=".zarr")

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        del shape, channels

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, place: Place, tick: Tick) -> None:
        letters = "xyz" if len(pyramid.sides) <= 3 else [f"x{d}" for d in range(len(pyramid.sides))]
        axes = ["c", *reversed(letters[: len(pyramid.sides)])]
        group = self._zarr.open_group(str(folder / name), mode="w", zarr_format=3)
        scales = []
        for level, shape in enumerate(pyramid.shapes):
            array = group.create_array(
                str(level),
                shape=(pyramid.channels, *shape),
                chunks=(pyramid.channels, *(min(s, n) for s, n in zip(pyramid.sides, shape, strict=True))),
                dtype=pyramid.dtype,
                dimension_names=axes,
            )
            for index in pyramid.indices(level):
                array[(slice(None), *pyramid.window(level, index))] = pyramid.tile(level, index)
                tick()
            step = [s * 2**level for s in place.spacing]
            corner = [x - s / 2 for x, s in zip(place.first, place.spacing, strict=True)]
            first = [x + s / 2 for x, s in zip(corner, step, strict=True)]
            scales.append(
                {
                    "path": str(level),
                    "coordinateTransformations": [
                        {"type": "scale", "scale": [1.0, *step]},
                        {"type": "translation", "translation": [0.0, *first]},
                    ],
                }
            )
        kinds = [{"name": axes[0], "type": "channel"}, *({"name": axis, "type": "space"} for axis in axes[1:])]
        multiscales = [{"name": name, "axes": kinds, "datasets": scales, "type": "mean"}]
        group.attrs.update({"ome": {"version": "0.5", "multiscales": multiscales}})
