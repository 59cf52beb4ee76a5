"""Draw the figures of the documentation.

    python docs/make_figures.py                      # all figures that need no trained generator
    python docs/make_figures.py --run RUN            # also the regions of an image generator
    python docs/make_figures.py --textures FOLDER    # also the extrapolation of benchmarks/extrapolation.py
    python docs/make_figures.py --sphere RUN --plane RUN    # also the poles, from runs of benchmarks/quality.py

It needs matplotlib and scipy.
"""

import argparse
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from inrgan_modalities.occupancy import SyntheticShapes3D, shade
from matplotlib.patches import Rectangle

from inrgan import Box, Field, Generator, ImageModality, Sphere, View
from inrgan.density import evaluate, foveated, gradient_magnitude, reconstruct, sample_density
from inrgan.images import tile, write_image
from inrgan.losses import LossOptions
from inrgan.samplers import DensePatch, RandomResolution, VariableDensity

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
from sky_and_person import SkyAndPerson

IMAGES = Path(__file__).parent / "images"
TEAL, ORANGE = "#00796b", "#ef6c00"


def draw_views(path: Path) -> None:
    """Four views of one image: the positions of samples, and the image at the view."""
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


def draw_resolutions(path: Path) -> None:
    """One image at the views of four training steps with random resolutions."""
    modality, sampler = ImageModality(resolution=256), RandomResolution(8, 64)
    item, rng = modality.source(None, seed=3)[4], torch.Generator().manual_seed(5)
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.1), constrained_layout=True)
    for axis in axes:
        view = sampler.draw(modality.domain, batch=1, generator=rng)
        show(axis, modality.observe([item], view)[0], f"{view.shape[0]} x {view.shape[1]}")
    figure.savefig(path, dpi=80)


