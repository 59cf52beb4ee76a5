"""Check of the header of a NetCDF file, before the library that allocates what a header states.

A damaged count of a classic file makes it ask for up to 32 GB. (NetCDF classic format specification, Unidata.)
"""

import struct
from pathlib import Path
from typing import BinaryIO, final

from inrgan.errors import DataError

_HDF5 = b"\x89HDF\r\n\x1a\n"
_USER_BLOCKS = (0, *(512 << k for k in range(8)))
"""Places at which an HDF5 file may begin, behind a block of another program."""
_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value by the number of its type."""
_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12


def check_header(path: Path) -> None:
    """Check that a file is NetCDF, and that no list of its header is longer than the file.

    Raises:
        DataError: It is not, or one is.

    Example:
        >>> check_header(Path("t2m.nc"))
    """
    try:
        with open(path, "rb") as file:
            size = path.stat().st_size
            magic = file.read(8)
            if magic[:3] == b"CDF" and magic[3:4] in (b"\1", b"\2", b"\5"):
                _Header(file, version=magic[3], size=size).check()
                return
            for place in _USER_BLOCKS:
                file.seek(place)
                if file.read(8) == _HDF5:
                    return
    except OSError as error:
        raise DataError(f"Cannot read {path}: {error.strerror or error}. Check the path and its rights.") from error
    except (_Damaged, struct.error):
        raise DataError(f"{path} cannot be read as NetCDF: its header is damaged; copy or create it again") from None
    raise DataError(
        f"{path} cannot be read as NetCDF, despite its name: it begins neither as a classic file nor as HDF5; copy or "
        "create it again, or remove it"
    )


class _Damaged(Exception):
    """A list is longer than the file."""


@final
class _Header:
    """Reader of the header of a classic file, behind its magic number."""

    def __init__(self, file: BinaryIO, *, version: int, size: int):
        self._file, self._size = file, size
        self._wide, self._place = version == 5, 4 if version == 1 else 8
        file.seek(4)

    def check(self) -> None:
        """Read the lists of dimensions, attributes and variables."""
        self._count()  # number of records
        for _ in range(self._list(_DIMENSION)):
            self._name()
            self._count()
        self._attributes()
        for _ in range(self._list(_VARIABLE)):
            self._name()
            self._skip(self._count() * (8 if self._wide else 4))  # numbers of its dimensions
            self._attributes()
            self._skip(4)
            self._count()
            self._skip(self._place)

    def _attributes(self) -> None:
        for _ in range(self._list(_ATTRIBUTE)):
            self._name()
            (kind,) = struct.unpack(">I", self._file.read(4))
            if kind not in _BYTES:
                raise _Damaged
            self._padded(self._count() * _BYTES[kind])

    def _list(self, tag: int) -> int:
        """Number of entries of a list."""
        (found,) = struct.unpack(">I", self._file.read(4))
        count = self._count()
        if found not in (0, tag) or (found == 0 and count) or 8 * count > self._size:
            raise _Damaged
        return count

    def _count(self) -> int:
        form, width = (">Q", 8) if self._wide else (">I", 4)
        return struct.unpack(form, self._file.read(width))[0]

    def _name(self) -> None:
        self._padded(self._count())

    def _padded(self, count: int) -> None:
        self._skip(count + -count % 4)

    def _skip(self, count: int) -> None:
        if self._file.tell() + count > self._size:
            raise _Damaged
        self._file.seek(count, 1)
