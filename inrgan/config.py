"""Training configuration.

The command line parses ``TrainConfig`` itself: fields are the flags of ``inrgan train``, and their docstrings the help.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from inrgan._parsing import from_plain, to_plain
from inrgan.capabilities import HasTransforms
from inrgan.data import reaches_out
from inrgan.errors import ConfigError
from inrgan.losses import LossOptions, check_names
from inrgan.modality import Modality
from inrgan.sizes import CriticSizes, GeneratorSizes, Preset, critic_preset, current_sizes


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Training configuration; runs with equal configurations are equal bit for bit on a CPU.

    Raises:
        ConfigError: A number is out of range.

    Example:
        >>> TrainConfig(modality=ImageModality(resolution=32), preset="tiny", kimg=10).batch
        32
    """

    modality: Modality
    """Adapter of the kind of signal, with its training resolution."""
    data: str | None = None
    """Folder, zip or tar shards of files, or a stream of shards: stream:PATH, https://... or pipe:COMMAND. Default: the
    built-in synthetic set."""
    follow_links: bool = False
    """Follow links in the data to folders, and to files outside."""
    labels: bool | str = False
    """Train a class-conditional generator. The class of an item is its sub-folder, or with a pattern such as
    "{label}_*" a part of its file name."""
    hold_out: float = 0.0
    """Fraction of the items to hold out of training, chosen by hashes of their names. Use the same value in evaluate to
    score against them."""
    preset: Preset = "tiny"
    """Network sizes, and default values of batch, length, gamma and learning rates."""
    generator: GeneratorSizes | None = None
    """Generator sizes instead of the preset's."""
    critic: CriticSizes | None = None
    """Critic sizes instead of the preset's."""
    kimg: float = 25_000.0
    """Length of the training, in thousands of real items shown to the critic."""
    batch: int = 32
    """Items per step, over all processes."""
    batch_gpu: int = 0
    """Items that one process handles at a time; smaller values need less memory and train the same. 0 for all of its
    items."""
    seed: int = 0
    """Seed of the initial weights and of every random draw."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to train on; auto takes an NVIDIA GPU if there is one. mps is the GPU of a Mac, in single precision."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs the networks under autocast; weights, optimizers and penalties stay in fp32."""
    losses: tuple[str, ...] = ("full",)
    """Loss terms: full, random-resolution, variable-density, points, dense-patch, weights."""
    inrs: str | None = None
    """Folder of fitted functions from inrgan convert, for the loss weights."""
    views: LossOptions = field(default_factory=LossOptions)
    """View options of the losses."""
    adversarial: Literal["relativistic", "non-saturating"] = "relativistic"
    """Adversarial loss: relativistic with penalties at reals and fakes (R1 and R2), or non-saturating with a penalty at
    reals (R1)."""
    gamma: float = 1e-4
    """Strength of the gradient penalties, per unit of the critic's functional derivative."""
    penalty_every: int = 4
    """Steps between gradient penalties; each is weighted by this number."""
    path_length: float = 0.0
    """Strength of the generator's path-length regularization, for even interpolations; 0 for none."""
    path_every: int = 8
    """Steps between path-length penalties; each is weighted by this number."""
    generator_rate: float = 2e-3
    """Adam's learning rate for the generator."""
    critic_rate: float = 2e-3
    """Adam's learning rate for the critic."""
    betas: tuple[float, float] = (0.0, 0.99)
    """Adam's decay rates."""
    max_update: float = 0.01
    """Largest update of a weight tensor in one step, relative to its root mean square; 0 for no limit."""
    ema_kimg: float = 10.0
    """Half-life of the averaged generator, in thousands of items."""
    snapshot_kimg: float = 200.0
    """Thousands of items between snapshots of the averaged generator with their previews."""
    augment: Literal["none", "fixed", "adaptive"] = "none"
    """Randomly transform reals and fakes, for small data sets. adaptive adjusts the probability during training."""
    augment_p: float = 0.0
    """Probability of each transform, or its initial value with adaptive."""
    augment_target: float = 0.6
    """Adaptive augmentation: target of the critic's real/fake sign, from 0 (random guess) to 1 (no error)."""
    augment_kimg: float = 100.0
    """Adaptive augmentation: thousands of items in which the probability can go from 0 to 1."""
    tf32: bool = True
    """fp32 products on a GPU with the inputs rounded to TF32, several times as fast; penalties as well."""
    graphs: Literal["auto", "on", "off"] = "auto"
    """Capture training steps as CUDA graphs, each launched as one. auto: for one process on a GPU, without compile;
    steps that cannot be captured run eagerly. on: a step that cannot be captured is an error."""
    compile: bool = False
    """Compile generator, critic and gradient penalties with torch.compile."""
    ahead: int | None = None
    """Steps whose data are prepared in advance, while others train. Default: 2 with a GPU, otherwise 0."""
    workers: int | None = None
    """Threads of a process that decode and resample data. Default: the cores that it may use, with a GPU all but
    one."""
    watch_every: int = 100
    """Steps between records of every layer's activations and gradients; 0 for none."""

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
                   "watch_every": self.watch_every, "max_update": self.max_update,
                   "path_length": self.path_length}  # fmt: skip
        if self.workers is not None and self.workers < 1:
            raise ConfigError(f"workers is {self.workers}; expected 1 or more threads")
        for name, value in counted.items():
            if not 0 <= value < float("inf"):
                raise ConfigError(f"{name} is {value}; expected 0 or more")
        check_names(self.losses)
        if self.path_length and self.losses == ("weights",):
            raise ConfigError(
                f"path_length is {self.path_length} with the loss weights alone, which has no signals; add another loss"
            )
        if ("weights" in self.losses) != (self.inrs is not None):
            raise ConfigError(
                f"the losses are {', '.join(self.losses)} and inrs is {self.inrs}; the loss weights needs fitted "
                "functions, made by inrgan convert --to inrs: give both, or neither"
            )
        if self.inrs is not None and self.labels:
            raise ConfigError("fitted functions have no labels; leave out --labels, or the loss weights")
        if not 0 <= self.hold_out < 1:
            raise ConfigError(f"the fraction of items to hold out is {self.hold_out}; expected 0 or more, and below 1")

        if not 0 <= self.augment_p <= 1 or not 0 <= self.augment_target <= 1:
            raise ConfigError(
                f"augment_p is {self.augment_p} and augment_target {self.augment_target}; expected numbers from 0 to 1"
            )
        known = self.modality.transforms() if isinstance(self.modality, HasTransforms) else ()
        if self.augment != "none" and not known:
            raise ConfigError(f"augment is {self.augment}, and {self.modality.name} has no transforms; use none")

    @property
    def view_options(self) -> LossOptions:
        """View options of the losses, with the modality's sizes where none are given."""
        sizes = {name: n for name, n in self.modality.view_sizes().items() if getattr(self.views, name) == 0}
        return dataclasses.replace(self.views, **sizes)

    def sizes(self, *, classes: int) -> tuple[GeneratorSizes, CriticSizes]:
        """Sizes of generator and critic: those given, or the preset's."""
        generator = self.generator or self.modality.generator_sizes(self.preset)
        critic = self.critic or critic_preset(self.preset)
        return dataclasses.replace(generator, classes=classes), dataclasses.replace(critic, classes=classes)

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the modality as its name and arguments."""
        plain = to_plain(self)
        plain["modality"] = {"name": self.modality.name, "arguments": self.modality.arguments()}
        plain["generator"] = None if self.generator is None else to_plain(self.generator)
        plain["views"] = to_plain(self.views)
        plain["critic"] = None if self.critic is None else to_plain(self.critic)
        return plain

    @staticmethod
    def from_json(data: dict[str, Any], *, modality: Modality, given: str | None = None) -> "TrainConfig":
        """Inverse of ``to_json``; entries of earlier versions are read as well.

        Data that run a command or contact another machine are accepted from the user only, never from a file.

        Args:
            data: Plain values read from a file.
            modality: Rebuilt adapter.
            given: Data given by the user instead of those in the file; None to use the file's.

        Raises:
            ConfigError: An entry is unknown or has the wrong type, or the file names a command or an address.
        """
        values: dict[str, Any] = {_RENAMED.get(name, name): value for name, value in data.items()}
        values["modality"] = modality
        if given is not None:
            values["data"] = given
        elif isinstance(values.get("data"), str) and reaches_out(values["data"]):
            raise ConfigError(
                f"the run's configuration reads its data by {values['data']!r}, and no file may start a command or "
                "contact another machine; to allow it, give the same words yourself with --data"
            )
        if values.get("generator") is not None:
            values["generator"] = from_plain(
                GeneratorSizes, current_sizes(values["generator"]), what="the run's generator"
            )
        if values.get("critic") is not None:
            values["critic"] = from_plain(CriticSizes, values["critic"], what="the run's critic")
        values["views"] = from_plain(LossOptions, values.get("views", {}), what="the run's views")
        # Earlier versions had two entries.
        labels, pattern = values.pop("labels", False), values.pop("label_pattern", "")
        labels = pattern if labels is True and pattern else labels
        if not isinstance(labels, (bool, str)):
            raise ConfigError(f"the run's configuration has labels = {labels!r}; expected true, false or a pattern")
        return dataclasses.replace(from_plain(TrainConfig, values, what="the run's configuration"), labels=labels)


_RENAMED = {"largest_step": "max_update"}
"""Entries of earlier versions, and their names today."""
