"""Draw the figures of these pages.

Run it with `python docs/make_figures.py`; it needs matplotlib.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Rectangle

from inrgan import Box, ImageModality, View

IMAGES = Path(__file__).parent / "images"
TEAL, ORANGE = "#00796b", "#ef6c00"


def draw_views(path: Path) -> None:
    """Four views of one image: how each is laid out, and what the image looks like from it."""
    box = Box(2)
    views = [
        ("whole domain\n16 x 16", box.grid((16, 16))),
        ("random resolution\n10 x 10", box.grid((10, 10))),
        ("dense patch\n16 x 16, a quarter of the spacing", box.grid((16, 16), region=(0.1, -0.4, 0.6, 0.1))),
        ("one tile of a large view\n12 x 8 of 24 x 24", box.grid((24, 24)).window((slice(6, 18), slice(12, 20)))),
    ]
    modality = ImageModality(resolution=256)
    item = modality.source(None, seed=3)[4]
    whole = modality.observe([item], box.grid((256, 256)))[0]
    figure, axes = plt.subplots(2, 4, figsize=(11, 5.9), constrained_layout=True)
    for (title, view), above, below in zip(views, *axes, strict=True):
        above.imshow(to_pixels(whole), extent=(-1, 1, 1, -1), alpha=0.35)
        x, y = view.coords[0].T
        above.scatter(x, y, s=6, color=TEAL, linewidths=0)
        left, right, top, bottom = frame(view)
        above.add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color=ORANGE, linewidth=1.5))
        above.set(xlim=(-1.08, 1.08), ylim=(1.08, -1.08), aspect="equal", xticks=[-1, 0, 1], yticks=[-1, 0, 1])
        above.set_title(title, fontsize=10)
        seen = modality.observe([item], view)[0]
        below.imshow(to_pixels(seen), extent=(left, right, bottom, top), interpolation="nearest")
        below.set(xticks=[], yticks=[])
        for spine in below.spines.values():
            spine.set(color=ORANGE, linewidth=1.5)
        spacing = view.spacing[0, 0, 0]
        below.set_xlabel(f"shape {tuple(view.shape)}, spacing {spacing:.3f}", fontsize=9)
    axes[0, 0].set_ylabel("where the samples lie", fontsize=10)
    axes[1, 0].set_ylabel("what is seen from there", fontsize=10)
    figure.savefig(path, dpi=90)


def frame(view: View) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a view."""
    (x, y), (width, height) = view.center[0].tolist(), view.extent[0].tolist()
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


def to_pixels(values: torch.Tensor) -> torch.Tensor:
    """(C, H, W) in [-1, 1] to (H, W, C) in [0, 1]."""
    return ((values + 1) / 2).clamp(0, 1).permute(1, 2, 0)


if __name__ == "__main__":
    draw_views(IMAGES / "views.png")
