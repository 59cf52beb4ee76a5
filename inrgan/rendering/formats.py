"""File formats of renders: deep zoom, TIFF, PNG, WAV, Zarr and npy, and how a suffix chooses one."""

import html
import json
import wave
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import final
from urllib.parse import quote

import numpy as np
from einops import rearrange

from inrgan.errors import ConfigError
from inrgan.files import known_suffix
from inrgan.rendering.tiles import Pyramid
from inrgan.rendering.writers import AbstractWriter, Placement, Tick, check_image, load

_NAMESPACE = "http://schemas.microsoft.com/deepzoom/2008"

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>html, body, #view {{ margin: 0; height: 100%; background: #111 }}</style>
</head>
<body>
<div id="view"></div>
<!-- OpenSeadragon, under this licence:
{licence}
-->
<script>
{library}
</script>
<script>
OpenSeadragon({settings});
</script>
</body>
</html>
"""


@final
class DeepZoomWriter(AbstractWriter):
    """Deep zoom by Pillow: tiles in JPEG, or PNG with transparency, and a page with OpenSeadragon.

    ``big.dzi`` comes with the folder ``big_files`` and the page ``big.html``, which needs no server and no network.
    """

    dtype = np.dtype(np.uint8)
    smallest = 1

    def __init__(self):
        self._image = load("PIL.Image", name="Pillow", suffix=".dzi")

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        check_image(shape, channels=channels, suffix=".dzi", allowed=(1, 3, 4))

    def names(self, name: str) -> tuple[str, ...]:
        stem = Path(name).stem
        return (f"{stem}_files", f"{stem}.html", name)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, placement: Placement, tick: Tick) -> None:
        del placement
        if len(set(pyramid.sides)) != 1:
            raise ConfigError(f"deep zoom has square tiles; got {pyramid.sides}")
        tiles, page, _ = self.names(name)
        suffix, options = ("png", {}) if pyramid.channels == 4 else ("jpg", {"quality": 95, "subsampling": 0})
        kind = {"png": "PNG", "jpg": "JPEG"}[suffix]
        for level in range(len(pyramid.shapes)):
            # The format counts levels from the one of a single sample.
            here = folder / tiles / str(len(pyramid.shapes) - 1 - level)
            here.mkdir(parents=True)
            for row, column in pyramid.indices(level):
                tile = pyramid.tile(level, (row, column))
                pixels = np.ascontiguousarray(tile[0] if len(tile) == 1 else rearrange(tile, "c y x -> y x c"))
                self._image.fromarray(pixels).save(here / f"{column}_{row}.{suffix}", format=kind, **options)
                tick()
        height, width = pyramid.shapes[0]
        side = pyramid.sides[0]
        (folder / page).write_text(_page(name, tiles, suffix=suffix, side=side, width=width, height=height), "utf-8")
        (folder / name).write_text(
            f'<?xml version="1.0" encoding="UTF-8"?>\n<Image xmlns="{_NAMESPACE}" Format="{suffix}" Overlap="0" '
            f'TileSize="{side}"><Size Width="{width}" Height="{height}"/></Image>\n',
            "utf-8",
        )


def _page(name: str, tiles: str, *, suffix: str, side: int, width: int, height: int) -> str:
    """The page of an image, with the image's description, since a page on disk may not load a .dzi file."""
    viewer = files("inrgan.rendering") / "viewer"
    image = {
        "xmlns": _NAMESPACE, "Url": f"{quote(tiles)}/", "Format": suffix, "Overlap": "0", "TileSize": str(side),
        "Size": {"Width": str(width), "Height": str(height)},
    }  # fmt: skip
    settings = {
        "id": "view", "tileSources": {"Image": image}, "showNavigationControl": False, "showNavigator": True,
        "drawer": "canvas",  # the others may not read images from disk
        "maxZoomPixelRatio": 4,
    }  # fmt: skip
    return _PAGE.format(
        title=html.escape(name),
        licence=(viewer / "openseadragon.LICENSE.txt").read_text("utf-8").strip(),
        library=(viewer / "openseadragon.min.js").read_text("utf-8"),
        settings=json.dumps(settings).replace("<", "\\u003c"),
    )


_ZLIB_LEVEL = 4
"""Level of compression: a sixth of the time of zlib's default, 6, for files that are up to 28% larger."""

_MAX_WAV_BYTES = (1 << 32) - (1 << 10)


@final
class TiffPyramidWriter(AbstractWriter):
    """Tiled pyramidal BigTIFF by tifffile: 8 bits, lossless compression.

    The levels below the first are SubIFDs, as viewers of slides and maps expect.
    """

    dtype = np.dtype(np.uint8)
    smallest = 256

    def __init__(self):
        self._tifffile = load("tifffile", name="tifffile", suffix=".tif")

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        check_image(shape, channels=channels, suffix=".tif", allowed=(1, 3, 4))

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, placement: Placement, tick: Tick) -> None:
        del placement
        channels = () if pyramid.channels == 1 else (pyramid.channels,)
        with self._tifffile.TiffWriter(folder / name, bigtiff=True) as file:
            for level, shape in enumerate(pyramid.shapes):
                file.write(
                    _tiff_tiles(pyramid, level, tick),
                    shape=(*shape, *channels),
                    dtype=pyramid.dtype,
                    tile=pyramid.sides,
                    photometric="rgb" if channels else "minisblack",
                    extrasamples=("unassalpha",) if pyramid.channels == 4 else None,
                    compression="zlib",
                    compressionargs={"level": _ZLIB_LEVEL},
                    predictor=True,
                    subifds=len(pyramid.shapes) - 1 if level == 0 else None,
                    subfiletype=0 if level == 0 else 1,  # 1: a smaller version of another image
                    software="inrgan",
                    metadata=None,
                    maxworkers=1,
                )


