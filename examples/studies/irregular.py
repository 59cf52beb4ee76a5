"""Training on partially observed data: images with holes, fields on a sphere known at stations.

The critic of scattered points sees the observations of a real item and a fake at the same points. Nothing is filled in.
For comparison: the same training on items that are filled in first, and on complete ones.

    python examples/studies/irregular.py --minutes 5      # images of which a quarter to a half is known
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import torch
from _study import TRIAL, Study, run_alone
from _training import TRAINED, scores, trained
from scipy.spatial import KDTree

from inrgan import ImageModality, Modality, SphericalModality, View, recipes
from inrgan.data import AbstractSource
from inrgan.domains import Sphere
from inrgan.evaluation import held_out_source
from inrgan.losses import LossOptions
from inrgan.views import scattered

What = Literal["complete", "seen", "filled"]
_PLACES, _STATIONS, _ITEMS = 256, 64, 2048


class PartialItems(Modality):
    """Items are tables (points, coordinates + values + 1); the last column is 0 in rows of padding."""

    def observation_view(self, items: Sequence[torch.Tensor], view: View) -> View:
        table, D = torch.stack(list(items)), self.domain.coord_dim
        weights = table[..., -1] / table[..., -1].mean(dim=1, keepdim=True)
        return dataclasses.replace(scattered(table[..., :D], spacing=view.spacing), weights=weights)

    def observe(self, items: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        del view  # it is the one of ``observation_view``
        return torch.stack(list(items))[..., self.domain.coord_dim : -1].transpose(1, 2)

    def item_spacing(self, item: torch.Tensor) -> float:
        del item
        return 0.0


@final
@dataclass(frozen=True)
class PartialImages(PartialItems, ImageModality):
    """Built-in shapes, observed at some of their pixels."""

    what: What = "seen"

    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        grid = self.domain.grid(self.domain.shape(self.resolution))
        full = ImageModality(resolution=self.resolution)
        return Tables(full, full.source(data, labels=labels, seed=seed), grid.coords[0], what=self.what, holes=True)


@final
@dataclass(frozen=True)
class PartialSkies(PartialItems, SphericalModality):
    """Built-in skies, observed at stations."""

    what: What = "seen"

    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        full = SphericalModality(resolution=self.resolution)
        places = Sphere().fibonacci(_PLACES).coords[0]
        return Tables(full, full.source(data, labels=labels, seed=seed), places, what=self.what, holes=False)


@final
class Tables(AbstractSource):
    """Observations of the items of another source.

    Args:
        modality: Adapter of the items.
        items: Source of the items.
        places: Points (N, D) of a complete item.
        what: ``complete``; ``seen``, at points of each item's own; ``filled``, at all points, from those seen.
        holes: Whether the points seen are some of ``places``, outside a hole; else stations anywhere.
    """

    def __init__(self, modality: Modality, items: AbstractSource, places: torch.Tensor, *, what: What, holes: bool):
        self._modality, self._items, self._places, self._what, self._holes = modality, items, places, what, holes

    @property
    def description(self) -> str:
        return f"{self._what}-{self._items.description}"

    @property
    def partial_observations(self) -> bool:
        return True

    def __len__(self) -> int:
        return min(_ITEMS, len(self._items))

    def name(self, i: int) -> str:
        return self._items.name(i)

    def label(self, i: int) -> int:
        return 0

    def __getitem__(self, i: int) -> torch.Tensor:
        rng = torch.Generator().manual_seed(self._checked(i))
        places = self._places
        if self._what == "complete":
            return _table(places, self._values(i, places), count=len(places))
        if self._holes:
            seen = places[_outside_a_hole(places, rng)]
        else:
            seen = self._modality.domain.sample(_STATIONS, generator=rng)
        values = self._values(i, seen)
        if self._what == "seen":
            return _table(seen, values, count=len(places) if self._holes else _STATIONS)
        distance, near = KDTree(seen.numpy()).query(places.numpy(), k=4)
        share = 1 / torch.from_numpy(distance).float().clamp(min=1e-6) ** 2
        filled = (values[torch.from_numpy(near)] * (share / share.sum(dim=1, keepdim=True))[..., None]).sum(dim=1)
        return _table(places, filled, count=len(places))

    def _values(self, i: int, places: torch.Tensor) -> torch.Tensor:
        spacing = places.new_tensor(self._modality.domain.spacings(self._modality.resolution))[None, None]
        return self._modality.observe([self._items[i]], scattered(places, spacing=spacing))[0].T


def _outside_a_hole(places: torch.Tensor, rng: torch.Generator) -> torch.Tensor:
    """Half of the places outside a rectangle of half of the sides or more."""
    sides, corner = 1 + 0.5 * torch.rand(2, generator=rng), torch.rand(2, generator=rng)
    low = -1 + corner * (2 - sides)
    hidden = ((places >= low) & (places <= low + sides)).all(dim=1)
    return ~hidden & (torch.rand(len(places), generator=rng) < 0.5)


def _table(places: torch.Tensor, values: torch.Tensor, *, count: int) -> torch.Tensor:
    """Rows of coordinates, values and 1, filled up with rows of weight 0."""
    rows = torch.cat([places, values, torch.ones(len(places), 1)], dim=1).float()
    return torch.cat([rows, torch.zeros(count - len(rows), rows.shape[1])])


ARMS: dict[str, Modality] = {
    **{f"images, {what}": PartialImages(resolution=16, what=what) for what in ("complete", "seen", "filled")},
    **{f"skies, {what}": PartialSkies(resolution=16, what=what) for what in ("complete", "seen", "filled")},
}


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Train on observations of items, and compare with complete items that no training saw."""
    modality = ARMS[arm]
    table = modality.source(None)[0]
    config = dataclasses.replace(recipes.tiny(modality), losses=("points",), views=LossOptions(points=len(table)))
    trainer = trained(config, seed=seed, minutes=TRAINED * minutes, device=device, folder=folder)
    full = (ImageModality if isinstance(modality, ImageModality) else SphericalModality)(resolution=16)
    trainer.ema.modality = full  # scores are of full signals
    known = [float(modality.source(None)[i][:, -1].sum()) / _PLACES for i in range(4 if minutes < TRIAL else 100)]
    found = scores(trainer.ema, minutes=minutes, source=held_out_source(full, None))
    return {arm: {"known": sum(known) / len(known), "kimg": trainer.kimg, **found}}


STUDY = Study(
    name="irregular",
    question="Can an INR-GAN learn full signals from partially observed items?",
    arms=tuple(ARMS),
    share=2.0,
    measure=study,
    columns={"known": "points observed of 256", "kimg": "kimg seen", "swd": "SWD", "frechet": "Fréchet"},
    protocol=(
        "Built-in shapes of 16 pixels and built-in skies; 2,048 items; `tiny` preset; loss `points` throughout. "
        "Complete: 256 places (all pixels; Fibonacci points). Seen: of images half of the pixels outside a "
        "rectangular hole of a quarter to over a half of the area, of skies 64 stations, other ones for each item; "
        "the critic sees reals and fakes at these places alone. Filled: at all 256 places, by inverse squared "
        "distance from the four nearest that were seen. SWD and Fréchet distance of 1,024 fakes to complete items "
        "that no training saw."
    ),
    compare=(
        ("images, seen", "images, filled"), ("images, seen", "images, complete"),
        ("skies, seen", "skies, filled"), ("skies, seen", "skies, complete"),
    ),
    renamed={"pictures": "images"},
)  # fmt: skip


if __name__ == "__main__":
    run_alone(STUDY, about=__doc__, arm="images, seen", minutes=5)
