"""Sources: lists of decoded items, and the order in which training sees them."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np
from jaxtyping import Shaped
from torch import Tensor

from inrgan.data.items import AbstractItem
from inrgan.data.report import DataReport
from inrgan.errors import ConfigError


class AbstractSource(ABC):
    """A list of n decoded items, perhaps with class labels.

    ``name(i)``, ``source[i]`` and ``label(i)`` describe the same item and are pure functions of i. An index
    outside 0 to n - 1 raises IndexError, so that a source can be iterated over.

    Training uses the items of ``order``, and those of ``fallback_indices`` where an item is too coarse. Whatever exact
    resuming needs besides the seed and the step is in ``state_dict``, which is empty for a list.
    """

    @property
    def endless(self) -> bool:
        """Whether the source is a stream: i is any number from 0 up, no item repeats, and there is no length."""
        return False

    def order(self, *, batch: int, step: int, seed: int) -> list[int]:
        """Indices of a step's batch: shuffled epochs, see ``epoch_indices``; for a stream the next items.

        Args:
            batch: Number of items.
            step: Number of the step.
            seed: Seed of the order; another one gives another item at every position.

        Raises:
            ConfigError: A number is out of range.
        """
        return epoch_indices(len(self), batch=batch, step=step, seed=seed)

    def fallback_indices(self, i: int) -> Iterable[int]:
        """Item i, then the items that may replace it, in order of preference."""
        return ((i + k) % len(self) for k in range(len(self)))

    def note_failure(self, i: int, error: Exception) -> None:
        """Count item i as bad, which could be opened and then not read; training takes the next in its place.

        Raises:
            Exception: The given error, where items cannot fail later; DataError where too many are bad.
        """
        del i
        raise error

    def state_dict(self, position: int) -> dict[str, Any]:
        """What exact resuming needs, as plain values.

        Args:
            position: Number of items that training has seen.
        """
        del position
        return {}

    def load_state_dict(self, states: Sequence[Mapping[str, Any]]) -> None:
        """Continue from the states of all processes of an earlier training.

        Raises:
            CheckpointError: The states are corrupt, or those of other data.
        """
        del states

    def close(self) -> None:  # noqa: B027 - most sources have nothing to close
        """Release files and processes; reading opens them again."""

    @property
    @abstractmethod
    def description(self) -> str:
        """Short slug for the names of run directories."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """Class names; empty when the items are unlabelled."""
        return ()

    @property
    def bad(self) -> int:
        """Number of unreadable items met so far."""
        return 0

    @property
    def partial_observations(self) -> bool:
        """Whether items are known in part; training then requires an adapter with ``HasPartialObservations``."""
        return False

    @property
    def attributes(self) -> tuple[str, ...]:
        """What the data say of themselves, such as units, as words NAME=TEXT; see ``KeepsAttributes``."""
        return ()

    def report(self) -> DataReport:
        """What the data set holds, for the user to read before training."""
        return DataReport(
            data=self.description, kind="stream" if self.endless else "list of items",
            items=None if self.endless else len(self), classes=dict.fromkeys(self.label_names),
        )  # fmt: skip

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, i: int) -> Shaped[Tensor, "..."] | AbstractItem:
        """Item i in the modality's own layout; the caller may change the tensor."""

    @abstractmethod
    def name(self, i: int) -> str:
        """Name of the item, such as the path of its file."""

    @abstractmethod
    def label(self, i: int) -> int:
        """Index of the item's class in ``label_names``, or 0 when unlabelled."""

    def factors(self, i: int) -> Mapping[str, float]:
        """Factors that item i was generated from, by name; by default none."""
        self._checked(i)
        return {}

    def _checked(self, i: int) -> int:
        if not 0 <= i < len(self):
            raise IndexError(f"index {i} is outside 0 to {len(self) - 1}")
        return i


