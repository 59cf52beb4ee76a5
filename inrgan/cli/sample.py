"""``inrgan sample``."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from inrgan._parsing import parse_seeds
from inrgan.capabilities import HasNamedViews, HasTime, WritesFields
from inrgan.checkpoint import load_latents
from inrgan.cli._common import AbstractRenderCommand
from inrgan.cli._file_names import file_names, is_pattern
from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.modality import Modality
from inrgan.process import progress_bar

_SHOWN = 100
"""Number of files from which on a progress bar is shown."""


@dataclass(kw_only=True)
class Sample(AbstractRenderCommand):
    """Write samples to a file; its suffix decides the format."""

    out: Path
    """File to write; with {seed} or {index} in its name, such as samples/{seed:04d}.png, one file for each sample."""
    seeds: str = "0-15"
    """Seeds, such as 0-15 or 1,4,9."""
    latents: Path | None = None
    """File of latents from inrgan project, instead of seeds."""
    region: str | None = None
    """Part of the domain to render: lower corner, then upper corner, x first: x0,y0,x1,y1. May lie outside the training
    domain."""
    view: str | None = None
    """Named view of the modality, instead of the domain or a region."""
    part_seeds: list[str] | None = None
    """Separate seeds for parts of the latent, each as NAME=SEEDS: as many seeds as samples, or one for all.
    --NAME-seed SEEDS is short for it."""

    def run(self) -> None:
        """Render samples and write them."""
        G = self.generator()
        modality = G.modality
        shape, region = self.window(modality, region=self.region)
        if self.view is not None and region is not None:
            raise ConfigError("--view and --region both choose what to render; give one of them")
        suffix = self.out.suffix.lower()
        if suffix in modality.whole_suffixes and (self.view is not None or region is not None):
            raise ConfigError(
                f"{suffix} files hold the whole domain; leave out --view and --region, or choose another suffix"
            )
        if self.view is not None and not isinstance(modality, HasNamedViews):
            raise ConfigError(
                f"the view {self.view!r} was asked of {modality.name}, which has no named views; use a region"
            )
        for fields, path in self._files(G):
            if isinstance(modality, WritesFields) and suffix in modality.field_suffixes:
                modality.write_field(fields, path, shape=shape)
            elif self.view is not None:
                modality.write(self._named_view(fields, modality, shape).cpu(), path)
            else:
                writer = modality.over(shape, region) if isinstance(modality, HasTime) else modality
                writer.write(fields.render(shape, region=region).cpu(), path)

    def _named_view(self, fields: Field, modality: Modality, shape: Sequence[int]) -> Tensor:
        """Values at a named view, and infinity where nothing is."""
        assert self.view is not None and isinstance(modality, HasNamedViews)
        text = self.resolution or str(modality.resolution)
        # A shape says how many samples its shorter side has; the whole domain's need not be that many.
        resolution = int(text) if text.isdigit() else min(shape)
        view = modality.named_view(self.view, resolution=resolution).to(fields.device)
        values = fields.look(view)
        return values if view.weights is None else values.masked_fill(view.weights.reshape(view.shape) == 0, math.inf)

    def _files(self, G: Generator) -> Iterator[tuple[Field, Path]]:
        """The functions of each file, and its path."""
        parts = _parts(self.part_seeds or ())
        if self.latents is not None:
            if parts or self.label is not None or self.truncation != 1:
                raise ConfigError(
                    "--latents are functions as they are; leave out --label, --truncation and seeds of parts"
                )
            fields = load_latents(self.latents, G)
            if not is_pattern(self.out):
                yield fields, self.out
                return
            for i, path in enumerate(file_names(self.out, seeds=None, count=len(fields))):
                yield fields[i], path
            return
        seeds = parse_seeds(self.seeds)
        if len(seeds) == 1:  # one sample with many of a part
            seeds = seeds * max([1, *map(len, parts.values())])
        if not is_pattern(self.out):
            yield G.sample(seeds, truncation=self.truncation, label=self.label, parts=parts), self.out
            return
        paths = file_names(self.out, seeds=seeds, count=len(seeds))
        w = G.sample_w(seeds, truncation=self.truncation, label=self.label, parts=parts)
        with progress_bar(len(seeds), unit="file", quiet=len(seeds) < _SHOWN) as bar, torch.no_grad():
            for i, path in enumerate(paths):
                yield G.field(w[i : i + 1]), path
                bar.update()


def with_part_seeds(args: Sequence[str]) -> list[str]:
    """``--NAME-seed SEEDS`` as ``--part-seeds NAME=SEEDS``, since parsers know no flag whose name is open."""
    out, found = [], []
    words = iter(args)
    for word in words:
        match = re.fullmatch(r"--([a-z]+)-seeds?(?:=(.*))?", word)
        if match is None or match[1] == "part":
            out.append(word)
        else:
            found.append(f"{match[1]}={match[2] if match[2] is not None else next(words, '')}")
    return [*out, "--part-seeds", *found] if found else out


def _parts(texts: Sequence[str]) -> dict[str, list[int]]:
    """Seeds by the name of the part, from ``NAME=SEEDS``."""
    found = {}
    for text in texts:
        name, equals, seeds = text.partition("=")
        if not equals:
            raise ConfigError(f"--part-seeds has {text!r}; expected NAME=SEEDS, such as motion=3")
        found[name] = parse_seeds(seeds)
    return found
