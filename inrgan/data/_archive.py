"""An archive is a sorted list of named byte blobs; where the bytes lie is its own affair."""

from abc import ABC, abstractmethod


class AbstractArchive(ABC):
    """A read-only, sorted list of named byte blobs.

    ``names`` are posix paths relative to the archive's root, sorted, without duplicates.
    """

    @property
    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """All blob names, sorted."""

    @property
    @abstractmethod
    def description(self) -> str:
        """A short slug (lower-case letters, digits, dashes) for the names of run directories."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Return the bytes of one blob; raises DataError when it is not there or cannot be read."""

    @abstractmethod
    def close(self) -> None:
        """Release file handles; a later ``read`` opens them again."""
