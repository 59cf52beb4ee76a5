"""Renders of one sample to files of any size."""

import errno
import hashlib
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inrgan._parsing import to_plain
from inrgan.blocks import block_sides
from inrgan.checkpoint import one_function
from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError, NonFiniteError, WriteError
from inrgan.generator import Generator
from inrgan.images import to_bytes
from inrgan.process import progress_bar
from inrgan.rendering.formats import writer_for
from inrgan.rendering.tiles import Index, Pyramid, TileStore
from inrgan.rendering.writers import Placement, assemble, check_free, publish

_PROBES = 16
"""Number of tiles, spread over the render, from which the disk space of all tiles is estimated."""


def render_file(
    G: Generator,
    path: str | Path,
    *,
    seed: int,
    shape: Sequence[int],
    region: Sequence[float] | None = None,
    truncation: float = 1.0,
    label: int | str | None = None,
    latents: str | Path | None = None,
    quiet: bool = False,
) -> Path:
    """Render one sample of any size to a file, in tiles, in memory that does not depend on the size.

    The samples are those of ``G.sample([seed]).render(shape)``, bit for bit on one device. Tiles are kept in
    ``partial_folder(path)`` until the file is complete, which then appears at once. After an interruption of any
    kind, the same call resumes.

    Args:
        G: Generator of the sample.
        path: Path that ends in .tif or .tiff (tiled pyramidal BigTIFF), .png, .dzi (deep zoom, with a page that shows
            it), all three of 8 bits and for two array axes; .wav (16 bits, one axis); or .zarr (single precision, any
            number of axes).
        seed: Seed of the sample.
        shape: Array shape, x last.
        region: Lower corner, then upper corner, x first; may reach outside the domain.
        truncation: 1 for the model as it is; less trades variety for quality.
        label: Class of a conditional generator.
        latents: File of ``inrgan.checkpoint.save_latents`` with one function, instead of the seed.
        quiet: Whether to hide the progress bar, which only terminals show.

    Returns:
        The path.

    Raises:
        ConfigError: A suffix, seed, region or label is invalid; the format cannot hold the signal; samples are too
            close for the precision; there is an unfinished render of other settings; the result's folder exists; the
            disk is clearly too small.
        ShapeError: ``shape`` is not one positive size per axis.
        NonFiniteError: The model gives NaN or infinity.
        WriteError: The disk is full; rendered tiles are kept.
        CheckpointError: The latents are missing, corrupt, several, or of another generator.
        MissingDependency: The format's library is not installed.

    Example:
        >>> render_file(G, "big.tif", seed=3, shape=(65536, 65536))
        PosixPath('big.tif')
    """
    path, shape = Path(path), tuple(int(n) for n in shape)
    writer = writer_for(path)
    writer.check(shape, channels=G.modality.signal_channels)
    if latents is None:
        field = G.sample([seed], truncation=truncation, label=label)
    else:
        field = one_function(latents, G)
    renderer = field.renderer(shape, region=region)  # raises for an invalid grid
    placement = _placement(G.modality.domain, shape, region)
    sides = block_sides(shape)
    job = describe(G, seed=seed, shape=shape, region=region, truncation=truncation, label=label)
    if latents is not None:
        job["latents"] = hashlib.sha256(Path(latents).read_bytes()).hexdigest()
    convert = _as_bytes if writer.dtype == np.uint8 else _as_values

    def render(window: tuple[slice, ...]) -> NDArray[np.generic]:
        return convert(renderer.window(window)[0])

    folder = partial_folder(path)
    if not (folder / "finished").exists():
        check_free(path, writer)
    store = None
    try:
        store = TileStore(folder, {**job, "numbers": writer.dtype.name})
        pyramid = Pyramid(
            render, store, shape=shape, sides=sides, channels=field.channels, dtype=writer.dtype,
            smallest=writer.smallest,
        )  # fmt: skip
        if not (folder / "finished").exists():
            _render_tiles(pyramid, store, quiet=quiet)
            assemble(pyramid, writer, folder, path.name, placement=placement, quiet=quiet)
        publish(folder / "finished", path, writer)
        store.remove()
    except (OSError, WriteError) as error:
        raise WriteError(_stopped(error, path, folder)) from error
    finally:
        if store is not None:
            store.close()
    return path


def partial_folder(path: str | Path) -> Path:
    """Folder of the tiles of an unfinished render.

    Example:
        >>> partial_folder("big.tif").name
        'big.tif.partial'
    """
    path = Path(path)
    return path.with_name(path.name + ".partial")


