"""Order of the classes of a training, which is that of the weights it starts from."""

from collections.abc import Sequence
from pathlib import Path

from inrgan.checkpoint import read_labels, resolve
from inrgan.data import normalized
from inrgan.errors import ConfigError, InrganError
from inrgan.training.distribution import Ranks


def class_order(
    names: Sequence[str], *, resume: str | Path | None, init_from: str | Path | None, ranks: Ranks
) -> tuple[str, ...]:
    """Names of the classes of a training, in the order of the weights it starts from, or else of the data.

    Earlier versions numbered classes in another order, and data may gain or lose classes.

    Args:
        names: Names of the classes of the data; empty without labels.
        resume: Run that is resumed.
        init_from: Generator whose weights training starts from.
        ranks: Processes that train together.

    Raises:
        ConfigError: The run was trained on other classes.
    """
    if not names or (resume is None and init_from is None):
        return tuple(names)
    run, generator = ranks.share((_labels(resume), _labels(init_from)) if ranks.first else ((), ()))
    earlier = run or generator
    if set(earlier) == set(names):
        return earlier
    if run:
        new, gone = sorted(set(names) - set(earlier)), sorted(set(earlier) - set(names))
        raise ConfigError(
            f"the run {resume} has the {len(earlier)} classes {_listed(earlier)}, and the data have {len(names)}"
            + f"; new: {_listed(new)}" * bool(new)
            + f"; missing: {_listed(gone)}" * bool(gone)
            + ". Give the same data and --labels, or start a new run with --init-from"
        )
    return tuple(names)


def _labels(start: str | Path | None) -> tuple[str, ...]:
    """Names of the classes of a generator; none where it cannot be read, which is reported when its weights are."""
    if start is None:
        return ()
    try:
        return tuple(normalized(name) for name in read_labels(resolve(start)))
    except InrganError:
        return ()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
