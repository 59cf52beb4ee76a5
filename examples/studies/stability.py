"""Which form of modulation bears the highest learning rate? Lower and lower rates, until a training is healthy."""

import math
from pathlib import Path
from typing import Any

from _benchmarks import stable_rate
from _study import TRIAL, Study

from inrgan import ImageModality, TrainConfig

SECONDS, TRIES = 0.1, 4
"""Seconds of a step on an idle core, and number of full trainings in both searches (those that diverge stop early).
With these, minutes decide the steps, so that all machines search alike."""
MOST = 64
KINDS = {
    "1+M, demodulated": "demodulated", "1+M": "linear", "M": "plain", "1+tanh M": "tanh", "2 sigmoid M": "sigmoid",
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {"rank 4": {}, "rank 16": {"rank": 16}, "rank 4, deeper": {"deeper": 2}}
ARMS = {f"{kind}, {shape}": (KINDS[kind], SHAPES[shape]) for shape in SHAPES for kind in KINDS}
LIMITS = {"limited": None, "free": 0.0}
"""Update clipping: the recipe's, and none."""


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Halve rates until a training stays healthy, with update clipping and without."""
    del folder
    steps = max(stable_rate.CHECKS, int(60 * minutes / (SECONDS * TRIES)))
    most = MOST if minutes >= TRIAL else 1
    found = {
        name: highest(config_of(arm, limit=limit, seed=seed, device=device), most=most, steps=steps)
        for name, limit in LIMITS.items()
    }
    return {arm: {**found, "steps": steps}}


def config_of(arm: str, *, limit: float | None, seed: int = 0, device: str = "cpu") -> TrainConfig:
    """A training at the recipe's own rates."""
    kind, changes = ARMS[arm]
    modality = ImageModality(resolution=16)
    return stable_rate.config_of(modality, kind, seed=seed, device=device, max_update=limit, **changes)


def highest(usual: TrainConfig, *, most: int, steps: int) -> int:
    """The largest multiple of the rates, from the given one on downwards, that stays healthy; 0 for not even 1."""
    multiples = [2**k for k in reversed(range(int(math.log2(most)) + 1))]
    tries = (m for m in multiples if stable_rate.tried(usual, multiple=m, steps=steps)["healthy"])
    return next(tries, 0)


STUDY = Study(
    name="stability",
    question="Which form of modulation bears the highest learning rate?",
    arms=tuple(ARMS),
    share=3.0,
    measure=study,
    columns={"limited": "with update clipping", "free": "without", "steps": "steps of a training"},
    protocol=(
        f"Built-in shapes of 16 pixels, recipe `tiny`: the largest multiple, at most {MOST}, of the recipe's learning "
        "rates (0.004, both networks) at which a training stays healthy, from above by halves: nothing was NaN or "
        "infinite; and, at nine checks from a fifth of the steps on, the critic's scores stay within ±1000, fakes "
        "differ by a twentieth of what reals do or more, and fewer than half of their values are "
        "saturated (`benchmarks/stable_rate.py`). 0: not even the recipe's rates. M is the low-rank pattern that "
        "multiplies the shared weights. Deeper: two more layers in each of three stages. Updates are clipped "
        "at a hundredth of a tensor, the default."
    ),
)
