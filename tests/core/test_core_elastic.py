"""torchrun's own restarts. Oracle: the same two processes, of which none dies."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from bitwise import same

from inrgan.training.run_directory import load_state

HERE = Path(__file__).parent


def torchrun(run, word):
    """Two processes by Gloo, restarted together when one dies; what they printed."""
    root = HERE.parents[1]
    paths = os.pathsep.join([str(root), str(root / "modalities"), str(HERE), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1",
         str(HERE / "elastic_worker.py"), str(run), word],
        capture_output=True, text=True, timeout=600, env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return sorted(line for line in done.stdout.splitlines() if line.startswith("process"))


@pytest.mark.slow
def test_torchrun_goes_on_from_the_last_state_when_a_process_is_killed(tmp_path):
    # Killed between the critic's step and the generator's: the step is made again by both. A batch of five for two.
    begun = [f"process {rank} begins at step {step}" for rank in (0, 1) for step in (0, 4)]
    assert torchrun(tmp_path / "killed", "dies") == begun
    assert torchrun(tmp_path / "quiet", "lives") == begun[::2]
    states = [load_state(tmp_path / n / "state-latest.pt", device=torch.device("cpu")) for n in ("killed", "quiet")]
    assert states[0]["step"] == 8 and same(states[0], states[1])
