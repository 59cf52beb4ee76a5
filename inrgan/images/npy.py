"""Arrays from .npy files, without executing anything in them."""

import io
import math

import numpy as np
from einops import rearrange

from inrgan.errors import DataError


def load_npy(name: str, data: bytes) -> np.ndarray:
    """The array of a .npy file's bytes; nothing in the file is executed.

    Raises:
        DataError: The file is not a plain .npy file, cut short, empty, or does not hold numbers.

    Example:
        >>> load_npy("a.npy", data).shape
        (5, 64, 48)
    """
    # The header is read separately: no pickle is ever loaded, and a header that promises more than the file holds
    # cannot reserve memory.
    shape, fortran, dtype, start = npy_header(name, data)
    if dtype.hasobject or dtype.itemsize == 0:
        raise DataError(f"{name} holds {dtype}; expected uint8, uint16 or floats. Save plain numbers.")
    count = math.prod(shape)
    if min(shape, default=0) < 1:
        raise DataError(f"{name} has shape {shape}; expected at least one pixel. Remove the file.")
    if count * dtype.itemsize > len(data) - start:
        raise DataError(f"{name} is cut short: its header promises shape {shape}. Copy or make it again.")
    return np.frombuffer(data, dtype, count, start).reshape(shape, order="F" if fortran else "C")


def npy_header(name: str, data: bytes) -> tuple[tuple[int, ...], bool, np.dtype, int]:
    """Shape, Fortran order, dtype and offset of the values, from the first bytes of a .npy file.

    Raises:
        DataError: The bytes are not the beginning of a plain .npy file.

    Example:
        >>> npy_header("a.npy", data)[0]
        (5, 64, 48)
    """
    file = io.BytesIO(data)
    try:
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except Exception as error:  # the header is parsed as Python's literals, by a tokenizer with errors of its own
        raise DataError(f"{name} is not a complete .npy file ({error}); expected one from numpy.save.") from error
    return shape, fortran, dtype, file.tell()


def channels_first(name: str, array: np.ndarray, channels: int) -> np.ndarray:
    """An array (C, H, W), (H, W, C) or, for one channel, (H, W) as (C, H, W); raises DataError for other shapes."""
    if array.ndim == 2 and channels == 1:
        return array[None]
    first = array.ndim == 3 and array.shape[0] == channels
    last = array.ndim == 3 and array.shape[2] == channels
    if first != last:
        return array if first else rearrange(array, "y x c -> c y x")
    plain = ", or (H, W)" * (channels == 1)
    state = "may have its channels first or last" if first else "does not fit"
    raise DataError(
        f"{name} has shape {array.shape}, which {state}; "
        f"expected ({channels}, H, W) or (H, W, {channels}){plain}. "
        f"Reshape it, or set another number of channels{_flag(array)}."
    )


def _flag(array: np.ndarray) -> str:
    """The flag for an array that has its channels first or last, as far as that can be told."""
    if array.ndim != 3 or min(array.shape[0], array.shape[2]) > 64:
        return ""
    return f" (--channels {min(array.shape[0], array.shape[2])})"
