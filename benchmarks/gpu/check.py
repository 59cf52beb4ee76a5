"""Check of a checkout on one GPU: tests, speed, and a training, each with a time limit, into one file.

Three parts run in this order, as programs of their own. After each one ``check.json`` is written anew, so that what
came first is never lost:

- ``tests``: ``pytest -m gpu``, for all modalities, captured and eager.
- ``speed``: ``benchmarks/precision.py`` for five modalities: eager, captured, and captured in bf16.
- ``training``: ``benchmarks/quality.py``, the preset ``base`` on images of 64 pixels, for the rest of the time.

The exit status is 0 if every part passed. ``check.sh`` beside this file runs it.
"""

import argparse
import datetime
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch

from inrgan.errors import InrganError
from inrgan.process import usable_cores
from inrgan.registry import modality_class, modality_names

ROOT = Path(__file__).resolve().parents[2]
SHEETS_BYTES = 14 * 2**20
"""Largest size of all sheets."""
TEST_FILES = ("tests/core/test_core_gpu_graphs.py", "tests/core/test_core_gpu.py", "tests/core/test_core_fields.py")
"""Files with tests that need a GPU."""
GRACE = 10
"""Seconds that a part has to end after it was interrupted."""
CASES = {
    "image": {"resolution": 64},
    "spherical": {"resolution": 64},
    "audio": {"resolution": 8192, "rate": 8000},
    "video": {"resolution": 48, "frames": 16, "fps": 12.5},
    "occupancy": {"resolution": 32},
}
OUTCOME = "(PASSED|FAILED|SKIPPED|ERROR)"
TINY_CASES = {
    "image": {"resolution": 16},
    "spherical": {"resolution": 16},
    "audio": {"resolution": 512, "rate": 4000},
    "video": {"resolution": 16, "frames": 8, "fps": 8},
    "occupancy": {"resolution": 16},
}


def run(command: list[str], *, limit: float) -> dict[str, object]:
    """Run a program of this checkout and end it, with all that it started, after so many seconds.

    Returns:
        Its status (``passed``, ``failed`` or ``out of time``), seconds, command and output.
    """
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, start_new_session=True
        )
        status = "out of time"
        for seconds, end in ((limit, signal.SIGINT), (GRACE, signal.SIGKILL)):
            try:
                code = child.wait(timeout=max(1.0, seconds))
                status = status if end is signal.SIGKILL else "passed" if code == 0 else f"failed with status {code}"
                break
            except subprocess.TimeoutExpired:
                os.killpg(child.pid, end)
        child.wait()
        output.seek(0)
        text = output.read()
    shown = [arg.replace(str(ROOT) + os.sep, "") for arg in ["python", *command[1:]]]
    return {"status": status, "seconds": round(time.monotonic() - began, 1), "command": shown, "output": text}


def outcomes(text: str) -> dict[str, str]:
    """Outcome of each test in the output of ``pytest -v``, in one process or several; those so far if it was ended.

    A test that failed and whose clean-up failed too counts once.
    """
    found = {}
    for line in text.splitlines():
        # One line a test, with its name first, or last where several processes run tests.
        if first := re.match(rf"(tests/\S+::.+?) {OUTCOME}", line):
            found[first[1]] = first[2]
        elif last := re.search(rf"\] {OUTCOME} (tests/\S+::.+)$", line):
            found[last[2].strip()] = last[1]
    return found


def tests(args: argparse.Namespace, *, limit: float) -> dict[str, object]:
    """Tests that need a GPU, by outcome, and the reason of each one that did not pass."""
    command = [sys.executable, "-m", "pytest", "-o", "addopts=", "--strict-markers", "-m", "gpu", "-v", "--tb=short"]
    command += ["-ra", "-p", "no:cacheprovider", *TEST_FILES]
    if find_spec("xdist") and not args.tiny:
        command += ["-n", "4", "--dist", "worksteal"]
    if args.tiny and args.device == "cuda":
        command += ["-k", "image"]
    found = run(command, limit=limit)
    text = str(found["output"])
    by_test = outcomes(text)
    if by_test and set(by_test.values()) == {"SKIPPED"}:
        found["status"] = "skipped"
    reasons = [line for line in text.splitlines() if re.match(r"(FAILED|ERROR|SKIPPED) .*( - |: )", line)]
    other = {name: outcome for name, outcome in by_test.items() if outcome != "PASSED"}
    return {**found, "counts": dict(Counter(by_test.values())), "not_passed": other, "reasons": reasons,
            "output": text[-20_000:] if found["status"] != "passed" else ""}  # fmt: skip


def speed(args: argparse.Namespace, *, limit: float) -> dict[str, object]:
    """Speed of training, one entry for each variant of each modality."""
    options = ["--presets", "base", "--seconds", "3", "--losses", args.losses]
    if args.tiny:
        options = ["--presets", "tiny", "--seconds", "0.2", "--batch", "2", "--losses", args.losses]
    cases = [f"{name}:{json.dumps(a)}" for name, a in (TINY_CASES if args.tiny else CASES).items()]
    variants = ["--variants", "fp32,fp32 graphs,bf16 graphs"]
    command = [sys.executable, str(ROOT / "benchmarks/precision.py"), "--device", args.device, *variants, *options]
    found = run([*command, "--cases", *cases], limit=limit)
    return found | _rows(found)


