"""Which form of modulation bears the highest learning rate? Lower and lower rates, until a training is healthy."""

import math
from pathlib import Path
from typing import Any

from _benchmarks import stable_rate
from _study import TRIAL, Study

from inrgan import ImageModality

SECONDS, TRIES = 0.1, 2
"""What a step takes on an idle core, and how many whole trainings a search takes, for those that break end there: with
these, minutes decide the steps. The number of steps is a function of the minutes alone, so that all machines search
alike."""
MOST = 64
KINDS = {
    "1+M, demodulated": "demodulated", "1+M": "linear", "M": "plain", "1+tanh M": "tanh", "2 sigmoid M": "sigmoid",
}  # fmt: skip
SHAPES: dict[str, dict[str, Any]] = {"rank 4": {}, "rank 16": {"rank": 16}, "rank 4, deeper": {"deeper": 2}}
FREE = ", any step"
ARMS: dict[str, tuple[str, dict[str, Any]]] = {
    f"{kind}, {shape}{free}": (KINDS[kind], SHAPES[shape] | ({"largest_step": 0.0} if free else {}))
    for free in ("", FREE)
    for shape in SHAPES
    for kind in KINDS
}


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Halve rates until a training stays healthy, see ``benchmarks/stable_rate.py``."""
    del folder
    kind, changes = ARMS[arm]
    steps = max(stable_rate.LOOKS, int(60 * minutes / (SECONDS * TRIES)))
    usual = stable_rate.config_of(ImageModality(resolution=16), kind, seed=seed, device=device, **changes)
    best, made = 0, 0
    for multiple in (2**k for k in reversed(range(int(math.log2(MOST)) + 1 if minutes >= TRIAL else 1))):
        made += 1
        if stable_rate.tried(usual, multiple=multiple, steps=steps)["healthy"]:
            best = multiple
            break
    return {arm: {"multiple": best, "doublings": math.log2(best) if best else -1.0, "steps": steps, "tries": made}}


STUDY = Study(
    name="stability",
    question="Which form of modulation bears the highest learning rate?",
    arms=tuple(ARMS),
    share=3.0,
    measure=study,
    columns={
        "multiple": f"largest healthy multiple, at most {MOST}",
        "doublings": "in doublings",
        "tries": "trainings",
        "steps": "steps of each",
    },
    protocol=(
        f"Built-in shapes of 16 pixels, recipe `tiny`, learning rates of both networks halved from {MOST} times the "
        "recipe's 0.004 on until a training stays healthy: nothing was NaN or infinite; and, at nine looks, the "
        "critic's scores stay within ±1000, fakes differ by a twentieth of what reals do or more, and fewer than "
        "half of their values are saturated (`benchmarks/stable_rate.py`). 0 (−1 doublings): not even the recipe's "
        "rate. M is the low-rank pattern that multiplies the shared weights. Deeper: two more layers in each of "
        "three stages. Any step: without the limit on a step of a hundredth of a tensor, which is the default."
    ),
    compare=(
        *(
            (f"{kind}, {shape}{free}", f"{next(iter(KINDS))}, {shape}{free}")
            for free in ("", FREE)
            for shape in SHAPES
            for kind in list(KINDS)[1:]
        ),
        *((f"{kind}, {shape}{FREE}", f"{kind}, {shape}") for shape in SHAPES for kind in KINDS),
    ),
)
