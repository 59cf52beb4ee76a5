"""Ctrl-C between steps instead of within one."""

import signal
import threading
from types import FrameType


class StopRequest:
    """Notes the first SIGINT, so that a training step is never cut in half; the second one interrupts as usual.

    Signals reach the main thread only; elsewhere nothing is ever requested.
    """

    def __init__(self):
        self.requested = False
        self._main = threading.current_thread() is threading.main_thread()
        if self._main:
            self._before = signal.signal(signal.SIGINT, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.requested = True
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def close(self) -> None:
        """Put back what handled the signal before."""
        if self._main:
            signal.signal(signal.SIGINT, self._before)