def training(args: argparse.Namespace, *, limit: float) -> dict[str, object]:
    """Metrics of a training over time, and its sheets."""
    minutes = args.training_minutes or (0.05 if args.tiny else max(6.0, (limit - 80) / 60))
    sizes = ["--preset", "tiny", "--resolution", "16", "--fakes", "64"] if args.tiny else [
        "--preset", "base", "--resolution", "64", "--fakes", "1024"
    ]  # fmt: skip
    marks = ",".join(f"{minutes * part:.3g}" for part in (0.3, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(ROOT / "benchmarks/quality.py"), "--modality", "image", *sizes]
        command += [
            "--method",
            "ours",
            "--minutes",
            marks,
            "--device",
            args.device,
            "--precision",
            args.precision,
            "--out",
            folder,
        ]
        if args.data:
            command += ["--train", str(Path(args.data).resolve()), "--hold-out", "0.1"]
        found = run(command, limit=limit)
        left, sheets = SHEETS_BYTES, []
        files = [*Path(folder).glob("runs/*/reals*.png"), *Path(folder).glob("*.png")]
        for file in sorted(files, key=lambda f: f.stat().st_mtime, reverse=True):  # the last fakes first
            if (left := left - file.stat().st_size) > 0:
                sheets.append(f"{args.precision}-{file.name}")
                shutil.copy(file, args.out / sheets[-1])
    return found | _rows(found) | {"sheets": sorted(sheets)}


def _rows(found: dict[str, object]) -> dict[str, object]:
    """Lines of JSON in the output, and the rest of it where the program did not pass."""
    lines = str(found["output"]).splitlines()
    rows = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    rest = "\n".join(line for line in lines if not line.startswith("{"))
    return {"rows": rows, "output": rest[-20_000:] if found["status"] != "passed" else ""}


PARTS: dict[str, Callable[..., dict[str, object]]] = {"tests": tests, "speed": speed, "training": training}
LIMITS = {"tests": 170.0, "speed": 220.0}
"""Longest seconds of the parts; the last one has all that remain."""


def machine() -> dict[str, object]:
    """Hardware, versions, and the modalities that can be used here."""
    about: dict[str, object] = {
        "python": platform.python_version(), "torch": torch.__version__, "cuda": torch.version.cuda,
        "cores": usable_cores(), "processor": _processor(),
    }  # fmt: skip
    if torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        about |= {"gpu": card.name, "gpu_gib": round(card.total_memory / 2**30, 1), "gpus": torch.cuda.device_count()}
    usable = {}
    for name in sorted(modality_names()):
        try:
            missing = modality_class(name).missing()
            usable[name] = f"needs {', '.join(missing)} for some files" if missing else "usable"
        except (InrganError, ImportError) as error:
            usable[name] = f"not usable: {error}"
    return about | {"modalities": usable}


def _processor() -> str:
    """Name of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    return next((line.split(": ", 1)[1] for line in lines if line.startswith("model name")), platform.machine())


def commit() -> str:
    """Commit of the checkout, from ``INRGAN_COMMIT`` where there is no repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        found = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    except OSError:
        found = ""
    return found or os.environ.get("INRGAN_COMMIT", "unknown")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--parts", default=",".join(PARTS))
    parser.add_argument("--minutes", type=float, default=14.0, help="time of all parts together")
    parser.add_argument(
        "--training-minutes", type=float, help="time of the training; what remains, 6 or more, if absent"
    )
    parser.add_argument("--losses", default="full", help="losses of the speed part")
    parser.add_argument("--precision", default="fp32", choices=["fp32", "bf16"], help="of the training")
    parser.add_argument("--data", help="folder or zip of images to train on; the built-in set when absent")
    parser.add_argument("--tiny", action="store_true", help="seconds instead of minutes")
    parser.add_argument("--out", type=Path, default=Path("gpu-check"))
    args = parser.parse_args()
    if unknown := sorted(set(args.parts.split(",")) - set(PARTS)):
        parser.error(f"unknown parts {', '.join(unknown)}; expected some of {', '.join(PARTS)}")
    if args.device == "cuda" and not torch.cuda.is_available():
        parser.error("device cuda was requested, but torch finds no GPU here; use --device cpu --tiny to try the check")

    end = time.monotonic() + 60 * args.minutes - GRACE
    args.out.mkdir(parents=True, exist_ok=True)
    file = args.out / "check.json"
    now = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    report = {"commit": commit(), "date": now, "device": args.device, "tiny": args.tiny, **machine(), "parts": {}}
    if file.exists():
        before = json.loads(file.read_text())
        if all(before[key] == report[key] for key in ("commit", "device", "tiny")):
            report["parts"] = before["parts"]
        else:
            print(f"{file} is of commit {before['commit']} on {before['device']}, and is replaced", flush=True)
    for name in [name for name in PARTS if name in args.parts.split(",")]:
        limit = min(LIMITS.get(name, 1e9), end - time.monotonic())
        report["parts"][name] = {"status": "running", "limit": round(limit)}
        _write(file, report)
        report["parts"][name] = {"date": now, "limit": round(limit), **PARTS[name](args, limit=limit)}
        _write(file, report)
        print(f"{name}: {report['parts'][name]['status']}, {report['parts'][name]['seconds']} s", flush=True)
    good = ("passed", "skipped") if args.device == "cpu" else ("passed",)
    return int(any(part["status"] not in good for part in report["parts"].values()))


def _write(file: Path, report: dict[str, object]) -> None:
    """Replace the report, which is complete at any time."""
    file.with_suffix(".new").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    file.with_suffix(".new").replace(file)


if __name__ == "__main__":
    sys.exit(main())
