"""Image modalities with other sets of the built-in shapes."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

from inrgan import ImageModality
from inrgan.data import AbstractSource, SubsetSource


@final
@dataclass(frozen=True)
class Discs(ImageModality):
    """Built-in shapes of one kind: data with one mode instead of three."""

    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        shapes = super().source(data, labels=labels, seed=seed)
        return SubsetSource(shapes, [i for i in range(len(shapes)) if shapes.label(i) == 0], description="discs")


@final
@dataclass(frozen=True)
class Four(ImageModality):
    """Four of the built-in shapes and nothing between them: interpolations have to jump."""

    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        shapes = super().source(data, labels=labels, seed=0)  # held-out items are the same four
        return SubsetSource(shapes, 256 * [0, 1, 2, 3], description="four")
