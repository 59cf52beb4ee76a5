"""A modality that inrgan does not have: one-dimensional traces, f(t), from .npy files.

As a script, it checks the contract, trains for a few seconds and renders at another rate.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from inrgan import Box, CriticSizes, Generator, Modality, ResidualCritic, Trainer, View, recipes, resample
from inrgan.data import AbstractSource, AbstractSyntheticSource, open_source
from inrgan.errors import ConfigError, DataError
from inrgan.images import check_floats, load_npy
from inrgan.testing import check_modality


@dataclass(frozen=True)
class SignalModality(Modality):
    """Traces of one channel over t in [-1, 1], with values in [-1, 1]."""

    name: ClassVar[str] = "signal"

    resolution: int = 128
    """Samples per trace in training; rendering may use any other number."""

    def __post_init__(self):
        if self.resolution < 8:
            raise ConfigError(f"the signal resolution is {self.resolution}; expected 8 or more")

    # The domain of the signal, and the number of values at a point.

    @property
    def domain(self) -> Box:
        return Box(1)

    @property
    def signal_channels(self) -> int:
        return 1

    # Real signals: a list of decoded items, in any layout that `observe` understands.

    def source(self, data: str | Path | None, *, labels: bool | str = False, seed: int = 0) -> AbstractSource:
        if data is None:
            return DampedSinusoids(size=max(256, 2 * self.resolution), seed=seed)
        return open_source(data, suffixes=(".npy",), decode=read_trace, labels=labels, seed=seed)

    # A real signal at a view. `resample` evaluates it there, anti-aliased to the view's spacing.

    def observe(self, items: Sequence[torch.Tensor], view: View) -> torch.Tensor:
        return torch.cat([resample(x[None], view.row(i), lower=(-1.0,), upper=(1.0,)) for i, x in enumerate(items)])

    def item_spacing(self, item: torch.Tensor) -> float:
        return 2 / item.shape[-1]

    # The critic of full signals. This one comes with inrgan and works in one, two or three dimensions.

    def critic(self, sizes: CriticSizes) -> ResidualCritic:
        return ResidualCritic(
            1, self.signal_channels, resolution=self.resolution, spacing=self.domain.spacings(self.resolution),
            width=sizes.width, max_width=sizes.max_width, classes=sizes.classes,
        )  # fmt: skip

    # Files, by their suffix.

    def write(self, values: torch.Tensor, path: str | Path) -> None:
        array = values.detach().float().cpu().numpy()
        if Path(path).suffix == ".npy":
            np.save(path, array, allow_pickle=False)
        elif Path(path).suffix == ".csv":
            np.savetxt(path, array[:, 0].T, delimiter=",")  # one column per signal
        else:
            raise ConfigError(f"cannot write {path}: its suffix is {Path(path).suffix!r}; use .npy or .csv")


def read_trace(name: str, data: bytes) -> torch.Tensor:
    """Decode one file to shape (1, N); every message says what was got, what was expected and what to do."""
    array = load_npy(name, data)
    if array.ndim != 1 or array.dtype.kind != "f":
        raise DataError(f"{name} holds {array.dtype} of shape {array.shape}; expected floats of shape (N,). Reshape it")
    return torch.from_numpy(check_floats(name, array))[None]


class DampedSinusoids(AbstractSyntheticSource):
    """The built-in data: a tone that starts at a random time and decays. Item i depends on seed and i alone."""

    def __init__(self, count: int = 2048, *, size: int = 256, seed: int = 0):
        super().__init__(count, seed=seed, description="damped-sinusoids", label_names=("tone",))
        self._size = size

    def __getitem__(self, i: int) -> torch.Tensor:
        start, cycles, decay, phase = self._rng(i).uniform([-0.8, 2, 2, 0], [0, 6, 6, 2 * math.pi])
        t = (2 * np.arange(self._size) + 1) / self._size - 1 - start  # sample i of n lies at (2i + 1)/n - 1
        onset = 1 / (1 + np.exp(-t / 0.02))
        trace = 0.9 * onset * np.exp(-decay * t.clip(min=0)) * np.sin(2 * math.pi * cycles * t + phase)
        return torch.from_numpy(trace.astype(np.float32))[None]

    def label(self, i: int) -> int:
        self._checked(i)
        return 0


def main() -> None:
    """Check the contract, train briefly, and render at a higher resolution than in training."""
    modality = SignalModality(resolution=128)
    check_modality(modality)
    trainer = Trainer(recipes.tiny(modality), outdir="runs", quiet=True)
    run = trainer.fit(max_minutes=0.2)
    trainer.close()
    # A class without a registered name is passed explicitly; from_pretrained finds registered names by itself.
    G = Generator.from_pretrained(run, modality=modality)
    print(G.sample([0, 1, 2]).render((4096,)).shape, "from", run)


if __name__ == "__main__":
    main()
