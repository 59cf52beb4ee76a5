"""The space in which critics compare functions: their numbers, at scale 1."""

from collections.abc import Sequence
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.discriminators import AbstractCritic, FlatWeightCritic, UnitWeightCritic
from inrgan.errors import ConfigError
from inrgan.inr import AbstractINR
from inrgan.inrs._source import InrSource
from inrgan.views import View, scattered

CRITICS = ("flat", "units")


@final
class NumberSpace:
    """Numbers of functions as differences from their mean over a data set, over a deviation for each group.

    A group is a layer, with its weights and biases, or all of w. Within a group, numbers keep their relative sizes, and
    all together have a second moment of 1.

    Args:
        source: the data set.

    Raises:
        ConfigError: fewer than two functions.

    Example:
        >>> space = NumberSpace(InrSource("inrs"))
        >>> space.seen(space.vectors[:4]).shape
        torch.Size([4, 1, 21635])
    """

    def __init__(self, source: InrSource):
        if len(source) < 2:
            raise ConfigError(f"{source.description} has {len(source)} function; critics need two or more")
        self._source, self.modality = source, source.settings.get("modality")
        self.modulations, self.vectors, self.inr = source.modulations, source.vectors, source.generator.inr
        layers = self.inr.layers
        self.groups = [self.vectors.shape[1]] if self.modulations else [s.outputs * (s.inputs + 1) for s in layers]
        self.mean = self.vectors.mean(dim=0)
        parts = (self.vectors - self.mean).split(self.groups, dim=1)
        self.deviations = [max(float(x.square().mean().sqrt()), 1e-8) for x in parts]
        self.scale = torch.cat([torch.full((n,), d) for n, d in zip(self.groups, self.deviations, strict=True)])

    @property
    def view(self) -> View:
        """Stands for "all of the function itself": as many points as there are numbers, nowhere."""
        return scattered(torch.linspace(-1, 1, len(self.mean))[None, :, None], spacing=0.0)

    def seen(self, vectors: Float[Tensor, "B T"]) -> Float[Tensor, "B 1 T"]:
        """Numbers as critics are shown them; differentiable."""
        return ((vectors - self.mean.to(vectors)) / self.scale.to(vectors))[:, None]

    def draw(self, step: int, *, batch: int, seed: int, positions: Sequence[int]) -> Float[Tensor, "B 1 T"]:
        """Functions of the data set for a step of a training, as critics are shown them; a function of the step alone.

        Args:
            step: number of the step.
            batch: functions in a step.
            seed: of the order.
            positions: which of them.
        """
        order = self._source.order(batch=batch, step=step, seed=seed)
        return self.seen(self.vectors[[order[p] for p in positions]])

    def critic(self, kind: str, *, width: int, features: int = 8, classes: int = 0) -> AbstractCritic:
        """A critic of functions.

        Args:
            kind: ``flat``, which takes numbers by their places; or ``units``, which does not mind how hidden units are
                ordered.
            width: of hidden layers.
            features: of ``units``.
            classes: number of labels.

        Raises:
            ConfigError: there is no such kind, or it does not suit modulations.
        """
        if kind not in CRITICS:
            raise ConfigError(f"unknown critic of weights {kind!r}; expected one of {', '.join(CRITICS)}")
        if kind == "flat":
            return FlatWeightCritic(self.groups, width=width, classes=classes)
        if self.modulations:
            raise ConfigError("modulations have no units that could change places; use the flat critic, or fit weights")
        sizes = [float(x.square().mean().sqrt()) for x in self.vectors.split(self.groups, dim=1)]
        return UnitWeightCritic(
            self.inr.units(), offset=self.mean / self.scale, features=features, width=width, classes=classes,
            scales=[d / max(s, 1e-8) for d, s in zip(self.deviations, sizes, strict=True)],
        )  # fmt: skip

    def check(self, inr: AbstractINR) -> None:
        """Refuse a backbone that the functions do not have.

        Raises:
            ConfigError: layers differ.
        """
        if tuple(inr.layers) != tuple(self.inr.layers):
            own, other = (_shape(x.layers) for x in (self.inr, inr))
            raise ConfigError(
                f"the functions have layers {own} and the generator {other}; convert the data with the same --preset, "
                "--backbone and resolution"
            )


def _shape(layers: Sequence) -> str:
    return " ".join(f"{s.name} {s.inputs}x{s.outputs}" for s in layers[:4]) + (" ..." if len(layers) > 4 else "")
