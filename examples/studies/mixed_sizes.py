"""Training on images of many sizes, few of them large: small ones still teach coarse structure.

    python examples/studies/mixed_sizes.py --minutes 10

One image in ten has 32 pixels or more; the others have 16 to 31. All arms learn to make 32 pixels. ``benchmarks/
mixed_resolutions.py`` compares more methods on folders of photographs.
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

import torch
from _study import TRIAL, Study, run_alone
from _training import TRAINED, trained

from inrgan import ImageModality, recipes, resample
from inrgan.data import AbstractSource, SubsetSource
from inrgan.evaluation import held_out_source, score_generator
from inrgan.losses import LossOptions

What = Literal["large", "all", "enlarged"]
RESOLUTION, SMALLEST, ITEMS, LARGE_EVERY = 32, 16, 1000, 10


@final
@dataclass(frozen=True)
class MixedShapes(ImageModality):
    """Built-in shapes, of which one in ten is large."""

    what: What = "all"

    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        shapes = super().source(data, labels=labels, seed=seed)
        if self.what == "large":
            return SubsetSource(shapes, range(0, ITEMS, LARGE_EVERY), description="large-shapes")
        return Shrunk(shapes, enlarged=self.what == "enlarged")


@final
class Shrunk(AbstractSource):
    """Images of 64 pixels, nine in ten reduced to 16 to 31, and optionally enlarged to 32 again."""

    def __init__(self, items: AbstractSource, *, enlarged: bool):
        self._items, self._enlarged = items, enlarged

    @property
    def description(self) -> str:
        return "enlarged-shapes" if self._enlarged else "mixed-shapes"

    def __len__(self) -> int:
        return ITEMS

    def name(self, i: int) -> str:
        return self._items.name(i)

    def label(self, i: int) -> int:
        return 0

    def __getitem__(self, i: int) -> torch.Tensor:
        item = self._items[self._checked(i)]
        assert isinstance(item, torch.Tensor)
        if i % LARGE_EVERY == 0:
            return item
        side = int(torch.randint(SMALLEST, RESOLUTION, (), generator=torch.Generator().manual_seed(i)))
        small = _resized(item, side)
        return _resized(small, RESOLUTION) if self._enlarged else small


def _resized(item: torch.Tensor, side: int) -> torch.Tensor:
    seen = resample(item[None], ImageModality().domain.grid((side, side)), lower=(-1, -1), upper=(1, 1))[0]
    return ((seen + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


ARMS: dict[str, tuple[What, tuple[str, ...], LossOptions]] = {
    "large images alone": ("large", ("full",), LossOptions()),
    "all, enlarged first": ("enlarged", ("full",), LossOptions()),
    "all, at random resolutions": ("all", ("full", "random-resolution"), LossOptions(lowest=SMALLEST, law="log")),
}


def study(arm: str, *, seed: int, minutes: float, device: str, folder: Path) -> dict[str, dict[str, float]]:
    """Train, and compare with large images that no training saw, at two resolutions."""
    what, losses, views = ARMS[arm]
    modality = MixedShapes(resolution=RESOLUTION, what=what)
    config = dataclasses.replace(recipes.tiny(modality), losses=losses, views=views)
    trainer = trained(config, seed=seed, minutes=TRAINED * minutes, device=device, folder=folder)
    test, count = held_out_source(ImageModality(resolution=RESOLUTION), None), 64 if minutes < TRIAL else 1024
    out = {"kimg": trainer.kimg}
    for resolution in (SMALLEST, RESOLUTION):
        found = score_generator(trainer.ema, test, metrics=("swd", "frechet"), count=count, resolution=resolution)
        out |= {f"{s.name} {resolution}": s.value for s in found}
    return {arm: out}


STUDY = Study(
    name="mixed_sizes",
    question="Do small images help to learn large ones?",
    arms=tuple(ARMS),
    share=2.0,
    measure=study,
    columns={
        "kimg": "kimg seen",
        **{f"swd {r}": f"SWD at {r} pixels" for r in (SMALLEST, RESOLUTION)},
        **{f"frechet {r}": f"Fréchet at {r} pixels" for r in (SMALLEST, RESOLUTION)},
    },
    protocol=(
        "Built-in shapes: 100 of 64 pixels and 900 of 16 to 31. `tiny` preset at 32 pixels, same time, four fifths "
        "of it for training. Enlarged first: the small ones to 32 pixels by Lanczos-3, as is commonly done. At "
        "random resolutions: items are seen at 16 to 32 pixels, each at no more than it has. SWD and Fréchet "
        "distance of 1,024 fakes to images of 64 pixels that no training saw."
    ),
    compare=(
        ("all, at random resolutions", "all, enlarged first"),
        ("all, at random resolutions", "large images alone"),
        ("all, enlarged first", "large images alone"),
    ),
    renamed={"pictures": "images"},
)


if __name__ == "__main__":
    run_alone(STUDY, about=__doc__, arm="all, at random resolutions", minutes=10)
