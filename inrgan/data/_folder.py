"""Blobs that are files below a folder."""

import logging
import os
from pathlib import Path
from typing import NoReturn, final

from inrgan.data._archive import AbstractArchive
from inrgan.data._names import has_suffix, is_visible, nothing_found, slug
from inrgan.errors import DataError


@final
class FolderArchive(AbstractArchive):
    """The files below a folder, at any depth.

    Hidden files and ``__MACOSX`` folders are ignored. A link to a file inside the folder is followed; links
    that lead outside, and all links to folders, are skipped and counted in ``skipped_links``.

    Args:
        path: The folder.
        suffixes: Wanted file suffixes with their dot, such as ``(".png", ".jpg")``; case does not matter.

    Raises:
        DataError: The path is no folder, cannot be listed, or holds no file with a wanted suffix.

    Example:
        >>> archive = FolderArchive("flowers", suffixes=(".png",))
        >>> len(archive.read(archive.names[0]))
        20481
    """

    def __init__(self, path: str | Path, *, suffixes: tuple[str, ...]):
        # os.path.realpath, since Path.resolve raises on a ring of links before Python 3.13.
        self._root = Path(os.path.realpath(Path(path).expanduser()))
        if not self._root.is_dir():
            raise DataError(f"{path} is not a folder. Give the path of a folder that exists.")
        self.skipped_links = 0
        found = self._walk()
        self._names = tuple(sorted(name for name in found if has_suffix(name, suffixes)))
        if self.skipped_links:
            logging.getLogger("inrgan").warning(
                "%s: skipped %d links (to folders, or leading outside of it).", path, self.skipped_links
            )
        if not self._names:
            message = nothing_found(str(path), suffixes=suffixes, others=found)
            raise DataError(message + f" Links skipped: {self.skipped_links}." * bool(self.skipped_links))
        self._known = frozenset(self._names)

    @property
    def names(self) -> tuple[str, ...]:
        return self._names

    @property
    def description(self) -> str:
        return slug(self._root.name)

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; raises DataError when it is not listed or cannot be read."""
        if name not in self._known:
            raise DataError(f"{self._root} lists no file {name!r}. Use one of the archive's names.")
        try:
            return (self._root / name).read_bytes()
        except OSError as error:
            raise DataError(
                f"Cannot read {self._root / name}: {error.strerror or error}. Check that the file is still "
                "there and may be read."
            ) from error

    def local(self, name: str, scratch: Path) -> Path:
        """The file itself; raises DataError when it is not listed."""
        del scratch
        if name not in self._known:
            raise DataError(f"{self._root} lists no file {name!r}. Use one of the archive's names.")
        return self._root / name

    def close(self) -> None:
        """Do nothing: no handle stays open."""

    def _walk(self) -> list[str]:
        found = []
        for folder, subfolders, files in os.walk(self._root, onerror=_refuse):
            here = Path(folder)
            # Pruned in place, so that os.walk does not enter hidden folders.
            subfolders[:] = [name for name in subfolders if is_visible(name)]
            self.skipped_links += sum((here / name).is_symlink() for name in subfolders)
            for name in filter(is_visible, files):
                file = here / name
                if file.is_symlink() and not Path(os.path.realpath(file)).is_relative_to(self._root):
                    self.skipped_links += 1
                elif file.is_file():  # neither a broken link nor a pipe, whose reading would hang
                    found.append(file.relative_to(self._root).as_posix())
        return found


def _refuse(error: OSError) -> NoReturn:
    raise DataError(
        f"Cannot list {error.filename}: {error.strerror or error}. Check the folder's permissions."
    ) from error
