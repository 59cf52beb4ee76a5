"""The long-running mean of path lengths, towards which they are drawn."""

import math
from typing import Any, final

from inrgan._typing import Float, Tensor
from inrgan.losses import path_length_penalty

_KEPT = 0.99
"""Of the mean before, at every look at the lengths."""


@final
class PathLength:
    """Path-length regularisation in some of the steps.

    Args:
        strength: factor on the penalty; 0 for none.
        every: steps between penalties, which count that much more.

    Example:
        >>> path = PathLength(0.2, every=8)
        >>> path.due(0), path.loss(torch.ones(4)) is None  # the first look says what the mean is
        (True, True)
        >>> path.update(1.0)
        >>> path.loss(torch.full((4,), 1.5)).item()
        0.4

    Paper:
        Karras et al., Analyzing and improving the image quality of StyleGAN, 2020, section 3.2 and appendix B.
    """

    def __init__(self, strength: float, *, every: int):
        self.strength, self.every = strength, every
        self.mean: float | None = None

    def due(self, step: int) -> bool:
        """Whether a step of this number is one with a penalty."""
        return self.strength > 0 and step % self.every == 0

    def loss(self, lengths: Float[Tensor, "B"]) -> Float[Tensor, ""] | None:
        """What is added to the generator's loss; None before there is a mean."""
        if self.mean is None:
            return None
        return path_length_penalty(lengths, mean=self.mean) * (self.strength * self.every)

    def update(self, mean: float) -> None:
        """Take note of the mean length of a whole batch, unless it is not finite, as it would then stay."""
        if not math.isfinite(mean):
            return
        self.mean = mean if self.mean is None else _KEPT * self.mean + (1 - _KEPT) * mean

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run needs."""
        return {"mean": self.mean}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self.mean = None if state["mean"] is None else float(state["mean"])
