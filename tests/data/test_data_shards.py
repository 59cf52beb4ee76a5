"""Tar shards against the files they were made of, the tarfile module and the webdataset library."""

import gc
import io
import multiprocessing
import os
import pickle
import tarfile
import zipfile

import pytest
import torch

from inrgan import ImageModality, TrainConfig, Trainer
from inrgan.cli import main
from inrgan.data import ArchiveSource, FolderArchive, ShardArchive, ZipArchive, open_archive, write_shards
from inrgan.data.shards import key_of
from inrgan.errors import ConfigError, DataError, WriteError
from inrgan.images import write_image

SUFFIXES = (".bin", ".dat")
# The oracle of the good cases: what was written. The long name needs an extended header.
FILES = {"a/2.bin": b"two", "a/10.dat": b"ten" * 900, "b/0.bin": b"", f"b/{'ü' * 70}.bin": bytes(range(256)) * 9}


def tar(path, members, **options):
    """A tar file by hand: names and bytes, or TarInfo of members that are no files."""
    with tarfile.open(path, "w", **options) as file:
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                file.addfile(member)
                continue
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            file.addfile(info, io.BytesIO(member[1]))
    return path


def special(name, kind, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.fixture
def folder(tmp_path):
    for name, data in FILES.items():
        (tmp_path / "Data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "Data" / name).write_bytes(data)
    return tmp_path / "Data"


@pytest.fixture
def shards(folder):
    write_shards(FolderArchive(folder, suffixes=SUFFIXES), folder.parent / "shards", labels=True, shard_bytes=6000)
    return folder.parent / "shards"


def contents(archive):
    return {name: archive.read(name) for name in archive.names}


def test_shards_give_what_the_folder_holds(folder, shards):
    archive = open_archive(shards, suffixes=SUFFIXES)
    assert isinstance(archive, ShardArchive)
    assert len(list(shards.glob("data-00000?.tar"))) >= 2
    assert archive.names == open_archive(folder, suffixes=SUFFIXES).names
    assert contents(archive) == FILES
    assert archive.description == "shards"
    assert contents(pickle.loads(pickle.dumps(archive))) == FILES
    # Oracle: the tarfile module reads the same from the same files.
    found = {}
    for path in shards.glob("*.tar"):
        with tarfile.open(path) as file:
            found |= {m.name: file.extractfile(m).read() for m in file if not m.name.endswith(".cls")}
    assert found == FILES
    with pytest.raises(DataError, match=r"lists no member 'a/2\.txt'"):
        archive.read("a/2.txt")


def test_labels_are_those_of_the_folder(folder, shards):
    sources = [
        ArchiveSource(open_archive(p, suffixes=SUFFIXES), decode=lambda _, data: torch.ones(1), labels=True)
        for p in (folder, shards)
    ]
    assert sources[0].label_names == sources[1].label_names == ("a", "b")
    assert [sources[0].label(i) for i in range(4)] == [sources[1].label(i) for i in range(4)] == [0, 0, 1, 1]


def test_pattern_labels_and_shards_of_shards(folder, tmp_path):
    first = write_shards(open_archive(folder, suffixes=(".bin",)), tmp_path / "one", labels="{label}*")
    assert [p.name for p in first] == ["data-000000.tar"]
    archive = open_archive(tmp_path / "one", suffixes=(".bin",))
    assert archive.classes() == (("0", "2", "ü"), (1, 0, 2))
    # All of it again, class files among the rest, from a single file; the same call writes the same bytes.
    for name in ("two", "three"):
        write_shards(open_archive(first[0], suffixes=("",)), tmp_path / name)
    again = open_archive(tmp_path / "two", suffixes=(".bin",))
    assert contents(again) == contents(archive)
    assert [p.read_bytes() for p in sorted((tmp_path / "two").iterdir())] == [
        p.read_bytes() for p in sorted((tmp_path / "three").iterdir())
    ]
    with pytest.raises(DataError, match=r"\.cls is there already"):
        write_shards(open_archive(first[0], suffixes=("",)), tmp_path / "four", labels="{label}*")
    assert not (tmp_path / "four").exists()


@pytest.mark.parametrize(
    "texts, expected",
    [
        ((b"10", b"9\n", b"10"), (("9", "10"), (1, 0, 1))),
        ((b"cat", b" dog ", b"ant"), (("ant", "cat", "dog"), (1, 2, 0))),
    ],
)
def test_class_files_of_others(tmp_path, texts, expected):
    path = tar(
        tmp_path / "x.tar",
        [m for i, text in enumerate(texts) for m in ((f"{i}.x.bin", b"1"), (f"{i}.cls", text), (f"{i}.json", b"{}"))],
    )
    assert ShardArchive([path], suffixes=SUFFIXES).classes() == expected


def test_class_files_that_do_not_fit(tmp_path):
    path = tar(tmp_path / "x.tar", [("0.bin", b"1"), ("0.cls", b"0"), ("1.bin", b"1")])
    with pytest.raises(DataError, match=r"1\.bin' has no class file 1\.cls"):
        ShardArchive([path], suffixes=SUFFIXES).classes()
    tar(path, [("0.bin", b"1"), ("0.cls", b"7")])
    (tmp_path / "classes.txt").write_text("cat\ndog\n")
    with pytest.raises(DataError, match=r"of class '7'; expected a number from 0 to 1"):
        ShardArchive([path], suffixes=SUFFIXES).classes()
    (tmp_path / "classes.txt").unlink()
    assert ShardArchive([tar(path, [("0.bin", b"1")])], suffixes=SUFFIXES).classes() is None


def test_patterns(tmp_path):
    for i in range(8, 13):
        tar(tmp_path / f"train-{i:03d}.tar", [(f"{i:02d}.bin", b"%d" % i)])
    archive = open_archive(tmp_path / "train-{009..011}.tar", suffixes=SUFFIXES)
    assert contents(archive) == {"09.bin": b"9", "10.bin": b"10", "11.bin": b"11"}
    assert archive.description == "train"
    for pattern, message in [
        ("train-{009..013}.tar", r"train-013\.tar is missing"),
        ("train-{009..001}.tar", "runs from 009 to 001"),
        ("{0..999999}-{0..999999}.tar", "expected 1 to 100000 shards"),
        ("train-{..}.tar", "nothing at"),
    ]:
        with pytest.raises(DataError, match=message):
            open_archive(tmp_path / pattern, suffixes=SUFFIXES)


def test_links_devices_and_hidden_members_are_no_items(tmp_path, caplog):
    path = tar(
        tmp_path / "x.tar",
        [
            ("/good.bin", b"1"), (".hidden.bin", b"1"), ("./dot.bin", b"2"), special("folder", tarfile.DIRTYPE),
            special("link.bin", tarfile.SYMTYPE, "/etc/passwd"), special("hard.bin", tarfile.LNKTYPE, "good.bin"),
            special("device.bin", tarfile.CHRTYPE), special("pipe.bin", tarfile.FIFOTYPE),
        ],
    )  # fmt: skip
    archive = open_archive(path, suffixes=SUFFIXES)
    assert contents(archive) == {"good.bin": b"1", "dot.bin": b"2"}
    assert archive.skipped == 4 and "skipped 4 members" in caplog.text


def test_later_of_two_members_counts(tmp_path):
    path = tar(tmp_path / "x.tar", [("0.bin", b"old"), ("0.bin", b"new")])
    assert contents(ShardArchive([path], suffixes=SUFFIXES)) == {"0.bin": b"new"}
    with pytest.raises(DataError, match=r"both hold '0\.bin'"):
        ShardArchive([path, tar(tmp_path / "y.tar", [("0.bin", b"1")])], suffixes=SUFFIXES)


def damaged(tmp_path, kind):
    path = tar(tmp_path / "x.tar", [("0.bin", b"1" * 600), ("1.bin", b"2" * 600), ("2.bin", b"3")])
    data = bytearray(path.read_bytes())
    if kind == "header":
        data[1536:1540] = b"oops"  # of the second member: its checksum is wrong
    elif kind == "member":
        data = data[:1800]
    elif kind == "end":
        data = data[:3072]
    elif kind == "text":
        data = bytearray(b"Hello" * 300)
    elif kind == "empty":
        data = bytearray()
    elif kind == "climbs":
        tar(path, [("a/../../0.bin", b"1")])
        return path
    elif kind == "gz":
        tar(path, [("0.bin", b"1")])
        with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as file:
            file.add(path)
        return tmp_path / "x.tar.gz"
    elif kind == "packed":
        with tarfile.open(path, "w:gz") as file:
            file.addfile(tarfile.TarInfo("0.bin"))
        return path
    elif kind == "unwanted":
        tar(path, [("0.txt", b"1"), ("0.cls", b"1")])
        return path
    elif kind == "mixed":
        (tmp_path / "0.bin").write_bytes(b"1")
        return tmp_path
    elif kind == "pipe":
        os.mkfifo(tmp_path / "p-1.tar")
        return tmp_path / "p-{1..1}.tar"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "kind, message",
    [
        ("header", r"x\.tar is damaged or cut short at byte 1536"),
        ("member", r"x\.tar is damaged or cut short at byte 1536"),
        ("end", r"x\.tar is damaged or cut short at byte 3072"),
        ("text", r"x\.tar is not a whole, uncompressed tar"),
        ("empty", r"x\.tar is not a whole, uncompressed tar"),
        ("climbs", r"'a/\.\./\.\./0\.bin', which climbs out"),
        ("gz", "is compressed, and items are read at random"),
        ("packed", "is not a whole, uncompressed tar file"),
        ("unwanted", r"it holds 1 \.txt, 1 \.cls; looked for \.bin"),
        ("mixed", r"holds both tar shards \(x\.tar, \.\.\.\) and other data \(0\.bin\)"),
        ("pipe", "is not a regular file"),
    ],
)
def test_bad_shards(tmp_path, kind, message):
    with pytest.raises(DataError, match=message):
        open_archive(damaged(tmp_path, kind), suffixes=SUFFIXES)


def test_a_link_out_of_the_folder_is_no_shard(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.tar").symlink_to(tar(tmp_path / "x.tar", [("0.bin", b"1")]))
    with pytest.raises(DataError, match="a link that leads out"):
        open_archive(tmp_path / "data", suffixes=SUFFIXES)


def test_shard_that_changed_or_vanished(tmp_path):
    path = tar(tmp_path / "x.tar", [("0.bin", b"1")])
    archive = ShardArchive([path], suffixes=SUFFIXES, max_entry_bytes=3)
    tar(path, [("0.bin", b"12345")])
    os.utime(path, (1, 1))
    with pytest.raises(DataError, match="has changed since it was opened"):
        archive.read("0.bin")
    with pytest.raises(DataError, match="has 5 bytes, more than the 3 allowed"):
        ShardArchive([path], suffixes=SUFFIXES, max_entry_bytes=3).read("0.bin")
    path.unlink()
    with pytest.raises(DataError, match="is missing"):
        archive.read("0.bin")


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_shards_after_a_fork(shards):
    archive = open_archive(shards, suffixes=SUFFIXES)
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("fork").Process(target=lambda: there.send(contents(archive)))
    process.start()
    try:
        assert contents(archive) == FILES
        assert here.poll(10) and here.recv() == FILES
    finally:
        process.kill()
        process.join()


def test_the_writer_refuses(folder, tmp_path, monkeypatch):
    archive = FolderArchive(folder, suffixes=SUFFIXES)
    with pytest.raises(ConfigError, match="exists already"):
        write_shards(archive, tmp_path)
    with pytest.raises(ConfigError, match="shards of 0 bytes"):
        write_shards(archive, tmp_path / "new", shard_bytes=0)
    (folder / "b" / "0.bin").unlink()
    before = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=r"0\.bin"):
        write_shards(archive, tmp_path / "new")
    (folder / "b" / "0.bin").write_bytes(b"")

    def full(self, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    with pytest.raises(WriteError, match="No space left"):
        write_shards(archive, tmp_path / "new")
    assert sorted(tmp_path.iterdir()) == before


def test_items_of_two_classes_with_one_key_are_refused(tmp_path):
    path = tar(tmp_path / "x.tar", [("a.x_1.bin", b"1"), ("a.y_2.bin", b"2")])
    with pytest.raises(DataError, match="different classes share the key 'a'"):
        write_shards(ShardArchive([path], suffixes=SUFFIXES), tmp_path / "out", labels="a.{label}_*")


def test_keys():
    assert [key_of(n) for n in ("a.b/1.seg.png", "1", "x/1.png")] == ["a.b/1", "1", "x/1"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")  # its files
def test_the_webdataset_library_reads_what_is_written(folder, shards):
    wds = pytest.importorskip("webdataset")
    found = list(wds.WebDataset(sorted(map(str, shards.glob("*.tar"))), shardshuffle=False).decode())
    assert sorted(sample["cls"] for sample in found) == [0, 0, 1, 1]
    assert {sample["__key__"]: sample.get("bin", sample.get("dat")) for sample in found} == {
        key_of(name): data for name, data in FILES.items()
    }
    gc.collect()  # here, where what it leaves open is no matter


def test_folder_zip_and_shards_train_alike(tmp_path):
    """Property: a run on a folder that goes on with shards ends with the weights of one on a zip, bit for bit."""
    pixels = torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for i, x in enumerate(pixels):
        write_image(x, tmp_path / "data" / "ab"[i % 2] / f"{i}.png")
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        for path in sorted((tmp_path / "data").rglob("*.png")):
            file.write(path, path.relative_to(tmp_path / "data"))
    main(["shard", str(tmp_path / "data"), str(tmp_path / "tars"), "--labels", "--shard-mb", "0.005", "--quiet"])
    assert len(list((tmp_path / "tars").glob("*.tar"))) > 1
    for name, kind in {"data": FolderArchive, "data.zip": ZipArchive, "tars": ShardArchive}.items():
        assert type(open_archive(tmp_path / name, suffixes=(".png",))) is kind

    def trained(name, *, kimg, resume=None):
        config = TrainConfig(
            modality=ImageModality(resolution=16), data=str(tmp_path / name), labels=True, batch=4, kimg=0.012, seed=3
        )
        trainer = Trainer(config, outdir=tmp_path / "runs", quiet=True, resume=resume)
        trainer.fit(kimg=kimg)
        trainer.close()
        return trainer

    mixed = trained("tars", kimg=0.012, resume=trained("data", kimg=0.004).run.path).G.state_dict()
    assert all(torch.equal(v, mixed[k]) for k, v in trained("data.zip", kimg=0.012).G.state_dict().items())


def test_command_line(folder, tmp_path, capsys):
    main(["shard", str(folder), str(tmp_path / "out")])
    assert "4 files in 1 shards" in capsys.readouterr().err
    for flags, message in [(["--shard-mb", "0"], "--shard-mb is 0.0"), ([], "exists already")]:
        with pytest.raises(SystemExit) as stop:
            main(["shard", str(folder), str(tmp_path / "out"), *flags])
        error = capsys.readouterr().err
        assert stop.value.code == 2 and message in error and error.count("\n") == 1
