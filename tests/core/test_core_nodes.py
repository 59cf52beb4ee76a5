"""The commands that start a training on one node, on several, and by Slurm. Oracle: one process, in micro-batches."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TRAIN = ["-m", "inrgan", "train", "image", "--resolution", "16", "--kimg", "0.064", "--batch", "8", "--device", "cpu",
         "--quiet"]  # fmt: skip
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node"]
ENV = {
    **os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "modalities")]), "OMP_NUM_THREADS": "1",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}  # fmt: skip


def together(*commands, env=ENV):
    """Run commands at once, and wait for all of them."""
    started = [subprocess.Popen(c, env=env, stderr=subprocess.PIPE, text=True) for c in commands]
    try:
        errors = [process.communicate(timeout=600)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0] * len(started), "\n".join(errors)[-5000:]


def weights(run):
    """The last snapshot's weights, as bytes."""
    (last,) = sorted(run.glob("snapshot-*/model.safetensors"))[-1:]
    return last.read_bytes()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    run = tmp_path_factory.mktemp("alone") / "run"
    together([sys.executable, *TRAIN, "--batch-gpu", "4", "--run-dir", str(run)])
    return weights(run)


@pytest.mark.slow
def test_one_node(alone, tmp_path):
    together([*TORCHRUN, "2", "--standalone", *TRAIN, "--run-dir", str(tmp_path / "run")])
    assert weights(tmp_path / "run") == alone


@pytest.mark.slow
def test_two_nodes(alone, tmp_path):
    # Two agents on this machine, as two nodes would each start one.
    node = [*TORCHRUN, "1", "--nnodes", "2", "--rdzv-id", "photos", "--rdzv-backend", "c10d",
            "--rdzv-endpoint", f"127.0.0.1:{free_port()}", *TRAIN, "--run-dir", str(tmp_path / "run")]  # fmt: skip
    together(node, node)
    assert weights(tmp_path / "run") == alone


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_slurm_script(alone, tmp_path):
    # Fakes of Slurm's programs: two nodes that are this machine.
    fakes = {
        "scontrol": '[ "$*" = "show hostnames a-cluster" ] && printf "127.0.0.1\\n127.0.0.1\\n"',
        "srun": '[ "$1" = --kill-on-bad-exit ] || exit 9\nshift\n"$@" & one=$!\n"$@" & two=$!\nwait $one && wait $two',
        "torchrun": f'exec "{sys.executable}" -m torch.distributed.run "$@"',
    }
    for name, text in fakes.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {
        "SLURM_JOB_NODELIST": "a-cluster", "SLURM_NNODES": "2", "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_GPUS_ON_NODE": "1", "SLURM_CPUS_PER_TASK": "1", "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    together(
        ["bash", str(ROOT / "examples" / "slurm.sh"), *TRAIN[3:], "--run-dir", str(tmp_path / "run")],
        env={**ENV, **slurm},
    )
    assert weights(tmp_path / "run") == alone


def test_slurm_script_parses():
    done = subprocess.run(["bash", "-n", str(ROOT / "examples" / "slurm.sh")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
