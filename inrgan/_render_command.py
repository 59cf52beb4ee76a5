"""What ``inrgan render`` does."""

import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from inrgan._commands import load, where
from inrgan.density import evaluate, named_density, reconstruct, sample_density
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.files import replacing
from inrgan.generator import Generator
from inrgan.latents import one_function
from inrgan.rendering import partial_folder, render_file

if TYPE_CHECKING:
    from inrgan.cli import Render


def render(flags: "Render") -> None:
    """Render one seed to a file of any size."""
    G = load(flags.run, flags.device)
    shape, region = where(flags, G.modality, region=flags.region)
    if flags.density is not None:
        _render_density(flags, G, shape, region)
        return
    if flags.points is not None:
        raise ConfigError("--points goes with --density; a render without a map has --resolution samples")
    try:
        render_file(
            G, flags.out, seed=flags.seed, shape=shape, region=region, truncation=flags.truncation, label=flags.label,
            latents=flags.latents, quiet=flags.quiet,
        )  # fmt: skip
    except KeyboardInterrupt:
        folder = partial_folder(flags.out)
        if not flags.quiet and folder.is_dir():
            print(f"stopped; the same command goes on with what is in {folder}", file=sys.stderr)
        raise


def _render_density(flags: "Render", G: Generator, shape: tuple[int, ...], region: Sequence[float] | None) -> None:
    """Points as dense as a map says, as they are or as a raster."""
    assert flags.density is not None
    if region is not None:
        raise ConfigError("--density covers the whole domain; leave out --region and --seconds")
    domain = G.modality.domain
    if not isinstance(domain, Box):
        raise ConfigError(f"--density needs a domain that is a box; that of {G.modality.name} is none")
    if flags.latents is None:
        field = G.sample([flags.seed], truncation=flags.truncation, label=flags.label)
    else:
        field = one_function(flags.latents, G)
    density = named_density(flags.density, field=field)
    points = max(1, math.prod(shape) // 10) if flags.points is None else flags.points
    view = sample_density(density, domain, points=points, generator=torch.Generator().manual_seed(flags.seed))
    values = evaluate(field, view.to(G.device)).cpu()
    if flags.out.suffix.lower() == ".npz":
        assert view.weights is not None
        with replacing(flags.out) as temporary:
            np.savez(
                temporary, coords=view.coords[0].numpy(), values=values[0].T.numpy(),
                spacing=view.spacing[0].numpy(), weights=view.weights[0].numpy(),
            )  # fmt: skip
        return
    G.modality.write(reconstruct(view.coords[0], values, shape=shape, domain=domain), flags.out)
