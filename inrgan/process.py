"""Process settings of a program: progress bar, memory, and the signals that stop it."""

import ctypes
import os
import platform
import shutil
import signal
import threading
from types import FrameType
from typing import final

from tqdm import tqdm

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = (1 << 31) - 1


def usable_cores() -> int:
    """Number of cores that this process may use, which may be fewer than the machine has.

    Example:
        >>> usable_cores() >= 1
        True
    """
    if hasattr(os, "sched_getaffinity"):  # Linux
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory for the next tensor, instead of returning it to the system.

    Large tensors otherwise come from fresh pages every time, and on a CPU clearing them takes a third of the time of a
    render and a seventh of that of a training. The setting applies to the process, so that programs make it (the
    command line does), and never the library. Peak memory does not change; between peaks the process keeps more.

    Returns:
        Whether the setting was made; it needs glibc.

    Example:
        >>> keep_freed_memory()
        True
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    return bool(libc.mallopt(_M_MMAP_THRESHOLD, 1 << 30) and libc.mallopt(_M_TRIM_THRESHOLD, _LARGEST))


def progress_bar(
    total: float, *, unit: str, quiet: bool = False, bar_format: str | None = None, done: float = 0
) -> tqdm:
    """Progress bar on stderr where that is a terminal; none elsewhere or when quiet.

    Terminals of unknown size (0 × 0, as in some containers) get 80 columns instead of an empty line. ``done`` is the
    progress of an earlier process, which does not count for the pace of this one.

    Example:
        >>> progress_bar(10, unit="frame", quiet=True).disable
        True
    """
    size = shutil.get_terminal_size()
    return tqdm(
        total=total,
        initial=done,
        unit=unit,
        disable=True if quiet else None,
        ncols=min(size.columns, 120),
        nrows=max(size.lines, 2),
        bar_format=bar_format,
    )


@final
class StopRequest:
    """First SIGINT or SIGTERM, recorded so that the current training step completes; the second one acts at once.

    Signals reach the main thread only; in other threads nothing is ever requested.
    """

    def __init__(self):
        self.signal: int | None = None
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._note) for n in (signal.SIGINT, signal.SIGTERM)}

    @property
    def requested(self) -> bool:
        """Whether a signal arrived."""
        return self.signal is not None

    def exception(self) -> BaseException:
        """Exception that ends the program: KeyboardInterrupt, or SystemExit with SIGTERM's code 143.

        The latter is also used where another process of the training got the signal.
        """
        return KeyboardInterrupt() if self.signal == signal.SIGINT else SystemExit(128 + signal.SIGTERM)

    def close(self) -> None:
        """Restore the signal handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
