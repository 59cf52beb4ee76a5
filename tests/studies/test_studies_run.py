"""The program of all studies. Oracles: scipy's intervals, sums, rows made by hand, the images of the control."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "examples" / "studies"))

import run  # noqa: E402
from _convolutional import conv_stages, pixel_stages  # noqa: E402
from _rows import Job, jobs_of, read_row, row_path, write_row  # noqa: E402
from _study import Study, divided, over_seeds  # noqa: E402
from _tables import sign, write_tables  # noqa: E402
from geometry import ConvolutionalGenerator  # noqa: E402

from inrgan import Generator, ImageModality  # noqa: E402
from inrgan.analysis import Interval, stages_of  # noqa: E402


def made_up(name="one", arms=("a", "b"), share=1.0, compare=()):
    columns = {"n": "number", "m": "other"}
    return Study(
        name=name, question="Is it so?", arms=arms, share=share, measure=lambda *_, **__: {}, columns=columns,
        protocol="Made up.", compare=compare,
    )  # fmt: skip


def test_a_budget_is_spent_whole_and_by_shares():
    studies = [made_up(), made_up("two", arms=("a",), share=3.0)]
    minutes = divided(120.0, studies, seeds=3)
    assert sum(minutes[s.name] * len(s.arms) * 3 for s in studies) == pytest.approx(120)
    assert minutes["two"] * 1 * 3 == pytest.approx(3 * minutes["one"] * 2 * 3)


@pytest.mark.parametrize("count", [2, 3, 7])
def test_intervals_are_those_of_scipy(count):
    values = np.random.default_rng(count).normal(size=count)
    own = over_seeds([*values, math.nan])
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (own.value, own.low, own.high) == pytest.approx((values.mean(), theirs.low, theirs.high))


def test_one_seed_has_no_interval():
    assert over_seeds([2.0]).value == 2 and math.isnan(over_seeds([2.0]).low)
    assert math.isnan(over_seeds([]).value)
    assert sign(over_seeds([2.0])) == "unknown"
    assert [sign(Interval(x, x - 1, x + 1)) for x in (-2, 0, 2)] == ["lower", "no difference", "higher"]


def test_what_was_measured_is_found_again(tmp_path):
    job = Job(study="one", arm="convolutional 3×3", seed=1, minutes=2.0)
    assert read_row(tmp_path, job) is None
    write_row(tmp_path, job, lines={"a": {"n": 1.0}}, spent=1.9, device="cpu")
    row = read_row(tmp_path, job)
    assert row is not None and row["lines"] == {"a": {"n": 1.0}} and row["arm"] == job.arm
    assert read_row(tmp_path, Job(study="one", arm="convolutional 1×1", seed=1, minutes=2.0)) is None
    with pytest.raises(SystemExit, match="another --out"):
        read_row(tmp_path, Job(study="one", arm=job.arm, seed=1, minutes=3.0))


def test_results_under_earlier_names_are_found(tmp_path):
    earlier = Job(study="one", arm="solid, large", seed=0, minutes=2.0)
    write_row(tmp_path, earlier, lines={"solid, large": {"error solid": 1.0}}, spent=1.9, device="cpu")
    row = read_row(tmp_path, Job(study="one", arm="shape, large", seed=0, minutes=2.0, renamed={"solid": "shape"}))
    assert row is not None and row["lines"] == {"shape, large": {"error shape": 1.0}}


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"minutes": 2.0}', '{"minutes": "2", "spent": 1, "seed": 0, "lines": []}']
)
def test_a_damaged_row_is_named(tmp_path, text):
    job = Job(study="one", arm="a", seed=0, minutes=2.0)
    row_path(tmp_path, job).parent.mkdir(parents=True)
    row_path(tmp_path, job).write_text(text)
    with pytest.raises(SystemExit, match="delete it to measure"):
        read_row(tmp_path, job)


@pytest.mark.parametrize(
    "flags", [["--only", "geometry,nothing"], ["--only", "editing,editing"], ["--seeds", "0"], ["--processes", "0"]]
)
def test_flags_that_make_no_sense(flags, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["run.py", "--budget", "1", "--out", str(tmp_path / "out"), *flags])
    with pytest.raises(SystemExit):
        run.main()
    assert "expected" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_every_arm_has_its_turn_before_the_next_seed():
    jobs = jobs_of([made_up(), made_up("two")], minutes={"one": 1.0, "two": 2.0}, seeds=2)
    assert [(j.seed, j.study, j.arm) for j in jobs[:4]] == [(0, s, a) for s in ("one", "two") for a in ("a", "b")]
    assert len(jobs) == len({(j.study, j.name()) for j in jobs}) == 8


def test_tables_have_means_and_differences_by_seed(tmp_path):
    study = made_up(compare=[("a", "b")])
    rows = [
        {"arm": arm, "seed": seed, "minutes": 1.0, "spent": 1.0, "lines": {arm: {"n": 10.0 * seed + (arm == "a")}}}
        for seed in range(3)
        for arm in ("a", "b")
    ]
    text = write_tables(tmp_path, study, rows, command="python run.py", where="Here.")
    assert "3 seeds" in text and "other" not in text  # nobody measured the other number
    assert "| a | 11 (-13.8 to 35.8) |" in text and "1 of 1 differ" in text
    assert "- a − b: number higher by 1." in text  # the seeds differ by far more than the arms do
    found = json.loads((tmp_path / "one.json").read_text())
    assert found["table"]["a"]["n"]["value"] == pytest.approx(11)
    assert found["table"]["a"]["m"]["value"] is None
    assert (tmp_path / "one.md").read_text() == text


@pytest.mark.parametrize("kernel", [1, 3])
def test_the_control_taken_apart_makes_its_own_pictures(kernel):
    torch.manual_seed(0)
    modality = ImageModality(resolution=8)
    G = ConvolutionalGenerator(modality, z_dim=8, w_dim=16, widths=(12, 6), kernel=kernel)
    grid, stages = modality.domain.grid((8, 8)), conv_stages(G)
    with torch.no_grad():
        w = stages.mapping(torch.randn(3, 8))
        own = stages.signal(stages.weights(w), grid)
        assert own.std() > 0.05 and torch.allclose(own, G.field(w)(grid), atol=1e-5)


def test_a_generator_read_through_its_pixels_has_the_same_pixels():
    torch.manual_seed(0)
    modality = ImageModality(resolution=8)
    stages = stages_of(Generator(modality, preset="tiny"))
    with torch.no_grad():
        weights = stages.weights(stages.mapping(torch.randn(2, 64)))
        grid = modality.domain.grid((8, 8))
        assert torch.allclose(pixel_stages(stages, modality).signal(weights, grid), stages.signal(weights, grid))


def test_every_study_can_be_named_and_told():
    for name, study in run.STUDIES.items():
        assert study.name == name and study.share > 0 and study.arms
        assert len({Job(study=name, arm=arm, seed=0, minutes=1).name() for arm in study.arms}) == len(study.arms)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(run.STUDIES))
def test_a_small_budget_makes_every_table_once(tmp_path, name):
    budget = str(0.02 * len(run.STUDIES[name].arms))
    command = [sys.executable, "examples/studies/run.py", "--budget", budget, "--seeds", "1", "--only", name]
    env = {"PYTHONPATH": f"{ROOT}:{ROOT / 'modalities'}", "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"}

    def started():
        return subprocess.run(
            [*command, "--out", str(tmp_path)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
        )

    first = started()
    assert first.returncode == 0, first.stdout + first.stderr
    found = json.loads((tmp_path / f"{name}.json").read_text())
    assert set(run.STUDIES[name].columns) == set(next(iter(found["table"].values())))
    assert (tmp_path / f"{name}.md").read_text().count("|") > 10
    second = started()
    count = len(run.STUDIES[name].arms)
    assert second.returncode == 0 and f"{count} of {count} are done" in second.stdout
    assert "minutes\n" not in second.stdout.split("are done")[1].split("##")[0]