def draw_patches(path: Path) -> None:
    """Inputs of the patch critic for one real: the full-domain view, two patches, and the context resampled to them."""
    modality, box = ImageModality(resolution=256), Box(2)
    item, rng = modality.source(None, seed=3)[4], torch.Generator().manual_seed(113)
    views = DensePatch(32, 256, coarsest=64).draw(box, batch=2, generator=rng)
    whole = modality.observe([item], box.grid((32, 32)))
    figure, axes = plt.subplots(1, 5, figsize=(13, 3.1), constrained_layout=True)
    show(axes[0], whole[0], "the whole, 32 x 32")
    for i, (patch, carried) in enumerate(zip(axes[1::2], axes[2::2], strict=True)):
        view = views.row(i)
        left, right, top, bottom = (16 * (edge + 1) - 0.5 for edge in frame(view))
        axes[0].add_patch(Rectangle((left, top), right - left, bottom - top, fill=False, color=ORANGE, linewidth=1.5))
        axes[0].text(left + 0.6, top + 0.6, "AB"[i], color=ORANGE, fontsize=11, va="top", fontweight="bold")
        show(patch, modality.observe([item], view)[0], f"patch {'AB'[i]}, 32 x 32")
        show(carried, box.carry(whole, view)[0], f"the whole carried onto {'AB'[i]}")
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def draw_growing(path: Path) -> None:
    """One real at the views of progressive growing, and the schedule of the resolution."""
    modality, options = ImageModality(resolution=128), LossOptions(grow_from=16, grow_kimg=100)
    item = modality.source(None, seed=3)[4]
    figure, axes = plt.subplots(1, 5, figsize=(13, 3.1), constrained_layout=True)
    for axis, kimg in zip(axes, (0, 33, 67, 100), strict=False):
        n = options.resolution_at(kimg, 128)
        show(axis, modality.observe([item], modality.domain.grid((n, n)))[0], f"{kimg} kimg: {n} x {n}")
    kimg = [k / 2 for k in range(241)]
    axes[4].plot(kimg, [options.resolution_at(k, 128) for k in kimg], color=TEAL)
    axes[4].set_yscale("log", base=2)
    axes[4].set(xlabel="kimg", yticks=[16, 32, 64, 128], yticklabels=["16", "32", "64", "128"])
    axes[4].set_title("--grow-from 16 --grow-kimg 100", fontsize=10)
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def draw_tiles(path: Path, G: Generator) -> None:
    """One render of 1024 x 1024 with the borders of its blocks, and one block evaluated alone."""
    field, shape = G.sample([6], truncation=0.8), (1024, 1024)
    window = (slice(256, 512), slice(512, 768))
    figure, axes = plt.subplots(1, 2, figsize=(6.6, 3.3), constrained_layout=True)
    show(axes[0], field.render(shape)[0], "1024 x 1024, 16 tiles")
    for k in range(0, 1024, 256):
        axes[0].axhline(k, color="white", linewidth=0.6)
        axes[0].axvline(k, color="white", linewidth=0.6)
    axes[0].add_patch(Rectangle((512, 256), 256, 256, fill=False, color=ORANGE, linewidth=2))
    show(axes[1], field.render(shape, window=window)[0], "one of them, evaluated alone")
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def draw_density(path: Path) -> None:
    """The sky and the person: 1024 points by the gradient against 1024 on a grid."""
    field, box, shape = SkyAndPerson(), Box(2), (512, 512)
    view = sample_density(gradient_magnitude(field), box, points=1024, generator=torch.Generator().manual_seed(0))
    true, grid = field.render(shape), field.render((32, 32))
    dense = reconstruct(view.coords[0], evaluate(field, view), shape=shape, domain=box)
    even = torch.nn.functional.interpolate(grid, shape, mode="bicubic")
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.1), constrained_layout=True)
    show(axes[0], true[0], "the field")
    axes[1].scatter(*view.coords[0].T, s=2, color=TEAL, linewidths=0)
    axes[1].set(xlim=(-1, 1), ylim=(1, -1), aspect="equal", xticks=[], yticks=[])
    axes[1].set_title("1024 points by its gradient", fontsize=10)
    for axis, raster, name in ((axes[2], dense, "raster from them"), (axes[3], even, "32 x 32 grid, bicubic")):
        error = float((raster - true).square().mean().sqrt())
        show(axis, raster[0], f"{name}: RMSE {error:.3f}")
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def draw_foveated(path: Path) -> None:
    """Foveated points for a gaze at the figure and at the sky, and a training view of variable density."""
    field, box = SkyAndPerson(), Box(2)
    figure, axes = plt.subplots(1, 4, figsize=(11, 3.1), constrained_layout=True)
    for axis, gaze in zip(axes, ((0.35, 0.35), (-0.6, -0.5)), strict=False):
        density = foveated(gaze, domain=box, doubling=0.15)
        view = sample_density(density, box, points=1600, generator=torch.Generator().manual_seed(0))
        raster = reconstruct(view.coords[0], evaluate(field, view), shape=(384, 384), domain=box)
        show(axis, raster[0], f"1600 points, gaze at {gaze}")
        axis.scatter(*(192 * (g + 1) for g in gaze), s=60, facecolors="none", edgecolors=ORANGE, linewidths=1.5)
    modality = ImageModality(resolution=64)
    item = modality.source(None, seed=3)[4]
    view = VariableDensity(64, strength=2.0).draw(box, batch=1, generator=torch.Generator().manual_seed(3))
    axes[2].scatter(*view.coords[0].T, s=3, color=TEAL, linewidths=0)
    axes[2].set(xlim=(-1, 1), ylim=(1, -1), aspect="equal", xticks=[], yticks=[])
    axes[2].set_title("view of a training step", fontsize=10)
    show(axes[3], modality.observe([item], view)[0], "a real seen from it")
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def draw_regions(path: Path, G: Generator) -> None:
    """One field: the full domain, a part of it, and its surroundings."""
    field = G.sample([6], truncation=0.8)
    regions = [("the whole", (-1, -1, 1, 1)), ("--region=-0.5,-0.5,0.2,0.2", (-0.5, -0.5, 0.2, 0.2)),
               ("--region=-2,-2,2,2", (-2, -2, 2, 2))]  # fmt: skip
    figure, axes = plt.subplots(1, 3, figsize=(8.4, 3.1), constrained_layout=True)
    for axis, (name, region) in zip(axes, regions, strict=True):
        show(axis, field.render((320, 320), region=region)[0], name)
    axes[2].add_patch(Rectangle((80, 80), 160, 160, fill=False, color=ORANGE, linewidth=1.5))
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def draw_extrapolation(path: Path, fields: dict[str, Field]) -> None:
    """The box (framed) and its surroundings, trained without and with shifts."""
    figure, axes = plt.subplots(2, 2, figsize=(11, 3.9), constrained_layout=True)
    for column, (name, field) in zip(axes.T, fields.items(), strict=True):
        for axis, values in zip(column, field.render((64, 256), region=(-4, -1, 4, 1)), strict=True):
            axis.imshow(values[0], cmap="gray", vmin=-1, vmax=1)
            axis.add_patch(Rectangle((96, 0), 63, 63, fill=False, color=ORANGE, linewidth=2))
            axis.set(xticks=[], yticks=[])
        column[0].set_title(name, fontsize=10)
    figure.savefig(path, dpi=80, pil_kwargs={"quality": 85})


