"""Progress bars, drawn on terminals only."""

import shutil

from tqdm import tqdm


def progress_bar(
    total: float, *, unit: str, quiet: bool = False, bar_format: str | None = None, done: float = 0
) -> tqdm:
    """A bar on stderr where that is a terminal, and nothing elsewhere or when quiet.

    Terminals that do not tell their size (0 × 0, as in some containers) get 80 columns instead of an empty line.
    ``done`` is what an earlier process did, which says nothing about this one's pace.

    Example:
        >>> progress_bar(10, unit="frame", quiet=True).disable
        True
    """
    size = shutil.get_terminal_size()
    return tqdm(
        total=total,
        initial=done,
        unit=unit,
        disable=True if quiet else None,
        ncols=min(size.columns, 120),
        nrows=max(size.lines, 2),
        bar_format=bar_format,
    )
