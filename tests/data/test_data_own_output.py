"""What is no data: run directories, saved generators, and links. Oracle: the files that were written."""

import json
import logging
import zipfile

import pytest

from inrgan.data import FolderArchive, FollowLinks, ZipArchive, open_archive, write_shards
from inrgan.data.own_output import is_own
from inrgan.errors import DataError

RUN = json.dumps({"modality": {"name": "image", "arguments": {"resolution": 32}}, "kimg": 100.0}).encode()
SAVED = json.dumps({"format": "inrgan-generator", "modality": {"name": "image", "arguments": {}}}).encode()
TREE = {
    "1.png": b"1", "a/2.png": b"2",
    "runs/00000-image-x-tiny/config.json": RUN, "runs/00000-image-x-tiny/reals.png": b"r",
    "runs/00000-image-x-tiny/snapshot-1/fakes.png": b"f", "a/saved/config.json": SAVED, "a/saved/x.png": b"x",
    "other/config.json": b'{"modality": "ct"}', "other/3.png": b"3", "broken/config.json": b"{", "broken/4.png": b"4",
}  # fmt: skip
DATA = ("1.png", "a/2.png", "broken/4.png", "other/3.png")


def tree(root, files=TREE):
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def test_runs_inside_a_folder(tmp_path):
    archive = FolderArchive(tree(tmp_path), suffixes=(".png",))
    assert archive.names == DATA and archive.files.used == {".png": 4}
    own = {suffix: n for (suffix, reason), n in archive.files.unused.items() if "run directory" in reason}
    assert own == {".json": 2, ".png": 3}


def test_runs_inside_a_zip_file(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        for name, data in TREE.items():
            file.writestr(name, data)
    assert ZipArchive(tmp_path / "x.zip", suffixes=(".png",)).names == DATA


def test_runs_beside_shards(tmp_path):
    write_shards(FolderArchive(tree(tmp_path / "in"), suffixes=(".png",)), tmp_path / "out", labels=False)
    tree(tmp_path / "out", {name: data for name, data in TREE.items() if name.startswith("runs/")})
    assert open_archive(tmp_path / "out", suffixes=(".png",)).names == DATA
    tree(tmp_path / "out", {"runs/fakes.png": b"f"})
    with pytest.raises(DataError, match=r"other data \(runs\)"):
        open_archive(tmp_path / "out", suffixes=(".png",))


@pytest.mark.parametrize("config", [RUN, SAVED])
def test_a_run_itself_is_refused(config, tmp_path):
    with pytest.raises(DataError, match="never data"):
        FolderArchive(tree(tmp_path, {"config.json": config, "fakes.png": b"f"}), suffixes=(".png",))


@pytest.mark.parametrize("config", [b"", b"[]", b"3", b"\xff", b"[" * 10**5, b'{"modality": {"name": "image"}}'])
def test_other_configurations(config):
    assert not is_own(config)


def linked(root):
    """A folder with links out of it: a file, a folder, the same folder again, and rings."""
    tree(root / "far", {"deep/5.png": b"5", "6.png": b"6"})
    folder = tree(root / "in", {"1.png": b"1", "a/2.png": b"2"})
    (folder / "file.png").symlink_to(root / "far" / "6.png")
    for name in ("x", "y"):
        (folder / name).symlink_to(root / "far", target_is_directory=True)
    (folder / "a" / "ring").symlink_to(folder, target_is_directory=True)
    (root / "far" / "back").symlink_to(root / "far", target_is_directory=True)
    return folder


def test_links_are_followed_where_asked(tmp_path, caplog):
    folder = linked(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert FolderArchive(folder, suffixes=(".png",)).names == ("1.png", "a/2.png")
    assert "--follow-links" in caplog.text
    archive = FolderArchive(FollowLinks(folder), suffixes=(".png",))
    inside = [f"{name}/{file}" for name in ("x", "y") for file in ("6.png", "deep/5.png")]
    assert archive.names == tuple(sorted(["1.png", "a/2.png", "file.png", *inside]))
    assert archive.read("y/deep/5.png") == b"5" and archive.skipped_links == 3  # the rings
    assert open_archive(FollowLinks(str(folder)), suffixes=(".png",)).names == archive.names


def test_shards_behind_links(tmp_path):
    shards = write_shards(FolderArchive(tree(tmp_path / "in"), suffixes=(".png",)), tmp_path / "out", labels=False)
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "a.tar").symlink_to(shards[0])
    with pytest.raises(DataError, match="--follow-links"):
        open_archive(tmp_path / "links", suffixes=(".png",))
    assert open_archive(FollowLinks(tmp_path / "links"), suffixes=(".png",)).names == DATA
