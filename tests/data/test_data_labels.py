"""Labels by hand-written example."""

import pytest

from inrgan.data import folder_labels
from inrgan.errors import DataError


def test_class_is_the_immediate_folder():
    names = ("test/hat/1.x", "train/dress/1.x", "train/hat/2.x", "bag/9.x")
    assert folder_labels(names) == (("bag", "dress", "hat"), (2, 1, 2, 0))


def test_items_without_a_folder_are_refused():
    with pytest.raises(DataError, match=r"1 of 2 items lie in no folder \(first: 'top\.x'\)"):
        folder_labels(["a/1.x", "top.x"])