def draw_poles(path: Path, sphere: Generator, plane: Generator) -> None:
    """Generated maps from above the north pole, and with the date line in the middle."""
    whole = Sphere()
    views = {
        "north pole": whole.tangent((160, 160), center=(0, 90), fov=100),
        "date line": whole.tangent((160, 160), center=(180, 0), fov=100),
    }
    figure, axes = plt.subplots(4, 5, figsize=(8.4, 7), squeeze=False)
    for k, (name, G) in enumerate((("sphere", sphere), ("image on (x, y)", plane))):
        field = G.sample(range(5))
        for row, (place, view) in enumerate(views.items()):
            if G is sphere:
                seen = field.look(view)
            else:
                seen = whole.carry(field.render((256, 512)), view)
            for i, axis in enumerate(axes[2 * k + row]):
                axis.imshow(seen[i, 0], cmap="RdBu_r", vmin=-1, vmax=1)
                axis.set(xticks=[], yticks=[])
                if i == 0:
                    axis.set_ylabel(f"{name}\n{place}", fontsize=8)
    figure.tight_layout(pad=0.4)
    figure.savefig(path, dpi=110, pil_kwargs={"quality": 85})
    plt.close(figure)


def draw_solids(path: Path) -> None:
    """Two built-in shapes of each kind, shaded."""
    source = SyntheticShapes3D(64, size=96)
    chosen = [i for kind in range(4) for i in [j for j in range(64) if source.label(j) == kind][:2]]
    write_image(tile(shade(torch.stack([source[i] for i in chosen]), size=192), columns=8), path)


def show(axis: plt.Axes, values: torch.Tensor, title: str) -> None:
    """A signal as an image with its title."""
    axis.imshow(to_pixels(values), interpolation="nearest")
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=10)


def frame(view: View) -> tuple[float, float, float, float]:
    """Left, right, top and bottom of a view."""
    (x, y), (width, height) = view.center[0].tolist(), view.extent[0].tolist()
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


def to_pixels(values: torch.Tensor) -> torch.Tensor:
    """Convert (C, H, W) in [-1, 1] to (H, W, C) in [0, 1]."""
    return ((values + 1) / 2).clamp(0, 1).permute(1, 2, 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the figures of the documentation.")
    parser.add_argument("--run", help="of images")
    parser.add_argument("--sphere", help="run on maps, on the sphere")
    parser.add_argument("--plane", help="run on the same maps, as images")
    parser.add_argument("--textures", type=Path, help="output folder of benchmarks/extrapolation.py")
    args = parser.parse_args()
    if (args.sphere is None) != (args.plane is None):
        parser.error("--sphere and --plane are drawn together; give both")
    draw_views(IMAGES / "views.png")
    draw_resolutions(IMAGES / "views-resolution.png")
    draw_patches(IMAGES / "views-patches.jpg")
    draw_growing(IMAGES / "views-growing.jpg")
    draw_density(IMAGES / "views-density.jpg")
    draw_foveated(IMAGES / "views-foveated.jpg")
    draw_solids(IMAGES / "solids.png")
    if args.run:
        G = Generator.from_pretrained(args.run)
        draw_regions(IMAGES / "views-regions.jpg", G)
        draw_tiles(IMAGES / "views-tiles.jpg", G)
    if args.sphere and args.plane:
        sphere, plane = (Generator.from_pretrained(run) for run in (args.sphere, args.plane))
        draw_poles(IMAGES / "sphere-poles.jpg", sphere, plane)
    if args.textures:
        names = {"trained on the box alone": "plain", "trained with shifts of half the box": "shifted"}
        trained = {name: Generator.from_pretrained(args.textures / part) for name, part in names.items()}
        draw_extrapolation(IMAGES / "views-extrapolation.jpg", {name: G.sample([0, 1]) for name, G in trained.items()})
