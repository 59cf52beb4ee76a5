"""All studies of inrgan's open questions, from one command.

    python examples/studies/run.py --budget 600 --processes 2 --out studies   # ten hours of CPU time on two cores
    python examples/studies/run.py --only geometry --budget 90 --out studies
    python examples/studies/run.py --budget 2 --seeds 1 --out trial           # does everything run?

The budget is divided over the chosen studies by their shares, and evenly over each one's arms and seeds. The result of
an arm with a seed is a file in --out and is not measured again: a command that was stopped resumes. At the end there
are STUDY.json and STUDY.md for each study, with means and 95% intervals over seeds.
"""

import argparse
import math
import platform
import shlex
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from datetime import date
from multiprocessing import get_context
from pathlib import Path

import abrupt
import compression
import derivatives
import editing
import geometry
import inrs
import irregular
import mixed_sizes
import stability
import torch
from _rows import Job, jobs_of, read_row, write_row
from _study import Study, divided
from _tables import write_tables

from inrgan.process import keep_freed_memory

_MODULES = (geometry, abrupt, stability, irregular, mixed_sizes, derivatives, compression, editing, inrs)
STUDIES: dict[str, Study] = {module.STUDY.name: module.STUDY for module in _MODULES}
"""Each module has one function that measures, and a description of its study."""


def main() -> None:
    args = parsed()
    chosen = [STUDIES[name] for name in args.only]
    minutes = divided(args.budget, chosen, seeds=args.seeds)
    jobs = jobs_of(chosen, minutes=minutes, seeds=args.seeds)
    missing = [job for job in jobs if read_row(args.out, job) is None]
    for name, each in minutes.items():
        print(f"{name:<14} {len(STUDIES[name].arms)} arms, {args.seeds} seeds, {each:.3g} minutes each", flush=True)
    print(f"{len(jobs) - len(missing)} of {len(jobs)} are done", flush=True)
    failed = run_all(missing, args)
    command = shlex.join(["python", "examples/studies/run.py", *sys.argv[1:]])
    where = f"{hardware(args.device)}, {date.today()}, torch {torch.__version__.split('+')[0]}."
    for study in chosen:
        rows = [row for job in jobs if job.study == study.name and (row := read_row(args.out, job)) is not None]
        print("\n" + write_tables(args.out, study, rows, command=command, where=where))
    if failed:
        raise SystemExit(f"{failed} of {len(jobs)} failed and are not in the tables; the same command tries them again")


def run_all(jobs: list[Job], args: argparse.Namespace) -> int:
    """Run jobs in parallel; the number that failed."""
    failed = 0
    with ProcessPoolExecutor(args.processes, mp_context=get_context("spawn"), initializer=single_thread) as pool:
        waiting = {pool.submit(run_job, job, args.out, args.device): job for job in jobs}
        try:
            for done in as_completed(waiting):
                job, error = waiting[done], done.exception()
                failed += error is not None
                failure = f"failed: {type(error).__name__}: {error}"
                outcome = f"{done.result():.3g} minutes" if error is None else failure
                print(f"{time.strftime('%H:%M:%S')} {job.study}: {job.arm}, seed {job.seed}: {outcome}", flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def run_job(job: Job, out: Path, device: str) -> float:
    """Run one arm with one seed; minutes of CPU time used, or of wall-clock time on a GPU."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    began = clock()
    lines = STUDIES[job.study].measure(
        job.arm, seed=job.seed, minutes=job.minutes, device=device, folder=out / job.study / "runs" / job.name()
    )
    spent = (clock() - began) / 60
    plain = {name: {c: float(x) for c, x in row.items() if math.isfinite(x)} for name, row in lines.items()}
    write_row(out, job, lines=plain, spent=spent, device=device)
    return spent


def single_thread() -> None:
    """Settings of a process with one core."""
    torch.set_num_threads(1)
    keep_freed_memory()


def hardware(device: str) -> str:
    """Hardware of the measurement."""
    if device == "cuda":
        return torch.cuda.get_device_name()
    cpuinfo = Path("/proc/cpuinfo")
    names = [x.split(":", 1)[1].strip() for x in cpuinfo.read_text().splitlines() if x.startswith("model name")] \
        if cpuinfo.exists() else []  # fmt: skip
    return f"CPU minutes on single threads of {names[0] if names else platform.machine()}"


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, required=True, help="minutes of CPU time (wall-clock time on a GPU)")
    parser.add_argument("--only", default=",".join(STUDIES), help=f"some of {', '.join(STUDIES)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("studies"))
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--processes", type=int, default=1, help="in parallel, with one thread each")
    args = parser.parse_args()
    args.only = args.only.split(",")
    unknown = [name for name in args.only if name not in STUDIES]
    if unknown or len(set(args.only)) < len(args.only):
        parser.error(f"--only is {','.join(args.only)}; expected some of {', '.join(STUDIES)}, once each")
    if not 0 < args.budget < float("inf") or args.seeds < 1 or args.processes < 1:
        parser.error(f"a budget of {args.budget}, {args.seeds} seeds, {args.processes} processes; expected more than 0")
    return args


if __name__ == "__main__":
    main()
