"""The report of a study of stability."""

from collections.abc import Sequence

import numpy as np

from inrgan.analysis._page import Page, Plot
from inrgan.analysis._records import Kind
from inrgan.analysis._spreads import SPREAD_KINDS, Spread
from inrgan.analysis._stability import KINDS, LayerHealth, StabilityStudy

_SHOWN = 10
"""Rows of a table: the JSON has all."""
_SIZES: dict[Kind, str] = {
    "activations": "root mean square of every layer's output",
    "gradients": "norm of every parameter's gradient",
    "updates": "share of every parameter's norm by which a step moved it",
}


def stability_page(study: StabilityStudy, *, title: str) -> Page:
    """What a study found, as a page.

    Raises:
        MissingDependency: matplotlib is not installed.

    Example:
        >>> stability_page(study, title="Stability of RUN").write(Path("analysis"), "stability", study.to_plain())
        PosixPath('analysis/stability.html')
    """
    page = Page(title)
    page.text(study.verdict)
    page.text(
        "Growth is the geometric mean of the last quarter of the records over that of the first; its 95% interval is "
        "what the noise from record to record leaves. All layers are in the JSON file beside this page."
    )
    for kind in KINDS:
        if study.layers[kind]:
            _growth(page, study, kind)
    _shares(page, study)
    for kind in SPREAD_KINDS:
        chosen = {name.partition("/")[2]: rows for name, rows in study.spreads.items() if name.startswith(f"{kind}/")}
        if chosen:
            _spreads(page, kind, chosen)
    if study.health:
        page.heading("Health of the run")
        page.table(("", "at the end"), [(name, f"{x:g}") for name, x in study.health.items()])
        for line in study.said:
            page.text(f"The log: {line}")
    page.heading("Protocol")
    page.table(("", ""), list(study.protocol.items()))
    return page


def _growth(page: Page, study: StabilityStudy, kind: Kind) -> None:
    page.heading(kind.capitalize())
    page.text(f"The {_SIZES[kind]}; those that grew the most.")
    rows = [
        (x.series.name, f"{g.begin:.3g}", f"{g.end:.3g}", g.factor, f"{g.worst:.3g} at {g.worst_at:g} kimg")
        for x in study.grown(kind)[:_SHOWN]
        if (g := x.growth) is not None
    ]
    page.table(("", "at first", "at last", "growth", "most between two records"), rows)
    layers = study.layers[kind]
    plot = Plot(height=1 + 0.14 * len(layers))
    (axes,) = plot.axes
    moments = sorted({float(t) for x in layers for t in x.series.kimg})
    image = axes.imshow(_logs(layers, moments), aspect="auto", interpolation="nearest", cmap="viridis")
    axes.set_yticks(range(len(layers)), [x.series.name for x in layers], fontsize=5)
    ticks = sorted({round(k) for k in np.linspace(0, len(moments) - 1, 6)})
    axes.set_xticks(ticks, [f"{moments[k]:g}" for k in ticks], fontsize=8)
    axes.set_xlabel("kimg", fontsize=8)
    axes.figure.colorbar(image, ax=axes, label="log10")
    page.plot(plot)


def _logs(layers: Sequence[LayerHealth], moments: Sequence[float]) -> np.ndarray:
    """Logarithms of sizes, a row for each layer; NaN, which is drawn as a gap, where there is none."""
    place = {t: k for k, t in enumerate(moments)}
    out = np.full((len(layers), len(moments)), np.nan)
    for row, x in zip(out, layers, strict=True):
        size = x.series.size
        good = np.isfinite(size) & (size > 0)
        row[[place[float(t)] for t in x.series.kimg[good]]] = np.log10(size[good])
    return out


def _shares(page: Page, study: StabilityStudy) -> None:
    page.heading("Dead and saturated units")
    page.text(
        "The share of channels that are nowhere above 0 in the few items that are looked at, and of values beyond ±3; "
        "medians of the first and the last quarter of the records, and the most. Of outputs that are as often below 0 "
        "as above, four items and one sample leave a sixteenth of the channels dead by chance. The last output of a "
        "network is left out: no unit of it can be lost."
    )
    for name in ("dead", "saturated"):
        known = [(x.series.name, s) for x in study.hidden if (s := getattr(x, name)) is not None]
        known.sort(key=lambda row: -row[1][1])
        rows = [(layer, *(f"{x:.1%}" for x in shares)) for layer, shares in known[:_SHOWN] if shares[2] > 0]
        page.table((f"most {name}", "at first", "at last", "the most"), rows)


def _spreads(page: Page, kind: str, spreads: dict[str, Sequence[Spread]]) -> None:
    """Quantiles of every tensor in the first and the last histogram."""
    first = min(rows[0].kimg for rows in spreads.values())
    last = max(rows[-1].kimg for rows in spreads.values())
    page.heading(f"Histograms of {kind}")
    page.text(
        f"Thin: 5% to 95% of the values; thick: 25% to 75%; the dot is the median. Grey is the first histogram "
        f"({first:g} kimg), blue the last ({last:g} kimg), each over the largest of its layer's quantiles in size."
    )
    plot = Plot(height=1 + 0.16 * len(spreads))
    (axes,) = plot.axes
    places = np.arange(len(spreads))
    both = [(rows[0].quantiles, rows[-1].quantiles) for rows in spreads.values()]
    inner = np.array(both)[..., 1:-1]
    inner = inner / np.maximum(np.abs(inner).max(axis=(1, 2), keepdims=True), 1e-300)
    for k, (colour, shift) in enumerate((("0.55", -0.18), ("tab:blue", 0.18))):
        low, quarter, median, three_quarters, high = inner[:, k].T
        axes.hlines(places + shift, low, high, color=colour, lw=0.6)
        axes.hlines(places + shift, quarter, three_quarters, color=colour, lw=1.8)
        axes.plot(median, places + shift, ".", color=colour, ms=2.5)
    axes.set_yticks(range(len(spreads)), list(spreads), fontsize=5)
    axes.set_ylim(len(spreads) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=8)
    page.plot(plot)
