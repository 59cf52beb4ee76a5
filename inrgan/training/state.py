"""Training states on disk, for exact resume: each is verified before it replaces the previous one, which is kept."""

import hashlib
import io
import logging
import os
import pickle
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import torch

from inrgan.errors import CheckpointError, WriteError
from inrgan.files import replacing

VERSION = 1
_PICKLE = b"\x80"
_LOG = logging.getLogger("inrgan")


class DamagedStateError(CheckpointError):
    """A state that is damaged on the disk: the previous one can take its place."""


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to one file; the previous file is kept beside it.

    The new file is flushed to the disk and read back before it takes its place, so that at any moment, and after a
    kill at any moment, ``path`` or ``previous_state(path)`` is whole.

    Raises:
        WriteError: The disk is full, or reads back something else; the previous state is untouched.
    """
    buffer = io.BytesIO()  # torch hides what the disk says when it writes to a file itself
    torch.save({"format": "inrgan-state", "version": VERSION, **state}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())
        _flush(temporary)
        if _digest(temporary) != hashlib.sha256(buffer.getbuffer()).digest():
            raise WriteError(
                f"{path} does not read back as it was written; the state before it is untouched. The disk fails: "
                "copy the run directory to another one"
            )
        if path.exists():
            os.replace(path, previous_state(path))


def previous_state(path: Path) -> Path:
    """File of the previous state."""
    return path.with_name("state-previous.pt")


def has_state(path: Path) -> bool:
    """Whether there is a state to resume from."""
    return path.exists() or previous_state(path).exists()


def load_last_state(path: Path, *, device: torch.device) -> dict[str, Any]:
    """The last state, or the previous one if the last is damaged or missing; the log says so.

    Raises:
        CheckpointError: As for ``load_state``, if neither can be read.
    """
    try:
        if not path.exists() and previous_state(path).exists():  # killed between two renames
            return load_state(previous_state(path), device=device)
        return load_state(path, device=device)
    except DamagedStateError as error:
        if not previous_state(path).exists():
            raise
        state = load_state(previous_state(path), device=device)
        _LOG.warning("%s; resuming from %s instead", str(error).partition(";")[0], previous_state(path).name)
        return state


def load_state(path: Path, *, device: torch.device) -> dict[str, Any]:
    """Read a training state; nothing in the file can run.

    Raises:
        CheckpointError: Missing, truncated, foreign, or a pickle that wants to execute code.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} has no {path.name} to resume from; use --init-from a snapshot") from None
    except OSError as error:
        raise DamagedStateError(
            f"{path} cannot be read ({error.strerror or error}); start from the last snapshot with --init-from"
        ) from None
    return decode_state(data, path=path, device=device)


def decode_state(data: bytes, *, path: Path, device: torch.device) -> dict[str, Any]:
    """A training state from a file's bytes; ``path`` is for messages.

    Raises:
        CheckpointError: Truncated, foreign, or a pickle that wants to execute code.
    """
    try:
        if not data.startswith(_PICKLE):  # which torch refuses with the word that says why
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                broken = archive.testzip()  # torch itself does not look at the checksums
            if broken is not None:
                raise ValueError(f"the checksum of {broken} is wrong")
        state = torch.load(io.BytesIO(data), map_location=device, weights_only=True)
    except pickle.UnpicklingError as error:
        # Not torch's own message: it explains how to switch this check off.
        wanted = re.search(r"(?:GLOBAL|class|function) ([\w.]+)", str(error))
        named = f" ({wanted[1]})" if wanted else ""
        raise CheckpointError(
            f"{path} is refused: it asks to execute code{named}, while training states hold tensors and plain values "
            "only; start from a snapshot with --init-from"
        ) from None
    except Exception as error:  # a damaged archive fails in as many ways as torch.load has lines
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DamagedStateError(
            f"{path} is truncated or corrupt ({reason}); start from the last snapshot with --init-from"
        ) from None
    if not isinstance(state, dict) or state.get("format") != "inrgan-state" or state.get("version") != VERSION:
        raise CheckpointError(f"{path} is not a training state of this version of inrgan")
    return state


def _flush(path: Path) -> None:
    with open(path, "rb") as file:
        os.fsync(file.fileno())
        if sys.platform == "linux":  # so that reading it back asks the disk, not the memory that was written from
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _digest(path: Path) -> bytes:
    found = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            found.update(block)
    return found.digest()
