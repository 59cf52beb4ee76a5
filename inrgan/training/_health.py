"""What happens when numbers stop being finite: skip, go back, give up."""

from dataclasses import dataclass
from typing import Any, final

from inrgan.errors import CheckpointError

IN_A_ROW = 10
"""Steps without finite gradients after which training goes back to its last state."""
RETURNS = 3
"""Times that training goes back to one state before it gives up."""
SLOWER = 0.5
"""Factor on the learning rates at each return."""


@final
@dataclass
class Health:
    """Counts steps that were skipped because a loss or a gradient was NaN or infinite."""

    skipped: int = 0
    """Since the run began."""
    row: int = 0
    """Up to now without a good one between."""
    returns: int = 0
    """How often training went back to a state, since the run began."""
    tries: int = 0
    """How often it went back to the last one."""
    rate: float = 1.0
    """Factor on the learning rates."""

    def note(self, good: bool) -> None:
        """Count a step."""
        self.skipped += not good
        self.row = 0 if good else self.row + 1

    @property
    def must_return(self) -> bool:
        """Whether it is time to go back."""
        return self.row >= IN_A_ROW

    @property
    def hopeless(self) -> bool:
        """Whether going back was tried often enough."""
        return self.tries >= RETURNS

    def went_back(self) -> None:
        """Training starts again from its last state, more slowly."""
        self.returns, self.tries, self.row, self.rate = self.returns + 1, self.tries + 1, 0, self.rate * SLOWER

    def saved(self) -> None:
        """There is a newer state to go back to."""
        self.tries = 0

    def to_plain(self) -> dict[str, Any]:
        """What a state keeps of it."""
        return {"skipped": self.skipped, "returns": self.returns, "rate": self.rate}

    @staticmethod
    def from_plain(data: Any) -> "Health":
        """The inverse of ``to_plain``; a fresh count where a state has none.

        Raises:
            CheckpointError: the entries are not numbers.
        """
        try:
            return Health(skipped=int(data["skipped"]), returns=int(data["returns"]), rate=float(data["rate"]))
        except (KeyError, TypeError, ValueError):
            raise CheckpointError(f"the state's record of health is {data!r}; expected three numbers") from None
