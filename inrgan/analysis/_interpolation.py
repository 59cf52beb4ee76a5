"""Where walks through latent space jump, and which stage of the generator makes them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, final

import numpy as np
import torch

from inrgan._typing import Float, Tensor
from inrgan.analysis._intervals import Interval, bootstrap
from inrgan.analysis._speed import SpeedProfile, jump_score, measure_speed
from inrgan.analysis._stages import SPACES, STAGES, Stages
from inrgan.errors import ConfigError
from inrgan.interpolation import arc, uniform_pace, walk
from inrgan.views import View

ABRUPT = 3.0
"""A walk whose fastest step is more than so many times its median one is called abrupt."""


@final
@dataclass(frozen=True, kw_only=True)
class InterpolationStudy:
    """Speed profiles of many paths between latents, walked in three ways.

    Attributes:
        arcs: great circles between latents.
        lines: straight lines between the mapped latents of the same ends.
        paced: jump scores of the signal on those lines at uniform pace.
        protocol: how it was measured.
    """

    arcs: Sequence[SpeedProfile]
    lines: Sequence[SpeedProfile]
    paced: Sequence[float]
    protocol: dict[str, Any]

    def jumps(self) -> dict[str, Interval]:
        """Median over paths of the jump score of every space along arcs."""
        rows = np.stack([jump_score(p.speeds).numpy() for p in self.arcs])
        return {name: bootstrap(rows[:, k], statistic=np.median) for k, name in enumerate(SPACES)}

    def stage_jumps(self) -> dict[str, Interval]:
        """Median over paths of the jump score of every stage's gain along arcs."""
        rows = np.stack([p.stage_jumps.numpy() for p in self.arcs])
        return {name: bootstrap(rows[:, k], statistic=np.median) for k, name in enumerate(STAGES)}

    def blame(self) -> dict[str, float]:
        """Share of abrupt arcs at whose fastest step each stage had the largest gain over its own median.

        Empty where no arc is abrupt.
        """
        culprits = [int(p.excess.argmax()) for p in self.arcs if float(jump_score(p.speeds[-1])) > ABRUPT]
        return {name: culprits.count(k) / len(culprits) for k, name in enumerate(STAGES)} if culprits else {}

    def walks(self) -> dict[str, Interval]:
        """Median over paths of the signal's jump score, by how they are walked."""
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
        signal, blame = self.jumps()["signal"], self.blame()
        abrupt = float(np.mean([float(jump_score(p.speeds[-1])) > ABRUPT for p in self.arcs]))
        if not blame:
            return f"No walk is abrupt: the signal's fastest step is {signal} times its median one."
        worst = max(blame, key=lambda name: blame[name])
        return (
            f"{abrupt:.0%} of the walks are abrupt (fastest step over {ABRUPT:g} times the median); of these "
            f"{blame[worst]:.0%} jump at {worst}."
        )

    def to_plain(self) -> dict[str, Any]:
        """As a JSON object, with the profiles of all paths."""

        def table(values: dict[str, Interval]) -> dict[str, Any]:
            return {name: x.to_plain() for name, x in values.items()}

        return {
            "study": "interpolation",
            "protocol": self.protocol,
            "verdict": self.verdict,
            "jump_of_spaces": table(self.jumps()),
            "jump_of_stages": table(self.stage_jumps()),
            "blamed_share_of_abrupt_walks": self.blame(),
            "signal_jump_by_walk": table(self.walks()),
            "length": table(self.lengths()),
            "length_over_distance": table(self.detours()),
            "arcs": [_speeds(p, SPACES) for p in self.arcs],
            "lines": [_speeds(p, SPACES[1:]) for p in self.lines],
        }


def _speeds(profile: SpeedProfile, names: Sequence[str]) -> dict[str, list[float]]:
    """Rounded to what can be told apart."""
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
    """Walk between pairs of latents and measure how fast everything changes.

    Args:
        stages: the generator.
        view: where signals are compared, see ``probe_view``.
        ends: first and last latent of each path.
        steps: T, of each path.
        after_path: called when a path is done.

    Raises:
        ConfigError: fewer than two paths or four steps.

    Example:
        >>> study_interpolation(stages, view, ends=torch.randn(8, 2, 64)).walks()["arc in z"].value
        1.3...
    """
    if len(ends) < 2 or steps < 4:
        raise ConfigError(f"{len(ends)} paths of {steps} steps say nothing; expected 2 or more of 4 or more")
    arcs, lines, paced = [], [], []
    for pair in ends:
        arcs.append(measure_speed(stages, view, z=arc(pair, steps=steps + 1)))
        line = walk(stages.mapping(pair), steps=steps + 1)
        lines.append(measure_speed(stages, view, w=line))
        even = uniform_pace(line, lambda w: partial(stages.signal, stages.weights(w)), view, steps=steps + 1)
        paced.append(float(jump_score(measure_speed(stages, view, w=even).speeds[-1])))
        after_path()
    protocol = {"paths": len(ends), "steps": steps, "points": view.count, "abrupt_above": ABRUPT}
    return InterpolationStudy(arcs=arcs, lines=lines, paced=paced, protocol=protocol)
