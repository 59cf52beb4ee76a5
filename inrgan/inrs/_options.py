"""How the items of a data set are fitted."""

import math
from dataclasses import dataclass
from typing import Literal

from inrgan.errors import ConfigError

Fit = Literal["weights", "modulations"]
Init = Literal["shared", "independent", "meta"]


@dataclass(frozen=True, kw_only=True)
class FitOptions:
    """What is fitted of a function, from where, and for how long.

    Raises:
        ConfigError: a number is out of range, or modulations of networks of their own were asked for.

    Example:
        >>> FitOptions(init="shared", steps=100).fit
        'weights'
    """

    fit: Fit = "weights"
    """weights: every weight of an item's function is its own. modulations: all items share a network, and each has a
    mapped latent w, from which the generator's hypernetwork makes its weights (functa: Dupont et al. 2022)."""
    init: Init = "meta"
    """Where fits begin. shared: at one random network. independent: every item at a random network of its own.
    meta: at one network that was first trained on many items for being a good beginning."""
    steps: int = 300
    """Of Adam, on each item."""
    rate: float | None = None
    """Adam's learning rate, of numbers at scale 1; it falls to 0 along half a cosine. 0.01 of weights and 0.05 of
    modulations when absent."""
    batch: int = 32
    """Items that are fitted at once."""
    prior: float = 1e-4
    """Of modulations: weight of the mean square of w, which keeps it where mapped latents are."""
    warm_rounds: int = 100
    """Of meta: how often the beginning is improved."""
    warm_steps: int = 16
    """Of meta: steps on a batch of items in each round."""
    warm_rate: float = 0.005
    """Of meta, where modulations are fitted: Adam's learning rate of the network that all share."""
    seed: int = 0
    """Of every chance."""

    def __post_init__(self):
        if self.fit not in ("weights", "modulations") or self.init not in ("shared", "independent", "meta"):
            raise ConfigError(
                f"fit is {self.fit!r} and init {self.init!r}; expected weights or modulations, and shared, independent "
                "or meta"
            )
        if self.fit == "modulations" and self.init == "independent":
            raise ConfigError(
                "modulations are of one network that all items share, and independent ones were asked for; use meta or "
                "shared, or fit weights"
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
