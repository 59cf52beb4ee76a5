"""Memory of the process, for programs that own it."""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Tell the C library to keep what is freed for the next tensor, instead of handing it back to the system.

    Large tensors otherwise come from fresh pages every time, and on a CPU a third of the time of a render, and a
    seventh of a training's, goes into clearing them. It is a setting of the whole process, so that only programs make
    it (the command line does), never the library. The process's peak is what it was; between peaks it keeps more.

    Returns:
        Whether there was something to tell: the C library is glibc.

    Example:
        >>> keep_freed_memory()
        True
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30) and libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST))
