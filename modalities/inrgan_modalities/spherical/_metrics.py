"""Metrics that respect areas, poles and the date line."""

from collections.abc import Mapping

import torch

from inrgan.metrics import Comparison, Metric, Protocol
from inrgan_modalities.spherical._area_swd import area_sliced_wasserstein
from inrgan_modalities.spherical._cube import omnifid
from inrgan_modalities.spherical._grid_scores import (
    pole_score,
    row_shares,
    seam_score,
    zonal_mean_error,
    zonal_variance_error,
)
from inrgan_modalities.spherical._harmonics import angular_power, check_grid

DEFAULT_METRICS = (
    "swd", "spectrum", "frechet", "precision", "recall", "zonal-mean", "zonal-variance", "seam", "pole",
)  # fmt: skip
# -100 dB, as in inrgan.metrics.
_FLOOR = 1e-10


def spherical_metrics() -> Mapping[str, Metric]:
    """Metrics of spherical signals by name; "swd" and "spectrum" replace those of flat arrays.

    Example:
        >>> sorted(spherical_metrics())
        ['omnifid', 'pole', 'seam', 'spectrum', 'swd', 'zonal-mean', 'zonal-variance']
    """
    return {
        "swd": Metric("lower", _swd),
        "spectrum": Metric("lower", _spectrum),
        "zonal-mean": Metric("lower", _zonal_mean),
        "zonal-variance": Metric("lower", _zonal_variance),
        "seam": Metric("lower", _seam),
        "pole": Metric("lower", _pole),
        "omnifid": Metric("lower", omnifid),
    }


def _swd(run: Comparison) -> tuple[float, Protocol]:
    result = area_sliced_wasserstein(run.real, run.fake, generator=torch.Generator("cpu").manual_seed(run.seed))
    return result.mean, {
        "times": 1000,
        "patch": "7 tangent, uniform by area",
        "patches_per_item": 64,
        "projections": 128,
        "normalise": True,
        "levels_fine_to_coarse": " / ".join(f"{value:.4g}" for value in result.levels),
    }


def _spectrum(run: Comparison) -> tuple[float, Protocol]:
    real, fake = (10 * angular_power(values)[1:].clamp_min(_FLOOR).log10() for values in (run.real, run.fake))
    stated: Protocol = {"unit": "dB", "degrees": f"1 to {len(real)}", "error": "mean absolute"}
    return float((real - fake).abs().mean()), stated


def _zonal_mean(run: Comparison) -> tuple[float, Protocol]:
    shares = row_shares(run.real, run.view)
    return zonal_mean_error(run.real, run.fake, shares=shares), {"unit": "of values in [-1, 1]", "error": "rms by area"}


def _zonal_variance(run: Comparison) -> tuple[float, Protocol]:
    shares = row_shares(run.real, run.view)
    return zonal_variance_error(run.real, run.fake, shares=shares), {"relative_to": "variance of reals"}


def _seam(run: Comparison) -> tuple[float, Protocol]:
    shares = row_shares(run.real, run.view)
    return seam_score(run.fake, shares=shares), {
        "perfect": 1,
        "of_reals": round(seam_score(run.real, shares=shares), 4),
    }


def _pole(run: Comparison) -> tuple[float, Protocol]:
    check_grid(run.fake)
    return pole_score(run.fake), {"interior": "60 degrees", "of_reals": round(pole_score(run.real), 4)}
