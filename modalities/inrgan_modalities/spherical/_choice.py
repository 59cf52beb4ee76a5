"""Choices that data need and that were not made."""

from typing import Any

from inrgan.errors import ConfigError, DataError


class ChoiceNeeded(DataError, ConfigError):
    """Data that can be read once a choice is made, such as a level.

    Args:
        message: The choices, and the flags that make one.
        **fields: Fields of ``SphericalModality`` with one of the choices, with which the data can be examined.

    Example:
        >>> ChoiceNeeded("add --channels 1", channels=1).fields
        {'channels': 1}
    """

    def __init__(self, message: str, **fields: Any):
        super().__init__(message)
        self.fields = fields

    @property
    def flags(self) -> str:
        """The fields as flags of the command line."""
        words = []
        for name, value in self.fields.items():
            for part in value if isinstance(value, tuple) else (value,):
                words.append(f"--{name} {part:.6g}" if isinstance(part, float) else f"--{name} {part}")
        return " ".join(words)
