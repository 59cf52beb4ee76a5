"""Reports of studies as HTML pages with plots."""

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch

from inrgan.analysis.geometry import READABLE, GeometryStudy
from inrgan.analysis.interpolation import InterpolationStudy
from inrgan.analysis.records import SPREAD_KINDS, Kind, Spread
from inrgan.analysis.stability import KINDS, LayerHealth, StabilityStudy
from inrgan.analysis.stages import SPACES, STAGES
from inrgan.errors import MissingDependency
from inrgan.files import replacing, write_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;"
    "background:#fff}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.2rem .8rem;border-bottom:1px solid #ccc;text-align:left}svg{max-width:100%;height:auto}"
)


def require_plots() -> None:
    """Refuse, before anything is measured, if plots cannot be drawn.

    Raises:
        MissingDependency: matplotlib is not installed.

    Example:
        >>> require_plots()
    """
    try:
        import matplotlib.figure
    except ImportError:
        raise MissingDependency("matplotlib", extra="studies", why="the report of a study") from None
    del matplotlib


@final
class Plot:
    """A row of axes that becomes an image in a page.

    Args:
        columns: Number of axes.
        height: Height in inches; the width is ten.

    Raises:
        MissingDependency: matplotlib is not installed.

    Example:
        >>> len(Plot(2).axes)
        2
    """

    def __init__(self, columns: int = 1, *, height: float = 3.2):
        require_plots()
        from matplotlib.figure import Figure

        # Not pyplot: it keeps every figure in a global list, and may look for a screen.
        self._figure = Figure(figsize=(10, height), layout="constrained")
        self.axes: list[Axes] = list(self._figure.subplots(1, columns, squeeze=False)[0])

    def svg(self) -> str:
        """The image as SVG for inclusion in a page."""
        out = io.StringIO()
        self._figure.savefig(out, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type")))
        text = out.getvalue()
        return text[text.index("<svg") :]


@final
class Page:
    """A report, part by part.

    Args:
        title: Heading of the page.

    Example:
        >>> page = Page("Interpolation of RUN")
        >>> page.text("No path is abrupt.")
    """

    def __init__(self, title: str):
        self._title, self._parts = title, [f"<h1>{html.escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        """Start a section."""
        self._parts.append(f"<h2>{html.escape(text)}</h2>")

    def text(self, text: str) -> None:
        """Add a paragraph."""
        self._parts.append(f"<p>{html.escape(text)}</p>")

    def table(self, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """Add a table."""

        def line(cells: Sequence[object], tag: str) -> str:
            return "<tr>" + "".join(f"<{tag}>{html.escape(str(c))}</{tag}>" for c in cells) + "</tr>"

        self._parts.append("<table>" + line(head, "th") + "".join(line(row, "td") for row in rows) + "</table>")

    def plot(self, plot: Plot) -> None:
        """Add a plot."""
        self._parts.append(plot.svg())

    def write(self, folder: Path, name: str, data: dict[str, Any]) -> Path:
        """Write ``name.json`` and ``name.html``, each atomically.

        Returns:
            Path of the page.

        Raises:
            WriteError: The folder cannot be written.
        """
        write_json(folder / f"{name}.json", data)
        page = folder / f"{name}.html"
        with replacing(page) as temporary:
            temporary.write_text(
                f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(self._title)}</title>'
                f"<style>{_STYLE}</style></head><body>{''.join(self._parts)}</body></html>\n",
                encoding="utf-8",
            )
        return page


_SHOWN = 10
"""Largest number of rows of a table; the JSON file has all."""
_SIZES: dict[Kind, str] = {
    "activations": "root mean square of every layer's output",
    "gradients": "norm of every parameter's gradient",
    "updates": "norm of every parameter's update over that of the parameter",
}


def stability_page(study: StabilityStudy, *, title: str) -> Page:
    """The page of a study.

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
        "what noise between records leaves. All layers are in the JSON file beside this page."
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
        for line in study.log:
            page.text(f"Log: {line}")
    page.heading("Protocol")
    page.table(("", ""), list(study.protocol.items()))
    return page


def _growth(page: Page, study: StabilityStudy, kind: Kind) -> None:
    page.heading(kind.capitalize())
    page.text(f"The {_SIZES[kind]}; largest growth first.")
    rows = [
        (x.series.name, f"{g.begin:.3g}", f"{g.end:.3g}", g.factor, f"{g.worst:.3g} at {g.worst_at:g} kimg")
        for x in study.grown(kind)[:_SHOWN]
        if (g := x.growth) is not None
    ]
    page.table(("", "first quarter", "last quarter", "growth", "largest between two records"), rows)
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
        "The fraction of channels that are nowhere above 0 in the few recorded items, and of values beyond ±3: medians "
        "of the first and the last quarter of the records, and maximum. If signs are random, four items with one "
        "sample each leave a sixteenth of the channels dead. The last output of a network is left out: none of its "
        "units can die."
    )
    for name in ("dead", "saturated"):
        known = [(x.series.name, s) for x in study.hidden if (s := getattr(x, name)) is not None]
        known.sort(key=lambda row: -row[1][1])
        rows = [(layer, *(f"{x:.1%}" for x in shares)) for layer, shares in known[:_SHOWN] if shares[2] > 0]
        page.table((f"most {name}", "first quarter", "last quarter", "maximum"), rows)


def _spreads(page: Page, kind: str, spreads: dict[str, Sequence[Spread]]) -> None:
    """Quantiles of every tensor in the first and the last histogram."""
    first = min(rows[0].kimg for rows in spreads.values())
    last = max(rows[-1].kimg for rows in spreads.values())
    page.heading(f"Histograms of {kind}")
    page.text(
        f"Thin: 5% to 95% of the values; thick: 25% to 75%; dot: median. Grey is the first histogram ({first:g} "
        f"kimg), blue the last ({last:g} kimg), both divided by the largest absolute quantile of the layer."
    )
    plot = Plot(height=1 + 0.16 * len(spreads))
    (axes,) = plot.axes
    places = np.arange(len(spreads))
    ends = [(rows[0].quantiles, rows[-1].quantiles) for rows in spreads.values()]
    inner = np.array(ends)[..., 1:-1]
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


def interpolation_page(study: InterpolationStudy, *, title: str) -> Page:
    """The page of a study.

    Raises:
        MissingDependency: matplotlib is not installed.

    Example:
        >>> interpolation_page(study, title="Interpolation of RUN").write(Path("analysis"), "interpolation", {})
        PosixPath('analysis/interpolation.html')
    """
    page = Page(title)
    page.text(study.verdict)
    page.text(
        "A jump score is the largest over the median speed of a path: 1 is an even pace. A stage's gain is the speed "
        "of its output over that of its input; its jump score is what the stage itself adds. Intervals are 95%, over "
        "paths."
    )
    page.heading("Stages")
    jumps, abrupt = study.stage_jumps(), study.abrupt_stages()
    rows = [(name, jumps[name], f"{abrupt[name]:.0%}" if abrupt else "no abrupt path") for name in STAGES]
    page.table(("stage", "jump score of its gain, median", "fraction of abrupt paths that jump here"), rows)
    page.heading("Spaces")
    spaces, lengths, detours = study.jumps(), study.lengths(), study.detours()
    page.table(
        ("space", "jump score, median", "length of a path, mean", "length over straight distance"),
        [(name, spaces[name], lengths[name], detours[name]) for name in SPACES],
    )
    page.heading("Kinds of path")
    page.table(("path", "jump score of the signal, median"), list(study.jumps_by_path().items()))
    plot = Plot(len(SPACES))
    for k, (axes, name) in enumerate(zip(plot.axes, SPACES, strict=True)):
        for profile in study.arcs[:32]:
            speed = profile.speeds[k]
            axes.plot(torch.linspace(0, 1, len(speed)), speed / speed.median().clamp(min=1e-30), lw=0.6, alpha=0.6)
        axes.set_title(f"speed in {name}, over its median", fontsize=9)
        axes.set_yscale("log")
        axes.set_xlabel("along the arc", fontsize=8)
    page.plot(plot)
    page.heading("Protocol")
    page.table(("", ""), list(study.protocol.items()))
    return page


def geometry_page(study: GeometryStudy, *, title: str) -> Page:
    """The page of a study.

    Raises:
        MissingDependency: matplotlib is not installed.

    Example:
        >>> geometry_page(study, title="Geometry of RUN").write(Path("analysis"), "geometry", study.to_plain())
        PosixPath('analysis/geometry.html')
    """
    page = Page(title)
    page.text(study.verdict)
    page.heading("Linear probes")
    page.text(
        "R², on held-out samples, of the best linear map from a space to a factor: 1 is exact, 0 is no better than the "
        "mean. Intervals are 95%, over held-out samples."
    )
    page.table(
        ("factor", *SPACES[:3]), [(name, *(row[s] for s in SPACES[:3])) for name, row in study.probes.items()]
    )  # fmt: skip
    plot = Plot(height=0.8 + 0.3 * len(study.probes))
    (axes,) = plot.axes
    for k, space in enumerate(SPACES[:3]):
        places = [i + 0.25 * (1 - k) for i in range(len(study.probes))]
        axes.barh(places, [max(0.0, row[space].value) for row in study.probes.values()], height=0.22, label=space)
    axes.set_yticks(range(len(study.probes)), list(study.probes), fontsize=8)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("held-out R²")
    axes.legend(fontsize=8)
    page.plot(plot)
    if study.readable:
        page.heading("Exact factors")
        page.text(
            f"R² with which moments predict the exact factors of held-out built-in reals; from {READABLE:g} on, "
            "factors of the generated signals are predicted in the same way, and probed above."
        )
        page.table(("factor", "R² on reals"), list(study.readable.items()))
    page.heading("Motion")
    page.text(
        "Fraction of the squared change, step by step along straight lines in w, that a displacement of the "
        "coordinates explains; the same for the cross-fade of each line's ends; and the score, 1 for motion alone and "
        "0 for a cross-fade. Intervals are 95%, over lines."
    )
    rows = [(name, x.score(), x.share(), x.share_of_fades()) for name, x in study.motion.items()]
    page.table(("explained by", "score", "fraction of the lines", "fraction of the cross-fades"), rows)
    page.heading("Protocol")
    page.table(("", ""), list(study.protocol.items()))
    return page
