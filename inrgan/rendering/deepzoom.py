"""Deep zoom: a folder of tiles that a browser loads as it zooms, and a page that shows them."""

import html
import json
from importlib.resources import files
from pathlib import Path
from typing import final
from urllib.parse import quote

import numpy as np
from einops import rearrange

from inrgan.errors import ConfigError
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
