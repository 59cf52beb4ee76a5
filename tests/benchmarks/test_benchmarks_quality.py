"""The command that trains and scores a method. Oracles: an uninterrupted run, a clock made up, the files it leaves."""

import json
import math
import shlex
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))

import _resumable
import quality
from _resumable import Mark, ResumableTraining, marks
from controls import CONTROLS

from inrgan.errors import ConfigError
from inrgan.images import write_image
from inrgan.registry import modality_names, rebuild

DOCS = Path(quality.__file__).parents[1] / "docs"
IMAGES = ["--modality", "image", "--resolution", "8", "--fakes", "8", "--minutes", "", "--metrics", "swd"]


def lines(out, name):
    return [json.loads(line) for line in (out / f"{name}.jsonl").read_text().splitlines()]


def ran(out, *flags):
    quality.run(quality.arguments([*IMAGES, "--out", str(out), *flags]))


# --- flags ---


def test_every_control_can_be_named():
    assert set(CONTROLS) <= set(modality_names())
    for modality, controls in CONTROLS.items():
        for method in ("ours", "reals", *controls):
            args = quality.arguments(["--modality", modality, "--method", method, "--out", "x"])
            assert (args.modality, args.method) == (modality, method)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--method", "wavegan"], "no method wavegan; it has ours, reals, convolutional"),
        (["--method", "ours", "--train", "x"], "one of --test and --hold-out"),
        (["--method", "ours", "--train", "x", "--test", "y", "--hold-out", "0.1"], "one of --test and --hold-out"),
        (["--method", "ours", "--test", "y"], "belong to --train"),
        (["--method", "cips", "--losses", "dense-patch"], "belong to ours"),
        (["--method", "cips", "--backbone", "pointwise"], "belong to ours"),
    ],
)
def test_flags_that_do_not_fit_are_refused(flags, message, capsys):
    with pytest.raises(SystemExit):
        quality.arguments([*IMAGES, "--out", "x", *flags])
    assert message in " ".join(capsys.readouterr().err.split())


def test_settings_are_json_or_text():
    assert quality.named(["rate=8000", "frames=[]", "rotate=axis", "low=-3", "mirror=true", "data=a=b"]) == {
        "rate": 8000, "frames": [], "rotate": "axis", "low": -3, "mirror": True, "data": "a=b",
    }  # fmt: skip
    with pytest.raises(SystemExit, match="NAME=VALUE"):
        quality.named(["mirror"])


def test_settings_reach_the_training():
    flags = ["--set", "channels=1", "--views", "patch_start=0.5", "--losses", "full,dense-patch", "--max-update", "0"]
    args = quality.arguments([*IMAGES, "--method", "ours", "--backbone", "pointwise", "--out", "x", *flags])
    modality = rebuild("image", quality.named(args.set))
    config = quality.configuration(args, modality, False)
    assert modality.channels == 1 and config.losses == ("full", "dense-patch") and config.max_update == 0
    assert config.views.patch_start == 0.5 and config.generator.backbone == "pointwise" and config.preset == "tiny"
    args.views = ["nothing=1"]
    with pytest.raises(ConfigError, match="nothing"):
        quality.configuration(args, modality, False)


def commands():
    """Commands of the documentation."""
    text = "\n".join(page.read_text() for page in sorted(DOCS.glob("*.md"))).replace("\\\n", " ")
    found = [line.strip() for line in text.splitlines()]
    return [line for line in found if line.startswith("python benchmarks/quality.py")]


def test_the_commands_of_the_documentation_can_be_given():
    assert len(commands()) >= 8
    for command in commands():
        args = quality.arguments(shlex.split(command)[2:])
        given = {} if args.resolution is None else {"resolution": args.resolution}
        modality = rebuild(args.modality, quality.named(args.set) | given)
        assert quality.configuration(args, modality, args.labels or False).data == args.train


# --- a clock that is made up ---


class Steps:
    """A trainer whose step takes 7 seconds, and which remembers when it was saved."""

    def __init__(self, folder, step=0):
        self.run, self.device, self.step, self.saved = SimpleNamespace(path=folder), torch.device("cpu"), step, []

    @property
    def kimg(self):
        return self.step * 16 / 1000

    def train_step(self):
        self.step += 1
        Steps.now += 7

    def read_results(self): ...

    def save(self):
        Steps.now += 100  # saving does not count
        self.saved.append(self.step)


@pytest.fixture
def clock(monkeypatch):
    Steps.now = 0
    monkeypatch.setattr(_resumable, "time", SimpleNamespace(process_time=lambda: Steps.now, perf_counter=None))


