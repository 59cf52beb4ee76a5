"""The report of a study of interpolation."""

import torch

from inrgan.analysis._interpolation import InterpolationStudy
from inrgan.analysis._page import Page, Plot
from inrgan.analysis._stages import SPACES, STAGES


def interpolation_page(study: InterpolationStudy, *, title: str) -> Page:
    """What a study found, as a page.

    Raises:
        MissingDependency: matplotlib is not installed.

    Example:
        >>> interpolation_page(study, title="Interpolation of RUN").write(Path("analysis"), "interpolation", {})
        PosixPath('analysis/interpolation.html')
    """
    page = Page(title)
    page.text(study.verdict)
    page.text(
        "A jump score is the largest over the median speed of a walk: 1 is an even pace. A stage's gain is how much "
        "faster its output moves than its input; its jump score is what the stage itself adds. Intervals are 95%, over "
        "walks."
    )
    page.heading("Stages")
    jumps, blame = study.stage_jumps(), study.blame()
    rows = [(name, jumps[name], f"{blame[name]:.0%}" if blame else "no abrupt walk") for name in STAGES]
    page.table(("stage", "jump score of its gain, median", "share of abrupt walks it is to blame for"), rows)
    page.heading("Spaces")
    spaces, lengths, detours = study.jumps(), study.lengths(), study.detours()
    page.table(
        ("space", "jump score, median", "length of a walk, mean", "length over straight distance"),
        [(name, spaces[name], lengths[name], detours[name]) for name in SPACES],
    )
    page.heading("How to walk")
    page.table(("walk", "jump score of the signal, median"), list(study.walks().items()))
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