class AbstractSyntheticSource(AbstractSource):
    """Built-in data: items that are functions of a seed and their number, each of one of a few classes.

    Args:
        count: Number of items.
        seed: Seed of all factors.
        description: Slug of the data set.
        label_names: Class names.
    """

    def __init__(self, count: int, *, seed: int, description: str, label_names: tuple[str, ...]):
        self._count, self._seed, self._description, self._label_names = count, seed, description, label_names

    @property
    def description(self) -> str:
        return self._description

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._label_names

    def report(self) -> DataReport:
        return replace(super().report(), kind="built-in")

    def __len__(self) -> int:
        return self._count

    def name(self, i: int) -> str:
        return f"{self._label_names[self.label(i)]}/{i:06d}"

    def _rng(self, i: int) -> np.random.Generator:
        """Random generator of item i; raises IndexError where there is no item."""
        self._checked(i)
        return np.random.default_rng(np.random.SeedSequence(self._seed, spawn_key=(i,)))


@final
class SubsetSource(AbstractSource):
    """Some items of another source, in a given order.

    The other source replaces unreadable items, perhaps by items outside the subset.

    Args:
        source: Source of the items.
        indices: Indices into the source; may repeat.
        description: Slug of the subset; that of the source when None.

    Raises:
        ConfigError: There is no index, or one is out of range.

    Example:
        >>> len(SubsetSource(source, [3, 1, 4]))
        3
    """

    def __init__(self, source: AbstractSource, indices: Sequence[int], *, description: str | None = None):
        self._source = source
        self._indices = tuple(indices)
        self._description = source.description if description is None else description
        if not self._indices:
            raise ConfigError("A subset of 0 items was asked for; expected at least 1. Give some indices.")
        for i in self._indices:
            if not 0 <= i < len(source):
                raise ConfigError(
                    f"Index {i} was asked of {len(source)} items; expected 0 to {len(source) - 1}. Correct the indices."
                )

    @property
    def description(self) -> str:
        return self._description

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._source.label_names

    @property
    def bad(self) -> int:
        return self._source.bad

    @property
    def partial_observations(self) -> bool:
        return self._source.partial_observations

    @property
    def attributes(self) -> tuple[str, ...]:
        return self._source.attributes

    def report(self) -> DataReport:
        """What the other source holds, and how many of its items are used."""
        report = self._source.report()
        note = f"used: {len(self)} of {len(self._source)} items; the counts below and above are of all"
        return replace(report, notes=(note, *report.notes))

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, i: int) -> Shaped[Tensor, "..."] | AbstractItem:
        return self._source[self._indices[self._checked(i)]]

    def name(self, i: int) -> str:
        return self._source.name(self._indices[self._checked(i)])

    def note_failure(self, i: int, error: Exception) -> None:
        self._source.note_failure(self._indices[self._checked(i)], error)

    def label(self, i: int) -> int:
        return self._source.label(self._indices[self._checked(i)])

    def factors(self, i: int) -> Mapping[str, float]:
        return self._source.factors(self._indices[self._checked(i)])


def epoch_indices(n: int, *, batch: int, step: int, seed: int, rank: int = 0, world: int = 1) -> list[int]:
    """Indices of one rank's items in the batch of a step; a pure function, so that a resumed run sees the same data.

    The items form an endless sequence of shuffled epochs; step ``s`` takes its ``s``-th run of
    ``batch * world`` items, of which rank ``r`` gets every ``world``-th from the ``r``-th. A batch may span
    epochs and may be larger than n. The cost is that of shuffling n numbers for each epoch of the batch.

    Args:
        n: Number of items.
        batch: Items per rank.
        step: Number of the step, from 0.
        seed: Seed of the shuffling.
        rank: This process's number, 0 to ``world - 1``.
        world: Number of processes.

    Returns:
        ``batch`` indices, each 0 to ``n - 1``.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> len(epoch_indices(10, batch=4, step=2, seed=0))
        4
    """
    for name, value, least in (("n", n, 1), ("batch", batch, 1), ("step", step, 0), ("seed", seed, 0)):
        if value < least:
            raise ConfigError(f"{name} is {value}; expected at least {least}. Give a larger {name}.")
    if not 0 <= rank < world:
        raise ConfigError(f"rank {rank} of world {world}; expected 0 <= rank < world. Correct the launch.")
    first = step * batch * world + rank
    positions = range(first, first + batch * world, world)
    orders = {epoch: _order(n, seed, epoch) for epoch in range(positions[0] // n, positions[-1] // n + 1)}
    return [int(orders[position // n][position % n]) for position in positions]


def _order(n: int, seed: int, epoch: int) -> np.ndarray:
    # The epoch as spawn key, not as entropy: seed and epoch then never run into one another.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,))).permutation(n)
