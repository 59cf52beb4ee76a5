"""What the built-in data sets have in common."""

import numpy as np

from inrgan.data._source import AbstractSource


class AbstractSyntheticSource(AbstractSource):
    """Items that are functions of a seed and their number alone, each of one of a few kinds.

    Args:
        count: number of items.
        seed: of all factors.
        description: slug of the set.
        label_names: the kinds.
    """

    def __init__(self, count: int, *, seed: int, description: str, label_names: tuple[str, ...]):
        self._count, self._seed, self._description, self._label_names = count, seed, description, label_names

    @property
    def description(self) -> str:
        return self._description

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._label_names

    def __len__(self) -> int:
        return self._count

    def name(self, i: int) -> str:
        return f"{self._label_names[self.label(i)]}/{i:06d}"

    def _rng(self, i: int) -> np.random.Generator:
        """What item i is drawn with; raises IndexError where there is none."""
        self._checked(i)
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(i,)))
