"""Errors that a user can cause and fix.

Every message says three things: what was got, what was expected, what to do. On the command line such an
error is one line on stderr and exit code 2. Mistakes of our own use ``assert`` and show a traceback.
"""


class InrganError(ValueError):
    """Base of every user error."""


class DataError(InrganError):
    """The data cannot be read or does not fit the modality."""


class ConfigError(InrganError):
    """An option, a preset or a combination of options makes no sense."""


class ShapeError(InrganError):
    """A tensor does not have the shape that was asked for."""


class NonFiniteError(InrganError):
    """NaN or infinity where a finite number was expected."""


class CheckpointError(InrganError):
    """A checkpoint is missing, corrupt, foreign or unsafe."""


class RunDirectoryError(InrganError):
    """A run directory cannot be created, read or locked."""


class WriteError(InrganError):
    """A file cannot be written: the disk is full, or the folder refuses it."""


class DeviceError(InrganError):
    """A device was asked for that is not there."""


class UnknownModality(InrganError):
    """No adapter of that name is known."""


class MissingDependency(InrganError, ImportError):
    """An optional library is not installed."""

    def __init__(self, library: str, *, extra: str, why: str):
        super().__init__(
            f'{why} needs {library}, which is not installed here. Install it with: pip install "inrgan[{extra}]"'
        )
