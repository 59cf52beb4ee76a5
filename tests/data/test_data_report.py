"""Reports of data. Oracle: what was written."""

import json
import zipfile
from dataclasses import replace

import pytest
import torch

from inrgan.data import (
    ArchiveSource,
    DataReport,
    FolderArchive,
    ItemInspector,
    Range,
    SubsetSource,
    UnusedFiles,
    open_source,
)
from inrgan.data.file_counts import LINK
from inrgan.data.inspection import MAX_VALUES, examine
from inrgan.data.report import MAX_LINES
from inrgan.errors import DataError

GOOD = {"a/2.bin": b"2", "a/10.BIN": b"10", "b/c/1.bin": b"1"}
LITTER = {"notes.txt": b"", "README": b"", ".hidden.bin": b"", "x.raw": b"", "__MACOSX/a/2.bin": b""}
UNUSED = {(".txt", "not read by this kind of data"): 1, ("(no suffix)", "not read by this kind of data"): 1,
          (".bin", "hidden"): 1, (".raw", "needs a camera"): 1}  # fmt: skip


def decode(name, data):
    if not data.strip():
        raise DataError(f"{name} is empty")
    return torch.tensor([float(data)])


INSPECTOR = ItemInspector(
    decode, measure=lambda x: {"number": float(x), "parity": "even" if x % 2 == 0 else "odd", "ends": (-1.0, float(x))},
    units={"number": "m"}, unread={".raw": "needs a camera"},
)  # fmt: skip


def folder_of(root, files):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_a_folder(tmp_path):
    root = folder_of(tmp_path / "in", GOOD | LITTER)
    (tmp_path / "outside.bin").write_bytes(b"3")
    (root / "link.bin").symlink_to(tmp_path / "outside.bin")
    (root / "gone.bin").symlink_to(root / "nowhere")
    report = open_source(root, suffixes=(".bin",), decode=decode, inspector=INSPECTOR, labels=True).report()
    assert (report.items, report.used, report.classes) == (3, {".bin": 3}, {"a": 2, "c": 1})
    unused = {(u.suffix, u.reason): u.count for u in report.unused}
    expected = UNUSED | {("(folder)", "hidden"): 1, (".bin", LINK): 1}
    assert unused == expected | {(".bin", "no regular file"): 1}
    assert report.ranges == {"number": Range(1, 10, 2, "m"), "ends": Range(-1, 10, None)}
    assert report.kinds == {"parity": {"even": 2, "odd": 1}}
    text = "\n".join(report.lines())
    for part in ("in (folder), 3 items", "1 .raw: needs a camera", "2 from folders: a (2), c (1)", "number: 1 to 10 m"):
        assert part in text
    assert json.loads(json.dumps(report.to_plain()))["ranges"]["number"]["median"] == 2


def test_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        for name, data in (GOOD | LITTER).items():
            file.writestr(name, data)
    report = open_source(tmp_path / "a.zip", suffixes=(".bin",), decode=decode, inspector=INSPECTOR).report()
    unused = {(u.suffix, u.reason): u.count for u in report.unused}
    assert unused == UNUSED | {(".bin", "hidden"): 2} and report.used == {".bin": 3}


def test_nothing_but_files_that_need_a_library(tmp_path):
    with pytest.raises(DataError, match=r"\.raw: needs a camera"):
        open_source(folder_of(tmp_path, {"x.raw": b""}), suffixes=(".bin",), decode=decode, inspector=INSPECTOR)


def test_bad_files_are_named_and_measured_ones_counted(tmp_path):
    root = folder_of(tmp_path, GOOD | {"a/bad.bin": b""})
    report = open_source(root, suffixes=(".bin",), decode=decode, inspector=INSPECTOR).report()
    assert report.bad == {"a/bad.bin": "a/bad.bin is empty"} and report.examined == 4
    assert "cannot be read: 1 of the 4 examined (first: a/bad.bin" in "\n".join(report.lines())


def test_labels_that_were_not_asked_for_are_said(tmp_path):
    root = folder_of(tmp_path, GOOD)
    for labels, count in (([[name, int(data)] for name, data in GOOD.items()], 1), (None, 0)):
        (root / "dataset.json").write_text(json.dumps({"labels": labels}))
        lines = open_source(root, suffixes=(".bin",), decode=decode).report().lines()
        assert sum("class labels: 3 classes in dataset.json are not used; --labels" in line for line in lines) == count
        assert sum(".json" in line for line in lines) == count + 1
    (root / "dataset.json").write_text(json.dumps({"labels": [["a/2.bin", 0]]}))
    assert "cannot be used: 2 of 3" in "\n".join(open_source(root, suffixes=(".bin",), decode=decode).report().lines())


def test_large_sets_are_sampled_in_an_order_of_the_seed(tmp_path):
    archive = FolderArchive(folder_of(tmp_path, {f"{i}.bin": b"%d" % i for i in range(300)}), suffixes=(".bin",))
    report = ArchiveSource(archive, decode=decode, labels=False, inspector=INSPECTOR).report()
    assert report.examined == MAX_VALUES < 300
    assert report == ArchiveSource(archive, decode=decode, labels=False, inspector=INSPECTOR).report()
    first = examine(archive, INSPECTOR, DataReport(data="", kind="folder", items=300), seconds=0)
    assert first.examined == 1  # the time is over after the first


def test_a_part_of_the_items(tmp_path):
    source = open_source(folder_of(tmp_path, GOOD), suffixes=(".bin",), decode=decode, inspector=INSPECTOR)
    report = SubsetSource(source, [0, 2]).report()
    assert report.items == 3 and "2 of 3 items" in "\n".join(report.lines())


def test_at_most_twenty_lines_and_every_warning():
    many = {f"kind {k}": {"one": 1, "two": 2} for k in range(30)}
    report = DataReport(data="x", kind="folder", items=3, kinds=many, classes=dict.fromkeys(map(str, range(99)), 1),
                        warnings=("first", "second"))  # fmt: skip
    lines = report.lines()
    assert len(lines) == MAX_LINES and lines[-2:] == ["warning: first", "warning: second"]
    assert "more lines in data.json" in lines[-3] and all(len(line) <= 200 for line in lines[:-2])
    assert len(report.to_plain()["classes"]) == 99
    odd = replace(report, data="a\ud800\nb", unused=(UnusedFiles(".x", "why", 2),), kinds={})
    assert odd.lines()[0] == "data: a\\ud800 b (folder), 3 items" and "not used: 2 .x: why" in odd.lines()


def test_ranges():
    assert str(Range.of([5.0])) == "5" and str(Range.of([0.0, 65535.0], extremes=True)) == "0 to 65535"
    assert Range.of([9.0, 1.0, 2.0]) == Range(1, 9, 2)
