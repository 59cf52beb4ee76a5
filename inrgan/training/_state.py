"""The training state on disk, for exact resume."""

import io
import pickle
from pathlib import Path
from typing import Any

import torch

from inrgan.errors import CheckpointError
from inrgan.files import replacing

VERSION = 1


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values to one file, atomically.

    Raises:
        WriteError: the disk is full; the state that was there is untouched.
    """
    buffer = io.BytesIO()  # torch hides what the disk says when it writes to a file itself
    torch.save({"format": "inrgan-state", "version": VERSION, **state}, buffer)
    with replacing(path) as temporary:
        temporary.write_bytes(buffer.getbuffer())


def load_state(path: Path, *, device: torch.device) -> dict[str, Any]:
    """Read a training state; nothing in the file can run.

    Raises:
        CheckpointError: missing, truncated, foreign, or a pickle that wants to execute code.
    """
    try:
        state = torch.load(path, map_location=device, weights_only=True)
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} has no {path.name} to resume from; use --init-from a snapshot") from None
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path} is refused: it is no plain training state, or asks to execute code ({str(error).splitlines()[0]})"
        ) from None
    except Exception as error:  # a damaged archive fails in as many ways as torch.load has lines
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(
            f"{path} is truncated or corrupt ({reason}); start from the last snapshot with --init-from"
        ) from None
    if not isinstance(state, dict) or state.get("format") != "inrgan-state" or state.get("version") != VERSION:
        raise CheckpointError(f"{path} is not a training state of this version of inrgan")
    return state
