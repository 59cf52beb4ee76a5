"""An INR dataset read back: vectors of numbers, fields, and the space in which critics compare them."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.checkpoint import load_latents, load_w
from inrgan.data import AbstractSource
from inrgan.discriminators import AbstractCritic, FlatWeightCritic, UnitWeightCritic
from inrgan.errors import CheckpointError, ConfigError, DataError
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.inr import AbstractINR, flat, unflat
from inrgan.inrs.folder import Entry, InrFolder
from inrgan.modality import Modality
from inrgan.views import View, scattered

CRITICS = ("flat", "units")


@final
class InrSource(AbstractSource):
    """The functions of a folder of ``inrgan convert --to inrs``.

    Item i is a vector: all weights and biases of the function, layer by layer, or, for modulations, its mapped latent
    w. Everything is held in memory.

    Args:
        folder: Folder of the functions.
        modality: Adapter, where ``inrgan info`` does not list it.

    Raises:
        DataError: The folder is missing, incomplete or damaged.

    Example:
        >>> InrSource("inrs")[0].shape
        torch.Size([21635])
    """

    def __init__(self, folder: str | Path, *, modality: Modality | None = None):
        self._folder = InrFolder(folder)
        self.settings = self._folder.settings()
        self.generator: Generator = self._folder.generator(modality)
        """Generator whose backbone the functions have, and, for modulations, whose hypernetwork."""
        entries: list[Entry] = []
        parts: list[Tensor] = []
        options = self.settings.get("options")
        self.modulations = isinstance(options, dict) and options.get("fit") == "modulations"
        for number, batch in self._folder.batches().items():
            if batch.fitted:
                entries += batch.fitted
                rows = self._read(number)
                if len(rows) != len(batch.fitted):
                    raise DataError(
                        f"{self._folder.functions(number)} has {len(rows)} functions and its report "
                        f"{len(batch.fitted)}; delete both, and convert the data again"
                    )
                parts.append(rows)
        if not entries:
            raise DataError(f"{self._folder.path} holds no functions yet; finish inrgan convert first")
        self._entries, self._numbers = tuple(entries), torch.cat(parts)

    @property
    def description(self) -> str:
        return self._folder.path.name

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Item of the data and quality of the fit of each function."""
        return self._entries

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, i: int) -> Float[Tensor, "T"]:
        return self._numbers[self._checked(i)].clone()

    def name(self, i: int) -> str:
        return self._entries[self._checked(i)].name

    def label(self, i: int) -> int:
        self._checked(i)
        return 0

    @property
    def vectors(self) -> Float[Tensor, "N T"]:
        """All items, one per row."""
        return self._numbers

    def fields(self, numbers: Sequence[int]) -> Field:
        """Some of the functions.

        Raises:
            ConfigError: The list is empty.

        Example:
            >>> InrSource("inrs").fields([0, 1]).render((64, 64)).shape
            torch.Size([2, 3, 64, 64])
        """
        if len(numbers) == 0:
            raise ConfigError("no function was requested; give one number or more")
        rows = torch.stack([self[i] for i in numbers])
        return self.field_of(rows)

    def field_of(self, rows: Float[Tensor, "B T"]) -> Field:
        """Functions of vectors such as the items.

        Example:
            >>> source = InrSource("inrs")
            >>> len(source.field_of(source.vectors.mean(dim=0, keepdim=True)))
            1
        """
        G = self.generator
        if self.modulations:
            with torch.no_grad():
                return G.field(rows)
        return Field(G.inr, unflat(rows, [(x.outputs, x.inputs) for x in G.inr.layers]), domain=G.modality.domain)

    def _read(self, number: int) -> Float[Tensor, "B T"]:
        path = self._folder.functions(number)
        try:
            if self.modulations:
                return load_w(path, self.generator)
            return flat(load_latents(path, self.generator).weights)
        except (CheckpointError, OSError) as error:
            raise DataError(f"{error}; delete it and its report, and convert the data again") from None


@final
class NumberSpace:
    """The numbers of functions, standardized: minus their mean over a data set, divided by one deviation per group.

    A group is a layer, with its weights and biases, or all of w. Within a group, numbers keep their relative sizes, and
    together have a second moment of 1.

    Args:
        source: INR dataset.

    Raises:
        ConfigError: It has fewer than two functions.

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
        """View that stands for the whole function: as many points as numbers, without a place in the domain."""
        return scattered(torch.linspace(-1, 1, len(self.mean))[None, :, None], spacing=0.0)

    def seen(self, vectors: Float[Tensor, "B T"]) -> Float[Tensor, "B 1 T"]:
        """Standardized numbers, the input of critics; differentiable."""
        return ((vectors - self.mean.to(vectors)) / self.scale.to(vectors))[:, None]

    def draw(self, step: int, *, batch: int, seed: int, positions: Sequence[int]) -> Float[Tensor, "B 1 T"]:
        """Standardized functions of the data set for a training step; they depend on the seed and the step alone.

        Args:
            step: Number of the step.
            batch: Functions in a step.
            seed: Seed of the order.
            positions: Positions in the batch.
        """
        order = self._source.order(batch=batch, step=step, seed=seed)
        return self.seen(self.vectors[[order[p] for p in positions]])

    def critic(self, kind: str, *, width: int, features: int = 8, classes: int = 0) -> AbstractCritic:
        """A critic of functions.

        Args:
            kind: ``flat``, an MLP on the vector of numbers; or ``units``, which is invariant to the order of hidden
                units.
            width: Width of hidden layers.
            features: Features per number of ``units``.
            classes: Number of labels.

        Raises:
            ConfigError: The kind is unknown, or does not suit modulations.
        """
        if kind not in CRITICS:
            raise ConfigError(f"unknown critic of weights {kind!r}; expected one of {', '.join(CRITICS)}")
        if kind == "flat":
            return FlatWeightCritic(self.groups, width=width, classes=classes)
        if self.modulations:
            raise ConfigError("modulations have no hidden units to permute; use the flat critic, or fit weights")
        sizes = [float(x.square().mean().sqrt()) for x in self.vectors.split(self.groups, dim=1)]
        return UnitWeightCritic(
            self.inr.units(), offset=self.mean / self.scale, features=features, width=width, classes=classes,
            scales=[d / max(s, 1e-8) for d, s in zip(self.deviations, sizes, strict=True)],
        )  # fmt: skip

    def check(self, inr: AbstractINR) -> None:
        """Refuse a backbone that differs from that of the functions.

        Raises:
            ConfigError: Layers differ.
        """
        if tuple(inr.layers) != tuple(self.inr.layers):
            fitted, other = (_shape(x.layers) for x in (self.inr, inr))
            raise ConfigError(
                f"the functions have layers {fitted} and the generator {other}; convert the data with the same "
                "--preset, --backbone and resolution"
            )


def _shape(layers: Sequence) -> str:
    return " ".join(f"{s.name} {s.inputs}x{s.outputs}" for s in layers[:4]) + (" ..." if len(layers) > 4 else "")
