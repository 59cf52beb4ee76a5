"""Where everything must be installed, nothing is skipped in silence."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SKIPS = {
    "call": "def test_one(): pytest.skip('lacks')",
    "mark": "@pytest.mark.skipif(True, reason='lacks')\ndef test_one(): pass",
    "module": "pytest.importorskip('no_such_package_of_mine')\ndef test_one(): pass",
}


@pytest.mark.parametrize(("required", "processes", "told"), [("0", "0", "3 skipped"), ("1", "2", "1 failed, 2 errors")])
def test_skips_fail_where_all_is_required(required, processes, told, tmp_path):
    # Oracle: what pytest counts, in a folder that holds one file of each kind of skip.
    shutil.copy(Path(__file__).parents[1] / "conftest.py", tmp_path)
    for name, text in SKIPS.items():
        (tmp_path / f"test_{name}.py").write_text(f"import pytest\n{text}\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    options = ["-n", processes, "-p", "no:cacheprovider", "-p", "no:dash", "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *options],
        cwd=tmp_path,
        env={**environment, "INRGAN_REQUIRE_ALL": required},
        capture_output=True,
        text=True,
    )
    assert told in done.stdout.splitlines()[-1], done.stdout
