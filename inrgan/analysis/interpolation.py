"""Where interpolations in latent space are abrupt, and which stage of the generator makes them so."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.analysis.intervals import Interval, bootstrap
from inrgan.analysis.stages import SPACES, STAGES, Stages
from inrgan.errors import ConfigError
from inrgan.inr import flat
from inrgan.interpolation import linear_path, slerp_path, uniform_pace
from inrgan.views import View

ABRUPT = 3.0
"""A path is abrupt if its fastest step is more than this many times its median step."""
MAX_SCORE = 1e6
"""Bound of jump scores, where the median is zero."""
_CHUNK = 16


def jump_score(speeds: Float[Tensor, "*P T"]) -> Float[Tensor, "*P"]:
    """Largest over median speed of each path: 1 at an even pace; 1 where nothing moves; at most 10⁶.

    A discontinuity is passed in one step however short the steps are: its score grows with their number, that of a
    smooth path does not.

    Example:
        >>> jump_score(torch.tensor([1.0, 1.0, 5.0])).item()
        5.0
    """
    largest, median = speeds.amax(dim=-1), speeds.median(dim=-1).values
    score = largest / torch.maximum(median, largest / MAX_SCORE)
    return torch.where(largest > 0, score, torch.ones_like(score))


@final
@dataclass(frozen=True, kw_only=True)
class SpeedProfile:
    """Speeds along one path: change per unit of the path's parameter, which goes from 0 to 1.

    Attributes:
        speeds: One row per space: z (where the path has one), w and θ by Euclidean distance, the signal by the root
            mean square over points and channels.
        chords: Straight distance between the path's ends in each space.
    """

    speeds: Float[Tensor, "K T"]
    chords: Float[Tensor, "K"]

    @property
    def lengths(self) -> Float[Tensor, "K"]:
        """Length of the path in each space."""
        return self.speeds.mean(dim=1)

    @property
    def gains(self) -> Float[Tensor, "J T"]:
        """Speed of each space over that of the one before it; NaN where the latter does not move."""
        before, after = self.speeds[:-1], self.speeds[1:]
        still = before <= before.amax(dim=1, keepdim=True) / MAX_SCORE
        return torch.where(still, torch.nan, after / before)

    @property
    def stage_jumps(self) -> Float[Tensor, "J"]:
        """Jump score of each stage's gain: what the stage itself adds, however the space before it moves."""
        return torch.stack([jump_score(g[g.isfinite()]) if g.isfinite().any() else g.new_ones(()) for g in self.gains])

    @property
    def excess(self) -> Float[Tensor, "J"]:
        """Gain of each stage over its median, at the step at which the signal moves fastest."""
        step = int(self.speeds[-1].argmax())
        ratio = self.gains[:, step] / self.gains.nanmedian(dim=1).values.clamp(min=1e-30)
        return ratio.nan_to_num(nan=1.0, posinf=MAX_SCORE).clamp(max=MAX_SCORE)


@torch.no_grad()
def measure_speed(
    stages: Stages, view: View, *, z: Float[Tensor, "N Z"] | None = None, w: Float[Tensor, "N W"] | None = None
) -> SpeedProfile:
    """Speeds along one path, given by its points at equal distances of the parameter.

    Args:
        stages: Stages of the generator.
        view: View at which signals are compared.
        z: Points of a path of latents.
        w: Points of a path of mapped latents, where ``z`` is None.

    Example:
        >>> measure_speed(stages, view, z=torch.randn(9, 64)).speeds.shape
        torch.Size([4, 8])
    """
    assert (z is None) != (w is None), "a path is one of latents or of mapped latents"
    mapped = stages.mapping(z) if z is not None else w
    assert mapped is not None
    ends: list[list[Tensor]] = [[], []]
    steps: list[list[Tensor]] = [[], []]
    last: list[Tensor] = []
    for part in mapped.split(_CHUNK):  # all weights of a path would be many
        weights = stages.weights(part)
        seen = [flat(weights).double(), stages.signal(weights, view).flatten(1).double()]
        for k, x in enumerate(seen):
            if not last:
                ends[k].append(x[0])
            joined = torch.cat([last[k], x]) if last else x
            steps[k].append(_size((joined[1:] - joined[:-1]), mean=k == 1))
        last = [x[-1:] for x in seen]
    changes = [torch.cat(s) for s in steps]
    chords = [_size(last[k] - ends[k][0], mean=k == 1)[0] for k in range(2)]
    for x in (mapped, *(() if z is None else (z,))):  # the spaces before, from the last to the first
        wide = x.double()
        changes.insert(0, _size(wide[1:] - wide[:-1], mean=False))
        chords.insert(0, _size(wide[-1:] - wide[:1], mean=False)[0])
    speeds = torch.stack([c.cpu() for c in changes])
    return SpeedProfile(speeds=speeds * speeds.shape[1], chords=torch.stack([c.cpu() for c in chords]))


def _size(x: Float[Tensor, "N F"], *, mean: bool) -> Float[Tensor, "N"]:
    return x.square().mean(dim=1).sqrt() if mean else x.norm(dim=1)


