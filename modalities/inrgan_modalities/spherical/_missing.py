"""Missing values of fields: filling for regridding, and which cells of the new grid are known."""

import numpy as np


def filled(values: np.ndarray) -> np.ndarray:
    """Fields with missing values replaced by means of known ones nearby, which become coarser with the distance.

    Regridding then has no jump at a coast that would ring over the whole row. The filled values themselves are never
    used: the cells are missing again afterwards.

    Args:
        values: Fields (..., rows, columns), NaN where missing.

    Example:
        >>> filled(np.array([[1.0, np.nan], [1.0, np.nan]])).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    known = np.isfinite(values)
    sums, counts = [np.where(known, values, 0.0)], [known.astype(np.float64)]
    while max(sums[-1].shape[-2:]) > 1:  # sums over blocks of 2 x 2, again and again
        for parts in (sums, counts):
            top = parts[-1]
            rows, columns = top.shape[-2:]
            pad = [(0, 0)] * (top.ndim - 2) + [(0, rows % 2), (0, columns % 2)]
            blocks = np.pad(top, pad).reshape(*top.shape[:-2], -(-rows // 2), 2, -(-columns // 2), 2)
            parts.append(blocks.sum(axis=(-3, -1)))
    out = sums[-1] / np.maximum(counts[-1], 1)
    for total, count in zip(sums[-2::-1], counts[-2::-1], strict=True):
        rows, columns = total.shape[-2:]
        coarse = out.repeat(2, axis=-2).repeat(2, axis=-1)[..., :rows, :columns]
        out = np.where(count > 0, total / np.maximum(count, 1), coarse)
    return np.where(known, values, out)


def known_cells(known: np.ndarray, *, colatitudes: np.ndarray, turns: float, resolution: int) -> np.ndarray:
    """Which cells of the canonical grid are known: those whose neighbors on the old grid are.

    Args:
        known: Known cells (..., rows, columns) of the old grid, eastward from north to south.
        colatitudes: Colatitudes of its rows, in degrees.
        turns: Longitude of the first new column after the first old one, in turns.
        resolution: Number of new rows, H.

    Returns:
        Known cells (..., H, 2H).
    """
    targets = (np.arange(resolution) + 0.5) * (180 / resolution)
    above = np.clip(np.searchsorted(colatitudes, targets + 1e-3, side="right") - 1, 0, None)
    below = np.clip(np.searchsorted(colatitudes, targets - 1e-3), None, len(colatitudes) - 1)
    columns = known.shape[-1]
    places = (turns + np.arange(2 * resolution) / (2 * resolution)) * columns
    west, east = (np.floor(places + 1e-3).astype(int) % columns, np.ceil(places - 1e-3).astype(int) % columns)
    rows = known[..., above, :] & known[..., below, :]
    return rows[..., west] & rows[..., east]
