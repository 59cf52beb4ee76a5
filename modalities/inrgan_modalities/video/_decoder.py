"""Separate processes that read videos and are replaced when they do not answer."""

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
    """A client of reader processes, as many as threads ask at a time; each starts when it is needed first.

    A reader that stalls or crashes while it reads frames is replaced and asked once more, since a machine may be busy.
    After that its file is refused without asking.

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
        tries, path = 2 if request["op"] == "frames" else 1, request["path"]
        if path in self._ended:  # it would cost the time limit again and again
            raise DataError(self._ended[path])
        for left in reversed(range(tries)):
            try:
                return self._ask(request)
            except _Ended as error:
                if left == 0:
                    self._ended[path] = str(error)
                    raise DataError(str(error)) from None
        raise AssertionError("every try returns or raises")

    def _ask(self, request: dict[str, Any]) -> tuple[dict[str, Any], np.ndarray]:
        name, limit = Path(request["path"]).name, self._limits[request["op"]]
        reader = self._reader()
        try:
            header, payload = reader.ask(request, name=name, limit=limit)
        except BaseException:  # an interrupt included, after which the answer would be that of the next request
            reader.end()
            raise
        self._idle.setdefault(os.getpid(), []).append(reader)
        if "error" in header:
            raise DataError(
                f"{name} cannot be read as a video: {header['error'].removeprefix('Refused: ').rstrip('.')}. Copy or "
                "make it again, or remove it."
            )
        return header, np.frombuffer(payload, dtype=np.uint8).reshape(header.get("shape", [0]))

    def close(self) -> None:
        """End the idle readers; the next request starts another one."""
        for reader in self._idle.pop(os.getpid(), []):
            reader.end()

    def __getstate__(self) -> dict[str, Any]:
        return {"_limits": self._limits, "_script": self._script}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._start()

    def _start(self) -> None:
        # Keyed by process: a forked child must not use the readers of its parent.
        self._idle: dict[int, list[_Reader]] = {}
        self._ended: dict[str, str] = {}  # files that stalled or crashed their readers, and what was said

    def _reader(self) -> "_Reader":
        """A reader that no other thread uses."""
        idle = self._idle.setdefault(os.getpid(), [])
        while idle:
            try:
                reader = idle.pop()
            except IndexError:  # another thread took it
                break
            if reader.usable:
                return reader
            reader.end()
        reader = _Reader(self._script)
        weakref.finalize(self, reader.end)
        return reader


@final
class _Reader:
    """A reader process, which answers one request at a time.

    Args:
        script: Script of the process.
    """

    def __init__(self, script: Path):
        self._count = 0
        # Decoders write warnings to the standard error; the answers hold the relevant ones.
        quiet = None if logging.getLogger("inrgan").isEnabledFor(logging.DEBUG) else subprocess.DEVNULL
        self.process = subprocess.Popen(
            [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet
        )
        # The first line reports that the process is ready: its start does not count toward the time limit.
        assert self.process.stdout is not None
        timer = threading.Timer(INDEX_SECONDS, self.process.kill)
        timer.start()
        self.process.stdout.readline()
        timer.cancel()

    @property
    def usable(self) -> bool:
        """Whether the process runs and has not answered too often."""
        return self.process.poll() is None and self._count < _READS

    def ask(self, request: dict[str, Any], *, name: str, limit: float) -> tuple[dict[str, Any], bytes]:
        """The answer and the bytes that follow it; raises _Ended where the process stalls or crashes."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self.process.kill()

        timer = threading.Timer(limit, end)
        timer.start()
        try:
            assert self.process.stdin is not None and self.process.stdout is not None
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
            header = json.loads(line) if line.endswith(b"\n") else None
            payload = b"" if header is None else self.process.stdout.read(header["bytes"])
        except (OSError, ValueError):
            header, payload = None, b""
        finally:
            timer.cancel()
        if header is None or len(payload) != header["bytes"]:
            if late.is_set():
                raise _Ended(f"{name} kept its reader busy for more than {limit:g} seconds. Remove it.")
            raise _Ended(f"{name} made its reader crash. Copy or create it again, or remove it.")
        self._count += 1
        return header, payload

    def end(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