def test_marks_come_in_their_order(clock, tmp_path):
    trainer = Steps(tmp_path)
    training = ResumableTraining(trainer, save_minutes=1e9)
    found = []
    for mark in training.to_marks(marks("0,1,2", "0.048,0.16,0.32")):
        found.append((str(mark), trainer.step))
        Steps.now += 1000  # scoring does not count
    # A minute is 9 steps of 7 seconds.
    assert found == [
        ("0 minutes", 0), ("0.048 kimg", 3), ("1 minutes", 9), ("0.16 kimg", 10), ("2 minutes", 18), ("0.32 kimg", 20),
    ]  # fmt: skip
    assert training.seconds == 140 and trainer.saved == [0, 3, 9, 10, 18, 20]


def test_a_resumed_training_has_the_time_of_its_state(clock, tmp_path):
    trainer = Steps(tmp_path)
    assert [str(m) for m in ResumableTraining(trainer, save_minutes=0.5).to_marks([Mark(1, "minutes")])]
    assert trainer.saved == [5, 9]  # after 35 seconds, and at the mark
    again = Steps(tmp_path, step=5)
    training = ResumableTraining(again)
    assert training.seconds == 35
    assert [str(m) for m in training.to_marks([Mark(1, "minutes")])] == ["1 minutes"] and again.step == 9
    with pytest.raises(SystemExit, match="no time for step 7"):
        ResumableTraining(Steps(tmp_path, step=7))


# --- trainings ---


def test_a_stopped_training_resumes(tmp_path, capsys):
    ran(tmp_path / "one", "--method", "ours", "--kimg", "0,0.016,0.032")
    for kimg in ("0,0.016", "0,0.016,0.032"):  # stopped, and the same command again with a longer list
        ran(tmp_path / "two", "--method", "ours", "--kimg", kimg)
    one, two = (lines(tmp_path / out, "image-ours-8-0") for out in ("one", "two"))
    assert [line["mark"] for line in two] == ["0 kimg", "0.016 kimg", "0.032 kimg"]
    assert [line["swd"] for line in one] == [line["swd"] for line in two] and len({line["swd"] for line in one}) == 3
    seconds = [line["cpu_seconds"] for line in two]
    assert seconds == sorted(seconds) and seconds[0] == 0 < seconds[2]
    for line in two:
        assert {"seed": 0, "method": "ours", "preset": "tiny", "dtype": "fp32"}.items() <= line.items()
        assert line["commit"] != "" and line["protocol"]["swd"]["size"] == "8x8"
    for value in ("0", "0.016", "0.032"):
        assert (tmp_path / "two" / f"image-ours-8-0-{value}-kimg.png").stat().st_size > 100
    run = tmp_path / "two" / "runs" / "image-ours-8-0"
    assert len(list(run.glob("snapshot-*"))) == 3
    assert "image-ours-8-0" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="--losses full, not random-resolution"):
        ran(tmp_path / "two", "--method", "ours", "--kimg", "0.032", "--losses", "random-resolution")


def test_data_are_at_no_distance_from_themselves(tmp_path):
    folder = tmp_path / "data"
    for i, sign in enumerate([-1, 1] * 8):  # two classes, bright and dark
        (folder / str(sign)).mkdir(parents=True, exist_ok=True)
        noise = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(i))
        write_image(0.9 * sign * noise, folder / str(sign) / f"{i}.png")
    data = ["--train", str(folder), "--test", str(folder)]
    ran(tmp_path, "--method", "reals", *data, "--metrics", "frechet", "--labels", "folders", "--fakes", "16")
    (line,) = lines(tmp_path, "image-reals-8-0")
    assert abs(line["frechet"]) < 1e-3 and line["labels"] == 1 and (tmp_path / "image-reals-8-0.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize(("modality", "name"), [(m, name) for m, controls in CONTROLS.items() for name in controls])
def test_the_command_scores_a_control(modality, name, tmp_path):
    command = [sys.executable, str(Path(quality.__file__)), "--modality", modality, "--method", name, "--fakes", "8"]
    size = ["--resolution", "2048"] if modality == "audio" else ["--resolution", "8"]
    subprocess.run([*command, *size, "--minutes", "", "--kimg", "0.032", "--out", str(tmp_path)], check=True)
    (line,) = lines(tmp_path, f"{modality}-{name}-{size[1]}-0")
    assert line["kimg"] == 0.03 and line["skipped_steps"] == 0
    scores = rebuild(modality, {"resolution": int(size[1])}).default_metrics
    assert set(scores) <= set(line) and all(math.isfinite(line[score]) for score in scores)
