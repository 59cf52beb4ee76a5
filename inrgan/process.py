"""The process of a program: its progress bar, its memory, and the signals that ask it to stop."""

import ctypes
import platform
import shutil
import signal
import threading
from types import FrameType
from typing import final

from tqdm import tqdm

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = (1 << 31) - 1


def keep_freed_memory() -> bool:
    """Make the C library keep freed memory for the next tensor, instead of returning it to the system.

    Large tensors otherwise come from fresh pages every time, and on a CPU a third of the time of a render, and a
    seventh of a training's, goes into clearing them. It is a setting of the process, which programs make
    (the command line does), and never the library. Peak memory does not change; between peaks the process keeps more.

    Returns:
        Whether the setting was made, which needs glibc.

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
    """A bar on stderr where that is a terminal, and nothing elsewhere or when quiet.

    Terminals that do not tell their size (0 × 0, as in some containers) get 80 columns instead of an empty line.
    ``done`` is what an earlier process did, which says nothing about this one's pace.

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
    """A note of the first SIGINT or SIGTERM, so that no training step is cut in half; the second one acts at once.

    Signals reach the main thread only; elsewhere nothing is ever requested.
    """

    def __init__(self):
        self.signal: int | None = None
        self._before = {}
        if threading.current_thread() is threading.main_thread():
            self._before = {n: signal.signal(n, self._note) for n in (signal.SIGINT, signal.SIGTERM)}

    @property
    def requested(self) -> bool:
        """Whether a signal came."""
        return self.signal is not None

    def exception(self) -> BaseException:
        """The exception for the program to end with: KeyboardInterrupt, or SystemExit with SIGTERM's code 143.

        The latter also where another process of the training got the signal.
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
