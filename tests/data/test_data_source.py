"""Sources over an archive in memory, with bad files at chosen places; the oracle is the list of good ones."""

import logging
import pickle
from typing import final

import pytest
import torch

from inrgan.data import AbstractArchive, ArchiveSource, SubsetSource
from inrgan.errors import ConfigError, DataError, NonFiniteError


@final
class MemoryArchive(AbstractArchive):
    def __init__(self, n: int, bad: set[int]):
        self.blobs = {f"c{i % 3}/{i:03d}.x": b"bad" if i in bad else bytes([i]) for i in range(n)}
        self.reads = 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self.blobs, key=lambda name: name[-5:]))

    @property
    def description(self) -> str:
        return "memory"

    def read(self, name: str) -> bytes:
        self.reads += 1
        return self.blobs[name]

    def close(self) -> None:
        pass


def decode(name: str, data: bytes) -> torch.Tensor:
    if data == b"bad":
        raise NonFiniteError(f"{name} holds NaN") if "c0" in name else DataError(f"{name} is bad")
    return torch.full((4,), data[0], dtype=torch.uint8)


def make(n, bad=(), *, labels=True):
    return ArchiveSource(MemoryArchive(n, set(bad)), decode=decode, labels=labels)


def next_good(i, n, bad):
    """The slow oracle of the replacement rule."""
    while i in bad:
        i = (i + 1) % n
    return i


def test_good_files_in_order():
    source = make(7)
    assert [int(item[0]) for item in source] == list(range(7))  # also: IndexError ends the iteration
    assert len(source) == 7 and source.bad == 0 and source.description == "memory"
    assert source.label_names == ("c0", "c1", "c2")
    assert [source.label(i) for i in range(7)] == [0, 1, 2, 0, 1, 2, 0]
    assert source.name(4) == "c1/004.x"
    with pytest.raises(IndexError):
        source[-1]


def test_unlabelled():
    source = make(3, labels=False)
    assert source.label_names == () and source.label(2) == 0


@pytest.mark.parametrize("order", [range(250), range(249, -1, -1)])
def test_bad_files_are_replaced_whatever_the_order(order, caplog):
    bad = {120, 121, 249}
    source = make(250, bad)
    for _ in range(2):
        for i in order:
            j = next_good(i, 250, bad)
            assert int(source[i][0]) == j
            assert source.label(i) == j % 3
            assert source.name(i) == f"c{j % 3}/{j:03d}.x"
    assert source.bad == 3
    assert sorted(record.args[0] for record in caplog.records) == ["c0/120.x", "c0/249.x", "c1/121.x"]
    assert all(record.name == "inrgan" and record.levelno == logging.WARNING for record in caplog.records)


def test_label_and_name_know_of_bad_files_before_the_item_is_asked_for():
    source = make(30, {6})
    assert (source.label(6), source.name(6), int(source[6][0])) == (1, "c1/007.x", 7)


def test_too_many_bad_files_stop_after_twenty():
    bad = {3, 7}
    source = make(40, bad | {19})
    for i in range(19):  # 2 of up to 19: too few were seen to judge
        source[i]
    with pytest.raises(DataError, match=r"3 of the 20 files .*c0/003\.x, c1/007\.x, c1/019\.x"):
        source[19]


def test_exactly_five_percent_is_allowed():
    source = make(40, {3, 20})
    source.check()
    assert source.bad == 2
    worse = make(40, {3, 20, 21})
    with pytest.raises(DataError, match="3 of the 40"):
        worse.check()


def test_check_judges_the_total_only(capsys):
    source = make(100, {0, 1, 2})  # 3 of the first 20 would be too many
    source.check(progress=True)
    assert source.bad == 3
    assert capsys.readouterr().err == ""  # this is no terminal: no bar
    assert int(source[0][0]) == 3


def test_all_bad():
    source = make(3, {0, 1, 2})
    with pytest.raises(DataError, match="3 of the 3"):
        source[1]
    with pytest.raises(DataError, match="3 of the 3"):
        source.label(0)
    with pytest.raises(DataError, match="2 of the 2"):
        make(2, {0, 1}).check()


def test_callers_may_change_items():
    source = make(3)
    for _ in range(2):
        source[1].zero_()
    assert int(source[1][0]) == 1


def test_pickling_keeps_the_verdicts():
    source = make(30, {4})
    list(source)
    copy = pickle.loads(pickle.dumps(source))
    assert copy.bad == 1
    assert all(torch.equal(copy[i], source[i]) for i in range(30))


def test_subset():
    source = make(30, {4})
    subset = SubsetSource(source, [9, 4, 9], description="part")
    assert [int(item[0]) for item in subset] == [9, 5, 9]
    assert [subset.label(i) for i in range(3)] == [0, 2, 0] and subset.name(1) == "c2/005.x"
    assert subset.label_names == source.label_names and subset.bad == 1
    assert (subset.description, SubsetSource(source, [0]).description) == ("part", "memory")


def test_wrong_options():
    with pytest.raises(ConfigError, match="subset of 0"):
        SubsetSource(make(3), [])
    for i in (3, -1):
        with pytest.raises(ConfigError, match=f"Index {i}"):
            SubsetSource(make(3), [i])
