"""Process settings of a program: threads, memory, progress bar, and the signals that stop it.

Nothing here loads torch.
"""

import ctypes
import os
import platform
import shutil
import signal
import sys
import threading
import warnings
from types import FrameType
from typing import final

from tqdm import tqdm

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
_LARGEST = (1 << 31) - 1

SPIN_COUNT = 1000
"""Turns that a thread of libgomp waits before it sleeps: about ten microseconds. Its default is 300,000."""


def tune_process() -> None:
    """Make the settings of a program that computes with torch on a CPU, before it imports torch.

    ``limit_spinning`` and ``keep_freed_memory``. They apply to the whole process, so that programs make them (the
    command line and the examples do), and never the library.

    Example:
        >>> from inrgan.process import tune_process
        >>> tune_process()
        >>> import torch
    """
    limit_spinning()
    keep_freed_memory()


def limit_spinning() -> bool:
    """Make threads that wait for work spin briefly and then sleep, by ``GOMP_SPINCOUNT`` in the environment.

    torch starts its threads many times in a training step. GNU's OpenMP library (libgomp: torch of pip on Linux) lets
    them spin for milliseconds in between, and beside other programs that takes the time that the working threads need.
    Where the user has set ``GOMP_SPINCOUNT`` or ``OMP_WAIT_POLICY``, these decide. LLVM's and Intel's libraries (macOS,
    Windows, conda) do not read the variable; their threads give way to others while they wait.

    Processes that the program starts inherit the setting.

    Returns:
        Whether the setting was made.

    Warns:
        RuntimeWarning: torch was imported before; libgomp reads the environment when it is loaded.

    Example:
        >>> limit_spinning()
        True
    """
    if "GOMP_SPINCOUNT" in os.environ or "OMP_WAIT_POLICY" in os.environ:
        return False
    if "torch" in sys.modules:
        warnings.warn(
            "limit_spinning was called after torch was imported, when it has no effect; call it before", RuntimeWarning,
            stacklevel=2,
        )  # fmt: skip
        return False
    os.environ["GOMP_SPINCOUNT"] = str(SPIN_COUNT)
    return True


def wait_policy() -> str:
    """What the environment says of threads of OpenMP that wait.

    Example:
        >>> wait_policy()
        'GOMP_SPINCOUNT=1000'
    """
    names = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY", "KMP_BLOCKTIME")
    return ", ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ) or "the library's default"


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
    render and nearly a fifth of that of a training. The setting applies to the process, so that programs make it (the
    command line does), and never the library. Peak memory does not change; between peaks the process keeps more.
    Allocators that replace the C library's, such as jemalloc and tcmalloc, have their own settings.

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
