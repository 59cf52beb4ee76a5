"""``inrgan project``."""

import contextlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tyro.conf import Positional

from inrgan._parsing import parse_numbers
from inrgan.analysis import Observations, observe_item, project, read_observations, stages_of
from inrgan.checkpoint import load_latents, save_latents
from inrgan.cli._common import AbstractModelCommand
from inrgan.errors import ConfigError, DataError
from inrgan.files import write_json
from inrgan.images import load_npy
from inrgan.modality import Modality
from inrgan.process import progress_bar


@dataclass(kw_only=True)
class Project(AbstractModelCommand):
    """Find the latent and function nearest to a real signal, which may be known in part only."""

    data: Positional[Path]
    """File, or data set as for train; or observations: an .npz file with coords (N, D) and values (N, C)."""
    out: Path | None = None
    """File of latents (.safetensors) for sample --latents, with a .json report beside it. Default: the name of DATA."""
    item: int = 0
    """Number of the item in a data set."""
    points: int | None = None
    """Observe only this many randomly chosen samples."""
    region: str | None = None
    """Observe only this region: lower corner, then upper corner, x first."""
    mask: Path | None = None
    """Observe only where this .npy array, of the grid's shape, is not 0."""
    resolution: int | None = None
    """Samples along the shortest side. Default: the training resolution."""
    steps: int = 300
    """Optimization steps for the latent."""
    tune: int = 0
    """Optimization steps for the function's own weights afterwards; 0 for none."""
    prior: float = 1e-3
    """Weight of the prior on the latent; use more if little is observed."""
    starts: int = 64
    """Random latents of which the best is the starting point."""
    sheet: Path | None = None
    """Also write the signal, its observed part, and the result to this file; its suffix decides the format, as for
    sample."""
    label: str | None = None
    """Class, as for sample. Default: the first class."""
    seed: int = 0
    """Seed of every random draw."""
    quiet: bool = False
    """No progress bar."""

    def run(self) -> None:
        """Search, print the errors, and write the latents and a report beside them."""
        out = Path(self.data.name).with_suffix(".safetensors") if self.out is None else self.out
        if out.suffix != ".safetensors":
            raise ConfigError(f"cannot write latents to {out}: its suffix is {out.suffix!r}; use .safetensors")
        G = self.generator()
        observed = self._observed(G.modality)
        with progress_bar(self.steps + self.tune, unit="step", quiet=self.quiet) as bar:
            found = project(
                stages_of(G, label=self.label), observed.to(G.device), steps=self.steps, tune=self.tune,
                prior=self.prior, starts=self.starts, seed=self.seed, after_step=bar.update,
            )  # fmt: skip
        plain = found.to_plain()
        plain["protocol"] |= {"run": Path(self.model).name, "data": self.data.name, "item": self.item}
        save_latents(out, found.w, weights=found.weights, generator=G)
        write_json(out.with_suffix(".json"), plain)
        for stage, row in plain["errors"].items():
            print(f"{stage:<8}" + ", ".join(f"{name} {value:.4g}" for name, value in row.items()))
        if self.sheet is not None:
            shown = load_latents(out, G).look(observed.view.to(G.device)).cpu()
            blank = observed.values * observed.seen
            G.modality.write(torch.stack([observed.values, blank, shown[0]]), self.sheet)
        print(f"latents: {out}", file=sys.stderr)

    def _observed(self, modality: Modality) -> Observations:
        """What is known of the signal."""
        if self.data.suffix.lower() == ".npz" and _is_scattered(self.data):
            if self.points is not None or self.region is not None or self.mask is not None or self.resolution:
                raise ConfigError("an npz file is observations as they are; leave out --points, --region and --mask")
            if self.sheet is not None:
                raise ConfigError("observations at scattered points make no sheet; leave out --sheet")
            return read_observations(self.data, modality)
        mask = None
        if self.mask is not None:
            try:
                mask = load_npy(str(self.mask), self.mask.read_bytes())
            except OSError as error:
                raise DataError(f"cannot read the mask {self.mask}: {error.strerror or error}") from None
        region = None if self.region is None else tuple(parse_numbers(self.region, what="region"))
        with _item(self.data, self.item, modality) as item:
            return observe_item(
                item, modality, resolution=self.resolution, points=self.points, region=region, mask=mask, seed=self.seed
            )


def _is_scattered(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return {"coords.npy", "values.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


@contextlib.contextmanager
def _item(path: Path, number: int, modality: Modality) -> Iterator[Any]:
    """One item of a data set, or the item of a single file, read like any data."""
    with contextlib.ExitStack() as stack:
        if path.is_file() and path.suffix.lower() not in (".zip", ".tar"):
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="inrgan-project-")))
            try:
                shutil.copy(path, folder / path.name.lstrip("."))
            except OSError as error:
                raise DataError(f"cannot read {path}: {error.strerror or error}") from None
            path = folder
        source = modality.source(path)
        if not 0 <= number < len(source):
            raise ConfigError(f"item {number} was asked of {len(source)}; expected 0 to {len(source) - 1}")
        yield source[number]
