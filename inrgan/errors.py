"""Errors that a user can cause and fix.

Every message states what was given, what was expected and what to do. On the command line such an error is one line on
stderr and exit code 2. Internal errors use ``assert`` and show a traceback.
"""


class InrganError(ValueError):
    """Base class of user errors."""


class DataError(InrganError):
    """The data cannot be read or do not fit the modality."""


class ConfigError(InrganError):
    """An option, a preset or a combination of options is invalid."""


class ShapeError(InrganError):
    """A tensor does not have the required shape."""


class NonFiniteError(InrganError):
    """NaN or infinity where a finite number was expected."""


class CheckpointError(InrganError):
    """A checkpoint is missing, corrupt, foreign or unsafe."""


class RunDirectoryError(InrganError):
    """A run directory cannot be created, read or locked."""


class WriteError(InrganError):
    """A file cannot be written: the disk is full, or permissions are missing."""


class DeviceError(InrganError):
    """The requested device is not available."""


class UnknownModality(InrganError):
    """No adapter has this name."""


class MissingDependency(InrganError, ImportError):
    """An optional library is not installed."""

    def __init__(self, library: str, *, extra: str, why: str):
        super().__init__(
            f'{why} needs {library}, which is not installed here. Install it with: pip install "inrgan[{extra}]"'
        )
