"""What ``inrgan project`` does."""

import contextlib
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from inrgan._commands import load
from inrgan._parse import parse_numbers
from inrgan._progress import progress_bar
from inrgan.analysis import Observations, observe_item, project, read_observations, stages_of
from inrgan.errors import ConfigError, DataError
from inrgan.files import write_json
from inrgan.latents import load_latents, save_latents
from inrgan.modality import Modality
from inrgan.pictures import load_npy

if TYPE_CHECKING:
    from inrgan.cli import Project


def run_project(flags: "Project") -> None:
    """Search, print the errors, and write the latents and a report beside them."""
    out = Path(flags.data.name).with_suffix(".safetensors") if flags.out is None else flags.out
    if out.suffix != ".safetensors":
        raise ConfigError(f"cannot write latents to {out}: its suffix is {out.suffix!r}; use .safetensors")
    G = load(flags.run, flags.device)
    observed = _observed(flags, G.modality)
    with progress_bar(flags.steps + flags.tune, unit="step", quiet=flags.quiet) as bar:
        found = project(
            stages_of(G, label=flags.label), observed.to(G.device), steps=flags.steps, tune=flags.tune,
            prior=flags.prior, starts=flags.starts, seed=flags.seed, after_step=bar.update,
        )  # fmt: skip
    plain = found.to_plain()
    plain["protocol"] |= {"run": Path(flags.run).name, "data": flags.data.name, "item": flags.item}
    save_latents(out, found.w, weights=found.weights, generator=G)
    write_json(out.with_suffix(".json"), plain)
    for stage, row in plain["errors"].items():
        print(f"{stage:<8}" + ", ".join(f"{name} {value:.4g}" for name, value in row.items()))
    if flags.sheet is not None:
        shown = load_latents(out, G).look(observed.view.to(G.device)).cpu()
        blank = observed.values * observed.seen
        G.modality.write(torch.stack([observed.values, blank, shown[0]]), flags.sheet)
    print(f"latents: {out}", file=sys.stderr)


def _observed(flags: "Project", modality: Modality) -> Observations:
    if flags.data.suffix.lower() == ".npz" and _is_scattered(flags.data):
        if flags.points is not None or flags.region is not None or flags.mask is not None or flags.resolution:
            raise ConfigError("an npz file is observations as they are; leave out --points, --region and --mask")
        if flags.sheet is not None:
            raise ConfigError("observations at scattered points make no sheet; leave out --sheet")
        return read_observations(flags.data, modality)
    mask = None
    if flags.mask is not None:
        try:
            mask = load_npy(str(flags.mask), flags.mask.read_bytes())
        except OSError as error:
            raise DataError(f"cannot read the mask {flags.mask}: {error.strerror or error}") from None
    region = None if flags.region is None else tuple(parse_numbers(flags.region, what="region"))
    with _item(flags.data, flags.item, modality) as item:
        return observe_item(
            item, modality, resolution=flags.resolution, points=flags.points, region=region, mask=mask, seed=flags.seed
        )


def _is_scattered(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return {"coords.npy", "values.npy"} <= set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False


@contextlib.contextmanager
def _item(path: Path, number: int, modality: Modality) -> Iterator[Any]:
    """An item of a data set, or the one of a file, read as any data are."""
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