def _render_tiles(pyramid: Pyramid, store: TileStore, *, quiet: bool) -> None:
    count, grid = pyramid.count(0), pyramid.grid(0)
    done = sum(store.has(0, index) for index in pyramid.indices(0))
    numbers = sorted({round(k * (count - 1) / (_PROBES - 1)) for k in range(_PROBES)})
    probes = [tuple(int(i) for i in np.unravel_index(k, grid)) for k in numbers]
    with progress_bar(count, unit="tile", quiet=quiet, done=done) as bar:

        def make(index: Index) -> int:
            if store.has(0, index):
                return 0
            pyramid.tile(0, index)
            bar.update()
            return 1

        done += sum(make(index) for index in probes)
        _check_disk(pyramid, store, probes, missing=count - done)
        for index in pyramid.indices(0):
            make(index)


def _check_disk(pyramid: Pyramid, store: TileStore, probes: Sequence[Index], *, missing: int) -> None:
    """Refuse a render that is clearly too large for the disk: the missing tiles, and a result as large as all tiles."""
    each = sum(store.size(0, i) for i in probes) / len(probes)
    levels = sum(math.prod(s) for s in pyramid.shapes) / math.prod(pyramid.shapes[0])
    needed = each * (missing + pyramid.count(0) * (2 * levels - 1))
    free = shutil.disk_usage(store.folder).free
    if needed > 1.25 * free:
        raise ConfigError(
            f"the render needs about {needed / 1e9:.3g} GB of disk space, judged by its first {len(probes)} tiles, and "
            f"{store.folder.parent.resolve()} has {free / 1e9:.3g} GB; make room, or render to another disk"
        )


def _placement(domain: AbstractDomain, shape: tuple[int, ...], region: Sequence[float] | None) -> Placement:
    view = domain.grid(shape, region=region, dtype=torch.float64)
    if view.axes is None:  # coordinates are not those of the array's axes
        return Placement(first=(0.0,) * len(shape), spacing=(1.0,) * len(shape))
    first = tuple(float(axis[0, 0]) for axis in reversed(view.axes))
    return Placement(first=first, spacing=tuple(float(s) for s in view.spacing[0, 0].flip(0)))


def _as_bytes(values: Tensor) -> NDArray[np.generic]:
    return to_bytes(values).cpu().numpy()


def _as_values(values: Tensor) -> NDArray[np.generic]:
    if not torch.isfinite(values).all():
        raise NonFiniteError("The values to write hold NaN or infinity; expected -1 to 1. Check the model.")
    return values.float().cpu().numpy()


def _stopped(error: OSError | WriteError, path: Path, folder: Path) -> str:
    cause = error if isinstance(error, OSError) else error.__cause__
    reason = (cause.strerror or str(cause)) if isinstance(cause, OSError) else str(error)
    full = isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "make room" if full else "fix that"
    advice = f"rendered tiles are kept in {folder}; {fix}, and the same command resumes" if folder.is_dir() else fix
    return f"cannot write {path}: {reason}; {advice}"


def describe(
    G: Generator,
    *,
    seed: int,
    shape: Sequence[int],
    region: Sequence[float] | None,
    truncation: float,
    label: int | str | None,
) -> dict[str, Any]:
    """Everything that decides the numbers of a render, as plain JSON values; a resumed render must agree in it."""
    return {
        "generator": fingerprint(G),
        "seed": seed,
        "shape": list(shape),
        "region": None if region is None else [float(x) for x in region],
        "truncation": float(truncation),
        "label": None if label is None else G.label_index(label),
        "block": list(block_sides(shape)),
        "computed on": _machine(G.device),
    }


def fingerprint(G: Generator) -> str:
    """Hash of everything that a generator's fields depend on."""
    described = {
        "modality": [G.modality.name, G.modality.arguments()],
        "sizes": to_plain(G.sizes),
        "labels": G.labels,
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
    for name, tensor in sorted(G.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _machine(device: torch.device) -> str:
    """What decides the last bits of a result: kernels and, on a CPU, the number of threads."""
    if device.type == "cuda":
        return f"torch {torch.__version__}, {torch.cuda.get_device_name(device)}"
    kernels = torch.backends.cpu.get_cpu_capability()
    return f"torch {torch.__version__}, {device.type} {kernels}, threads: {torch.get_num_threads()}"