@final
@dataclass(frozen=True, kw_only=True)
class InterpolationStudy:
    """Speed profiles of many interpolations between latents, by three kinds of path.

    Attributes:
        arcs: Great circles between latents.
        lines: Straight lines between the mapped latents of the same ends.
        paced: Jump scores of the signal on those lines at uniform pace.
        protocol: Settings of the measurement.
    """

    arcs: Sequence[SpeedProfile]
    lines: Sequence[SpeedProfile]
    paced: Sequence[float]
    protocol: dict[str, Any]

    def jumps(self) -> dict[str, Interval]:
        """Median over arcs of the jump score of every space."""
        rows = np.stack([jump_score(p.speeds).numpy() for p in self.arcs])
        return {name: bootstrap(rows[:, k], statistic=np.median) for k, name in enumerate(SPACES)}

    def stage_jumps(self) -> dict[str, Interval]:
        """Median over arcs of the jump score of every stage's gain."""
        rows = np.stack([p.stage_jumps.numpy() for p in self.arcs])
        return {name: bootstrap(rows[:, k], statistic=np.median) for k, name in enumerate(STAGES)}

    def abrupt_stages(self) -> dict[str, float]:
        """Fraction of abrupt arcs at whose fastest step each stage had the largest gain over its median.

        Empty where no arc is abrupt.
        """
        largest = [int(p.excess.argmax()) for p in self.arcs if float(jump_score(p.speeds[-1])) > ABRUPT]
        return {name: largest.count(k) / len(largest) for k, name in enumerate(STAGES)} if largest else {}

    def jumps_by_path(self) -> dict[str, Interval]:
        """Median of the signal's jump score for every kind of path."""
        scores = {
            "arc in z": [float(jump_score(p.speeds[-1])) for p in self.arcs],
            "line in w": [float(jump_score(p.speeds[-1])) for p in self.lines],
            "line in w, uniform pace": list(self.paced),
        }
        return {name: bootstrap(values, statistic=np.median) for name, values in scores.items()}

    def detours(self) -> dict[str, Interval]:
        """Mean over arcs of path length over straight distance, in every space: 1 is straight."""
        rows = np.stack([(p.lengths / p.chords.clamp(min=1e-30)).numpy() for p in self.arcs])
        return {name: bootstrap(rows[:, k]) for k, name in enumerate(SPACES)}

    def lengths(self) -> dict[str, Interval]:
        """Mean over arcs of the path length in every space."""
        rows = np.stack([p.lengths.numpy() for p in self.arcs])
        return {name: bootstrap(rows[:, k]) for k, name in enumerate(SPACES)}

    @property
    def verdict(self) -> str:
        """One sentence."""
        signal, by_stage = self.jumps()["signal"], self.abrupt_stages()
        abrupt = float(np.mean([float(jump_score(p.speeds[-1])) > ABRUPT for p in self.arcs]))
        if not by_stage:
            return f"No path is abrupt: the signal's fastest step is {signal} times its median one."
        worst = max(by_stage, key=lambda name: by_stage[name])
        return (
            f"{abrupt:.0%} of the paths are abrupt (fastest step over {ABRUPT:g} times the median); of these "
            f"{by_stage[worst]:.0%} jump at {worst}."
        )

    def to_plain(self) -> dict[str, Any]:
        """A JSON object, with the profiles of all paths."""

        def table(values: dict[str, Interval]) -> dict[str, Any]:
            return {name: x.to_plain() for name, x in values.items()}

        return {
            "study": "interpolation",
            "protocol": self.protocol,
            "verdict": self.verdict,
            "jump_of_spaces": table(self.jumps()),
            "jump_of_stages": table(self.stage_jumps()),
            "fraction_of_abrupt_paths": self.abrupt_stages(),
            "signal_jump_by_path": table(self.jumps_by_path()),
            "length": table(self.lengths()),
            "length_over_distance": table(self.detours()),
            "arcs": [_speeds(p, SPACES) for p in self.arcs],
            "lines": [_speeds(p, SPACES[1:]) for p in self.lines],
        }


def _speeds(profile: SpeedProfile, names: Sequence[str]) -> dict[str, list[float]]:
    """Speeds, rounded to five digits."""
    return {name: [float(f"{x:.5g}") for x in row] for name, row in zip(names, profile.speeds.tolist(), strict=True)}


@torch.no_grad()
def study_interpolation(
    stages: Stages,
    view: View,
    *,
    ends: Float[Tensor, "P 2 Z"],
    steps: int = 64,
    after_path: Callable[[], object] = lambda: None,
) -> InterpolationStudy:
    """Interpolate between pairs of latents and measure the speed of every space.

    Args:
        stages: Stages of the generator.
        view: View at which signals are compared, see ``probe_view``.
        ends: First and last latent of each path.
        steps: Steps of each path, T.
        after_path: Called after every path.

    Raises:
        ConfigError: Fewer than two paths or four steps.

    Example:
        >>> study_interpolation(stages, view, ends=torch.randn(8, 2, 64)).jumps_by_path()["arc in z"].value
        1.3...
    """
    if len(ends) < 2 or steps < 4:
        raise ConfigError(f"{len(ends)} paths of {steps} steps are too few; expected 2 or more of 4 or more")
    arcs, lines, paced = [], [], []
    for pair in ends:
        arcs.append(measure_speed(stages, view, z=slerp_path(pair, steps=steps + 1)))
        line = linear_path(stages.mapping(pair), steps=steps + 1)
        lines.append(measure_speed(stages, view, w=line))
        even = uniform_pace(
            line, lambda w: partial(stages.signal, stages.weights(w)), view, steps=steps + 1,
            changes=lines[-1].speeds[-1] / steps,
        )  # fmt: skip
        paced.append(float(jump_score(measure_speed(stages, view, w=even).speeds[-1])))
        after_path()
    protocol = {"paths": len(ends), "steps": steps, "points": view.count, "abrupt_above": ABRUPT}
    return InterpolationStudy(arcs=arcs, lines=lines, paced=paced, protocol=protocol)
