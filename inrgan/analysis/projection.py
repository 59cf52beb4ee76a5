"""Inversion: the latent, and the function, nearest to a real signal that may be observed in part."""

import io
import math
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from inrgan.analysis.stages import Stages
from inrgan.capabilities import HasPartialObservations
from inrgan.errors import ConfigError, DataError, NonFiniteError
from inrgan.fitting import MAX_POINTS, FreeWeights, Latents, Targets, fit, psnr
from inrgan.images import load_npy
from inrgan.inr import LayerWeights, Weights
from inrgan.modality import Modality
from inrgan.tensors import TensorTree
from inrgan.views import View, scattered

_MAX_BYTES = 1 << 30
_RATE_W, _RATE_WEIGHTS = 0.05, 0.0005
_DRAWS = 256


@final
@dataclass(frozen=True, kw_only=True)
class Observations(TensorTree):
    """Values of one signal, and which of them may be used.

    Attributes:
        view: View of the samples.
        values: Values of the signal there.
        seen: Samples that a fit may use; the others measure how well the rest is predicted.
    """

    view: View
    values: Float[Tensor, "C *S"]
    seen: Bool[Tensor, "*S"]

    tensor_fields = ("view", "values", "seen")


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

    Restrictions add up: a sample is seen where each of them allows it, and where the item is known.

    Args:
        item: Decoded item of the modality's source.
        modality: Adapter that observes it.
        resolution: Another resolution, in samples on the shortest side.
        points: Number of samples that are seen, chosen randomly.
        region: Lower corner, then upper corner, x first; what lies inside is seen.
        mask: Array of the grid's shape; samples where it is not 0 are seen.
        seed: Seed of the choice of points.

    Raises:
        DataError: The item is too coarse.
        ConfigError: A restriction does not fit, or leaves nothing.

    Example:
        >>> observe_item(source[0], modality, points=100).seen.sum()
        tensor(100)
    """
    domain = modality.domain
    view = domain.grid(domain.shape(modality.resolution if resolution is None else resolution))
    if modality.item_spacing(item) > 1.001 * float(domain.finest(view).amin()):
        raise DataError(
            f"the item is coarser than the {view.shape} samples requested; choose a lower --resolution "
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
            raise ConfigError(f"{points} points were requested; expected 1 to {len(left)}, the number available")
        chosen = left[torch.randperm(len(left), generator=torch.Generator().manual_seed(seed))[:points]]
        seen = torch.zeros(view.count, dtype=torch.bool).index_fill_(0, chosen, True).reshape(view.shape)
    if isinstance(modality, HasPartialObservations):
        known = modality.observation_view([item], view)
        if known.weights is not None and known.shape == view.shape:
            seen &= known.weights[0].reshape(view.shape) > 0
    if not seen.any():
        raise ConfigError("no sample of the item is seen; widen --region or --mask")
    return Observations(view=view, values=modality.observe([item], view)[0], seen=seen)


def read_observations(path: str | Path, modality: Modality) -> Observations:
    """Scattered observations from an npz file: ``coords`` (N, D), ``values`` (N, C), optionally ``spacing`` (N, D).

    The layout is that of ``inrgan render --density MAP --out FILE.npz``. Without a spacing, that of the training
    resolution is used.

    Raises:
        DataError: The file is unreadable, or its arrays do not fit.

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
            raise DataError(f"{path} holds {x.dtype} values in {name} that are not finite numbers; fix the file")
    if np.abs(values).max() > 1 + 1e-5:
        raise DataError(f"{path} has values up to {np.abs(values).max():.4g}; expected -1 to 1. Rescale them")
    spacing: float | Tensor = modality.domain.spacing(modality.resolution)
    if "spacing" in arrays:
        if arrays["spacing"].shape != coords.shape or arrays["spacing"].min() < 0:
            raise DataError(
                f"{path} has a spacing of shape {arrays['spacing'].shape}; expected shape {coords.shape}, from 0 up"
            )
        spacing = torch.from_numpy(arrays["spacing"].astype(np.float32))[None]
    view = scattered(torch.from_numpy(coords.astype(np.float32)), spacing=spacing)
    return Observations(
        view=view, values=torch.from_numpy(values.T.astype(np.float32)).clamp(-1, 1), seen=torch.ones(len(coords)) > 0
    )


@final
@dataclass(frozen=True, kw_only=True)
class Projection:
    """Nearest latent and function to a signal.

    Attributes:
        w: Mapped latent.
        weights: Weights of the function, where they were tuned beyond what the generator makes of ``w``.
        errors: Mean squared error of the seen and of the hidden samples, after each stage of the fit.
        protocol: Settings of the fit.
    """

    w: Float[Tensor, "1 W"]
    weights: Weights | None
    errors: Mapping[str, Mapping[str, float]]
    protocol: dict[str, Any]

    def to_plain(self) -> dict[str, Any]:
        """A JSON object, with peak signal-to-noise ratios in dB (the peak is 2, from −1 to 1)."""
        errors = {
            stage: {k: v for name, mse in row.items() for k, v in ((f"mse_{name}", mse), (f"psnr_{name}", psnr(mse)))}
            for stage, row in self.errors.items()
        }
        return {"protocol": self.protocol, "errors": errors}


