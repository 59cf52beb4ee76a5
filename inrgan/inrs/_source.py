"""Fitted functions read back, as a data set of numbers and as fields."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch

from inrgan._typing import Float, Tensor
from inrgan.checkpoint import load_latents, load_w
from inrgan.data import AbstractSource
from inrgan.errors import CheckpointError, ConfigError, DataError
from inrgan.field import Field
from inrgan.generator import Generator
from inrgan.inr import flat, unflat
from inrgan.inrs._folder import Entry, InrFolder
from inrgan.modality import Modality


@final
class InrSource(AbstractSource):
    """The functions of a folder of ``inrgan convert --to inrs``.

    Item i is a vector: of all weights and biases of the function, layer by layer, or, of modulations, of its mapped
    latent w. Everything is held in memory.

    Args:
        folder: of the functions.
        modality: the adapter, where it is not one that ``inrgan info`` lists.

    Raises:
        DataError: The folder is missing, incomplete or corrupt.

    Example:
        >>> InrSource("inrs")[0].shape
        torch.Size([21635])
    """

    def __init__(self, folder: str | Path, *, modality: Modality | None = None):
        self._folder = InrFolder(folder)
        self.settings = self._folder.settings()
        self.generator: Generator = self._folder.generator(modality)
        """The generator whose backbone the functions have, and whose modulations they are where they are."""
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
                        f"{len(batch.fitted)}; delete both, and convert the data once more"
                    )
                parts.append(rows)
        if not entries:
            raise DataError(f"{self._folder.path} holds no functions yet; let inrgan convert finish")
        self._entries, self._numbers = tuple(entries), torch.cat(parts)

    @property
    def description(self) -> str:
        return self._folder.path.name

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Which item of the data each function is of, and how well it fits."""
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
        """All items, one a row."""
        return self._numbers

    def fields(self, numbers: Sequence[int]) -> Field:
        """Some of the functions.

        Raises:
            ConfigError: none is asked for.

        Example:
            >>> InrSource("inrs").fields([0, 1]).render((64, 64)).shape
            torch.Size([2, 3, 64, 64])
        """
        if len(numbers) == 0:
            raise ConfigError("no function was asked for; give one number or more")
        rows = torch.stack([self[i] for i in numbers])
        return self.field_of(rows)

    def field_of(self, rows: Float[Tensor, "B T"]) -> Field:
        """Functions of vectors such as the items', which need not be items.

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
            raise DataError(f"{error}; delete it and its report, and convert the data once more") from None
