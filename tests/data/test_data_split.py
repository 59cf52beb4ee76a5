"""Parts of a data set that are held out. Oracles: hashlib by hand, counts, disjoint sets."""

import hashlib
import json

import numpy as np
import pytest
import torch

from inrgan.cli import main
from inrgan.data import AbstractSource, split
from inrgan.errors import ConfigError


class Named(AbstractSource):
    """Items that are their own number, with names that may repeat."""

    description, label_names, bad = "named", (), 0

    def __init__(self, names):
        self.names = list(names)

    def __len__(self):
        return len(self.names)

    def __getitem__(self, i):
        return torch.tensor([self._checked(i)])

    def name(self, i):
        return self.names[i]

    def label(self, i):
        return 0


def test_parts_are_disjoint_and_whole():
    names = [f"{i}.off" for i in range(1000)]
    parts = split(Named(names), share=0.2)
    got = [[part.name(i) for i in range(len(part))] for part in (parts.train, parts.test)]
    assert sorted(got[0] + got[1]) == sorted(names)
    assert abs(len(got[1]) - 200) < 5 * (1000 * 0.2 * 0.8) ** 0.5
    # Oracle: the first bit pairs of the digest, by hand.
    for name in names[:50]:
        part = int(hashlib.sha256(name.encode()).hexdigest()[:12], 16) / 2**48
        assert (name in got[1]) == (part < 0.2)


def test_items_stay_where_they_are():
    names = [f"{i}.off" for i in range(300)]
    a, b = split(Named(names), share=0.3), split(Named([*names[::-1], "new"]), share=0.3)
    held = [{part.name(i) for i in range(len(part))} - {"new"} for part in (a.test, b.test)]
    assert held[0] == held[1] and a.digest != b.digest
    assert a.digest == split(Named(names[::-1]), share=0.3).digest
    # What stands in for a bad file is in the same part as itself.
    twice = split(Named(names + names), share=0.3)
    assert not {twice.train.name(i) for i in range(len(twice.train))} & held[0] and twice.digest == a.digest


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, float("nan"), 1e-9])
def test_bad_shares(share):
    with pytest.raises(ConfigError, match="hold"):
        split(Named(["a", "b"]), share=share)


def test_on_the_command_line(tmp_path, capsys):
    from PIL import Image

    (tmp_path / "data").mkdir()
    rng = np.random.default_rng(0)
    for i in range(40):
        Image.fromarray(rng.integers(0, 255, (16, 16, 3), dtype=np.uint8)).save(tmp_path / "data" / f"{i}.png")
    data = ["--data", str(tmp_path / "data"), "--hold-out", "0.4"]
    main(["train", "image", "--resolution", "16", "--kimg", "0.016", "--batch", "8", "--quiet",
          "--outdir", str(tmp_path / "runs"), *data])  # fmt: skip
    run = next((tmp_path / "runs").iterdir())
    assert json.loads((run / "config.json").read_text())["hold_out"] == 0.4
    main(["evaluate", str(run), "--metrics", "swd", "--count", "8", *data])
    line = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert "held out 0.4" in line["protocol"]["data"]
    with pytest.raises(SystemExit) as stop:
        main(["train", "image", "--hold-out", "1.5", "--outdir", str(tmp_path / "runs")])
    assert stop.value.code == 2 and "hold out is 1.5" in capsys.readouterr().err
