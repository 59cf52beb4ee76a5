"""Streams of shards. Oracles: the files that were packed, a training that never stopped, one process for many."""

import contextlib
import http.server
import io
import json
import shutil
import subprocess
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from inrgan import CriticSizes, GeneratorSizes, ImageModality, TrainConfig, Trainer
from inrgan.cli import main
from inrgan.data import FolderArchive, StreamSource, is_stream, open_archive, reaches_out, write_shards
from inrgan.data import stream_shards as shard_module
from inrgan.data.stream_shards import read_shard
from inrgan.errors import CheckpointError, ConfigError, DataError, InrganError, MissingDependency
from inrgan.training.run_directory import load_state

pytest.importorskip("webdataset")
COUNT = 40


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Forty arrays of two classes, each with its own number in it, in several shards."""
    root = tmp_path_factory.mktemp("stream")
    for i in range(COUNT):
        path = root / "files" / "ab"[i % 2] / f"{i:02}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, np.full((1, 16, 16), i / COUNT, np.float32))
    archive = FolderArchive(root / "files", suffixes=(".npy",))
    made = write_shards(archive, root / "shards", labels=True, shard_bytes=22_000)
    assert len(made) == 6
    return root / "shards"


def number(name, data):
    """An item's number, where it is whole."""
    if not data.startswith(b"\x93NUMPY"):
        raise DataError(f"{name} is bad")
    return torch.tensor([round(float(np.load(io.BytesIO(data)).flat[0]) * COUNT)])


def opened(data, **changes):
    return StreamSource(data, **{"suffixes": (".npy",), "decode": number, "buffer": 8, **changes})


def numbers(source, positions):
    return [int(source[i]) for i in positions]


def test_threads_read_what_one_reads(shards):
    # Oracle: one thread, in order. Four threads take positions of ten batches in any order.
    positions = [[8 * b + int(k) for k in np.random.default_rng(b).permutation(8)] for b in range(10)]
    data = f"stream:{shards}"
    ours, its = opened(data), opened(data)
    expected = [numbers(its, sorted(batch)) for batch in positions]
    with ThreadPoolExecutor(4) as pool:
        for batch, values in zip(positions, expected, strict=True):
            found = dict(zip(batch, pool.map(lambda i: int(ours[i]), batch), strict=True))
            assert [found[i] for i in sorted(batch)] == values
    ours.close()
    its.close()


def opened_shards(monkeypatch):
    """Grows with every shard that is opened."""
    read = []

    def noted(url, suffixes):
        read.append(url)
        return read_shard(url, suffixes=suffixes)

    monkeypatch.setattr("inrgan.data.stream.read_shard", noted)
    return read


def pattern(shards, prefix="stream:"):
    return f"{prefix}{shards}/files-{{000000..000005}}.tar"


# --- order ---


def test_every_pass_shows_every_item_once(shards):
    # Oracle: the files. Six shards in four shard streams; and a shard stream of one shard, pass by pass.
    source = opened(f"stream:{shards}", buffer=16)
    assert set(numbers(source, range(4 * 60))) == set(range(COUNT))
    one = opened(f"stream:{next(shards.glob('*-000000.tar'))}")
    held = len(list(read_shard(str(next(shards.glob("*-000000.tar"))), suffixes=(".npy",))))
    first, second = numbers(one, range(held)), numbers(one, range(held, 2 * held))
    assert sorted(first) == sorted(second) and len(set(first)) == held and first != second


def test_the_order_is_a_function_of_the_seed(shards):
    a, b, c = (numbers(opened(pattern(shards), seed=s), range(50)) for s in (0, 0, 1))
    assert a == b and a != c
    # However it is asked for: back and forth as well.
    source = opened(pattern(shards))
    assert [int(source[i]) for i in (49, 3, 30, 0, 49)] == [a[i] for i in (49, 3, 30, 0, 49)]


def test_positions_of_steps_and_of_other_seeds(shards):
    source = opened(pattern(shards), seed=5)
    assert source.order(batch=4, step=2, seed=5) == [8, 9, 10, 11]
    other = source.order(batch=4, step=2, seed=6)
    assert sorted(other) == [8, 9, 10, 11] and all(a != b for a, b in zip(other, [8, 9, 10, 11], strict=True))


def test_processes_read_their_own_shard_streams_alone(shards, monkeypatch):
    # Oracle: which shards are opened. Two processes, four shard streams, a batch of eight.
    read = opened_shards(monkeypatch)
    taken = []
    for rank in range(2):
        read.clear()
        source = opened(pattern(shards))
        taken.append([numbers(source, source.order(batch=8, step=s, seed=0)[rank::2]) for s in range(3)])
        assert len(set(read[:2])) == 2 and len(read) < 6
    whole = opened(pattern(shards))
    for s in range(3):
        assert numbers(whole, range(8 * s, 8 * s + 8))[0::2] == taken[0][s]


