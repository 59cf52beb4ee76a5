"""Which items make up the batch of a step: a pure function, so that a resumed run sees the same data."""

import numpy as np

from inrgan.errors import ConfigError


def epoch_indices(n: int, *, batch: int, step: int, seed: int, rank: int = 0, world: int = 1) -> list[int]:
    """Return the item indices of one rank's batch at a step.

    The items form an endless sequence of shuffled epochs; step ``s`` takes its ``s``-th run of
    ``batch * world`` items, of which rank ``r`` gets every ``world``-th from the ``r``-th. A batch may span
    epochs and may be larger than n. The cost is that of shuffling n numbers per epoch touched.

    Args:
        n: Number of items.
        batch: Items per rank.
        step: Number of the step, from 0.
        seed: Seed of the shuffling.
        rank: This process's number, 0 to ``world - 1``.
        world: Number of processes.

    Returns:
        ``batch`` indices, each 0 to ``n - 1``.

    Raises:
        ConfigError: A number is out of its range.

    Example:
        >>> len(epoch_indices(10, batch=4, step=2, seed=0))
        4
    """
    for name, value, least in (("n", n, 1), ("batch", batch, 1), ("step", step, 0), ("seed", seed, 0)):
        if value < least:
            raise ConfigError(f"{name} is {value}; expected at least {least}. Give a larger {name}.")
    if not 0 <= rank < world:
        raise ConfigError(f"rank {rank} of world {world}; expected 0 <= rank < world. Correct the launch.")
    first = step * batch * world + rank
    positions = range(first, first + batch * world, world)
    orders = {epoch: _order(n, seed, epoch) for epoch in range(positions[0] // n, positions[-1] // n + 1)}
    return [int(orders[position // n][position % n]) for position in positions]


def _order(n: int, seed: int, epoch: int) -> np.ndarray:
    # The epoch as spawn key, not as entropy: seed and epoch then never run into one another.
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(epoch,))).permutation(n)
