"""The check on a GPU. Oracles: what small programs do, and what pytest was told to."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """
import pytest
def test_good(): pass
@pytest.mark.parametrize("word", ["two words", "one"])
def test_bad(word): assert word == "one"
def test_skipped(): pytest.skip("lacks a library")
@pytest.fixture
def broken(): raise OSError("broken")
def test_broken(broken): pass
"""


@pytest.fixture(scope="module")
def check():
    spec = importlib.util.spec_from_file_location("gpu_check", ROOT / "benchmarks" / "gpu" / "check.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_part_that_takes_too_long_is_ended_with_what_it_has_said(check):
    found = check.run([sys.executable, "-uc", "import time; print('first'); time.sleep(1000)"], limit=1.0)
    assert found["status"] == "out of time" and found["output"].startswith("first")


def test_a_part_that_cannot_be_interrupted_is_killed(check, monkeypatch):
    monkeypatch.setattr(check, "GRACE", 1)
    text = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); print('first'); time.sleep(1000)"
    found = check.run([sys.executable, "-uc", text], limit=3.0)
    assert found["status"] == "out of time" and found["output"] == "first\n"


@pytest.mark.parametrize(("code", "status"), [(0, "passed"), (3, "failed with status 3")])
def test_a_part_that_ends_has_the_status_of_its_program(check, code, status):
    assert check.run([sys.executable, "-c", f"raise SystemExit({code})"], limit=60.0)["status"] == status


@pytest.mark.parametrize("options", [[], ["-p", "xdist", "-n", "2"]], ids=["one process", "two"])
def test_outcomes_are_those_of_pytest(check, options, tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_some.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-v", "-ra", "-p", "no:cacheprovider", "--rootdir", ".", *options]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    expected = {"test_good": "PASSED", "test_bad[two words]": "FAILED", "test_bad[one]": "PASSED",
                "test_skipped": "SKIPPED", "test_broken": "ERROR"}  # fmt: skip
    assert check.outcomes(done.stdout) == {f"tests/test_some.py::{k}": v for k, v in expected.items()}
    lines = done.stdout.splitlines()
    begun = check.outcomes("\n".join(lines[: next(i for i, line in enumerate(lines) if "FAILED" in line) + 1]))
    assert "FAILED" in begun.values() and begun.items() <= check.outcomes(done.stdout).items()


def test_all_tests_that_need_a_gpu_are_run(check):
    files = [f for f in (ROOT / "tests").rglob("test_*.py") if "pytest.mark.gpu" in f.read_text()]
    found = {f.relative_to(ROOT).as_posix() for f in files} - {"tests/core/test_core_gpu_check.py"}
    assert found == set(check.TEST_FILES)


def test_cases_are_modalities(check):
    from inrgan.registry import rebuild

    assert check.CASES.keys() == check.TINY_CASES.keys() and len(check.CASES) == 5
    for cases in (check.CASES, check.TINY_CASES):
        for name, arguments in cases.items():
            rebuild(name, arguments)


@pytest.mark.slow
def test_the_whole_check_in_small(tmp_path):
    command = ["bash", str(ROOT / "benchmarks" / "gpu" / "check.sh"), "--tiny", "--device", "cpu"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment |= {"OUT": str(tmp_path / "out"), "PYTHON": sys.executable, "INRGAN_REQUIRE_ALL": "0"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    files = {f.name: f.stat().st_size for f in (tmp_path / "out").iterdir()}
    assert sum(files.values()) < 16 * 2**20
    report = json.loads((tmp_path / "out" / "check.json").read_text())
    assert {"commit", "date", "torch", "cores", "modalities", "device"} <= report.keys()
    parts = report["parts"]
    assert {name: part["status"] for name, part in parts.items()} == {
        "tests": "skipped", "speed": "passed", "training": "passed"
    }  # fmt: skip
    assert parts["tests"]["counts"].keys() == {"SKIPPED"} and parts["tests"]["reasons"]
    rows = parts["speed"]["rows"]
    assert len(rows) == 3 * 5 and sum("CUDA graphs" in row.get("skipped", "") for row in rows) == 2 * 5
    assert all(row["items_per_second"] > 0 for row in rows if "skipped" not in row)
    assert [row["swd"] > 0 for row in parts["training"]["rows"]] == [True, True]
    assert files.keys() == {"check.json", *parts["training"]["sheets"]} and len(parts["training"]["sheets"]) == 3


def test_a_gpu_that_is_missing_is_named(tmp_path):
    command = [sys.executable, str(ROOT / "benchmarks" / "gpu" / "check.py"), "--out", str(tmp_path / "out")]
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": f"{ROOT}:{ROOT / 'modalities'}"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2 and "torch finds no GPU" in done.stderr and not (tmp_path / "out").exists()
