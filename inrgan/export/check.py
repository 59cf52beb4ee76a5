"""Agreement of an export with the fields of its generator, measured in onnxruntime."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.domains import Box, Surface
from inrgan.errors import ConfigError
from inrgan.export.runtime import ExportedField
from inrgan.field import Field
from inrgan.generator import Generator

BOUNDS = {"fp32": 1e-4, "fp16": 5e-3}
"""Largest difference of a value that an export may have, by precision; values are in (−1, 1)."""

_SEEDS = (0, 1, 2)
_TRUNCATION = 0.7
_POINTS = 128
_ZOOM = 2.0**-20


def measured_errors(G: Generator, sessions: Mapping[str, Any], description: dict[str, Any]) -> dict[str, float]:
    """Largest difference between an export and the generator's fields, by case.

    Args:
        G: Generator, on the CPU.
        sessions: Sessions of the graphs, by name.
        description: Content of ``export.json``.
    """
    z, labels = G.latents(_SEEDS), None
    given = {"z": z.numpy(), "truncation": np.full(1, _TRUNCATION, dtype=np.float32)}
    if G.labels:
        labels = torch.tensor([s % len(G.labels) for s in _SEEDS])
        given["label"] = labels.numpy()
    with torch.no_grad():
        w = G.mapping.truncate(G.mapping(z, labels), _TRUNCATION)
        (found,) = sessions["mapping"].run(["w"], given)
        field, exported = G.field(w), ExportedField(description, dict(sessions), w=found)
        domain, trained = G.modality.domain, np.array(description["spacing"])
        generator = torch.Generator().manual_seed(0)
        points = domain.sample(_POINTS, generator=generator, dtype=torch.float64)
        single = points.float().double()
        errors = {
            "points": _at_points(field, exported, points, trained),
            "points without a band limit": _at_points(field, exported, single, 0 * trained),
        }
        if not isinstance(domain, Surface):  # which has no outside
            errors["points outside the domain"] = _at_points(field, exported, 3 * points + 0.1, trained)
        if isinstance(domain, Box):
            D, lower, upper = domain.coord_dim, np.array(domain.lower), np.array(domain.upper)
            shape = [(7, 6, 5)[d] for d in range(D)]
            middle = lower + (upper - lower) * 0.4
            regions = {
                "grid": None,
                "grid beyond the domain": [*(lower - 0.1 * (upper - lower)), *(upper + 0.5 * (upper - lower))],
                "grid after a zoom of 2^20": [*middle, *(middle + (upper - lower) * _ZOOM)],
            }
            for name, region in regions.items():
                view = domain.grid(shape, region=region, dtype=torch.float64)
                assert view.axes is not None
                axes = [x[0].numpy() for x in view.axes]
                values = exported.grid(axes, spacing=view.spacing[0, 0].numpy())
                errors[name] = float(np.abs(values - field(view).numpy()).max())
    return {"w": float(np.abs(found - w.numpy()).max()), **errors}


def refuse(errors: Mapping[str, float], *, precision: str) -> None:
    """Check that an export agrees with its generator.

    Raises:
        ConfigError: A value differs by more than the bound of the precision, or is not finite.
    """
    bound = BOUNDS[precision]
    worst = max((name for name in errors if name != "w"), key=lambda name: (np.isnan(errors[name]), errors[name]))
    if not errors[worst] <= bound:
        raise ConfigError(
            f"the export differs from the generator by {errors[worst]:.2g} ({worst}); expected at most {bound:g} "
            f"in {precision}, and nothing was written"
        )


def _at_points(field: Field, exported: ExportedField, points: Float[Tensor, "N D"], spacing: np.ndarray) -> float:
    expected = field(points, spacing=torch.from_numpy(spacing)[None, None]).numpy()
    return float(np.abs(exported.points(points.numpy(), spacing=spacing) - expected).max())
