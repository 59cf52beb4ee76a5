"""Settings of the fits of an INR dataset."""

import math
from dataclasses import dataclass
from typing import Literal

from inrgan.errors import ConfigError

Fit = Literal["weights", "modulations"]
Init = Literal["shared", "independent", "meta"]


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """Settings of the fits: the fitted numbers, their initialization, steps and rates.

    Raises:
        ConfigError: A number is out of range, or modulations of independent networks were requested.

    Example:
        >>> FitOptions(init="shared", steps=100).fit
        'weights'
    """

    fit: Fit = "weights"
    """weights: fit all weights of each function. modulations: fit one mapped latent w per item, from which the
    hypernetwork of one shared network makes the weights (functa: Dupont et al. 2022)."""
    init: Init = "meta"
    """Initialization. shared: one random network. independent: a random network per item. meta: one network
    meta-learned on many items."""
    steps: int = 300
    """Adam steps per item."""
    rate: float | None = None
    """Adam's learning rate for parameters of unit scale, with cosine decay to 0. Default: 0.01 for weights, 0.05 for
    modulations."""
    batch: int = 32
    """Items fitted at the same time."""
    prior: float = 1e-4
    """modulations: weight of the mean square of w, which keeps w in the distribution of mapped latents."""
    warm_rounds: int = 100
    """meta: rounds of meta-learning."""
    warm_steps: int = 16
    """meta: steps on one batch of items per round."""
    warm_rate: float = 0.005
    """meta with modulations: Adam's learning rate for the shared network."""
    seed: int = 0
    """Seed of every random draw."""

    def __post_init__(self):
        if self.fit not in ("weights", "modulations") or self.init not in ("shared", "independent", "meta"):
            raise ConfigError(
                f"fit is {self.fit!r} and init {self.init!r}; expected weights or modulations, and shared, independent "
                "or meta"
            )
        if self.fit == "modulations" and self.init == "independent":
            raise ConfigError(
                "modulations need one network that all items share, and init is independent; use meta or shared, or "
                "fit weights"
            )
        for name in ("steps", "batch", "warm_rounds", "warm_steps"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} of the fit is {getattr(self, name)}; expected 1 or more")
        for name, value in {"rate": self.learning_rate, "warm_rate": self.warm_rate}.items():
            if not 0 < value < math.inf:
                raise ConfigError(f"{name} of the fit is {value}; expected a positive number")
        if not 0 <= self.prior < math.inf or self.seed < 0:
            raise ConfigError(f"prior is {self.prior} and seed {self.seed}; expected numbers from 0 up")

    @property
    def learning_rate(self) -> float:
        """The rate given, or that of what is fitted."""
        if self.rate is not None:
            return self.rate
        return 0.01 if self.fit == "weights" else 0.05
