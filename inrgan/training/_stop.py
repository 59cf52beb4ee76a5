"""Signals between steps instead of within one."""

import signal
import threading
from types import FrameType


class StopRequest:
    """Notes the first SIGINT or SIGTERM, so that a training step is never cut in half; the second one acts at once.

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
        """What a program that was stopped raises: KeyboardInterrupt, or SystemExit with SIGTERM's code 143.

        The latter also where another process of the training got the signal.
        """
        return KeyboardInterrupt() if self.signal == signal.SIGINT else SystemExit(128 + signal.SIGTERM)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.signal = number
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    def close(self) -> None:
        """Put back what handled the signals before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
