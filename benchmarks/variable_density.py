"""Error of a raster from points of variable density against a uniform grid of as many points.

The reference is the same function rendered at 512 x 512. Uniform grids are resampled to that size by the same method as
the scattered points and by bicubic interpolation. With a run, the fields of its generator are measured instead (mean
over eight seeds).

    python benchmarks/variable_density.py [RUN]
"""

import sys

import torch
from sky_and_person import SkyAndPerson

from inrgan import Box, Generator
from inrgan.density import Density, evaluate, foveated, gradient_magnitude, reconstruct, sample_density

SHAPE, DOMAIN = (512, 512), Box(2)


def measure(field, *, points: int) -> dict[str, float]:
    """Root mean square errors by method."""
    true, side = field.render(SHAPE), round(points**0.5)
    grid = DOMAIN.grid((side, side))
    with torch.no_grad():
        seen = field(grid)
    rasters = {
        "uniform grid, bicubic": torch.nn.functional.interpolate(seen, SHAPE, mode="bicubic"),
        "uniform grid, triangles": reconstruct(grid.coords[0], seen.flatten(2), shape=SHAPE, domain=DOMAIN),
    }
    maps: dict[str, Density] = {
        "even density": lambda x: torch.ones(len(x)),
        "foveated at the figure": foveated((0.35, 0.35), domain=DOMAIN),
        "gradient of a 64 x 64 render": gradient_magnitude(field),
        "the same, power=1": gradient_magnitude(field, power=1.0),
    }
    for name, density in maps.items():
        view = sample_density(density, DOMAIN, points=side * side, generator=torch.Generator().manual_seed(0))
        rasters[name] = reconstruct(view.coords[0], evaluate(field, view), shape=SHAPE, domain=DOMAIN)
    return {name: float((raster - true).square().mean().sqrt()) for name, raster in rasters.items()}


def main() -> None:
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        G = Generator.from_pretrained(sys.argv[1])
        fields, budgets = [G.sample([seed]) for seed in range(8)], (256, 1024, 4096)
    else:
        fields, budgets = [SkyAndPerson()], (1024, 4096, 16384)
    for points in budgets:
        rows = [measure(field, points=points) for field in fields]
        print(f"{points} points: RMSE and PSNR (values in -1..1)")
        for name in rows[0]:
            rms = (sum(row[name] ** 2 for row in rows) / len(rows)) ** 0.5
            print(f"  {name:<30} {rms:.4f}  {20 * torch.log10(torch.tensor(2 / rms)):.1f} dB")


if __name__ == "__main__":
    main()
