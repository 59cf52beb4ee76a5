"""What is known of a real signal: all of it, a part, or scattered points."""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch

from inrgan._typing import Bool, Float, Tensor
from inrgan.errors import ConfigError, DataError
from inrgan.images import load_npy
from inrgan.modality import Modality
from inrgan.views import View, scattered

_MOST_BYTES = 1 << 30


@final
@dataclass(frozen=True, kw_only=True)
class Observations:
    """Values of one signal, and which of them may be used.

    Attributes:
        view: where they were taken.
        values: what was seen there.
        seen: which of them may be used; the others tell how well the rest was guessed.
    """

    view: View
    values: Float[Tensor, "C *S"]
    seen: Bool[Tensor, "*S"]

    def to(self, device: torch.device | str) -> "Observations":
        """The same on another device."""
        return Observations(view=self.view.to(device), values=self.values.to(device), seen=self.seen.to(device))


def observe_item(
    item: Any,
    modality: Modality,
    *,
    resolution: int | None = None,
    points: int | None = None,
    region: tuple[float, ...] | None = None,
    mask: np.ndarray | None = None,
    seed: int = 0,
) -> Observations:
    """A decoded item on the grid of the training resolution, all of it or a part.

    Restrictions add up: a sample is seen where each of them lets it.

    Args:
        item: as the modality's source gives it.
        modality: knows how to look at it.
        resolution: another one, in samples on the shortest side.
        points: how many samples are seen, chosen by chance.
        region: lower corner, then upper corner, x first; of the coordinates, what lies inside is seen.
        mask: an array of the grid's shape that is not 0 where it is seen.
        seed: of the choice of points.

    Raises:
        DataError: the item is too coarse.
        ConfigError: a restriction that does not fit, or leaves nothing.

    Example:
        >>> observe_item(source[0], modality, points=100).seen.sum()
        tensor(100)
    """
    domain = modality.domain
    view = domain.grid(domain.shape(modality.resolution if resolution is None else resolution))
    if modality.item_spacing(item) > 1.001 * float(domain.finest(view).amin()):
        raise DataError(
            f"the item is coarser than the {view.shape} samples that are asked for; choose a lower --resolution "
            "(items are never upsampled)"
        )
    seen = torch.ones(view.shape, dtype=torch.bool)
    if mask is not None:
        if mask.shape != view.shape or mask.dtype.kind not in "biuf":
            raise ConfigError(f"the mask is {mask.dtype} of shape {mask.shape}; expected numbers of shape {view.shape}")
        seen &= torch.from_numpy(mask != 0)
    if region is not None:
        D = domain.coord_dim
        if len(region) != 2 * D or not all(a < b for a, b in zip(region[:D], region[D:], strict=True)):
            raise ConfigError(f"the region is {region}; expected {D} lower and {D} upper bounds")
        low, high = (view.coords.new_tensor(bound) for bound in (region[:D], region[D:]))
        seen &= ((view.coords[0] >= low) & (view.coords[0] <= high)).all(dim=-1).reshape(view.shape)
    if points is not None:
        left = seen.flatten().nonzero()[:, 0]
        if not 1 <= points <= len(left):
            raise ConfigError(f"{points} points were to be seen; expected 1 to {len(left)}, which there are")
        chosen = left[torch.randperm(len(left), generator=torch.Generator().manual_seed(seed))[:points]]
        seen = torch.zeros(view.count, dtype=torch.bool).index_fill_(0, chosen, True).reshape(view.shape)
    if not seen.any():
        raise ConfigError("nothing of the item is seen; widen --region or --mask")
    return Observations(view=view, values=modality.observe([item], view)[0], seen=seen)


def read_observations(path: str | Path, modality: Modality) -> Observations:
    """Scattered observations from an npz file: ``coords`` (N, D), ``values`` (N, C), perhaps ``spacing`` (N, D).

    The layout is that of ``inrgan render --density MAP --out FILE.npz``. Without a spacing, that of the training
    resolution is taken.

    Raises:
        DataError: unreadable, or arrays that do not fit.

    Example:
        >>> read_observations("stations.npz", modality).view.coords.shape
        torch.Size([1, 120, 3])
    """
    D, C = modality.domain.coord_dim, modality.signal_channels
    arrays = _arrays(Path(path))
    coords, values = arrays.get("coords"), arrays.get("values")
    if coords is None or values is None or coords.shape != (len(coords), D) or values.shape != (len(coords), C):
        shapes = {name: x.shape for name, x in arrays.items()}
        raise DataError(f"{path} holds {shapes}; expected coords (N, {D}) and values (N, {C})")
    for name, x in arrays.items():
        if x.dtype.kind not in "iuf" or not np.isfinite(x).all():
            raise DataError(f"{path} holds {x.dtype} that are not finite numbers in {name}; mend it")
    if np.abs(values).max() > 1 + 1e-5:
        raise DataError(f"{path} has values up to {np.abs(values).max():.4g}; expected -1 to 1. Rescale them")
    spacing: float | Tensor = modality.domain.spacing(modality.resolution)
    if "spacing" in arrays:
        if arrays["spacing"].shape != coords.shape or arrays["spacing"].min() < 0:
            raise DataError(f"{path} has a spacing of shape {arrays['spacing'].shape}; expected {coords.shape}, from 0")
        spacing = torch.from_numpy(arrays["spacing"].astype(np.float32))[None]
    view = scattered(torch.from_numpy(coords.astype(np.float32)), spacing=spacing)
    return Observations(
        view=view, values=torch.from_numpy(values.T.astype(np.float32)).clamp(-1, 1), seen=torch.ones(len(coords)) > 0
    )


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an npz file, of a bounded size, without running anything that it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename in ("coords.npy", "values.npy", "spacing.npy")]
            if sum(m.file_size for m in members) > _MOST_BYTES:
                raise DataError(f"{path} unpacks to over {_MOST_BYTES >> 20} MiB; expected observations of one signal")
            out = {}
            for member in members:
                with archive.open(member) as file:
                    data = file.read(_MOST_BYTES)
                out[member.filename[:-4]] = load_npy(f"{path}:{member.filename}", io.BytesIO(data).getvalue())
            return out
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"cannot read {path}: {error}; expected an npz file with coords and values") from None
