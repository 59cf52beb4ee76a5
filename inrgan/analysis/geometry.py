"""Whether a generator represents where things are: linear probes, and motion as opposed to cross-fading."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.analysis.intervals import Interval
from inrgan.analysis.motion import Explained, measure_motion
from inrgan.analysis.probes import fit_quadratic, linear_probe, moments, r2_of, sketch
from inrgan.analysis.stages import SPACES, Stages
from inrgan.errors import ConfigError
from inrgan.views import View

READABLE = 0.5
"""Smallest R² on reals with which an exact factor is predicted from moments, so that it is probed."""
_CHUNK = 32


@final
@dataclass(frozen=True)
class Known:
    """Reals whose exact factors are known.

    Attributes:
        values: Values at the study's view.
        factors: Number of every real, by name of the factor.
    """

    values: Float[Tensor, "N C *S"]
    factors: Mapping[str, np.ndarray]


@final
@dataclass(frozen=True, kw_only=True)
class GeometryStudy:
    """What linear maps predict from the spaces of a generator, and how much of its interpolations is motion.

    Attributes:
        probes: R² on held-out samples, by factor and space.
        readable: R² with which moments of held-out reals predict an exact factor, by factor.
        motion: Explained change by method.
        protocol: Settings of the measurement.
    """

    probes: Mapping[str, Mapping[str, Interval]]
    readable: Mapping[str, Interval]
    motion: Mapping[str, Explained]
    protocol: dict[str, Any]

    @property
    def verdict(self) -> str:
        """One sentence."""
        means = {space: np.mean([max(0.0, row[space].value) for row in self.probes.values()]) for space in SPACES[:3]}
        read = ", ".join(f"{mean:.2f} from {space}" for space, mean in means.items())
        moved = self.motion["smooth displacement"].score()
        return (
            f"Linear maps predict factors of geometry and level with a mean R² of {read}; of the change along "
            f"interpolations, motion explains {moved} of what cross-fading leaves unexplained."
        )

    def to_plain(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "study": "geometry",
            "protocol": self.protocol,
            "verdict": self.verdict,
            "probes": {f: {s: x.to_plain() for s, x in row.items()} for f, row in self.probes.items()},
            "readable_on_reals": {name: x.to_plain() for name, x in self.readable.items()},
            "motion": {name: x.to_plain() for name, x in self.motion.items()},
        }


def study_geometry(
    stages: Stages,
    view: View,
    *,
    z: Float[Tensor, "N Z"],
    ends: Float[Tensor, "P 2 Z"],
    steps: int = 8,
    frames: View | None = None,
    iterations: int = 8,
    known: Known | None = None,
    seed: int = 0,
    after_path: Callable[[], object] = lambda: None,
) -> GeometryStudy:
    """Probe the spaces of a generator for factors of its signals, and measure the motion along interpolations.

    Factors are the moments of the generated signals, see ``moments``. Where reals with exact factors are given, a
    quadratic map from moments to each factor is fitted on three quarters of them and tested on the rest; factors that
    reach ``READABLE`` are predicted for the generated signals by it, and probed, too.

    Args:
        stages: Stages of the generator.
        view: View of the signals.
        z: Latents of the probes.
        ends: First and last latent of each path.
        steps: Steps of each path.
        frames: Grid of two axes for optical flow; None for no flow.
        iterations: Largest number of iterations of each search for a displacement.
        known: Reals with exact factors.
        seed: Seed of the choice of held-out samples.
        after_path: Called after every path.

    Raises:
        ConfigError: Too few samples, paths, steps or points.
        MissingDependency: scikit-learn or SciPy is not installed.

    Example:
        >>> study = study_geometry(stages, view, z=torch.randn(200, 64), ends=torch.randn(4, 2, 64))
        >>> sorted(study.motion)
        ['affine map', 'smooth displacement']
    """
    if len(ends) < 2 or steps < 2:
        raise ConfigError(f"{len(ends)} paths of {steps} steps are too few; expected 2 or more of 2 or more")
    spaces, found = _sampled(stages, view, z)
    readable = {}
    if known is not None:
        readable, exact = _predict_exact(known, found, view, seed=seed)
        found |= exact
    probes = {}
    for name, numbers in found.items():
        if numbers.std() > 1e-6 * max(1e-6, float(np.abs(numbers).max())):  # a constant is no factor
            probes[name] = {space: linear_probe(x, numbers, seed=seed) for space, x in spaces.items()}
    energies: dict[str, list[np.ndarray]] = {}
    for pair in ends:
        with torch.no_grad():
            w = stages.mapping(pair)
        for method, parts in measure_motion(
            stages, view, w=w, steps=steps, frames=frames, iterations=iterations
        ).items():
            energies.setdefault(method, []).append(parts.numpy())
        after_path()
    protocol = {
        "samples": len(z), "held_out": 0.25, "paths": len(ends), "steps": steps, "points": view.count,
        "weights_sketched_to": spaces["θ"].shape[1],
    }  # fmt: skip
    motion = {method: Explained(np.stack(rows)) for method, rows in energies.items()}
    return GeometryStudy(probes=probes, readable=readable, motion=motion, protocol=protocol)


@torch.no_grad()
def _sampled(stages: Stages, view: View, z: Tensor) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rows of every space, and moments of the signals."""
    rows: dict[str, list[Tensor]] = {space: [] for space in SPACES[:3]}
    factors: dict[str, list[Tensor]] = {}
    for part in z.split(_CHUNK):
        w = stages.mapping(part)
        weights = stages.weights(w)
        for space, x in zip(rows, (part, w, sketch(weights)), strict=True):
            rows[space].append(x.float().cpu())
        for name, x in moments(stages.signal(weights, view), view).items():
            factors.setdefault(name, []).append(x.cpu())
    spaces = {space: torch.cat(parts).numpy() for space, parts in rows.items()}
    return spaces, {name: torch.cat(parts).numpy() for name, parts in factors.items()}


def _predict_exact(
    known: Known, found: Mapping[str, np.ndarray], view: View, *, seed: int
) -> tuple[dict[str, Interval], dict[str, np.ndarray]]:
    """How well moments predict exact factors of reals, and the predictable factors of the generated signals."""
    real = moments(known.values.to(view.coords.device), view)
    features = np.stack([x.cpu().numpy() for x in real.values()], axis=1)
    fakes = np.stack([found[name] for name in real], axis=1)
    count = len(features)
    order = np.random.default_rng(seed).permutation(count)
    test, train = order[: count // 4], order[count // 4 :]
    readable, exact = {}, {}
    for name, truth in known.factors.items():
        predict = fit_quadratic(features[train], truth[train])
        pairs = np.stack([truth[test], truth[test] - predict(features[test])], axis=1)
        readable[name] = r2_of(pairs, seed=seed)
        if readable[name].value >= READABLE:
            exact[f"exact {name}"] = predict(fakes)
    return readable, exact
