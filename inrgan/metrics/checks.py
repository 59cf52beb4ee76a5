"""Checks of two sets before they are compared."""

import torch
from jaxtyping import Float
from torch import Tensor

from inrgan.errors import DeviceError, NonFiniteError, ShapeError


def check_signals(
    real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, smallest_side: int = 1, minimum: int = 1
) -> None:
    """Refuse two sets of signals that do not fit each other.

    Args:
        real: (N, C, *spatial).
        fake: (M, C, *spatial).
        smallest_side: Smallest number of samples along every spatial axis.
        minimum: Smallest number of items in each set.

    Raises:
        ShapeError: Other than 1, 2 or 3 spatial axes, different channels or sizes, too few items, too small.
        DeviceError: The two sets lie on different devices.
    """
    for label, values in (("real", real), ("fake", fake)):
        if values.ndim not in (3, 4, 5):
            raise ShapeError(
                f"the {label} set has shape {tuple(values.shape)}; expected (items, channels, *spatial) with "
                "1, 2 or 3 spatial axes; stack the items and keep the channel axis"
            )
        _check_count(values, label=label, minimum=minimum)
        if min(values.shape[2:]) < smallest_side:
            raise ShapeError(
                f"the {label} set has spatial size {tuple(values.shape[2:])}; expected at least "
                f"{smallest_side} samples along every axis; evaluate at a finer resolution"
            )
    if real.shape[1:] != fake.shape[1:]:
        raise ShapeError(
            f"real items have shape {tuple(real.shape[1:])} and fake items {tuple(fake.shape[1:])}; expected "
            "the same channels and the same spatial size; sample both at one resolution"
        )
    _check_device(real, fake)


def check_features(real: Float[Tensor, "..."], fake: Float[Tensor, "..."], *, minimum: int) -> None:
    """Refuse two feature matrices that do not fit each other.

    Args:
        real: (N, F).
        fake: (M, F).
        minimum: Smallest number of rows in each.

    Raises:
        ShapeError: Not matrices, different widths, too few rows.
        DeviceError: The two lie on different devices.
    """
    for label, features in (("real", real), ("fake", fake)):
        if features.ndim != 2:
            raise ShapeError(
                f"the {label} features have shape {tuple(features.shape)}; expected (items, features); run "
                "an extractor on the signals first"
            )
        _check_count(features, label=label, minimum=minimum)
    if real.shape[1] != fake.shape[1]:
        raise ShapeError(
            f"real features are {real.shape[1]} wide and fake features {fake.shape[1]}; expected the same "
            "width; use one extractor for both sets"
        )
    _check_device(real, fake)


def check_finite(values: Float[Tensor, "..."], *, label: str) -> None:
    """Refuse NaN and infinity.

    Args:
        values: Values of any shape.
        label: Name of the set in the message.

    Raises:
        NonFiniteError: Says which set and how many values.
    """
    bad = int((~torch.isfinite(values)).sum())
    if bad:
        raise NonFiniteError(
            f"the {label} set holds {bad} values of {values.numel()} that are NaN or infinite; expected "
            "finite values; check the model or the reader"
        )


def _check_count(values: Float[Tensor, "..."], *, label: str, minimum: int) -> None:
    if values.shape[0] < minimum:
        raise ShapeError(
            f"the {label} set has {values.shape[0]} items; expected at least {minimum}; evaluate on more items"
        )


def _check_device(real: Float[Tensor, "..."], fake: Float[Tensor, "..."]) -> None:
    if real.device != fake.device:
        raise DeviceError(
            f"the real set lies on {real.device} and the fake set on {fake.device}; expected one device; "
            "move one of them with .to(...)"
        )
