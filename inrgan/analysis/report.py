"""Reports: an HTML page with its plots inside, and the same numbers as JSON."""

import html
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

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
