"""Folders whose links are followed."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import final

DataPath = str | os.PathLike[str]
"""Path of a data set, as text or any kind of path."""


@final
@dataclass(frozen=True)
class FollowLinks(os.PathLike[str]):
    """Path of a data set whose links to folders, and to files outside of it, are followed.

    Links are skipped otherwise, since a folder of unknown origin could lead anywhere. It is given wherever the path
    of a data set is. Links back to a folder that contains them are skipped all the same.

    Args:
        path: Path of the folder.

    Example:
        >>> len(ImageModality(resolution=32).source(FollowLinks("a-set-of-links")))
        12
    """

    path: str | Path

    def __fspath__(self) -> str:
        return os.fspath(self.path)

    def __str__(self) -> str:
        return str(self.path)


def is_ring(folder: Path) -> bool:
    """Whether a folder is a link to a folder that contains it.

    Example:
        >>> is_ring(Path("photos"))
        False
    """
    return folder.is_symlink() and Path(os.path.realpath(folder.parent)).is_relative_to(os.path.realpath(folder))


def located(data: str | Path | None, *, follow_links: bool) -> DataPath | None:
    """Data of a command line, with or without their links.

    Example:
        >>> located("photos", follow_links=False)
        'photos'
    """
    return FollowLinks(data) if follow_links and data is not None else data
