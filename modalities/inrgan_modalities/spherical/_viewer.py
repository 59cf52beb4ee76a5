"""A page that shows the sphere from its center, in any browser, without a server or a network."""

import base64
import html
import io
import json
from importlib.resources import files

from jaxtyping import Float
from torch import Tensor

from inrgan.errors import ConfigError, MissingDependency
from inrgan.images import to_bytes

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
{style}
html, body, #view {{ margin: 0; height: 100%; background: #111 }}
#choice {{ position: absolute; z-index: 2; top: 8px; right: 8px; font: 15px sans-serif }}
</style>
</head>
<body>
<div id="view"></div>
{choice}
<!-- Pannellum, under this licence:
{licence}
-->
<script>
{library}
</script>
<script>
var viewer = pannellum.viewer("view", {settings});
var choice = document.getElementById("choice");
if (choice) choice.onchange = function () {{ viewer.loadScene(choice.value, "same", "same", "same"); }};
</script>
</body>
</html>
"""
_MOST = 64


def viewer_page(values: Float[Tensor, "B C H W"], *, title: str) -> str:
    """An HTML page with one panorama or several to choose from; drag to look around, scroll to zoom.

    Pannellum (MIT) and the images, as JPEG, are embedded in the page.

    Args:
        values: Images in [-1, 1] of the full sphere, with 1 or 3 channels.
        title: Title of the page.

    Raises:
        ConfigError: There are over 64 panoramas.
        MissingDependency: Pillow is not installed.

    Example:
        >>> viewer_page(torch.zeros(1, 3, 64, 128), title="grey")[:15]
        '<!DOCTYPE html>'
    """
    if len(values) > _MOST:
        raise ConfigError(f"the page has {len(values)} panoramas; expected at most {_MOST}")
    scenes = {
        str(i): {"type": "equirectangular", "panorama": _data_uri(image), "title": f"{i + 1} of {len(values)}"}
        for i, image in enumerate(values)
    }
    if len(scenes) == 1:
        del scenes["0"]["title"]
    settings = {
        "default": {"firstScene": "0", "autoLoad": True, "hfov": 100, "maxHfov": 130, "minHfov": 20, "autoRotate": -3,
                    "autoRotateInactivityDelay": 20000},
        "scenes": scenes,
    }  # fmt: skip
    options = "".join(f'<option value="{i}">{i + 1} of {len(scenes)}</option>' for i in range(len(scenes)))
    viewer = files("inrgan_modalities.spherical") / "viewer"
    return _PAGE.format(
        title=html.escape(title),
        style=(viewer / "pannellum.css").read_text("utf-8"),
        library=(viewer / "pannellum.js").read_text("utf-8"),
        licence=(viewer / "pannellum.LICENSE.txt").read_text("utf-8").strip(),
        choice=f'<select id="choice" aria-label="Panorama">{options}</select>' if len(scenes) > 1 else "",
        settings=json.dumps(settings).replace("<", "\\u003c"),
    )


def _data_uri(image: Float[Tensor, "C H W"]) -> str:
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingDependency("Pillow", extra="spherical", why="Writing pages") from error
    pixels = to_bytes(image).expand(3, -1, -1).permute(1, 2, 0).cpu().numpy()
    memory = io.BytesIO()
    Image.fromarray(pixels).save(memory, format="JPEG", quality=93, subsampling=0)
    return "data:image/jpeg;base64," + base64.b64encode(memory.getvalue()).decode("ascii")
