"""Tiled pyramidal BigTIFF: the levels below the first are SubIFDs, as viewers of slides and maps expect."""

from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np

from inrgan.rendering._pyramid import Pyramid
from inrgan.rendering._writers import AbstractWriter, Place, Tick, check_picture, load


@final
class TiffPyramidWriter(AbstractWriter):
    """``.tif``, through tifffile: 8 bits, compressed without loss."""

    dtype = np.dtype(np.uint8)
    smallest = 256

    def __init__(self):
        self._tifffile = load("tifffile", name="tifffile", suffix=".tif")

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        check_picture(shape, channels=channels, suffix=".tif", allowed=(1, 3, 4))

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, place: Place, tick: Tick) -> None:
        del place
        channels = () if pyramid.channels == 1 else (pyramid.channels,)
        with self._tifffile.TiffWriter(folder / name, bigtiff=True) as file:
            for level, shape in enumerate(pyramid.shapes):
                file.write(
                    _tiles(pyramid, level, tick),
                    shape=(*shape, *channels),
                    dtype=pyramid.dtype,
                    tile=pyramid.sides,
                    photometric="rgb" if channels else "minisblack",
                    extrasamples=("unassalpha",) if pyramid.channels == 4 else None,
                    compression="zlib",
                    predictor=True,
                    subifds=len(pyramid.shapes) - 1 if level == 0 else None,
                    subfiletype=0 if level == 0 else 1,  # 1: a smaller version of another image
                    software="inrgan",
                    metadata=None,
                    maxworkers=1,
                )


def _tiles(pyramid: Pyramid, level: int, tick: Tick) -> Iterator[np.ndarray]:
    """Whole tiles with the channels last; the format cuts them at the border."""
    for index in pyramid.indices(level):
        tile = pyramid.tile(level, index)
        missing = [(0, side - n) for side, n in zip(pyramid.sides, tile.shape[1:], strict=True)]
        whole = np.pad(tile, [(0, 0), *missing], mode="edge")
        yield np.ascontiguousarray(whole[0] if len(tile) == 1 else whole.transpose(1, 2, 0))
        tick()
