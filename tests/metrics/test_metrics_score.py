import dataclasses
import json
import math

import pytest

from inrgan.errors import NonFiniteError
from inrgan.metrics import Score, scores_table

SCORE = Score(name="swd", value=1.25, protocol={"n_real": 10, "filter": "añtialias", "ok": True}, better="lower")


def test_json_round_trip():
    # Oracle: the standard library's reader.
    read = json.loads(SCORE.to_json())
    assert read == {"name": "swd", "value": 1.25, "better": "lower", "protocol": SCORE.protocol}
    assert Score(**read) == SCORE
    assert "\n" not in SCORE.to_json()


def test_it_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SCORE.value = 2.0  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_only_finite_values(value):
    with pytest.raises(NonFiniteError, match="swd came out as"):
        Score(name="swd", value=value, protocol={}, better="lower")


def test_table_is_aligned():
    # Oracle: columns start at the same place in every line.
    other = Score(name="precision", value=0.123456789, protocol={"k": 3}, better="higher")
    lines = scores_table([SCORE, other]).split("\n")
    assert [line.split() for line in lines[:1]] == [["metric", "value", "better", "protocol"]]
    assert lines[1].index("1.25") == lines[2].index("0.123457") == lines[0].index("value")
    assert lines[1].index("n_real=10") == lines[2].index("k=3") == lines[0].index("protocol")
    assert lines[1].endswith("n_real=10, filter=añtialias, ok=True")


def test_table_of_nothing_is_its_head():
    assert scores_table([]) == "metric  value  better  protocol"
