"""The command line, called in process. Oracles: files read back, the Python contract, exit codes and stderr."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from inrgan import Generator, ImageModality, TrainConfig
from inrgan._parsing import parse_numbers, parse_seeds, parse_shape
from inrgan.cli import main
from inrgan.domains import Box
from inrgan.errors import ConfigError
from inrgan.images import write_image
from inrgan.recipes import recipe

TRAIN = ["train", "image", "--resolution", "16", "--kimg", "0.064", "--batch", "16", "--quiet", "--device", "cpu"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    outdir = tmp_path_factory.mktemp("runs")
    main([*TRAIN, "--outdir", str(outdir)])
    return outdir / "00000-image-shapes-tiny"


def test_train(run):
    saved = json.loads((run / "config.json").read_text())
    assert saved["batch"] == 16 and saved["kimg"] == 0.064 and saved["modality"]["arguments"]["resolution"] == 16
    assert (run / "snapshot-00000.064" / "model.safetensors").exists()
    assert json.loads((run / "stats.jsonl").read_text().splitlines()[-1])["kimg"] == 0.064
    report = json.loads((run / "data.json").read_text())
    assert report["items"] == 4096 and list(report["classes"]) == ["disc", "square", "triangle"]
    assert "data: shapes (built-in), 4096 items" in (run / "log.txt").read_text()


def test_sample_npy_equals_python(run, tmp_path):
    # Oracle: the Python contract for the same seed.
    out = tmp_path / "one.npy"
    main(["sample", str(run), "--seeds", "3", "--resolution", "48x64", "--truncation", "0.7", "--out", str(out)])
    expected = Generator.from_pretrained(run).sample([3], truncation=0.7).render((48, 64))
    np.testing.assert_allclose(np.load(out), expected[0].numpy(), atol=1e-6)


def test_sample_png(run, tmp_path):
    main(["sample", str(run), "--seeds", "0-3", "--resolution", "48x64", "--out", str(tmp_path / "many.png")])
    picture = Image.open(tmp_path / "many.png")
    assert picture.width >= 2 * 64 and picture.height >= 2 * 48 and np.asarray(picture).std() > 1


def test_one_file_for_each_sample(run, tmp_path):
    # Oracle: the Python contract for the same seeds.
    sample = ["sample", str(run), "--seeds", "3-5", "--truncation", "0.7", "--resolution", "16"]
    main([*sample, "--out", str(tmp_path / "a" / "{seed:04d}-{index}.npy")])
    expected = Generator.from_pretrained(run).sample([3, 4, 5], truncation=0.7).render((16, 16))
    names = ["0003-0.npy", "0004-1.npy", "0005-2.npy"]
    assert sorted(os.listdir(tmp_path / "a")) == names
    found = np.stack([np.load(tmp_path / "a" / name) for name in names])
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_sample_region(run, tmp_path):
    out, flag = tmp_path / "part.npy", "--region=0,-0.5,1,0"
    main(["sample", str(run), "--seeds", "1", "--resolution", "16x32", flag, "--out", str(out)])
    whole = Generator.from_pretrained(run).sample([1]).render((64, 64))
    np.testing.assert_allclose(np.load(out), whole[0, :, 16:32, 32:].numpy(), atol=1e-5)


@pytest.mark.parametrize("more", [[], ["--pace", "uniform"], ["--loop", "--pace", "uniform"]])
def test_interpolate(run, tmp_path, more):
    out = tmp_path / "walk.gif"
    main(["interpolate", str(run), "--seeds", "1,2", "--frames", "4", "--resolution", "24", "--out", str(out), *more])
    with Image.open(out) as gif:
        assert gif.n_frames == 4 and gif.size == (24, 24)


def test_evaluate_appends(run, capsys):
    for lines in (1, 2):
        main(["evaluate", str(run), "--count", "16", "--metrics", "swd"])
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        assert len(rows) == lines
    assert rows[0] == rows[1]  # a score is a function of its protocol
    assert rows[0]["snapshot"] == "snapshot-00000.064" and "swd" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["image", "spherical", "surface", "audio", "occupancy"])
def test_built_in_data_is_scored_held_out(name):
    # Oracle: the names and the items of the seeds that trainings have: none of the first items is among them.
    from inrgan.evaluation import held_out_source
    from inrgan.registry import modality_class

    m = modality_class(name)(resolution=64)
    held_out, trained = held_out_source(m, None, seed=3), [m.source(None, seed=s) for s in (0, 3)]
    view = m.domain.grid(m.domain.shape(16))
    a = m.observe([held_out[i] for i in range(4)], view)
    assert torch.equal(a, m.observe([held_out_source(m, None, seed=3)[i] for i in range(4)], view))
    for source in trained:
        b = m.observe([source[i] for i in range(40)], view)
        assert (a[:, None] - b[None]).abs().flatten(2).amax(dim=2).min() > 1e-3


def test_evaluate_asks_for_held_out_items_and_writes_a_sheet(run, tmp_path, monkeypatch):
    from inrgan import ImageModality

    seeds, source = [], ImageModality.source
    monkeypatch.setattr(
        ImageModality, "source", lambda self, data, *, labels=False, seed=0: seeds.append(seed) or
        source(self, data, labels=labels, seed=seed),
    )  # fmt: skip
    sheet = tmp_path / "sheet.png"
    main(["evaluate", str(run), "--count", "16", "--metrics", "swd", "--sheet", str(sheet)])
    assert seeds == [1 << 31]
    with Image.open(sheet) as picture:
        assert min(picture.size) >= 4 * 16


def test_a_sheet_that_cannot_be_written_costs_no_scores(run, tmp_path, capsys):
    # Oracle: the lines of the file, counted before and after.
    lines = lambda: (run / "metrics.jsonl").read_text().count("\n") if (run / "metrics.jsonl").exists() else 0  # noqa: E731
    before = lines()
    with pytest.raises(SystemExit) as stop:
        main(["evaluate", str(run), "--count", "16", "--metrics", "swd", "--sheet", str(tmp_path / "sheet.doc")])
    assert stop.value.code == 2 and ".doc" in capsys.readouterr().err
    assert lines() == before + 1


def test_info(capsys, monkeypatch):
    monkeypatch.setenv("GOMP_SPINCOUNT", "123")
    main(["info"])
    out = capsys.readouterr().out
    assert "wait policy: GOMP_SPINCOUNT=123" in out
    assert "torch " + torch.__version__ in out and "image" in out and "usable" in out


def test_info_on_data(tmp_path, capsys):
    for k in range(12):
        write_image(torch.full((1, 12, 12), k / 12), tmp_path / "data" / str(k) / "a.png")
    (tmp_path / "data" / "notes.txt").write_text("no image")
    flags = [str(tmp_path / "data"), "--modality", "image", "--labels", "--resolution", "16"]
    main(["info", *flags])
    out = capsys.readouterr().out
    for part in (
        "data (folder), 12 items",
        "used: 12 .png",
        "not used: 1 .txt",
        "12 from folders: 0 (1), 1 (1), 2 (1)",
    ):
        assert part in out
    assert "warning: 12 of 12 images" in out and "--resolution 12" in out and len(out.splitlines()) <= 20
    main(["info", *flags, "--json"])
    assert list(json.loads(capsys.readouterr().out)["classes"]) == [str(k) for k in range(12)]
    with pytest.raises(SystemExit):
        main(["info", str(tmp_path / "data")])
    assert "--modality" in capsys.readouterr().err


def test_dry_run_makes_nothing(tmp_path, capsys):
    main([*TRAIN, "--outdir", str(tmp_path / "runs"), "--dry-run", "--losses", "full,random-resolution"])
    out = capsys.readouterr().out
    described, _, sizes = out.rpartition("}\n")
    assert json.loads(described + "}")["losses"] == ["full", "random-resolution"] and "M parameters" in sizes
    assert not (tmp_path / "runs").exists()


def test_resume(tmp_path):
    main([*TRAIN, "--outdir", str(tmp_path)])
    run = tmp_path / "00000-image-shapes-tiny"
    main(["train", "image", "--resume", str(run), "--kimg", "0.096", "--quiet"])
    assert (run / "snapshot-00000.096").exists() and len(list(tmp_path.iterdir())) == 1
    saved = torch.load(run / "state-latest.pt", weights_only=True)
    assert saved["step"] == 6


@pytest.mark.parametrize("argv", [[], ["--help"], ["train", "--help"]])
def test_help(argv, capsys):
    main(argv)
    assert "usage: inrgan" in capsys.readouterr().out


def bad_inputs(run):
    sample = ["sample", str(run), "--out", "x.npy"]
    return {
        "missing data": [*TRAIN, "--data", "/nonexistent/folder"],
        "unknown modality": ["train", "smell"],
        "no modality": ["train"],
        "unknown command": ["paint"],
        "resolution 0": ["train", "image", "--resolution", "0"],
        "kimg 0": ["train", "image", "--kimg", "0"],
        "unknown loss": [*TRAIN, "--losses", "dense"],
        "render resolution 0": [*sample, "--resolution", "0"],
        "render resolution words": [*sample, "--resolution", "big"],
        "three sizes": [*sample, "--resolution", "4x4x4"],
        "bad seeds": [*sample, "--seeds", "one"],
        "seeds backwards": [*sample, "--seeds", "9-3"],
        "bad region": [*sample, "--region", "0,0,1"],
        "empty region": [*sample, "--region", "0,0,0,1"],
        "no such view": [*sample, "--view", "globe"],
        "view and region": [*sample, "--view", "globe", "--region=0,0,1,1"],
        "bad truncation": [*sample, "--truncation", "nan"],
        "label of none": [*sample, "--label", "cat"],
        "unknown suffix": ["sample", str(run), "--out", "x.xyz", "--seeds", "0"],
        "no gpu": [*sample, "--device", "cuda"],
        "missing run": ["sample", "/nonexistent/run", "--out", "x.npy"],
        "missing resume": ["train", "image", "--resume", "/nonexistent/run"],
        "missing init": [*TRAIN, "--init-from", "/nonexistent/run"],
        "other flags on resume": ["train", "image", "--resume", str(run), "--resolution", "32"],
        "a snapshot": ["train", "image", "--resume", f"{run}/snapshot-00000.064"],
        "outdir of a run": ["train", "image", "--resume", str(run), "--outdir", "elsewhere"],
        "partial of nothing": [*TRAIN, "--init-partial"],
        "one file for two": ["sample", str(run), "--seeds", "1,1", "--out", "{seed}.png"],
        "unknown name in braces": ["sample", str(run), "--out", "{seed}{name}.png"],
        "no format": ["sample", str(run), "--out", "{seed:zz}.png"],
        "one frame": ["interpolate", str(run), "--frames", "1", "--out", "x.gif"],
        "one stop": ["interpolate", str(run), "--seeds", "1", "--out", "x.gif"],
        "fps 0": ["interpolate", str(run), "--seeds", "1,2", "--frames", "2", "--fps", "0", "--out", "x.gif"],
        "evaluate at 0": ["evaluate", str(run), "--count", "16", "--resolution", "0"],
        "evaluate few": ["evaluate", str(run), "--count", "2"],
        "evaluate unknown": ["evaluate", str(run), "--count", "16", "--metrics", "beauty"],
        "evaluate too fine": ["evaluate", str(run), "--count", "16", "--resolution", "999"],
    }


@pytest.mark.parametrize("name", bad_inputs("run"))
def test_bad_input_is_one_line_and_code_2(name, run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit) as stop:
        main(bad_inputs(run)[name])
    err = capsys.readouterr().err
    assert stop.value.code == 2
    assert err.startswith("inrgan: ") and err.count("\n") == 1, err
    assert "Traceback" not in err
    assert not [p for p in os.listdir(tmp_path) if p != "runs"]


@pytest.mark.parametrize("argv", [["sample"], ["train", "image", "--nosuch", "1"], ["train", "image", "--batch", "x"]])
def test_flags_that_do_not_parse(argv, capsys):
    # These are the parser's own messages: code 2, no traceback, one line, and nothing done.
    with pytest.raises(SystemExit) as stop:
        main(argv)
    err = capsys.readouterr().err
    assert stop.value.code == 2 and "Traceback" not in err
    assert err.startswith("inrgan: ") and err.count("\n") == 1, err


def test_flags_override_the_preset_field_by_field(capsys):
    # Oracle: the recipe. What is not given is the preset's, also in nested options.
    main(["train", "image", "--preset", "base", "--kimg", "7", "--patch", "8", "--labels", "{label}_*", "--dry-run"])
    said = json.loads(capsys.readouterr().out.rpartition("}\n")[0] + "}")
    expected = recipe("base", ImageModality()).to_json()
    assert said == {**expected, "kimg": 7, "labels": "{label}_*", "views": {**expected["views"], "patch": 8}}
    main(["train", "image", "--labels", "--dry-run"])
    assert json.loads(capsys.readouterr().out.rpartition("}\n")[0] + "}")["labels"] is True


@pytest.mark.parametrize("flags", [["--batch", "8"], ["--losses", "points"], ["--patch", "8"], ["--seed", "1"]])
def test_resume_refuses_other_flags_by_name(flags, run, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["train", "image", "--resume", str(run), "--quiet", *flags])
    assert stop.value.code == 2 and f"trained with {flags[0]} " in capsys.readouterr().err


def test_a_configuration_of_an_earlier_version_is_read(run):
    saved = json.loads((run / "config.json").read_text())
    saved["largest_step"] = saved.pop("max_update") / 2
    saved |= {"labels": True, "label_pattern": "{label}_*"}
    read = TrainConfig.from_json(saved, modality=ImageModality(resolution=16))
    assert read.max_update == 0.005 and read.labels == "{label}_*"
    assert TrainConfig.from_json({**saved, "label_pattern": ""}, modality=ImageModality()).labels is True


def test_one_adapter_is_imported():
    code = (
        "import sys; from inrgan.cli import main; main(['train', 'image', '--help']); "
        "print([m for m in sys.modules if m.startswith('inrgan_modalities.') and m.count('.') == 1])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "['inrgan_modalities.image']"


def test_damaged_run_is_one_line(run, tmp_path, capsys):
    import shutil

    mine = tmp_path / "run"
    shutil.copytree(run, mine)
    (mine / "config.json").write_text("[]")
    for file in mine.glob("snapshot-*/model.safetensors"):
        file.write_bytes(b"cut")
    for argv in (["train", "image", "--resume", str(mine)], ["sample", str(mine), "--out", str(tmp_path / "x.npy")]):
        with pytest.raises(SystemExit) as stop:
            main(argv)
        assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_parsers():
    assert parse_seeds("0-3,7, 9 - 10") == [0, 1, 2, 3, 7, 9, 10]
    assert parse_shape("48x64", domain=Box(2), default=1) == (48, 64)
    assert parse_shape("8", domain=Box(2, aspect=(2, 1)), default=1) == (8, 16)
    assert parse_shape(None, domain=Box(1), default=5) == (5,)
    assert list(parse_numbers("-1,0.5", what="x")) == [-1.0, 0.5]
    for parse, text in ((parse_seeds, ""), (parse_seeds, "1,,2"), (parse_seeds, "-1"), (parse_seeds, "0-9999999")):
        with pytest.raises(ConfigError):
            parse(text)
