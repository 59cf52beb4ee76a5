"""Everything that decides a training run."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from inrgan._plain import from_plain, to_plain
from inrgan._sizes import CriticSizes, GeneratorSizes, critic_preset
from inrgan.capabilities import HasTransforms
from inrgan.data import reaches_out
from inrgan.errors import ConfigError
from inrgan.losses import LossOptions, check_names
from inrgan.modality import Modality


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A training run; two runs with equal configurations are equal bit for bit on a CPU.

    Raises:
        ConfigError: a number is out of range.

    Example:
        >>> TrainConfig(modality=ImageModality(resolution=32), preset="tiny", kimg=10).batch
        32
    """

    modality: Modality
    """The adapter, with its resolution."""
    data: str | None = None
    """Folder, zip, shards, or a stream of shards; None for the built-in synthetic set."""
    labels: bool = False
    """Condition on a class: the sub-folder that an item lies in, unless there is a pattern."""
    label_pattern: str = ""
    """With labels: where the class stands in a file's name instead, such as {label}_*."""
    hold_out: float = 0.0
    """Share of the items that is kept for scores, chosen by the hashes of their names; see ``inrgan.data.split``."""
    preset: str = "tiny"
    """tiny, base or large: decides the sizes that are not given."""
    generator: GeneratorSizes | None = None
    """Generator sizes instead of the preset's."""
    critic: CriticSizes | None = None
    """Critic sizes instead of the preset's."""
    kimg: float = 25_000.0
    """Length of the training, in thousands of reals shown to the critic."""
    batch: int = 32
    """Items per step."""
    seed: int = 0
    """Decides the initial weights and every random draw."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where to train; auto takes a GPU where there is one."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs the networks under autocast; weights, optimisers and penalties stay in fp32."""
    losses: tuple[str, ...] = ("full",)
    """Terms: full, random-resolution, variable-density, points, dense-patch, weights."""
    inrs: str | None = None
    """Folder of fitted functions (``inrgan.inrs``) that the term weights compares with."""
    views: LossOptions = field(default_factory=LossOptions)
    """From where the terms look."""
    adversarial: Literal["relativistic", "non-saturating"] = "relativistic"
    """relativistic is penalised at reals and fakes (R1 and R2), non-saturating at reals (R1)."""
    gamma: float = 1e-4
    """Strength of the gradient penalties, per unit of the critic's functional derivative."""
    penalty_every: int = 4
    """Steps between penalties; they count that much more."""
    path_length: float = 0.0
    """Strength of the path-length regularisation of the generator; 0 for none."""
    path_every: int = 8
    """Steps between its penalties; they count that much more."""
    generator_rate: float = 2e-3
    """Adam's learning rate for the generator."""
    critic_rate: float = 2e-3
    """Adam's learning rate for the critic."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Adam's decay rates."""
    largest_step: float = 0.01
    """How far a step may move a tensor of weights, as a share of their root mean square; 0 for no limit."""
    ema_kimg: float = 10.0
    """Half-life of the averaged generator, in thousands of images."""
    snapshot_kimg: float = 200.0
    """Between snapshots of the averaged generator and pictures of it."""
    augment: Literal["none", "fixed", "adaptive"] = "none"
    """Transform reals and fakes by the modality's transforms: for small data sets."""
    augment_p: float = 0.0
    """Chance of every transform: fixed, or where adaptive starts."""
    augment_target: float = 0.6
    """Adaptive: how surely the critic should tell reals from fakes, 0 by chance and 1 without an error."""
    augment_kimg: float = 100.0
    """Adaptive: thousand items over which the chance may go from 0 to 1."""
    compile: bool = False
    """Compile generator, critic and gradient penalties with torch.compile."""
    batch_gpu: int = 0
    """Items that a process works on at once; it adds up the gradients of several pieces of the batch. 0 for all of its
    items."""
    ahead: int | None = None
    """Steps whose data a thread prepares while another one is computed; 2 with a GPU and 0 without where None."""
    watch_every: int = 100
    """Steps between looks at every layer's activations and gradients; 0 for none."""

    def __post_init__(self):
        positive = {
            "kimg": self.kimg, "batch": self.batch, "penalty_every": self.penalty_every, "ema_kimg": self.ema_kimg,
            "generator_rate": self.generator_rate, "critic_rate": self.critic_rate, "snapshot_kimg": self.snapshot_kimg,
            "augment_kimg": self.augment_kimg, "path_every": self.path_every,
        }  # fmt: skip
        for name, value in positive.items():
            if not 0 < value < float("inf"):
                raise ConfigError(f"{name} is {value}; expected a positive number")
        counted = {"gamma": self.gamma, "seed": self.seed, "batch_gpu": self.batch_gpu, "ahead": self.ahead or 0,
                   "watch_every": self.watch_every, "largest_step": self.largest_step,
                   "path_length": self.path_length}  # fmt: skip
        for name, value in counted.items():
            if not 0 <= value < float("inf"):
                raise ConfigError(f"{name} is {value}; expected 0 or more")
        check_names(self.losses)
        if self.path_length and self.losses == ("weights",):
            raise ConfigError(
                f"path_length is {self.path_length} with the loss weights alone, which looks at no signals; take it "
                "beside another loss"
            )
        if ("weights" in self.losses) != (self.inrs is not None):
            raise ConfigError(
                f"the losses are {', '.join(self.losses)} and inrs is {self.inrs}; the loss weights compares with a "
                "folder of functions, which inrgan convert --to inrs makes: give both, or neither"
            )
        if self.inrs is not None and self.labels:
            raise ConfigError("fitted functions have no labels; leave out --labels, or the loss weights")
        if not 0 <= self.hold_out < 1:
            raise ConfigError(f"the share of items to hold out is {self.hold_out}; expected 0 or more, and below 1")

        if not 0 <= self.augment_p <= 1 or not 0 <= self.augment_target <= 1:
            raise ConfigError(
                f"augment_p is {self.augment_p} and augment_target {self.augment_target}; expected numbers from 0 to 1"
            )
        known = self.modality.transforms() if isinstance(self.modality, HasTransforms) else ()
        if self.augment != "none" and not known:
            raise ConfigError(f"augment is {self.augment}, and {self.modality.name} has no transforms; use none")

    @property
    def looks(self) -> LossOptions:
        """From where the terms look, with the modality's sizes where none are given."""
        own = {name: n for name, n in self.modality.view_sizes().items() if getattr(self.views, name) == 0}
        return dataclasses.replace(self.views, **own)

    def sizes(self, *, classes: int) -> tuple[GeneratorSizes, CriticSizes]:
        """The sizes given, or the preset's."""
        generator = self.generator or self.modality.generator_sizes(self.preset)
        critic = self.critic or critic_preset(self.preset)
        return dataclasses.replace(generator, classes=classes), dataclasses.replace(critic, classes=classes)

    def to_json(self) -> dict[str, Any]:
        """Plain types only; the modality by name and arguments."""
        plain = to_plain(self)
        plain["modality"] = {"name": self.modality.name, "arguments": self.modality.arguments()}
        plain["generator"] = None if self.generator is None else to_plain(self.generator)
        plain["views"] = to_plain(self.views)
        plain["critic"] = None if self.critic is None else to_plain(self.critic)
        return plain

    @staticmethod
    def from_json(data: dict[str, Any], *, modality: Modality, given: str | None = None) -> "TrainConfig":
        """The inverse of ``to_json``, given the rebuilt adapter.

        Data that run a command or ask another machine are taken from their user alone, never from a file.

        Args:
            data: what was read.
            modality: the adapter.
            given: where the data are, by the user's own word; None for where the file says.

        Raises:
            ConfigError: an entry is unknown or has the wrong type, or the file names a command or an address.
        """
        values = {**data, "modality": modality}
        if given is not None:
            values["data"] = given
        elif isinstance(values.get("data"), str) and reaches_out(values["data"]):
            raise ConfigError(
                f"the run's configuration asks to read its data by {values['data']!r}, and no file may start a command "
                "or ask another machine by itself; if that is what you want, say so yourself: --data and the same words"
            )
        if values.get("generator") is not None:
            values["generator"] = from_plain(GeneratorSizes, values["generator"], what="the run's generator")
        if values.get("critic") is not None:
            values["critic"] = from_plain(CriticSizes, values["critic"], what="the run's critic")
        values["views"] = from_plain(LossOptions, values.get("views", {}), what="the run's views")
        return from_plain(TrainConfig, values, what="the run's configuration")
