"""The loss ``weights``: generated functions against fitted ones, by their weights instead of their values."""

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.config import TrainConfig
from inrgan.discriminators import AbstractCritic
from inrgan.domains import AbstractDomain
from inrgan.errors import ConfigError
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.inr import flat
from inrgan.inrs.folder import described, is_described
from inrgan.inrs.source import InrSource, NumberSpace
from inrgan.losses import AbstractTerm, term_weight
from inrgan.sizes import CriticSizes, GeneratorSizes
from inrgan.views import View


def weights_term(config: TrainConfig) -> "WeightsTerm":
    """The term ``weights`` of a training.

    Args:
        config: Training configuration, with a folder of fitted functions.

    Raises:
        DataError: The folder is missing or damaged.
        ConfigError: It holds fewer than two functions.
    """
    assert config.inrs is not None, "the loss weights compares with fitted functions"
    space = NumberSpace(InrSource(config.inrs, modality=config.modality))
    return WeightsTerm(space, weight=term_weight(config.losses), kind=config.views.weight_critic)


@final
class WeightsTerm(AbstractTerm):
    """Generated functions against fitted ones, by their weights, or by w where modulations were fitted.

    Args:
        space: Space of the fitted functions.
        weight: Factor on the term's losses.
        kind: Kind of the critic: ``flat`` or ``units``.

    Example:
        >>> WeightsTerm(space).observe(G.field(w), w, space.view).shape
        torch.Size([4, 1, 21635])
    """

    name, critic, fixed, sees_signals = "weights", "weights", True, False

    def __init__(self, space: NumberSpace, *, weight: float = 1.0, kind: str = "flat"):
        self.space, self.weight, self.kind = space, weight, kind

    def strength(self, kimg: float) -> float:
        del kimg
        return self.weight

    def finest(self, domain: AbstractDomain) -> float:
        return domain.spacing(1)

    def views(
        self, domain: AbstractDomain, *, batch: int, generator: torch.Generator, resolution: int
    ) -> tuple[View, ...]:
        del domain, batch, generator, resolution
        return (self.space.view,)

    def own_reals(
        self, step: int, *, batch: int, seed: int, positions: Sequence[int]
    ) -> tuple[Float[Tensor, "B 1 T"], ...]:
        return (self.space.draw(step, batch=batch, seed=seed, positions=positions),)

    def observe(self, field: Field, w: Float[Tensor, "B W"], view: View) -> Float[Tensor, "B 1 T"]:
        del view
        return self.space.seen(w if self.space.modulations else flat(field.weights))

    def make_critic(self, sizes: CriticSizes) -> AbstractCritic:
        return self.space.critic(self.kind, width=sizes.max_width)

    def generator_rate_factor(self, sizes: GeneratorSizes) -> float:
        # The reduced rate of a mapping network is for training it together with a hypernetwork.
        return 1 / sizes.mapping_rate if self.space.modulations else 1.0

    def check(self, G: Any, config: TrainConfig, *, started_from: object) -> None:
        if not isinstance(G, Generator):
            raise ConfigError(f"a critic of weights needs functions of inrgan.Generator; got {type(G).__name__}")
        if not is_described(config.modality, self.space.modality):
            raise ConfigError(
                f"the functions in {config.inrs} were fitted as {self.space.modality}, and the training is of "
                f"{described(config.modality)}; use equal flags"
            )
        self.space.check(G.inr)
        if self.space.modulations and config.losses != ("weights",):
            raise ConfigError(
                f"the functions in {config.inrs} are modulations of one hypernetwork, which other losses would change; "
                "use the loss weights alone, or fit weights"
            )
        if self.space.modulations and started_from is None:
            raise ConfigError(
                f"the functions in {config.inrs} are modulations of the hypernetwork there; add --init-from "
                f"{config.inrs}/generator"
            )
