"""How fuzzed tests damage bytes, and how often."""

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

# The same examples in every run, unless tools/fuzz.py asks for many new ones.
EXAMPLES = os.environ.get("INRGAN_FUZZ_EXAMPLES")

MUTATIONS = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 2), st.binary(min_size=1, max_size=8)), min_size=1, max_size=4
)
"""A few places, with what happens there: bytes overwritten, cut out or put in."""


def fuzz(examples=60):
    """Settings of hypothesis: as many examples as the suite has time for, or as many as were asked for."""
    return settings(
        max_examples=int(EXAMPLES) * examples // 60 + 1 if EXAMPLES else examples, deadline=None,
        derandomize=EXAMPLES is None, database=None, suppress_health_check=list(HealthCheck),
    )  # fmt: skip


def mutated(data, draw):
    """Bytes damaged as drawn from ``MUTATIONS``."""
    data = bytearray(data)
    for place, kind, new in draw:
        place %= max(1, len(data))
        if kind == 0:
            data[place : place + len(new)] = new
        elif kind == 1:
            del data[place : place + len(new)]
        else:
            data[place:place] = new
    return bytes(data)