def _tiff_tiles(pyramid: Pyramid, level: int, tick: Tick) -> Iterator[np.ndarray]:
    """Tiles padded to full size, channels last; the format crops them at the border."""
    for index in pyramid.indices(level):
        tile = pyramid.tile(level, index)
        missing = [(0, side - n) for side, n in zip(pyramid.sides, tile.shape[1:], strict=True)]
        whole = np.pad(tile, [(0, 0), *missing], mode="edge")
        yield np.ascontiguousarray(whole[0] if len(tile) == 1 else rearrange(whole, "c y x -> y x c"))
        tick()


@final
class PngWriter(AbstractWriter):
    """PNG by pypng, row by row: 8 bits. One row of tiles is in memory at a time."""

    dtype = np.dtype(np.uint8)
    smallest = None

    def __init__(self):
        self._png = load("png", name="pypng", suffix=".png in strips")

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        check_image(shape, channels=channels, suffix=".png", allowed=(1, 3, 4))

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, placement: Placement, tick: Tick) -> None:
        del placement
        height, width = pyramid.shapes[0]
        writer = self._png.Writer(
            width, height, greyscale=pyramid.channels < 3, alpha=pyramid.channels in (2, 4), bitdepth=8,
            compression=_ZLIB_LEVEL,
        )  # fmt: skip
        with open(folder / name, "wb") as file:
            writer.write_packed(file, _png_rows(pyramid, tick))


def _png_rows(pyramid: Pyramid, tick: Tick) -> Iterator[bytes]:
    rows, columns = pyramid.grid(0)
    for i in range(rows):
        strip = []
        for j in range(columns):
            strip.append(rearrange(pyramid.tile(0, (i, j)), "c y x -> y x c"))
            tick()
        for row in np.concatenate(strip, axis=1):
            yield row.tobytes()


@final
class WavWriter(AbstractWriter):
    """WAV: one axis, up to two channels, 16 bits; samples per second are samples per coordinate unit.

    One tile is in memory at a time. Python's own library suffices.
    """

    dtype = np.dtype(np.float32)
    smallest = None

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        if len(shape) != 1 or channels > 2:
            raise ConfigError(
                f".wav holds one axis and 1 or 2 channels, the signal has {len(shape)} and {channels}; render to .zarr"
            )
        if shape[0] * channels * 2 > _MAX_WAV_BYTES:
            raise ConfigError(
                f".wav holds 4 GiB, too little for {shape[0]} samples; render to .zarr, or less at a time"
            )

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, placement: Placement, tick: Tick) -> None:
        rate = 1 / placement.spacing[0]
        if round(rate) < 1 or abs(rate - round(rate)) > 1e-6 * rate:
            raise ConfigError(f"the rate is {rate:g} samples per second, and .wav holds whole numbers; give --rate")
        with wave.open(str(folder / name), "wb") as file:
            file.setnchannels(pyramid.channels)
            file.setsampwidth(2)
            file.setframerate(round(rate))
            for index in pyramid.indices(0):
                tile = np.clip(pyramid.tile(0, index).astype(np.float32), -1, 1)
                file.writeframes(np.round(rearrange(tile, "c t -> t c") * 32767).astype("<i2").tobytes())
                tick()


@final
class ZarrWriter(AbstractWriter):
    """Zarr by the zarr library: one array per level, in single precision from −1 to 1, for any number of axes.

    The metadata are the multiscales of OME-NGFF 0.5, whose scale and translation are the spacing and the first sample
    in coordinate units. (Moore et al. 2021, "OME-NGFF: a next-generation file format for expanding bioimaging
    data-access strategies".)
    """

    dtype = np.dtype(np.float32)
    smallest = 256

    def __init__(self):
        self._zarr = load("zarr", name="zarr (Python 3.11 or newer)", suffix=".zarr")

    def check(self, shape: tuple[int, ...], *, channels: int) -> None:
        del shape, channels

    def names(self, name: str) -> tuple[str, ...]:
        return (name,)

    def write(self, pyramid: Pyramid, folder: Path, name: str, *, placement: Placement, tick: Tick) -> None:
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
            step = [s * 2**level for s in placement.spacing]
            corner = [x - s / 2 for x, s in zip(placement.first, placement.spacing, strict=True)]
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


_WRITERS: dict[str, type[AbstractWriter]] = {
    ".tif": TiffPyramidWriter,
    ".tiff": TiffPyramidWriter,
    ".png": PngWriter,
    ".zarr": ZarrWriter,
    ".dzi": DeepZoomWriter,
    ".wav": WavWriter,
}

RENDER_SUFFIXES = tuple(_WRITERS)
"""Suffixes that ``render_file`` can write."""


def writer_for(path: Path) -> AbstractWriter:
    """The writer for a path's suffix.

    Raises:
        ConfigError: No writer knows the suffix.
        MissingDependency: The writer's library is not installed.
    """
    return _WRITERS[known_suffix(path, RENDER_SUFFIXES)]()
