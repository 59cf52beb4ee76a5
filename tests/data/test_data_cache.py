"""The cache of decoded items, and what training keeps in it. Oracle: counts of decoded files, and no cache at all."""

from typing import final

import pytest
import torch

from inrgan import ImageModality
from inrgan.data import AbstractArchive, AbstractItem, ArchiveSource, ItemCache
from inrgan.errors import ConfigError
from inrgan.training.reals import ItemCounts, Reals

SIDE, COUNT = 16, 12
VIEW = 3 * 8 * 8 * 4
"""Bytes of what is observed at the fixed view."""
ITEM = 3 * SIDE * SIDE


@final
class NumberedArchive(AbstractArchive):
    names = tuple(f"{i:02}.x" for i in range(COUNT))
    description = "numbers"

    def read(self, name):
        return bytes([int(name[:2])])

    def close(self):
        pass


def made(**options):
    """Reals of twelve noise images, the views to draw at, and the numbers of the files that were decoded."""
    decoded = []

    def decode(name, data):
        decoded.append(name)
        generator = torch.Generator().manual_seed(data[0])
        return torch.randint(256, (3, SIDE, SIDE), generator=generator, dtype=torch.uint8)

    modality = ImageModality(resolution=8, mirror=False)
    reals = Reals(
        ArchiveSource(NumberedArchive(), decode=decode, labels=False), modality, batch=4, seed=0,
        **{"cache": ItemCache(1 << 20), **options},
    )  # fmt: skip
    views = [modality.domain.grid((8, 8)), modality.domain.grid((8, 8), region=(-0.5, -0.5, 0.5, 0.5))]
    return reals, views, decoded


def test_what_fits_is_kept():
    # Items of 4 bytes: 10 bytes keep the first two.
    cache = ItemCache(10)
    items = [torch.full((4,), i, dtype=torch.uint8) for i in range(5)]
    assert [cache.put(i, item) for i, item in enumerate(items)] == [True, True, False, False, False]
    assert cache.put(0, items[0]) and cache.get(1) is items[1] and cache.get(2) is None and cache.nbytes == 8
    cache.drop(lambda key: key == 0)
    assert 0 not in cache and cache.nbytes == 4 and cache.put(4, items[4])
    assert not ItemCache(0).put(0, torch.zeros(0))
    with pytest.raises(ConfigError, match="-1 bytes"):
        ItemCache(-1)


def test_items_learn_that_they_are_kept():
    class Item(AbstractItem):
        nbytes, kept = 4, False

        def keep(self):
            self.kept = True

    first, second = Item(), Item()
    cache = ItemCache(5)
    assert cache.put(0, first) and not cache.put(1, second) and first.kept and not second.kept


def test_at_a_fixed_view_values_take_the_place_of_items():
    reals, (fixed, _), decoded = made()
    plain, _, _ = made(cache=ItemCache(0))
    counts, expected = ItemCounts(), ItemCounts()
    for step in range(9):  # three epochs
        ours, labels = reals.draw(step, [fixed], fixed=True, counts=counts)
        theirs, other = plain.draw(step, [fixed], fixed=True, counts=expected)
        assert torch.equal(ours[0], theirs[0]) and torch.equal(labels, other)
    assert len(decoded) == COUNT and reals.cache.nbytes == COUNT * VIEW
    assert counts == expected and counts.used.total() == 36


def test_items_are_decoded_once_and_kept_once():
    reals, (fixed, other), decoded = made()
    for step in range(9):
        reals.draw(step, [other])
        reals.draw(step, [fixed, other])
    assert len(decoded) == COUNT and reals.cache.nbytes == COUNT * ITEM


def test_both_kinds_of_draws():
    # The first step does not know yet that its items will be needed; the others decode once.
    reals, (fixed, other), decoded = made()
    for step in range(9):
        reals.draw(step, [fixed], fixed=True)
        reals.draw(step, [other])
    assert len(decoded) == COUNT + 4 and reals.cache.nbytes == COUNT * (ITEM + VIEW)


def test_a_finer_view_replaces_what_was_kept():
    reals, (fixed, _), decoded = made()
    coarse = reals.modality.domain.grid((4, 4))
    for step in range(3):
        reals.draw(step, [coarse], fixed=True)
    for step in range(6):
        reals.draw(step, [fixed], fixed=True)
    assert len(decoded) == 2 * COUNT and reals.cache.nbytes == COUNT * VIEW


def test_the_smaller_of_the_two_is_kept_where_room_is_short():
    # All items fit, all values would not, which have four bytes each.
    reals, _, decoded = made(cache=ItemCache(COUNT * ITEM))
    view = reals.modality.domain.grid((SIDE, SIDE))
    for step in range(9):
        reals.draw(step, [view], fixed=True)
    assert len(decoded) == COUNT and reals.cache.nbytes == COUNT * ITEM
