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

_SPINS = {"GOMP_SPINCOUNT": "3000", "KMP_BLOCKTIME": "0"}
"""Length of the spin of GNU's OpenMP library in turns, and of LLVM's and Intel's in milliseconds."""


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
    """Make threads of OpenMP that wait for work spin briefly and then sleep, by variables of the environment.

    GNU's library spins for milliseconds and LLVM's for 200 by default, and torch starts its threads hundreds of times
    per training step. Beside other programs, spinning takes the time that they and the working threads need. The
    variables are ``GOMP_SPINCOUNT`` and ``KMP_BLOCKTIME``; those that the user has set stay, and with
    ``OMP_WAIT_POLICY`` none is set. Processes that the program starts inherit them.

    Returns:
        Whether waiting threads sleep soon by these settings; not where the user's variables decide.

    Warns:
        RuntimeWarning: torch is loaded already, so that the variables come too late.

    Example:
        >>> limit_spinning()
        True
    """
    if "OMP_WAIT_POLICY" in os.environ or all(name in os.environ for name in _SPINS):
        return False
    if "torch" in sys.modules:
        warnings.warn(
            "limit_spinning was called after torch was imported, which reads these settings on import; call it first",
            RuntimeWarning, stacklevel=2,
        )  # fmt: skip
        return False
    for name, value in _SPINS.items():
        os.environ.setdefault(name, value)
    return True


def wait_policy() -> str:
    """Variables that decide how long threads of OpenMP spin, as the environment has them.

    Example:
        >>> wait_policy()
        'GOMP_SPINCOUNT=3000, KMP_BLOCKTIME=0'
    """
    names = (*_SPINS, "OMP_WAIT_POLICY")
    return ", ".join(f"{name}={os.environ[name]}" for name in names if name in os.environ) or "the library's default"


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
