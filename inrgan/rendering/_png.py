"""PNG, written row by row."""

from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np

from inrgan.rendering._pyramid import Pyramid
from inrgan.rendering._writers import AbstractWriter, Place, Tick, check_picture, load


@final
class PngWriter(AbstractWriter):
    """``.png``, through pypng: 8 bits. A row of tiles is in memory at a time."""

    dtype = np.dtype(np.uint8)
    smallest = None

    def __init__(self):
        self._png = load("png", name="pypng", suffix=".png in strips")

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        check_picture(shape, channels=channels, suffix=".png", allowed=(1, 2, 3, 4))

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, place: Place, tick: Tick) -> None:
        del place
        height, width = pyramid.shapes[0]
        writer = self._png.Writer(
            width, height, greyscale=pyramid.channels < 3, alpha=pyramid.channels in (2, 4), bitdepth=8
        )
        with open(folder / name, "wb") as file:
            writer.write_packed(file, _rows(pyramid, tick))


def _rows(pyramid: Pyramid, tick: Tick) -> Iterator[bytes]:
    rows, columns = pyramid.grid(0)
    for i in range(rows):
        strip = []
        for j in range(columns):
            strip.append(pyramid.tile(0, (i, j)).transpose(1, 2, 0))
            tick()
        for row in np.concatenate(strip, axis=1):
            yield row.tobytes()
