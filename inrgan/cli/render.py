"""``inrgan render``."""

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from inrgan.checkpoint import one_function
from inrgan.cli._common import AbstractRenderCommand
from inrgan.density import evaluate, named_density, reconstruct, sample_density
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.files import replacing
from inrgan.generator import Generator
from inrgan.rendering import partial_folder, render_file


@dataclass(kw_only=True)
class Render(AbstractRenderCommand):
    """Write one sample of any size to a file, in tiles. The same command resumes after a stop."""

    out: Path
    """File to write: .tif (tiled pyramidal BigTIFF), .png, .dzi (deep zoom, with a viewer page), .zarr, or .wav for
    audio. With --density any suffix of sample, or .npz for the points themselves."""
    seed: int = 0
    """Seed of the sample."""
    latents: Path | None = None
    """File of latents from inrgan project with one function, instead of a seed."""
    region: str | None = None
    """Part of the domain to render, as for sample."""
    density: str | None = None
    """Evaluate at points whose density follows this map, and interpolate: gradient, foveated:x,y or a .npy file."""
    points: int | None = None
    """With --density: number of points. Default: a tenth of the samples."""
    quiet: bool = False
    """No progress bar and no messages."""

    def run(self) -> None:
        """Render one sample to a file of any size."""
        G = self.generator()
        shape, region = self.window(G.modality, region=self.region)
        if self.density is not None:
            self._render_density(G, shape, region)
            return
        if self.points is not None:
            raise ConfigError("--points goes with --density; a render without a map has --resolution samples")
        try:
            render_file(
                G, self.out, seed=self.seed, shape=shape, region=region, truncation=self.truncation, label=self.label,
                latents=self.latents, quiet=self.quiet,
            )  # fmt: skip
        except KeyboardInterrupt:
            folder = partial_folder(self.out)
            if not self.quiet and folder.is_dir():
                print(f"stopped; the same command resumes from {folder}", file=sys.stderr)
            raise

    def _render_density(self, G: Generator, shape: tuple[int, ...], region: Sequence[float] | None) -> None:
        """Write points whose density follows a map, or a raster interpolated from them."""
        assert self.density is not None
        if region is not None:
            raise ConfigError("--density covers the whole domain; leave out --region and --seconds")
        domain = G.modality.domain
        if not isinstance(domain, Box):
            raise ConfigError(f"--density needs a domain that is a box; that of {G.modality.name} is none")
        if self.latents is None:
            function = G.sample([self.seed], truncation=self.truncation, label=self.label)
        else:
            function = one_function(self.latents, G)
        density = named_density(self.density, field=function)
        points = max(1, math.prod(shape) // 10) if self.points is None else self.points
        view = sample_density(density, domain, points=points, generator=torch.Generator().manual_seed(self.seed))
        values = evaluate(function, view.to(G.device)).cpu()
        if self.out.suffix.lower() == ".npz":
            assert view.weights is not None
            with replacing(self.out) as temporary:
                np.savez(
                    temporary, coords=view.coords[0].numpy(), values=values[0].T.numpy(),
                    spacing=view.spacing[0].numpy(), weights=view.weights[0].numpy(),
                )  # fmt: skip
            return
        G.modality.write(reconstruct(view.coords[0], values, shape=shape, domain=domain), self.out)
