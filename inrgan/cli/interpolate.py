"""``inrgan interpolate``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from inrgan._parsing import parse_seeds
from inrgan.analysis import probe_view, stages_of
from inrgan.capabilities import HasTime
from inrgan.cli._common import AbstractRenderCommand
from inrgan.errors import ConfigError
from inrgan.generator import Generator
from inrgan.interpolation import linear_path, slerp_path, uniform_pace
from inrgan.process import progress_bar


@dataclass(kw_only=True)
class Interpolate(AbstractRenderCommand):
    """Write an interpolation between samples to a file; its suffix decides the format."""

    out: Path
    """File to write."""
    seeds: str = "0-3"
    """Seeds of the samples to interpolate between."""
    frames: int = 120
    """Number of frames."""
    fps: float = 24.0
    """Frames per second."""
    rate: float | None = None
    """Signals with a time axis: samples per second."""
    loop: bool = False
    """Return to the first sample."""
    path: Literal["line", "arc"] = "line"
    """Path between samples: straight lines between mapped latents, or great circles between latents."""
    pace: Literal["latent", "uniform"] = "latent"
    """uniform removes abrupt changes: constant speed measured in the signal instead of the latent."""

    def run(self) -> None:
        """Render the interpolation and write it."""
        G = self.generator()
        modality = G.modality
        shape, region = self.window(modality, region=None)
        if self.pace == "uniform":
            fine = self._path(G, steps=4 * self.frames)
            view = probe_view(modality, points=1024).to(G.device)
            path = uniform_pace(fine, G.field, view, steps=self.frames, loop=self.loop)
        else:
            path = self._path(G, steps=self.frames)
        frames = []
        with progress_bar(len(path), unit="frame") as bar:
            for w in path:
                frames.append(G.field(w[None]).render(shape, region=region).cpu())
                bar.update()
        writer = modality.over(shape, region) if isinstance(modality, HasTime) else modality
        writer.write_interpolation(torch.cat(frames), self.out, rate=self.fps)

    def _path(self, G: Generator, *, steps: int) -> Tensor:
        """Mapped latents (steps, W) along the path."""
        seeds = parse_seeds(self.seeds)
        if self.path == "line":
            stops = G.sample_w(seeds, truncation=self.truncation, label=self.label)
            return linear_path(stops, steps=steps, loop=self.loop)
        if G.labels and self.label is None:
            raise ConfigError("an arc of latents has one class; give it with --label, or use --path line")
        stages = stages_of(G, label=self.label, truncation=self.truncation)
        with torch.no_grad():
            return stages.mapping(slerp_path(G.latents(seeds), steps=steps, loop=self.loop))
