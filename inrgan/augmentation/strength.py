"""The probability of augmentation: fixed, or adapted to how well the critic separates reals from fakes."""

from typing import Any, Literal, final

import torch

from inrgan._typing import Float, Tensor

_EVERY = 4
"""Steps between adjustments."""

_MOST = 0.85
"""Above this probability, transformed signals teach the generator the transforms."""


@final
class AugmentStrength:
    """The probability with which each transform is applied to each sample.

    Adaptive, it rises while the mean real/fake sign of the critic is above ``target`` and falls while it is below:
    p ± n / (1000 kimg) for n items. (Karras et al. 2020, "Training generative adversarial networks with limited data",
    sec. 3.1 and its rₜ; a relativistic critic's scores mean nothing alone, so that the sign is taken of differences.)

    Signs stay on the device until the step of an adjustment; the host then reads them at once, between two steps.

    Args:
        kind: ``none``, ``fixed`` at ``probability``, or ``adaptive`` from ``probability`` on.
        probability: Probability from 0 to 1.
        target: Target of the mean sign, from 0 to 1.
        kimg: Thousands of items in which the probability can go from 0 to 1.

    Example:
        >>> strength = AugmentStrength("adaptive", probability=0.0, target=0.6, kimg=0.1)
        >>> for _ in range(4):
        ...     strength.update(torch.tensor(1.0), items=10)
        >>> strength.probability
        0.4
    """

    def __init__(
        self, kind: Literal["none", "fixed", "adaptive"], *, probability: float, target: float, kimg: float
    ):  # fmt: skip
        self.kind, self.target, self.kimg = kind, target, kimg
        self.probability = 0.0 if kind == "none" else probability
        self._signs: list[Tensor] = []

    def update(self, real_fake_sign: Float[Tensor, ""], *, items: int) -> None:
        """Note the mean sign of a step of the critic, NaN where the step was skipped, and its number of reals."""
        if self.kind != "adaptive":
            return
        self._signs.append(real_fake_sign)
        if len(self._signs) < _EVERY:
            return
        signs = torch.stack(self._signs).cpu()
        signs, self._signs = signs[~signs.isnan()], []
        if len(signs) > 0:
            direction = 1 if float(signs.mean()) > self.target else -1
            changed = self.probability + direction * len(signs) * items / (1000 * self.kimg)
            self.probability = min(_MOST, max(0.0, changed))

    def state_dict(self) -> dict[str, Any]:
        """The state of an exact resume."""
        return {"probability": self.probability, "signs": [float(s) for s in self._signs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state; earlier versions say ``chance`` for the probability."""
        self.probability = float(state["probability"] if "probability" in state else state["chance"])
        self._signs = [torch.tensor(float(s)) for s in state["signs"]]
