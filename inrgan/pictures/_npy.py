"""Pixels from a .npy file."""

import io
import math

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from inrgan.errors import DataError, NonFiniteError

# Wide enough for values computed in single precision, far too narrow to let another range through.
_SLACK = 1e-5


def read_npy(name: str, data: bytes, *, channels: int, max_pixels: int) -> Shaped[Tensor, "C H W"]:
    """Read the pixels of a .npy file, of shape (C, H, W), (H, W, C) or, for one channel, (H, W).

    Args:
        name: The file's name, for messages.
        data: The file's bytes.
        channels: C.
        max_pixels: Most H times W allowed.

    Returns:
        uint8 0 to 255 as stored; uint16 0 to 65535 and floats -1 to 1 as float32 in -1 to 1. Shape (C, H, W).

    Raises:
        DataError: Not a plain .npy file, of another shape or dtype, or with floats outside -1 to 1.
        NonFiniteError: It holds NaN or infinity.

    Example:
        >>> read_npy("a.npy", data, channels=5, max_pixels=10**6).shape
        torch.Size([5, 64, 48])
    """
    array = _channels_first(name, load_npy(name, data), channels)
    if math.prod(array.shape[1:]) > max_pixels:
        raise DataError(
            f"{name} has shape {array.shape}; expected at most {max_pixels} pixels. Make it smaller or cut it up."
        )
    if array.dtype == np.uint8:
        # A copy, since the bytes of the file are read-only and a tensor is not.
        return torch.from_numpy(np.array(array, order="C"))
    if array.dtype.newbyteorder("=") == np.uint16:
        return torch.from_numpy(scale_16_bits(array))
    if array.dtype.kind == "f":
        return torch.from_numpy(check_floats(name, array))
    raise DataError(
        f"{name} holds {array.dtype}; expected uint8, uint16, or floats in -1 to 1. Convert it to one of these."
    )


def scale_16_bits(array: np.ndarray) -> np.ndarray:
    """Map 0 to 65535 onto -1 to 1, as float32."""
    return np.ascontiguousarray(array.astype(np.float64) / 32767.5 - 1, dtype=np.float32)


def check_floats(name: str, array: np.ndarray) -> np.ndarray:
    """Return floats in -1 to 1 as float32; raises NonFiniteError or DataError on others."""
    if not np.isfinite(array).all():
        raise NonFiniteError(f"{name} holds NaN or infinity; expected finite numbers. Mend the file or remove it.")
    low, high = float(array.min()), float(array.max())
    if max(-low, high) > 1 + _SLACK:
        raise DataError(
            f"{name} holds floats from {low:.4g} to {high:.4g}; expected -1 to 1. Rescale it, or save it as uint8."
        )
    return np.ascontiguousarray(array.clip(-1, 1), dtype=np.float32)


def load_npy(name: str, data: bytes) -> np.ndarray:
    """The array of a .npy file's bytes, without running anything that it holds.

    Raises:
        DataError: not a plain .npy file, cut short, empty, or of other things than numbers.

    Example:
        >>> load_npy("a.npy", data).shape
        (5, 64, 48)
    """
    # The header is read apart from the numbers: no pickle is ever loaded, and a header that promises more
    # than the file holds cannot reserve memory.
    file = io.BytesIO(data)
    try:
        readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        shape, fortran, dtype = readers[np.lib.format.read_magic(file)](file)
    except Exception as error:  # the header is parsed as Python's literals, by a tokenizer with errors of its own
        raise DataError(f"{name} is not a whole .npy file ({error}); expected one from numpy.save.") from error
    if dtype.hasobject or dtype.itemsize == 0:
        raise DataError(f"{name} holds {dtype}; expected uint8, uint16 or floats. Save plain numbers.")
    count = math.prod(shape)
    if min(shape, default=0) < 1:
        raise DataError(f"{name} has shape {shape}; expected at least one pixel. Remove the file.")
    if count * dtype.itemsize > len(data) - file.tell():
        raise DataError(f"{name} is cut short: its header promises shape {shape}. Copy or make it again.")
    return np.frombuffer(data, dtype, count, file.tell()).reshape(shape, order="F" if fortran else "C")


def _channels_first(name: str, array: np.ndarray, channels: int) -> np.ndarray:
    if array.ndim == 2 and channels == 1:
        return array[None]
    first = array.ndim == 3 and array.shape[0] == channels
    last = array.ndim == 3 and array.shape[2] == channels
    if first != last:
        return array if first else array.transpose(2, 0, 1)
    plain = ", or (H, W)" * (channels == 1)
    state = "may have its channels first or last" if first else "does not fit"
    raise DataError(
        f"{name} has shape {array.shape}, which {state}; "
        f"expected ({channels}, H, W) or (H, W, {channels}){plain}. "
        "Reshape it, or set another number of channels."
    )
