"""A source is a list of decoded items."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

from inrgan._typing import Shaped, Tensor
from inrgan.data._large import AbstractItem
from inrgan.data._order import epoch_indices
from inrgan.errors import ConfigError


class AbstractSource(ABC):
    """A list of n decoded items, perhaps with class labels.

    ``name(i)``, ``source[i]`` and ``label(i)`` speak of the same item and are pure functions of i. An index
    outside 0 to n - 1 raises IndexError, so that a source can be iterated over.

    A training asks for the items of ``order``, and where one does not serve for those of ``stand_ins``. What a source
    has to know to go on exactly beyond the seed and the step is its ``progress``; a list has to know nothing.
    """

    @property
    def endless(self) -> bool:
        """Whether it is a stream: i is then any number from 0 up, no item comes twice, and there is no length."""
        return False

    def order(self, *, batch: int, step: int, seed: int) -> list[int]:
        """Which items make up the batch of a step: shuffled epochs, see ``epoch_indices``; of a stream the next ones.

        Args:
            batch: number of items.
            step: number of the step.
            seed: of the order; another one gives another item in every place.

        Raises:
            ConfigError: a number is out of its range.
        """
        return epoch_indices(len(self), batch=batch, step=step, seed=seed)

    def stand_ins(self, i: int) -> Iterable[int]:
        """Item i, and then those that may take its place, in turn."""
        return ((i + k) % len(self) for k in range(len(self)))

    def progress(self, position: int) -> dict[str, Any]:
        """What a resumed run needs to know, where so many items were shown; plain values."""
        del position
        return {}

    def go_on(self, progress: Sequence[Mapping[str, Any]]) -> None:
        """Take up what all processes of an earlier training knew.

        Raises:
            CheckpointError: it is of other data, or garbled.
        """
        del progress

    def close(self) -> None:  # noqa: B027 - most have nothing to close
        """Let go of files and processes; reading opens them again."""

    @property
    @abstractmethod
    def description(self) -> str:
        """A short slug for the names of run directories."""

    @property
    def label_names(self) -> tuple[str, ...]:
        """The class names, empty when the items are unlabelled."""
        return ()

    @property
    def bad(self) -> int:
        """How many unreadable items were met so far."""
        return 0

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, i: int) -> Shaped[Tensor, "..."] | AbstractItem:
        """Return the item in the modality's own layout; the tensor is the caller's to change."""

    @abstractmethod
    def name(self, i: int) -> str:
        """Return a name for the item, such as the path of its file."""

    @abstractmethod
    def label(self, i: int) -> int:
        """Return the item's index into ``label_names``, or 0 when unlabelled."""

    def factors(self, i: int) -> Mapping[str, float]:
        """Return the numbers that item i was drawn from, by name; none, as by default, where nobody knows them."""
        self._checked(i)
        return {}

    def _checked(self, i: int) -> int:
        if not 0 <= i < len(self):
            raise IndexError(f"index {i} is outside 0 to {len(self) - 1}")
        return i


@final
class SubsetSource(AbstractSource):
    """Some items of another source, in a given order.

    An unreadable item is replaced as the other source does it, perhaps by an item outside the subset.

    Args:
        source: The source to choose from.
        indices: Indices into it; may repeat.
        description: Slug of the subset; that of the source when None.

    Raises:
        ConfigError: No index is given, or one is out of range.

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

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, i: int) -> Shaped[Tensor, "..."] | AbstractItem:
        return self._source[self._indices[self._checked(i)]]

    def name(self, i: int) -> str:
        return self._source.name(self._indices[self._checked(i)])

    def label(self, i: int) -> int:
        return self._source.label(self._indices[self._checked(i)])

    def factors(self, i: int) -> Mapping[str, float]:
        return self._source.factors(self._indices[self._checked(i)])
