"""Pick the archive that fits a path."""

import tarfile
import zipfile
from pathlib import Path

from inrgan.data._archive import AbstractArchive
from inrgan.data._folder import FolderArchive
from inrgan.data._zip import ZipArchive
from inrgan.errors import DataError

_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def open_archive(path: str | Path, *, suffixes: tuple[str, ...]) -> AbstractArchive:
    """Open a folder or a zip file as a sorted list of named byte blobs.

    Args:
        path: A folder or a zip file, told apart by what they are rather than by name.
        suffixes: Wanted file suffixes with their dot; case does not matter.

    Returns:
        The archive; it holds at least one blob.

    Raises:
        DataError: The path is missing, is neither a folder nor a zip file, is a tar file (not read in this
            version), or holds no file with a wanted suffix.

    Example:
        >>> len(open_archive("flowers.zip", suffixes=(".png", ".jpg")).names)
        8189
    """
    place = Path(path).expanduser()
    try:
        if place.is_dir():
            return FolderArchive(place, suffixes=suffixes)
        if not place.exists():
            raise DataError(f"There is nothing at {path}; expected a folder or a zip file. Check the path.")
        if not place.is_file():
            raise DataError(f"{path} is neither a file nor a folder. Give a folder or a zip file.")
        is_zip = place.suffix.lower() == ".zip" or zipfile.is_zipfile(place)
        is_tar = not is_zip and (place.name.lower().endswith(_TAR) or tarfile.is_tarfile(place))
    except OSError as error:
        raise DataError(f"Cannot open {path}: {error.strerror or error}. Check the path and its rights.") from error
    if is_zip:
        return ZipArchive(place, suffixes=suffixes)
    if is_tar:
        raise DataError(f"{path}: tar shards are not supported in this version; unpack or zip them.")
    raise DataError(f"{path} is neither a folder nor a zip file. Give a folder or a zip file.")
