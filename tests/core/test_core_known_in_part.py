"""Items that are known in part. Oracles: what was put in; trainings in which only what is unknown differs."""

import dataclasses
from dataclasses import dataclass
from typing import final

import pytest
import torch
from small_runs import CPU, SMALL

from inrgan import ImageModality, TrainConfig, Trainer
from inrgan.data import AbstractSource, SubsetSource
from inrgan.errors import ConfigError
from inrgan.losses import LossOptions
from inrgan.views import scattered

PLACES, KNOWN = 24, 10


@final
class Forty(AbstractSource):
    """The first forty items of a source, as known in part."""

    partial_observations, description = True, "forty"

    def __init__(self, source):
        self.source = source

    def __len__(self):
        return 40

    def __getitem__(self, i):
        return self.source[self._checked(i)]

    def name(self, i):
        return self.source.name(i)

    def label(self, i):
        return self.source.label(i)


@final
@dataclass(frozen=True)
class Stations(ImageModality):
    """Shapes known at ten places of their own; tables of twenty-four rows."""

    hidden: float = 0.0

    def table(self, item):
        rng = torch.Generator().manual_seed(int(item.long().sum()))
        places = self.domain.sample(PLACES, generator=rng)
        seen = super().observe([item], scattered(places, spacing=self.domain.spacing(16)))[0].T
        weights = (torch.arange(PLACES) < KNOWN).float()
        seen[KNOWN:], places[KNOWN:] = self.hidden, self.hidden
        return places, seen, weights * PLACES / KNOWN

    def source(self, data, *, labels=False, seed=0):
        return Forty(super().source(data, labels=labels, seed=seed))

    def observation_view(self, items, view):
        assert view.batch == len(items) and view.count == PLACES
        places, _, weights = (torch.stack(x) for x in zip(*map(self.table, items), strict=True))
        return dataclasses.replace(scattered(places, spacing=view.spacing), weights=weights)

    def observe(self, items, view):
        if view.count != PLACES:
            return super().observe(items, view)
        return torch.stack([self.table(item)[1].T for item in items])


def config(**changes):
    base = {"modality": Stations(resolution=16), "kimg": 1.0, "batch": 4, "penalty_every": 2, "losses": ("points",),
            "views": LossOptions(points=PLACES), "device": CPU.type}  # fmt: skip
    return TrainConfig(**{**base, **SMALL, **changes})


def trained(folder, steps=3, **changes):
    trainer = Trainer(config(**changes), outdir=folder, quiet=True)
    for _ in range(steps):
        trainer.train_step()
    trainer.close()
    return trainer


def test_reals_and_fakes_are_seen_where_the_items_are_known(tmp_path):
    trainer = trained(tmp_path, steps=1)
    ((shown,),) = trainer.batch
    modality, source = trainer.config.modality, trainer.source
    for row, i in enumerate(source.order(batch=4, step=0, seed=0)):
        places, values, weights = modality.table(source[i])
        for view in (*shown.views, *shown.fake_views):
            assert torch.equal(view.coords[row], places) and torch.equal(view.weights[row], weights)
        assert torch.equal(shown.reals[0][row], values.T)


def test_pieces_of_a_batch_see_their_own_items(tmp_path):
    whole, halves = (trained(tmp_path, steps=1, batch_gpu=n) for n in (0, 2))
    ((one,),) = whole.batch
    assert [len(own) for own in halves.batches.positions] == [2, 2]
    for own, (part,) in zip(halves.batches.positions, halves.batch, strict=True):
        rows = list(own)
        assert torch.equal(part.views[0].coords, one.views[0].coords[rows])
        assert torch.equal(part.views[0].weights, one.views[0].weights[rows])
        assert torch.equal(part.reals[0], one.reals[0][rows])


def test_nothing_is_learned_of_what_is_unknown(tmp_path):
    # What the hidden rows hold, and where, differs; a step is the same, gradient penalties included.
    one, other = (trained(tmp_path, modality=Stations(resolution=16, hidden=x)) for x in (0.0, 0.7))
    assert one.health.skipped == 0
    for network in ("G", "D"):
        a, b = (getattr(t, network).state_dict() for t in (one, other))
        assert all(torch.allclose(a[name], b[name], atol=1e-6) for name in a)
    start = trained(tmp_path, steps=0)
    assert not torch.allclose(start.D.state_dict()["points.score.weight"], one.D.state_dict()["points.score.weight"])


@pytest.mark.parametrize(
    "changes",
    [{"losses": ("full",)}, {"losses": ("points", "full")}, {"augment": "fixed", "augment_p": 0.5},
     {"modality": Stations(resolution=16, mirror=True)}],
)  # fmt: skip
def test_whole_signals_are_refused(tmp_path, changes):
    with pytest.raises(ConfigError, match="known in part"):
        Trainer(config(**changes), outdir=tmp_path, quiet=True)
    assert not list(tmp_path.iterdir())


def test_a_subset_is_known_in_part_as_well():
    source = Stations(resolution=16).source(None)
    assert SubsetSource(source, [3]).partial_observations
