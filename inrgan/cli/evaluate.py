"""``inrgan evaluate``."""

import json
from dataclasses import dataclass
from pathlib import Path

import torch

from inrgan.checkpoint import resolve
from inrgan.cli._common import AbstractModelCommand
from inrgan.data import AbstractSource, located
from inrgan.evaluation import held_out_source, observe_reals, render_fakes, score_generator
from inrgan.generator import Generator
from inrgan.metrics import scores_table


@dataclass(kw_only=True)
class Evaluate(AbstractModelCommand):
    """Score a generator against data: prints a table and appends to the run's metrics.jsonl."""

    data: Path | None = None
    """Folder, zip or tar shards, best a part that training did not see. Default: built-in items that no training
    sees."""
    follow_links: bool = False
    """Follow links in the data to folders, and to files outside."""
    hold_out: float = 0.0
    """Score against the fraction of the data that train held out under the same flag."""
    labels: bool | str = False
    """Classes of the items for the metric labels, as for train."""
    metrics: tuple[str, ...] | None = None
    """Comma-separated names of metrics. Default: the modality's."""
    count: int = 2048
    """Number of fakes, and largest number of reals."""
    resolution: int | None = None
    """Samples along the shortest side. Default: the training resolution."""
    truncation: float = 1.0
    """Truncation, as for sample."""
    seed: int = 0
    """Seed of every random choice of the protocol."""
    sheet: Path | None = None
    """Also write eight reals and eight fakes to this file; its suffix decides the format, as for sample."""

    def run(self) -> None:
        """Score, print, and append to metrics.jsonl."""
        G = self.generator()
        data = located(self.data, follow_links=self.follow_links)
        source = held_out_source(G.modality, data, labels=self.labels, seed=self.seed, share=self.hold_out)
        folder = Path(self.model)
        scores = score_generator(
            G, source, metrics=self.metrics, count=self.count, resolution=self.resolution, seed=self.seed,
            truncation=self.truncation, classifiers=folder / "classifiers" if folder.is_dir() else None,
        )  # fmt: skip
        print(scores_table(scores))
        if folder.is_dir():
            snapshot = resolve(folder).name
            with open(folder / "metrics.jsonl", "a", encoding="utf-8") as file:
                for score in scores:
                    file.write(json.dumps({"snapshot": snapshot, **json.loads(score.to_json())}) + "\n")
        if self.sheet is not None:  # last, so that a sheet that cannot be written costs no scores
            self._write_sheet(self.sheet, G, source)

    def _write_sheet(self, path: Path, G: Generator, source: AbstractSource) -> None:
        """Write eight reals, then eight fakes, to one file."""
        domain, modality = G.modality.domain, G.modality
        view = domain.grid(domain.shape(modality.resolution if self.resolution is None else self.resolution))
        real = observe_reals(source, modality, view, count=8, seed=self.seed)
        fake = render_fakes(G, view, count=8, seed=self.seed, truncation=self.truncation)
        modality.write(torch.cat([real, fake]), path)
