"""Whether a training was stable, layer by layer, according to its records."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np

from inrgan.analysis.intervals import Growth, growth
from inrgan.analysis.records import Kind, LayerSeries, Spread, TrainingRecords
from inrgan.errors import ConfigError

KINDS: tuple[Kind, ...] = ("activations", "gradients", "updates")
DEAD = 0.5
"""Fraction of channels, or values, from which a layer counts as dead, or saturated."""


@final
@dataclass(frozen=True, kw_only=True)
class LayerHealth:
    """Health of one layer.

    Attributes:
        series: Records of the layer.
        growth: Growth of the layer's size; None with fewer than two positive values.
        dead: Fraction of channels of an output that are nowhere above 0: median over the first and the last quarter of
            the records, and maximum.
        saturated: Fraction of values beyond ±3, likewise.
    """

    series: LayerSeries
    growth: Growth | None
    dead: tuple[float, float, float] | None
    saturated: tuple[float, float, float] | None

    def to_plain(self) -> dict[str, Any]:
        """A JSON object."""
        shares = {"dead": self.dead, "saturated": self.saturated}
        plain = {k: dict(zip(("begin", "end", "most"), x, strict=True)) for k, x in shares.items() if x is not None}
        return {"growth": None if self.growth is None else self.growth.to_plain(), **plain}


@final
@dataclass(frozen=True)
class Diverged:
    """The first layer that diverged: that left its initial size for good.

    Attributes:
        name: Name of the layer or parameter.
        kind: Kind of the tensor: its output or its gradient.
        kimg: Time of the first record that shows it.
        finite: Whether it was still finite.
    """

    name: str
    kind: Kind
    kimg: float
    finite: bool

    def __str__(self) -> str:
        what = "output of layer" if self.kind == "activations" else "gradient of"
        how = "left its initial size for good" if self.finite else "became NaN or infinite"
        return f"the {what} {self.name} was the first that {how}, at {self.kimg:g} kimg"

    def to_plain(self) -> dict[str, Any]:
        """A JSON object."""
        return {"name": self.name, "kind": self.kind, "kimg": self.kimg, "finite": self.finite}


@final
@dataclass(frozen=True, kw_only=True)
class StabilityStudy:
    """Health of the layers of a training.

    Attributes:
        layers: Layers of every kind, in the order of computation.
        diverged: First layer to diverge, if any did.
        spreads: Quantiles of activations, weights, gradients and updates, where histograms were recorded.
        health: Skipped steps, roll-backs and learning rate.
        log: Lines of the training's log on steps that were not finite.
        protocol: Settings of the measurement.
    """

    layers: Mapping[Kind, Sequence[LayerHealth]]
    diverged: Diverged | None
    spreads: Mapping[str, Sequence[Spread]]
    health: Mapping[str, float]
    log: Sequence[str]
    protocol: dict[str, Any]

    def grown(self, kind: Kind) -> list[LayerHealth]:
        """Layers whose growth is known, largest growth first."""
        known = [x for x in self.layers[kind] if x.growth is not None]
        return sorted(known, key=lambda x: -x.growth.factor.value if x.growth else 0.0)

    @property
    def hidden(self) -> list[LayerHealth]:
        """Outputs but the last one of every network, of which no unit can die; critics on reals and on fakes apart."""
        last = {(x.series.name[:1], x.series.name.partition(" ")[2]): x for x in self.layers["activations"]}
        return [x for x in self.layers["activations"] if not any(x is y for y in last.values())]

    def mostly(self, share: Literal["dead", "saturated"]) -> list[LayerHealth]:
        """Hidden layers that are dead, or saturated, by half or more at the end."""
        found = [(x, x.dead if share == "dead" else x.saturated) for x in self.hidden]
        return [x for x, shares in found if shares is not None and shares[1] >= DEAD]

    @property
    def verdict(self) -> str:
        """A few sentences."""
        lines = []
        factor = self.protocol["factor"]
        for kind in ("activations", "gradients"):
            grown = self.grown(kind)
            factors = [x.growth.factor.value for x in grown if x.growth is not None]
            if factors:
                lines.append(
                    f"{'Outputs of layers' if kind == 'activations' else 'Gradients'} grew by a factor of "
                    f"{np.median(factors):.3g} in the median and of {factors[0]:.3g} at most ({grown[0].series.name})."
                )
            if kind == "gradients" and factors:
                fallen = sum(x <= 1 / factor for x in factors)
                lines.append(f"{fallen} of {len(factors)} gradients fell to 1/{factor:g} or less.")
        ends = [x.growth.end for x in self.layers["updates"] if x.growth is not None]
        if ends:
            lines.append(f"At the end a step moves a parameter by {np.median(ends):.2g} of its norm in the median.")
        lines.append(
            f"{len(self.mostly('dead'))} of {len(self.hidden)} hidden layers are dead by half or more, "
            f"{len(self.mostly('saturated'))} saturated."
        )
        lines.append(
            f"No output or gradient grew {factor:g}-fold and stayed there."
            if self.diverged is None
            else f"{str(self.diverged)[0].upper()}{str(self.diverged)[1:]}."
        )
        if self.health.get("skipped", 0) > 0:
            lines.append(
                f"Training skipped {self.health['skipped']:g} steps that were not finite and rolled back to an earlier "
                f"state {self.health.get('rollbacks', 0):g} times; the records of what it undid are gone."
            )
        return " ".join(lines)

    def to_plain(self) -> dict[str, Any]:
        """A JSON object."""
        return {
            "study": "stability",
            "protocol": self.protocol,
            "verdict": self.verdict,
            "first_to_diverge": None if self.diverged is None else self.diverged.to_plain(),
            "health": dict(self.health),
            "log": list(self.log),
            **{kind: {x.series.name: x.to_plain() for x in layers} for kind, layers in self.layers.items()},
            "histograms": {name: [x.to_plain() for x in rows] for name, rows in self.spreads.items()},
        }


def study_stability(
    records: TrainingRecords, *, spreads: Mapping[str, Sequence[Spread]] | None = None, factor: float = 10.0
) -> StabilityStudy:
    """Health of the layers of a training, from its records.

    Args:
        records: Records of the training.
        spreads: Quantiles of histograms, see ``read_spreads``.
        factor: Growth from which a layer counts as diverged.

    Raises:
        ConfigError: Fewer than two records, or a factor that is not above 1.

    Example:
        >>> study_stability(read_records(run)).diverged is None
        True
    """
    if not 1 < factor < float("inf"):
        raise ConfigError(f"the factor of growth is {factor}; expected a number above 1")
    if len(records.kimg) < 2:
        raise ConfigError(
            f"the run has {len(records.kimg)} record{'' if len(records.kimg) == 1 else 's'} of its layers, and growth "
            "needs two; train longer, or with a smaller --watch-every"
        )
    layers: dict[Kind, list[LayerHealth]] = {kind: [] for kind in KINDS}
    for x in records.layers:
        shares = {name: _share(x, name) for name in ("dead", "saturated")}
        layers[x.kind].append(LayerHealth(series=x, growth=growth(x.kimg, x.size), **shares))
    protocol = {
        "records": len(records.kimg), "from_kimg": float(records.kimg[0]), "to_kimg": float(records.kimg[-1]),
        "lines_ignored": records.ignored, "factor": factor,
    }  # fmt: skip
    return StabilityStudy(
        layers=layers, diverged=first_to_diverge(records.layers, factor=factor), spreads=spreads or {},
        health=records.health, log=records.log, protocol=protocol,
    )  # fmt: skip


def first_to_diverge(layers: Sequence[LayerSeries], *, factor: float) -> Diverged | None:
    """The first layer whose size is not finite, or over ``factor`` times its initial one, from a record to the last.

    The initial size is the median over the first quarter of the records, or the median of that over all layers of the
    same kind and network, if that is more: a layer that begins near zero may become as large as the others. Of several
    layers in one record, outputs come before gradients; outputs count in the order of computation, gradients in the
    order of the backward pass.

    Args:
        layers: Records in the order of computation.
        factor: Growth from which a layer counts as diverged.
    """
    groups: dict[tuple[str, str], list[LayerSeries]] = {}
    for x in layers:
        if x.kind != "updates":
            groups.setdefault((x.kind, x.name.partition(".")[0]), []).append(x)
    found: list[tuple[float, int, int, Diverged]] = []
    for (kind, _), group in groups.items():
        levels = [_level(x.size) for x in group]
        typical = float(np.nanmedian(levels)) if np.isfinite(levels).any() else 0.0
        for x, level in zip(group, levels, strict=True):
            size = x.size
            over = ~np.isfinite(size)
            if np.isfinite(level):
                over |= size > factor * max(level, typical)
            if not over[-1]:
                continue
            first = int(len(over) - np.argmin(over[::-1])) if not over.all() else 0
            place = layers.index(x)
            later, place = (0, place) if kind == "activations" else (1, -place)
            there = Diverged(x.name, x.kind, float(x.kimg[first]), bool(np.isfinite(size[first])))
            found.append((there.kimg, later, place, there))
    return min(found, key=lambda row: row[:3])[3] if found else None


def _level(size: np.ndarray) -> float:
    """Median over the first quarter of the finite values."""
    finite = size[np.isfinite(size)]
    return float(np.median(finite[: max(1, len(finite) // 4)])) if len(finite) else float("nan")


def _share(x: LayerSeries, name: str) -> tuple[float, float, float] | None:
    """Median over the first and the last quarter, and maximum."""
    if x.kind != "activations":
        return None
    values = x.values[name][np.isfinite(x.values[name])]
    if len(values) == 0:
        return None
    part = max(1, len(values) // 4)
    return float(np.median(values[:part])), float(np.median(values[-part:])), float(values.max())
