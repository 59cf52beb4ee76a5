"""Settings of a process. Oracles: sys.modules when they are made, what libgomp says it read, the system's counters."""

import ctypes
import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inrgan import process

ROOT = Path(__file__).parents[2]
VARIABLES = ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
NOT_PROGRAMS = ("sixth_modality.py", "onnx_without_torch.py")
"""A module as well, and a program without torch."""
EXAMPLES = [p for p in sorted((ROOT / "examples").glob("*.py")) if p.name not in NOT_PROGRAMS]

# Prints the variables at the moment at which torch is first imported, and ends the program.
WITNESS = """
import os, runpy, sys
class Witness:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            print(*(os.environ.get(x) for x in {variables!r}))
            os._exit(0) if sys.stdout.flush() is None else None
sys.meta_path.insert(0, Witness())
{program}
print("torch was never imported")
"""


def run(code, *args, **variables):
    """What a fresh interpreter prints, with these variables and no others that concern OpenMP."""
    clean = {k: v for k, v in os.environ.items() if k not in VARIABLES}
    env = {**clean, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "modalities")]), **variables}
    done = subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stderr
    return done


def seen_by_torch(program, **variables):
    return run(WITNESS.format(variables=VARIABLES, program=program), "info", **variables).stdout.split()


def console_script():
    """What the installed program ``inrgan`` runs."""
    module, name = re.search(r'^inrgan = "([\w.]+):(\w+)"$', (ROOT / "pyproject.toml").read_text(), re.M).groups()
    return f"from {module} import {name} as main; main()"


PROGRAMS = {
    "console script": console_script(),
    "python -m inrgan": 'runpy.run_module("inrgan", run_name="__main__", alter_sys=True)',
    **{p.name: f'runpy.run_path({str(p)!r}, run_name="__main__")' for p in EXAMPLES},
}


SPIN = str(process.SPIN_COUNT)


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_limit_spinning_before_torch_is_imported(name):
    assert seen_by_torch(PROGRAMS[name]) == [SPIN, "None"]


@pytest.mark.parametrize(
    "mine", [("77", "None"), ("None", "ACTIVE"), ("None", "passive"), ("77", "passive")], ids=",".join
)
def test_the_users_settings_win(mine):
    variables = {name: value for name, value in zip(VARIABLES, mine, strict=True) if value != "None"}
    assert seen_by_torch(PROGRAMS["python -m inrgan"], **variables) == list(mine)


def test_importing_the_library_sets_nothing():
    code = "import os; before = dict(os.environ); import inrgan, inrgan.process, sys; print('torch' in sys.modules); "
    code += "from inrgan import Generator, ImageModality, Trainer; print(dict(os.environ) == before)"
    assert run(code).stdout.split() == ["False", "True"]


def test_the_openmp_library_reads_the_settings():
    # Oracle: libgomp's own account of its settings, which it prints when it is loaded.
    code = "from inrgan.process import tune_process; tune_process(); import torch"
    account = run(code, OMP_DISPLAY_ENV="VERBOSE").stderr
    if "GOMP_SPINCOUNT" not in account:
        pytest.skip("torch uses another OpenMP library than libgomp here")
    assert f"GOMP_SPINCOUNT = '{process.SPIN_COUNT}'" in account


def test_too_late_is_a_warning(monkeypatch):
    for name in (*VARIABLES, "KMP_BLOCKTIME"):
        monkeypatch.delenv(name, raising=False)
    assert "torch" in sys.modules
    with pytest.warns(RuntimeWarning, match="before"):
        assert process.limit_spinning() is False
    assert process.wait_policy() == "the library's default"
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    assert process.limit_spinning() is False and process.wait_policy() == "OMP_WAIT_POLICY=PASSIVE"


@pytest.mark.parametrize("library", [("", ""), ("musl", "1.2.5"), ("libc", "")], ids=str)
def test_other_c_libraries_are_left_alone(library, monkeypatch):
    # macOS and Windows have no name for it, and on Windows the program itself cannot be opened as a library.
    def refuses(name):
        raise TypeError("bad argument type for built-in operation")

    monkeypatch.setattr(platform, "libc_ver", lambda: library)
    monkeypatch.setattr(ctypes, "CDLL", refuses)
    assert process.keep_freed_memory() is False


FAULTS = """
import resource, sys
from inrgan.process import keep_freed_memory
told = keep_freed_memory() if sys.argv[1] == "kept" else True  # first, as programs do
import torch, inrgan.cli
def fault(): return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
before = fault()
for _ in range(8): torch.ones(1 << 24)  # 64 MiB, above the largest that the C library keeps by itself
print(told, fault() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_kept():
    # Oracle: the system's count of fresh pages. Returned memory is faulted in eight times; kept memory once, and once
    # more for every other place that the allocator may choose before it settles.
    def faults(mode):
        told, count = run(FAULTS, mode).stdout.split()
        assert told == "True"
        return int(count)

    assert faults("kept") < 0.5 * faults("returned")
