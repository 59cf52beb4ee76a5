"""A separate process that reads videos and is replaced when it does not answer."""

import json
import logging
import os
import subprocess
import sys
import threading
import weakref
from pathlib import Path
from typing import Any, final

import numpy as np

from inrgan.errors import DataError

INDEX_SECONDS, READ_SECONDS = 120.0, 30.0
"""Time limits in seconds, for indexing a file and for reading frames, after which a reader is terminated."""

_READS = 1000
"""Number of answers after which the process is replaced, because video decoders leak memory."""


class _Ended(Exception):
    """Error of a process that ended without an answer."""


@final
class Decoder:
    """A client of a reader process, which starts with the first request; one for every process.

    A reader that stalls or crashes while it reads frames is replaced and asked once more, since a machine may be busy.

    Args:
        index_seconds: Time limit for indexing a file.
        read_seconds: Time limit for reading frames.
        script: Script of the process; replaced in tests.

    Example:
        >>> Decoder().ask({"op": "index", "path": "video.mp4", "files": []})[0]["rows"]
        240
    """

    def __init__(
        self, *, index_seconds: float = INDEX_SECONDS, read_seconds: float = READ_SECONDS, script: Path | None = None
    ):
        self._limits = {"index": index_seconds, "frames": read_seconds}
        self._script = Path(__file__).with_name("_worker.py") if script is None else script
        self._start()

    def ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        """The answer of the reader and its array.

        Raises:
            DataError: The file is bad, or the process stalled or crashed.
        """
        tries = 2 if request["op"] == "frames" else 1
        for left in reversed(range(tries)):
            try:
                return self._ask(request)
            except _Ended as error:
                if left == 0:
                    raise DataError(str(error)) from None
        raise AssertionError("every try returns or raises")

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        name, limit = Path(request["path"]).name, self._limits[request["op"]]
        with self._locks.setdefault(os.getpid(), threading.Lock()):
            process = self._process()
            late = threading.Event()

            def end() -> None:
                late.set()
                process.kill()

            timer = threading.Timer(limit, end)
            timer.start()
            try:
                assert process.stdin is not None and process.stdout is not None
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
                line = process.stdout.readline()
                header = json.loads(line) if line.endswith(b"\n") else None
                payload = b"" if header is None else process.stdout.read(header["bytes"])
            except (OSError, ValueError):
                header, payload = None, b""
            finally:
                timer.cancel()
            if header is None or len(payload) != header["bytes"]:
                self.close()
                if late.is_set():
                    raise _Ended(f"{name} kept its reader busy for more than {limit:g} seconds. Remove it.")
                raise _Ended(f"{name} made its reader crash. Copy or create it again, or remove it.")
            self._count += 1
        if "error" in header:
            raise DataError(
                f"{name} cannot be read as a video: {header['error'].removeprefix('Refused: ').rstrip('.')}. Copy or "
                "make it again, or remove it."
            )
        return header, np.frombuffer(payload, dtype=np.uint8).reshape(header.get("shape", [0]))

    def close(self) -> None:
        """End the process; the next request starts another one."""
        ended = self._processes.pop(os.getpid(), None)
        if ended is not None:
            _end(ended)

    def __getstate__(self) -> dict[str, Any]:
        return {"_limits": self._limits, "_script": self._script}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def _start(self) -> None:
        # Keyed by process: a forked child must not use the reader of its parent.
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._locks: dict[int, threading.Lock] = {}
        self._count = 0

    def _process(self) -> "subprocess.Popen[bytes]":
        mine = self._processes.get(os.getpid())
        if mine is not None and mine.poll() is None and self._count < _READS:
            return mine
        self.close()
        self._count = 0
        # Decoders write warnings to the standard error; the answers hold the relevant ones.
        quiet = None if logging.getLogger("inrgan").isEnabledFor(logging.DEBUG) else subprocess.DEVNULL
        process = subprocess.Popen(
            [sys.executable, str(self._script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet
        )
        self._processes[os.getpid()] = process
        weakref.finalize(self, _end, process)
        # The first line reports that the process is ready: its start does not count toward the time limit.
        assert process.stdout is not None
        timer = threading.Timer(INDEX_SECONDS, process.kill)
        timer.start()
        process.stdout.readline()
        timer.cancel()
        return process


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
