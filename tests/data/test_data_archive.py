"""Archives: names and bytes against what was written, and every way in which a path can be wrong."""

import multiprocessing
import os
import pickle
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from inrgan.data import AbstractArchive, FolderArchive, ZipArchive, open_archive
from inrgan.errors import DataError

SUFFIXES = (".bin", ".dat")
# The oracle of the good cases: what was written.
WANTED = {"a/2.bin": b"two", "a/10.DAT": b"ten" * 100, "b.bin": b"", "z/y/x.dat": bytes(range(256))}
LITTER = {"a/notes.txt": b"no", ".hidden.bin": b"no", "__MACOSX/a/2.bin": b"no", "a/.git/x.bin": b"no"}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "My Data"
    for name, data in (WANTED | LITTER).items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


@pytest.fixture
def zipped(tmp_path):
    path = tmp_path / "My_Data.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.mkdir("a")
        for name, data in (LITTER | WANTED).items():
            file.writestr(name, data)
    return path


def contents(archive: AbstractArchive) -> dict[str, bytes]:
    return {name: archive.read(name) for name in archive.names}


@pytest.mark.parametrize("kind, expected", [("folder", FolderArchive), ("zipped", ZipArchive)])
def test_reads_what_was_written(kind, expected, request):
    archive = open_archive(request.getfixturevalue(kind), suffixes=SUFFIXES)
    assert type(archive) is expected
    assert archive.names == tuple(sorted(WANTED))
    assert contents(archive) == WANTED
    assert archive.description == "my-data"
    assert contents(pickle.loads(pickle.dumps(archive))) == WANTED
    archive.close()
    assert contents(archive) == WANTED
    with pytest.raises(DataError, match=r"lists no .*notes\.txt"):
        archive.read("a/notes.txt")


def test_zip_is_recognised_without_its_suffix(zipped):
    odd = zipped.rename(zipped.with_suffix(".data"))
    assert contents(open_archive(str(odd), suffixes=SUFFIXES)) == WANTED


def test_zip_backslashes_become_slashes(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a\\b.bin", b"1")
    assert contents(ZipArchive(path, suffixes=SUFFIXES)) == {"a/b.bin": b"1"}


def test_zip_shared_by_threads(zipped):
    archive = ZipArchive(zipped, suffixes=SUFFIXES)
    with ThreadPoolExecutor(8) as pool:
        for name, data in zip(list(WANTED) * 50, pool.map(archive.read, list(WANTED) * 50), strict=True):
            assert data == WANTED[name]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_zip_after_fork_has_its_own_handle_and_lock(zipped):
    archive = ZipArchive(zipped, suffixes=SUFFIXES)
    here, there = multiprocessing.Pipe()

    def child():
        there.send(contents(archive))

    # Property: a child forked while the parent holds the lock still reads.
    with archive._locked():
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        try:
            assert here.poll(10)
            assert here.recv() == WANTED
        finally:
            process.kill()
            process.join()


def test_links_out_of_the_folder_are_skipped_and_counted(folder, tmp_path, caplog):
    secret = tmp_path / "secret.bin"
    secret.write_bytes(b"secret")
    (tmp_path / "elsewhere").mkdir()
    (folder / "out.bin").symlink_to(secret)
    (folder / "far").symlink_to(tmp_path / "elsewhere")
    (folder / "in.bin").symlink_to(folder / "a/2.bin")
    (folder / "ring.bin").symlink_to(folder / "ring.bin")
    (folder / "broken.bin").symlink_to(folder / "nothing")
    archive = FolderArchive(folder, suffixes=SUFFIXES)
    assert contents(archive) == WANTED | {"in.bin": b"two"}
    assert archive.skipped_links == 2
    assert "skipped 2 links" in caplog.text


def test_folder_reached_by_a_link_is_read(folder, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(folder)
    assert contents(open_archive(link, suffixes=SUFFIXES)) == WANTED


def test_file_that_vanished(folder):
    archive = FolderArchive(folder, suffixes=SUFFIXES)
    (folder / "b.bin").unlink()
    with pytest.raises(DataError, match=r"b\.bin.*still there"):
        archive.read("b.bin")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipes_do_not_hang(folder):
    os.mkfifo(folder / "pipe.bin")
    assert FolderArchive(folder, suffixes=SUFFIXES).names == tuple(sorted(WANTED))


def make_bad(tmp_path, kind):
    path = tmp_path / "bad.zip"
    if kind == "missing":
        return tmp_path / "nowhere"
    if kind == "empty":
        (tmp_path / "void").mkdir()
        return tmp_path / "void"
    if kind in ("text", "plain", "tar"):
        path = path.with_suffix({"text": ".zip", "plain": ".md", "tar": ".tar"}[kind])
        path.write_text("Hello")
        return path
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("a.bin" if kind != "unwanted" else "a.txt", b"12345" * 100)
    data = bytearray(path.read_bytes())
    if kind == "truncated":
        data = data[:-30]
    if kind == "encrypted":  # the flag in the central directory is what a reader sees
        data[data.rindex(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    "kind, message",
    [
        ("missing", "nothing at .*nowhere"),
        ("empty", r"void: it is empty; looked for \.bin \.dat"),
        ("unwanted", r"bad\.zip: it holds 1 \.txt; looked for \.bin \.dat"),
        ("text", r"bad\.zip is not a zip file"),
        ("plain", r"bad\.md is neither a folder, a zip file nor"),
        ("tar", r"bad\.tar is not a whole, uncompressed tar file"),
        ("truncated", r"bad\.zip begins as a zip file but is cut short"),
        ("encrypted", r"bad\.zip is encrypted"),
    ],
)
def test_wrong_paths(tmp_path, kind, message):
    with pytest.raises(DataError, match=message):
        open_archive(make_bad(tmp_path, kind), suffixes=SUFFIXES)


def test_damaged_entry_is_named(zipped):
    archive = ZipArchive(zipped, suffixes=SUFFIXES)
    with archive._locked() as file:
        info = file.getinfo("z/y/x.dat")
    data = bytearray(zipped.read_bytes())
    start = info.header_offset + 30 + len(info.filename) + 20
    data[start : start + 60] = bytes(60)
    zipped.write_bytes(data)
    damaged = ZipArchive(zipped, suffixes=SUFFIXES)
    assert damaged.read("a/2.bin") == b"two"
    with pytest.raises(DataError, match=r"z/y/x\.dat.*cannot be read"):
        damaged.read("z/y/x.dat")


def test_zip_that_vanished(zipped):
    archive = pickle.loads(pickle.dumps(ZipArchive(zipped, suffixes=SUFFIXES)))
    zipped.unlink()
    with pytest.raises(DataError, match="Cannot open"):
        archive.read("b.bin")


def test_decompression_bombs_are_named_and_not_unpacked(tmp_path):
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("large.bin", bytes(2000))
        file.writestr("fine.bin", bytes(1000))
    archive = ZipArchive(path, suffixes=SUFFIXES, max_entry_bytes=1000)
    assert archive.read("fine.bin") == bytes(1000)
    with pytest.raises(DataError, match=r"large\.bin.*2000 bytes, more than the 1000"):
        archive.read("large.bin")
    # Deflate cannot pack 1000 to 1, so the directory is made to say so.
    archive = ZipArchive(path, suffixes=SUFFIXES)
    with archive._locked() as file:
        info = file.getinfo("large.bin")
        info.file_size, info.compress_size = 65 << 20, 60 << 10
        with pytest.raises(DataError, match=r"large\.bin.*1109 times"):
            archive._check_size(info)
        info.file_size = 63 << 20
        archive._check_size(info)
