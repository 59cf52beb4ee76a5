"""An archive is a sorted list of named byte blobs; where the bytes lie is its own affair."""

import hashlib
from abc import ABC, abstractmethod
from pathlib import Path, PurePosixPath

from inrgan.files import replacing


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

    def classes(self) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
        """Class names, and an index into them for every name, where the archive itself tells; None where not.

        Raises:
            DataError: it tells of some items only.
        """
        return None

    def local(self, name: str, scratch: Path) -> Path:
        """A file that holds the bytes of one blob, for libraries that read files alone.

        Args:
            name: of the blob.
            scratch: folder where it is put unless it is a file already; its suffix is kept.

        Raises:
            DataError: as for ``read``.
            WriteError: the folder cannot be written.
        """
        path = scratch / f"{hashlib.sha256(name.encode()).hexdigest()[:24]}{PurePosixPath(name).suffix}"
        if not path.exists():
            data = self.read(name)
            with replacing(path, flush=False) as temporary:
                temporary.write_bytes(data)
        return path

    @abstractmethod
    def close(self) -> None:
        """Release file handles; a later ``read`` opens them again."""
