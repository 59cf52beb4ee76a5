"""The order of training, against properties that define it."""

from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inrgan.data import epoch_indices
from inrgan.errors import ConfigError

SIZES = {"n": st.integers(1, 30), "batch": st.integers(1, 40), "seed": st.integers(0, 2**70)}


@settings(max_examples=50, deadline=None)
@given(**SIZES)
def test_every_item_once_per_epoch(n, batch, seed):
    steps = -(-3 * n // batch)
    stream = list(chain.from_iterable(epoch_indices(n, batch=batch, step=s, seed=seed) for s in range(steps)))
    for epoch in range(3):
        assert sorted(stream[epoch * n : (epoch + 1) * n]) == list(range(n))


@settings(max_examples=50, deadline=None)
@given(**SIZES, world=st.integers(1, 5), step=st.integers(0, 10**9))
def test_ranks_interleave_to_the_global_batch(n, batch, seed, world, step):
    ranks = [epoch_indices(n, batch=batch, step=step, seed=seed, rank=r, world=world) for r in range(world)]
    together = epoch_indices(n, batch=batch * world, step=step, seed=seed)
    assert list(chain.from_iterable(zip(*ranks, strict=True))) == together


def test_pure_and_shuffled():
    def batches(seed):
        return [epoch_indices(1000, batch=500, step=step, seed=seed) for step in range(4)]

    assert batches(0) == batches(0)
    # A chance of 1 in 1000! each that two shuffles agree.
    orders = [batches(0)[0] + batches(0)[1], batches(0)[2] + batches(0)[3], batches(1)[0] + batches(1)[1]]
    orders.append(list(range(1000)))
    assert len(set(map(tuple, orders))) == 4


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n": 0}, "n is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"step": -1}, "step is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"rank": 2, "world": 2}, "rank 2 of world 2"),
        ({"rank": -1}, "rank -1"),
    ],
)
def test_numbers_out_of_range(change, message):
    options = {"n": 5, "batch": 2, "step": 0, "seed": 0} | change
    with pytest.raises(ConfigError, match=message):
        epoch_indices(options.pop("n"), **options)