def project(
    stages: Stages,
    observed: Observations,
    *,
    steps: int = 300,
    tune: int = 0,
    prior: float = 1e-3,
    starts: int = 64,
    seed: int = 0,
    after_step: Callable[[], object] = lambda: None,
) -> Projection:
    """Find the mapped latent whose signal is nearest to the seen samples of a real one.

    The best of ``starts`` random latents is improved by Adam on v = (w − mean)/deviation, entry by entry, over 256
    random mapped latents. The loss is the mean squared error over the seen samples, by measure, plus ``prior`` times
    the mean of v², which keeps w in the distribution of mapped latents. (Karras et al. 2020, "Analyzing and improving",
    appendix D, for w; there with noise maps, which fields do not have.)

    Then ``tune`` steps improve the function itself: its weights θ are free, and the generator stays as it is. (Roich et
    al. 2022, "Pivotal tuning", which has to tune the generator.)

    Args:
        stages: Stages of the generator.
        observed: Observations of one signal.
        steps: Steps on the latent.
        tune: Steps on the weights; 0 to leave them.
        prior: Weight of the prior on the latent.
        starts: Number of random latents of which the best is the initial one.
        seed: Seed of every random draw.
        after_step: Called after every step.

    Raises:
        ConfigError: A number is out of range.
        NonFiniteError: The error became NaN or infinite.

    Example:
        >>> project(stages_of(G), observe_item(source[0], G.modality)).w.shape
        torch.Size([1, 128])
    """
    if steps < 0 or tune < 0 or starts < 1 or not 0 <= prior < math.inf:
        raise ConfigError(
            f"{steps} and {tune} steps from {starts} starts with a prior of {prior}; expected 0 or more steps, a start "
            "and a prior from 0"
        )
    targets = Targets(view=observed.view, values=observed.values[None], seen=observed.seen)
    draws = torch.randn(max(_DRAWS, starts), stages.z_dim, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        random = stages.mapping(draws.to(observed.values.device))
        mean, deviation = random.mean(dim=0), random.std(dim=0).clamp(min=1e-8)
        first = targets.at(0, seed=seed, purpose="project")
        scores = [float(first.errors(stages.signal(stages.weights(w[None]), first.view))) for w in random[:starts]]
    start = random[scores.index(min(scores))][None]

    latents = Latents(stages.weights, start=start, mean=mean, deviation=deviation, prior=prior)
    errors = {"start": _errors(stages, latents.weights(), targets)}
    fit(
        latents, targets, stages.signal, steps=steps, rate=_RATE_W, seed=seed, purpose="project", keep_best=True,
        after_step=after_step,
    )  # fmt: skip
    w = latents.w.detach()
    with torch.no_grad():
        weights = stages.weights(w)
    errors["w"] = _errors(stages, weights, targets)
    tuned = None
    if tune:
        free = FreeWeights([(x.weight, x.bias) for x in weights])
        fit(
            free, targets, stages.signal, steps=tune, rate=_RATE_WEIGHTS, seed=seed, purpose="project",
            first_step=steps, keep_best=True, after_step=after_step,
        )  # fmt: skip
        tuned = [LayerWeights(x.weight.detach(), x.bias.detach()) for x in free.weights()]
        errors["weights"] = _errors(stages, tuned, targets)
    protocol = {
        "samples": observed.view.count, "seen": int(observed.seen.sum()), "steps": steps, "tune": tune,
        "prior": prior, "starts": starts, "seed": seed,
    }  # fmt: skip
    return Projection(w=w, weights=tuned, errors=errors, protocol=protocol)


@torch.no_grad()
def _errors(stages: Stages, weights: Weights, targets: Targets) -> dict[str, float]:
    """Mean squared error over the seen samples, and over the hidden ones where there are any."""
    out = {}
    for name, indices in (("seen", targets.indices()), ("hidden", targets.indices(seen=False))):
        if len(indices):
            parts = [targets.take(part.to(targets.values.device)) for part in indices.split(MAX_POINTS)]
            total = sum(float(part.errors(stages.signal(weights, part.view))) * part.view.count for part in parts)
            out[name] = total / len(indices)
    if not all(math.isfinite(x) for x in out.values()):
        raise NonFiniteError(f"the error over {targets.view.count} samples is not finite; check the model")
    return out


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """Arrays of an npz file of bounded size, read without running anything that it holds."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [m for m in archive.infolist() if m.filename in ("coords.npy", "values.npy", "spacing.npy")]
            if sum(m.file_size for m in members) > _MAX_BYTES:
                raise DataError(f"{path} unpacks to over {_MAX_BYTES >> 20} MiB; expected observations of one signal")
            out = {}
            for member in members:
                with archive.open(member) as file:
                    data = file.read(_MAX_BYTES)
                out[member.filename[:-4]] = load_npy(f"{path}:{member.filename}", io.BytesIO(data).getvalue())
            return out
    except (OSError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"cannot read {path}: {error}; expected an npz file with coords and values") from None
