"""The networks of a run, what they minimise, and what moves them."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import nn

from inrgan.checkpoint import load_generator, resolve
from inrgan.config import TrainConfig
from inrgan.generator import Generator
from inrgan.inrs import NumberSpace
from inrgan.losses import adversarial_loss
from inrgan.training._critics import critics, smallest
from inrgan.training._descent import Descent
from inrgan.training._diagnosis import refuse_broken
from inrgan.training._ema import frozen_copy, update_ema
from inrgan.training._ranks import Ranks
from inrgan.training._step import StepLosses


@final
class Players:
    """Generator, critics and averaged generator, equal in all processes, with their losses and optimisers.

    Initial weights are drawn from torch's global generator, seeded here; nothing else of a training draws from it.

    Args:
        config: of the run.
        labels: names of the classes; none where the generator has no condition.
        ranks: the processes.
        device: where the networks are.
        generator: another module to train in the place of ``inrgan.Generator``.
        init_from: a generator to start from: folder, run or Hub id.
        space: of the fitted functions that a critic of weights compares with.

    Raises:
        InrganError: sizes that do not fit together, or a checkpoint that cannot be read or does not fit.
    """

    def __init__(
        self, config: TrainConfig, *, labels: Sequence[str], ranks: Ranks, device: torch.device,
        generator: nn.Module | None, init_from: str | Path | None, space: NumberSpace | None = None,
    ):  # fmt: skip
        self.config, self.device = config, device
        generator_sizes, critic_sizes = config.sizes(classes=len(labels))
        torch.manual_seed(config.seed)
        G = generator if generator is not None else Generator(config.modality, labels=labels, sizes=generator_sizes)
        self.G: Any = G.to(device).train()
        self.D = critics(config, critic_sizes, space=space).to(device).train()
        if init_from is not None:
            described, tensors = load_generator(resolve(init_from))
            described.load_into(self.G, tensors)
        for network in (self.G, self.D):
            ranks.align(network)
        self.ema: Any = frozen_copy(self.G)
        self.losses = StepLosses(
            self.D, adversarial_loss(config.adversarial), gamma=config.gamma, every=config.penalty_every,
            autocast=self.autocast, backend="inductor" if config.compile else None,
        )  # fmt: skip
        # One pass over the weights instead of ten.
        fused = device.type in ("cpu", "cuda")
        generator_rate = config.generator_rate
        if space is not None and space.modulations:  # a mapping network that is all that learns need not hold back
            generator_rate /= generator_sizes.mapping_rate
        self.optimizer_G, self.optimizer_D = (
            torch.optim.Adam(network.parameters(), lr=rate, betas=config.betas, fused=fused)
            for network, rate in ((self.G, generator_rate), (self.D, config.critic_rate))
        )
        self.descent_G = Descent(self.optimizer_G, ranks=ranks, largest=config.max_update)
        self.descent_D = Descent(self.optimizer_D, ranks=ranks, largest=config.max_update)
        if config.compile:
            self.G.inr.compile_layers()

    @property
    def smallest(self) -> int:
        """Fewest samples along a side that the critic of wholes accepts; 1 where there is none."""
        return smallest(self.D)

    def parts(self) -> dict[str, Any]:
        """What a state holds of them, by name."""
        return {
            "G": self.G, "D": self.D, "ema": self.ema,
            "optimizer_G": self.optimizer_G, "optimizer_D": self.optimizer_D,
        }  # fmt: skip

    def moved(self) -> tuple[dict[str, nn.Module], dict[str, Descent]]:
        """The networks that are trained, and what moves them, by the names of both."""
        return {"G": self.G, "D": self.D}, {"G": self.descent_G, "D": self.descent_D}

    def average(self, *, step: int) -> None:
        """Move the averaged generator towards the one that has made so many steps."""
        config = self.config
        update_ema(
            self.ema, self.G, images=step * config.batch, batch=config.batch, half_life=round(config.ema_kimg * 1000)
        )

    def slow_down(self, rate: float) -> None:
        """Set the learning rates to a fraction of what they were at first."""
        for descent in (self.descent_G, self.descent_D):
            descent.slow_down(rate)

    def refuse_broken(self, *, advice: str) -> None:
        """Refuse to write weights that are not finite.

        Raises:
            NonFiniteError: with the first one's name.
        """
        networks = {"generator": self.G, "critic": self.D, "averaged generator": self.ema}
        refuse_broken(networks, advice=advice)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Where networks run."""
        if self.config.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return contextlib.nullcontext()

    def eager(self) -> contextlib.AbstractContextManager[Any]:
        """Where layers are listened to, so that what was compiled is not compiled again for it."""
        return torch.compiler.set_stance("force_eager") if self.config.compile else contextlib.nullcontext()