# --- resuming ---


@pytest.mark.parametrize("position", [0, 7, 8, 33, 64, 200])
def test_resuming_is_exact_and_reads_one_shard_again_at_most(position, shards, monkeypatch):
    # Oracle: a source that read on. Positions within buffers, at their ends and beyond the first passes.
    whole = opened(pattern(shards))
    numbers(whole, range(position))
    kept = json.loads(json.dumps(whole.state_dict(position)))
    read = opened_shards(monkeypatch)
    again = opened(pattern(shards))
    again.load_state_dict([kept])
    assert numbers(again, range(position, position + 8)) == numbers(whole, range(position, position + 8))
    assert len(read) <= 4 * 2  # the shard of each stream, and the next where a buffer reaches over


def test_what_processes_know_together_is_what_one_knows(shards):
    one = opened(pattern(shards))
    numbers(one, range(96))
    parts = [opened(pattern(shards)) for _ in range(3)]  # 3 divides neither shard streams nor batch
    for step in range(12):
        for rank, source in enumerate(parts):
            numbers(source, source.order(batch=8, step=step, seed=0)[rank::3])
    again, other = opened(pattern(shards)), opened(pattern(shards))
    again.load_state_dict([source.state_dict(96) for source in parts])
    other.load_state_dict([one.state_dict(96)])
    assert again.state_dict(96) == other.state_dict(96) == one.state_dict(96)


def test_states_of_other_streams_are_refused(shards):
    source = opened(pattern(shards))
    with pytest.raises(CheckpointError, match="5 shards"):
        source.load_state_dict([{**source.state_dict(0), "shards": 5}])
    for corrupt in ({}, {"shards": 6, "marks": [[0, 0, 0]]}, {"shards": 6, "marks": [[0, 0, -1]] * 4}):
        with pytest.raises(CheckpointError, match="corrupt"):
            source.load_state_dict([corrupt])
    numbers(source, range(40))
    later = source.state_dict(40)
    later["marks"][0][2] += 50
    source.load_state_dict([later])
    with pytest.raises(DataError, match="fewer items than before"):
        numbers(source, range(40, 48))


SMALL = {
    "generator": GeneratorSizes(z_dim=8, w_dim=16, rank=2, lattices=(4,), widths=(12, 8), depths=(1, 1)),
    "critic": CriticSizes(width=4, max_width=8), "kimg": 0.032, "batch": 4, "penalty_every": 2, "device": "cpu",
}  # fmt: skip


def config(data, **changes):
    return TrainConfig(modality=ImageModality(resolution=16, channels=1), data=data, **{**SMALL, **changes})


def trained(folder, data, *, kimg=None, **changes):
    trainer = Trainer(config(data, **changes), run_dir=folder, quiet=True)
    trainer.fit(kimg=kimg)
    trainer.close()
    return load_state(trainer.run.state, device=torch.device("cpu"))


def equal(a, b):
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(equal, a, b))
    return a == b


def test_a_training_resumes_exactly(shards, tmp_path, monkeypatch):
    # Oracle: never stopping. Stopped twice; once with data made ahead by a thread.
    monkeypatch.setattr("inrgan.data.opening.StreamSource", partial(StreamSource, buffer=16))
    data = pattern(shards)
    whole = trained(tmp_path / "a", data, labels=True)
    trained(tmp_path / "b", data, labels=True, kimg=0.012)
    trained(tmp_path / "b", data, labels=True, kimg=0.024, ahead=3)
    assert equal(trained(tmp_path / "b", data, labels=True), whole)
    assert whole["data"][0]["marks"][0][0] > 0  # it went beyond its first buffers
    with pytest.raises(CheckpointError, match="trained on a stream"):
        trained(tmp_path / "b", str(shards), labels=True)
    with pytest.raises(ConfigError, match="held out"):
        trained(tmp_path / "c", data, hold_out=0.2)


# --- where bytes come from ---


