"""Labels by hand-written example."""

import json
import unicodedata
import zipfile

import pytest

from inrgan.data import (
    FolderArchive,
    ShardArchive,
    ZipArchive,
    class_index,
    folder_labels,
    natural_key,
    pattern_labels,
    stated_labels,
    write_shards,
)
from inrgan.errors import ConfigError, DataError

NFC, NFD = (unicodedata.normalize(form, "épée") for form in ("NFC", "NFD"))


def test_class_is_the_immediate_folder():
    names = ("test/hat/1.x", "train/dress/1.x", "train/hat/2.x", "bag/9.x")
    assert folder_labels(names) == (("bag", "dress", "hat"), (2, 1, 2, 0))


def test_items_without_a_folder_are_refused():
    with pytest.raises(DataError, match=r"1 of 2 items lie in no folder \(first: 'top\.x'\)"):
        folder_labels(["a/1.x", "top.x"])


def test_numbers_are_in_natural_order():
    names = [f"{k}/0.x" for k in range(12)]
    assert folder_labels(sorted(names))[0] == tuple(map(str, range(12)))
    assert pattern_labels(["a10_x.y", "a9_x.y"], "{label}_*")[0] == ("a9", "a10")
    assert sorted(["b2c10", "b2c9", "b", "10", "9", "a1", "٣"], key=natural_key) == [
        "9", "10", "a1", "b", "b2c9", "b2c10", "٣"
    ]  # fmt: skip
    long = "1" * 9999  # more digits than int() accepts
    assert sorted([long, "2"], key=natural_key) == ["2", long]
    assert len({natural_key("1"), natural_key("01"), natural_key("001")}) == 3


def test_one_unicode_form():
    assert NFC != NFD
    assert folder_labels([f"{NFD}/1.x", f"{NFC}/2.x"]) == ((NFC,), (0, 0))
    assert class_index((NFC, "z"), NFD) == class_index((NFD, "z"), NFC) == 0


@pytest.mark.parametrize("kind", [str, int])
def test_a_number_means_the_same_as_text_and_as_integer(kind):
    assert [class_index([str(k) for k in range(12)], kind(k)) for k in range(12)] == list(range(12))
    assert class_index(["0", "1", "10", "2"], kind(10)) == 2  # names of an earlier version's order
    assert class_index(["3", "7"], kind(7)) == 1
    assert class_index(["001", "002"], kind(2)) == 1
    assert class_index(["cat", "dog"], kind(1)) == 1
    for names, label in ((["3", "7"], 1), (["3", "cat"], 0), (["cat", "dog"], 2), (["1", "01"], 1)):
        if str(label) not in names:
            with pytest.raises(ConfigError, match="unknown label"):
                class_index(names, kind(label))
    with pytest.raises(ConfigError, match="unknown label"):
        class_index(["cat", "dog"], kind(-1))


# Two sub-folders of packing, three classes.
FILES = {f"{i // 6:05d}/img{i:08d}.x": bytes([i]) for i in range(12)}
LABELS = [[name, i % 3] for i, name in enumerate(FILES)]


def written(folder, document, *, files=FILES, prefix=""):
    """The files and the labels, as a folder and as a zip file."""
    with zipfile.ZipFile(folder / "a.zip", "w") as zipped:
        for name, data in (files | {f"{prefix}dataset.json": json.dumps(document).encode()}).items():
            (folder / "a" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "a" / name).write_bytes(data)
            zipped.writestr(name, data)
    return FolderArchive(folder / "a", suffixes=(".x",)), ZipArchive(folder / "a.zip", suffixes=(".x",))


@pytest.mark.parametrize(
    "labels",
    [LABELS, dict(LABELS), [[n.replace("/", "\\"), float(k)] for n, k in LABELS]],
    ids=["pairs", "object", "backslashes and floats"],
)
def test_dataset_json(tmp_path, labels):
    for archive in written(tmp_path, {"labels": labels}):
        assert archive.names == tuple(sorted(FILES))
        expected = (("0", "1", "2"), tuple(i % 3 for i in range(12)), "dataset.json")
        assert stated_labels(archive, True) == expected
        assert stated_labels(archive, False) == ((), (), "")
        assert stated_labels(archive, "{label}*")[2] == "file names ({label}*)"


def test_dataset_json_in_a_folder_of_its_own(tmp_path):
    files = {f"photos/{NFD}{name[-5:]}": data for name, data in FILES.items()}
    labels = [[name.removeprefix("photos/").replace(NFD, NFC), f"{i:02d}"] for i, name in enumerate(files)]
    for archive in written(tmp_path, {"labels": labels}, files=files, prefix="photos/"):
        classes, indices, _ = stated_labels(archive, True)
        assert classes == tuple(f"{i:02d}" for i in range(len(files))) and sorted(indices) == list(range(len(files)))


@pytest.mark.parametrize(
    "document, message",
    [
        ({"labels": None}, "states no labels"),
        ({"labels": []}, "states no labels"),
        ({"labels": LABELS[1:]}, r"1 of 12 items have no label .*first: '00000/img00000000\.x'"),
        ({"labels": [[name, [0.1, 0.2]] for name in FILES]}, "Vectors"),
        ({"labels": [[name, None] for name in FILES]}, "the label None"),
        ({"labels": 3}, "no file of labels"),
        ([1, 2], "no file of labels"),
        ("x" * 9, "no file of labels"),
    ],
)
def test_dataset_json_that_states_no_class_for_each(tmp_path, document, message):
    for archive in written(tmp_path, document):
        with pytest.raises(DataError, match=message):
            stated_labels(archive, True)
        assert stated_labels(archive, False)[1] == ()  # and the items can still be used


def test_shards_with_labels_of_dataset_json(tmp_path):
    written(tmp_path, {"labels": LABELS})
    everything = FolderArchive(tmp_path / "a", suffixes=("",))
    for labels in (True, False):
        paths = write_shards(everything, tmp_path / f"shards{labels}", labels=labels)
        archive = ShardArchive(paths, suffixes=(".x",))
        assert archive.class_source == (".cls members" if labels else "dataset.json")
        assert stated_labels(archive, True)[:2] == (("0", "1", "2"), tuple(i % 3 for i in range(12)))
