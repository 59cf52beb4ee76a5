"""How often reals and fakes are transformed: fixed, or as often as the critic's certainty asks for."""

from typing import Any, Literal, final

import torch

from inrgan._typing import Float, Tensor

_EVERY = 4
"""Steps between adjustments."""

_MOST = 0.85
"""Transformed more often than that, signals teach the generator the transforms."""


@final
class AugmentStrength:
    """The chance with which each transform is applied to each sample.

    Adaptive, it rises while the critic tells reals from fakes more surely than ``target`` and falls while it does less:
    p ± n / (1000 kimg) for n items. (Karras et al. 2020, "Training generative adversarial networks with limited data",
    sec. 3.1 and its rₜ; a relativistic critic's scores mean nothing alone, so that the sign is taken of differences.)

    Args:
        kind: ``none``, ``fixed`` at ``chance``, or ``adaptive`` from ``chance`` on.
        chance: 0 to 1.
        target: of the mean sign, 0 to 1.
        kimg: thousand items over which the chance goes from 0 to 1.

    Example:
        >>> strength = AugmentStrength("adaptive", chance=0.0, target=0.6, kimg=0.1)
        >>> for _ in range(4):
        ...     strength.update(torch.tensor(1.0), items=10)
        >>> strength.chance
        0.4
    """

    def __init__(
        self, kind: Literal["none", "fixed", "adaptive"], *, chance: float, target: float, kimg: float
    ):  # fmt: skip
        self.kind, self.target, self.kimg = kind, target, kimg
        self.chance = 0.0 if kind == "none" else chance
        self._signs: list[Tensor] = []
        self._items = 0

    def update(self, told_apart: Float[Tensor, ""], *, items: int) -> None:
        """Take note of one step of the critic, with so many reals."""
        if self.kind != "adaptive":
            return
        self._signs.append(told_apart)
        self._items += items
        if len(self._signs) < _EVERY:
            return
        sign = 1 if float(torch.stack(self._signs).mean()) > self.target else -1
        self.chance = min(_MOST, max(0.0, self.chance + sign * self._items / (1000 * self.kimg)))
        self._signs, self._items = [], 0

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"chance": self.chance, "signs": [float(s) for s in self._signs], "items": self._items}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.chance, self._items = float(state["chance"]), int(state["items"])
        self._signs = [torch.tensor(float(s)) for s in state["signs"]]
