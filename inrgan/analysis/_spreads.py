"""How the values of layers were spread, from the histograms among a run's TensorBoard events."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from google.protobuf.message import DecodeError
from tensorboard.backend.event_processing.event_file_loader import LegacyEventFileLoader

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
SPREAD_KINDS = ("activations", "weights", "gradients", "updates")
"""Of what there are histograms."""


@final
@dataclass(frozen=True)
class Spread:
    """Quantiles of a tensor's values at a moment.

    Attributes:
        kimg: when.
        quantiles: one for each of ``QUANTILES``.
    """

    kimg: float
    quantiles: tuple[float, ...]

    def to_plain(self) -> dict[str, Any]:
        """As a JSON object."""
        return {"kimg": self.kimg, **{f"q{100 * q:g}": x for q, x in zip(QUANTILES, self.quantiles, strict=True)}}


def read_spreads(run: Path) -> dict[str, list[Spread]]:
    """Quantiles by tensor, in the order in which training recorded them: ``activations/G.signal`` and the like.

    What an earlier process recorded after the state that a later one went on from is left out, as TensorBoard does.
    A file is read up to where it is damaged.

    Args:
        run: the run directory.

    Example:
        >>> read_spreads(Path("runs/00000-image-shapes-tiny"))["activations/G.signal"][0].kimg
        200.0
    """
    found: dict[str, dict[int, Spread]] = {}
    for path in sorted(run.glob("events.out.tfevents.*")):
        try:
            for event in LegacyEventFileLoader(str(path)).Load():
                if event.HasField("session_log"):
                    for rows in found.values():
                        for step in [s for s in rows if s >= event.step]:
                            del rows[step]
                for value in event.summary.value if event.HasField("summary") else ():
                    if value.HasField("histo") and value.tag.partition("/")[0] in SPREAD_KINDS:
                        quantiles = histogram_quantiles(
                            np.array(value.histo.bucket_limit), np.array(value.histo.bucket),
                            low=value.histo.min, high=value.histo.max,
                        )  # fmt: skip
                        if quantiles is not None:
                            rows = found.setdefault(_named(value.tag), {})
                            rows[event.step] = Spread(event.step / 1000, quantiles)
        except (DecodeError, OSError):
            continue
    return {name: [rows[step] for step in sorted(rows)] for name, rows in found.items() if rows}


def histogram_quantiles(limits: np.ndarray, counts: np.ndarray, *, low: float, high: float) -> tuple[float, ...] | None:
    """``QUANTILES`` of what a histogram counts, each exact to the width of its bucket; None where it counts nothing.

    Args:
        limits: upper limit of every bucket, ascending.
        counts: of every bucket.
        low: smallest value.
        high: largest value.

    Example:
        >>> histogram_quantiles(np.array([1.0, 2.0]), np.array([5.0, 5.0]), low=0.0, high=2.0)[3]
        1.0
    """
    total = float(counts.sum()) if len(counts) else 0.0
    if total <= 0 or not np.isfinite([low, high]).all():
        return None
    edges = np.clip(np.concatenate([[low], limits]), low, high)
    below = np.concatenate([[0.0], np.cumsum(counts)]) / total
    wanted = np.array(QUANTILES)
    bucket = np.clip(np.searchsorted(below[1:], wanted), 0, len(counts) - 1)
    inside = (wanted - below[bucket]) / np.maximum(np.diff(below)[bucket], 1e-300)
    between = edges[bucket] + np.clip(inside, 0, 1) * np.diff(edges)[bucket]
    return (float(low), *(float(x) for x in between[1:-1]), float(high))


def _named(tag: str) -> str:
    """A layer's own name: TensorBoard has no blanks in its."""
    for kind in ("reals", "fakes"):
        tag = tag.replace(f"_on_{kind}", f" on {kind}")
    return tag