@pytest.fixture(scope="module")
def server(shards):
    """A web server in this process."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    made = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(shards)))
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{made.server_port}"
    made.shutdown()
    made.server_close()
    thread.join()


needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")


@needs_curl
def test_web_command_and_disk_give_the_same(shards, server):
    # Oracle: shards of the disk.
    own = opened(pattern(shards), labels=True)
    expected = [(int(own[i]), own.name(i), own.label(i)) for i in range(60)]
    assert {label for _, _, label in expected} == {0, 1} and own.label_names == ("a", "b")
    assert all(label == n % 2 and name.startswith("ab"[label]) for n, name, label in expected)
    web = opened(f"{server}/files-{{000000..000005}}.tar", labels=True)
    assert [(int(web[i]), web.name(i), web.label(i)) for i in range(60)] == expected
    command = opened(pattern(shards, "pipe:cat "))
    assert numbers(command, range(60)) == [n for n, _, _ in expected]
    for source in (own, web, command):
        source.close()


def test_descriptions(shards, server):
    assert opened(pattern(shards)).description == "files" and opened(pattern(shards, "pipe:cat ")).description == "pipe"
    assert opened(f"{server}/files-{{000000..000005}}.tar").description == "files"
    assert is_stream("stream:x.tar") and not reaches_out("stream:x.tar") and not is_stream("pipes/x.tar")


# --- what goes wrong ---


@needs_curl
def test_addresses_without_an_answer(server):
    with pytest.raises(DataError, match=r"nothing\.tar cannot be read: the command ended with code 22 .*404"):
        opened(f"{server}/nothing.tar")[0]
    with pytest.raises(DataError, match=r"code 7 .*nothing answers"):
        opened("http://127.0.0.1:9/x.tar")[0]
    with pytest.raises(ConfigError, match=r"classes\.txt"):
        opened(f"{server}/nothing/x.tar", labels=True)


def test_commands_that_fail(shards):
    whole = next(shards.glob("*-000000.tar"))
    with pytest.raises(DataError, match="code 3"):
        opened("pipe:exit 3")[0]
    with pytest.raises(DataError, match="no such program"):
        opened("pipe:inrgan-no-such-program 2>/dev/null")[0]
    with pytest.raises(DataError, match="code 5"):  # after all bytes have come
        numbers(opened(f"pipe:cat {whole}; exit 5"), range(20))
    with pytest.raises(DataError, match="not a complete, uncompressed tar"):
        opened("pipe:echo nothing of the kind")[0]
    with pytest.raises(DataError, match="names no command"):
        opened("pipe: ")
    with pytest.raises(ConfigError, match=r"classes\.txt"):
        opened(f"pipe:cat {whole}", labels=True)


def test_shards_that_are_not_whole(shards, tmp_path):
    # Cut within a member, between members, and with a header that is damaged: items would be lost in silence.
    data = next(shards.glob("*-000000.tar")).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(data)) as file:
        third = file.getmembers()[2].offset
    damaged = bytearray(data)
    damaged[third : third + 100] = bytes(100)
    cuts = {"within": data[: third + 700], "between": data[:third], "damaged": bytes(damaged), "empty": b"",
            "packed": __import__("gzip").compress(data)}  # fmt: skip
    for name, content in cuts.items():
        (tmp_path / f"{name}.tar").write_bytes(content)
        with pytest.raises(DataError, match=f"{name}.tar cannot be read: it is not a complete, uncompressed tar file"):
            list(read_shard(str(tmp_path / f"{name}.tar"), suffixes=(".npy",)))


def test_patterns_that_stand_for_nothing(shards, tmp_path):
    with pytest.raises(DataError, match="is missing"):
        opened(f"stream:{shards}/files-{{000000..000006}}.tar")
    with pytest.raises(DataError, match="expected 1 to"):
        opened("pipe:cat {5..4}.tar")
    with pytest.raises(DataError, match=r"without \.tar files"):
        opened(f"stream:{tmp_path}")
    with pytest.raises(DataError, match="hold no wanted file"):
        opened(pattern(shards), suffixes=(".png",))[0]
    with pytest.raises(ConfigError, match="classes by names"):
        opened(pattern(shards), labels="{label}_*")
    with pytest.raises(ConfigError, match="no length"):
        len(opened(pattern(shards)))
    with pytest.raises(DataError, match="is a stream"):
        open_archive(pattern(shards), suffixes=(".npy",))


def tar(path, members):
    with tarfile.open(path, "w") as file:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))


def whole_array(i):
    buffer = io.BytesIO()
    np.save(buffer, np.full((1, 2, 2), i / COUNT, np.float32))
    return buffer.getvalue()


def test_bad_items_are_replaced_and_counted(tmp_path, caplog):
    # Oracle: the good ones. One of 25 may be bad; two of them are too many.
    tar(tmp_path / "x.tar", [(f"{i}.npy", b"bad" if i == 3 else whole_array(i)) for i in range(25)])
    source = opened(f"stream:{tmp_path}/x.tar", buffer=25)
    taken = numbers(source, range(25))
    assert 3 not in taken and len(set(taken)) == 24 and source.bad == 1 and caplog.text.count("Skipping 3.npy") == 1
    tar(tmp_path / "y.tar", [(f"{i}.npy", b"bad" if i < 2 else whole_array(i)) for i in range(25)])
    with pytest.raises(DataError, match=r"2 of the .* files met so far"):
        numbers(opened(f"stream:{tmp_path}/y.tar", buffer=25), range(25))
    tar(tmp_path / "z.tar", [("a.npy", b"bad")])
    with pytest.raises(DataError, match="1 of the 1 files"):
        opened(f"stream:{tmp_path}/z.tar")[0]


def test_classes_that_are_missing(tmp_path):
    (tmp_path / "classes.txt").write_text("only\n")
    for text in (b"1", b"x", None):
        tar(tmp_path / "x.tar", [("a.npy", whole_array(1)), *([("a.cls", text)] if text else [])])
        with pytest.raises(DataError, match="expected a number from 0 to 0"):
            opened(f"stream:{tmp_path}/x.tar", labels=True).label(0)


def test_hostile_members(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_module, "_MAX_BYTES", 1000)
    monkeypatch.setattr(shard_module, "_SLACK", 20_000)
    tar(tmp_path / "x.tar", [("../a.npy", b"1")])
    with pytest.raises(DataError, match="climbs out"):
        list(read_shard(str(tmp_path / "x.tar"), suffixes=(".npy",)))
    tar(tmp_path / "x.tar", [("a.npy", bytes(1001))])
    with pytest.raises(DataError, match="1001 bytes, more than"):
        list(read_shard(str(tmp_path / "x.tar"), suffixes=(".npy",)))
    tar(tmp_path / "x.tar", [("a" * 50_000, b""), ("b.npy", b"1")])  # a name that would fill the memory
    with pytest.raises(DataError, match="headers of over"):
        list(read_shard(str(tmp_path / "x.tar"), suffixes=(".npy",)))
    with tarfile.open(tmp_path / "x.tar", "w") as file:
        link = tarfile.TarInfo("a.npy")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        file.addfile(link)
    assert list(read_shard(str(tmp_path / "x.tar"), suffixes=(".npy",))) == []


def test_without_the_library(shards, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "webdataset.gopen", None)
    with pytest.raises(MissingDependency, match=r"inrgan\[streams\]"):
        opened(pattern(shards))[0]


# --- who may start a command ---


def test_no_file_starts_a_command(shards, tmp_path, monkeypatch, capsys):
    """A stranger's run asks for its data by a command, or at an address: nothing happens, by any command of ours."""
    started = []
    monkeypatch.setattr(shard_module, "open_url", lambda url: started.append(url))
    monkeypatch.setattr(subprocess, "Popen", lambda *a, **k: started.append(a))
    run = tmp_path / "run"
    with monkeypatch.context() as quiet:
        quiet.setattr("inrgan.training.trainer.Trainer._fit", lambda self, stop, **limits: self.snapshot())
        made = Trainer(config(None), run_dir=run, quiet=True)
        made.fit()
        made.close()
    saved = json.loads((run / "config.json").read_text())
    for words in (f"pipe:touch {tmp_path}/harm", "https://127.0.0.1/x.tar"):
        (run / "config.json").write_text(json.dumps({**saved, "data": words}))
        with pytest.raises(ConfigError, match="no file may start a command"):
            TrainConfig.from_json({**saved, "data": words}, modality=made.config.modality)
        for flags in (["--resume", str(run)], ["--run-dir", str(run)], ["--resume", str(run), "--dry-run"]):
            with pytest.raises(SystemExit) as stop:
                main(["train", "image", *flags])
            assert stop.value.code == 2 and "yourself with --data" in capsys.readouterr().err
        main(["sample", str(run), "--seeds", "0", "--out", str(tmp_path / "x.png")])
        for command in (["evaluate", str(run), "--count", "8", "--metrics", "swd"],
                        ["evaluate", str(run), "--data", words], ["shard", words, str(tmp_path / "made")]):  # fmt: skip
            with contextlib.suppress(SystemExit):
                main(command)
        with contextlib.suppress(InrganError):
            Trainer(config(None), resume=run, quiet=True).close()
    assert not started and not (tmp_path / "harm").exists()


def test_the_users_own_word_starts_it(shards, tmp_path, capsys):
    # The same command twice, as a scheduler gives it.
    words, run = pattern(shards, "pipe:cat "), str(tmp_path / "run")
    flags = ["train", "image", "--resolution", "16", "--channels", "1", "--batch", "4", "--quiet"]
    for kimg in ("0.004", "0.008"):
        main([*flags, "--run-dir", run, "--data", words, "--kimg", kimg])
    assert load_state(tmp_path / "run" / "state-latest.pt", device=torch.device("cpu"))["step"] == 2
    assert replace(config(None), data=words).to_json()["data"] == words
