"""The run directory's files that show reals and fakes."""

import math
from pathlib import Path
from typing import Any

import torch

from inrgan._random import step_generator
from inrgan.config import TrainConfig
from inrgan.data import AbstractSource
from inrgan.training._reals import Reals

_POINTS = 1 << 16
"""Samples of one signal, at most."""
_COUNT = 32


@torch.no_grad()
def write_preview(
    folder: Path, config: TrainConfig, source: AbstractSource, *, ema: Any = None, kimg: float = 0.0
) -> list[Path]:
    """Write files that show what the averaged generator makes of fixed latents, or reals where there is none.

    Returns:
        The files, in all forms that the modality has.
    """
    modality = config.modality
    resolution = modality.resolution
    while math.prod(modality.domain.shape(resolution)) > _POINTS and resolution > 1:
        resolution //= 2  # a training on patches of large signals holds no whole one, and its pictures need not
    view = modality.domain.grid(modality.domain.shape(resolution))
    if ema is None:
        (values,), _ = Reals(source, modality, batch=_COUNT, seed=config.seed).draw(0, [view])
        name = "reals"
    else:
        rng = step_generator(config.seed, purpose="preview", step=0)
        device = ema.mapping.w_mean.device
        z = torch.randn(_COUNT, ema.z_dim, generator=rng).to(device)
        # Classes in turn, as seeds have them: the reals of a stream are gone by now.
        labels = torch.arange(_COUNT, device=device) % max(1, len(source.label_names)) if config.labels else None
        values = ema(z, labels)(view.to(device)).float().cpu()
        name = f"fakes-{kimg:09.3f}"
    files = [folder / f"{name}{suffix}" for suffix in modality.previews()]
    for file in files:
        modality.write(values, file)
    return files
