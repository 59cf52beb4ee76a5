"""The report of a study of geometry."""

from inrgan.analysis._geometry import READABLE, GeometryStudy
from inrgan.analysis._page import Page, Plot
from inrgan.analysis._stages import SPACES


def geometry_page(study: GeometryStudy, *, title: str) -> Page:
    """What a study found, as a page.

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
        "R², on samples held out, of the best linear map from a space to a factor: 1 is read exactly, 0 is what the "
        "mean knows. Intervals are 95%, over the samples held out."
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
    axes.set_xlabel("held-out R², from 0 on")
    axes.legend(fontsize=8)
    page.plot(plot)
    if study.readable:
        page.heading("Exact factors")
        page.text(
            f"R² with which moments tell the exact factors of built-in reals held out; from {READABLE:g} on, factors "
            "are read off the generated signals in the same way, and probed above."
        )
        page.table(("factor", "read off reals"), list(study.readable.items()))
    page.heading("Motion")
    page.text(
        "Share of the squared change, step by step along straight lines in w, that a displacement of the coordinates "
        "explains; the same of the cross-fade of each line's ends; and the score, 1 for motion alone and 0 for a "
        "cross-fade. Intervals are 95%, over walks."
    )
    rows = [(name, x.score(), x.share(), x.share_of_fades()) for name, x in study.motion.items()]
    page.table(("explained by", "score", "share of the walks", "share of the cross-fades"), rows)
    page.heading("Protocol")
    page.table(("", ""), list(study.protocol.items()))
    return page
