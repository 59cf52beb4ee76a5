"""Kill a training at random moments, break what it needs, and check that it survives.

python tools/chaos.py                 # 20 kills, then every fault; several minutes on two cores
python tools/chaos.py --kills 0       # the faults alone
python tools/chaos.py --kills 5 --modality audio

Everything runs in child processes through the command line, in a temporary folder. The references are an uninterrupted
training, whose last state must be equal bit for bit, and the exit code and message of every fault. After each, the
last snapshot must load and the training must resume. The full disk is a tmpfs of some MiB, which needs the right to
mount; without it, this part is skipped with a message.
"""

import argparse
import multiprocessing
import multiprocessing.process
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from inrgan import Generator, cli, recipes
from inrgan.training.run_directory import load_state

SIZES = {
    "image": ["--resolution", "16", "--batch", "8", "--kimg", "0.24"],
    "audio": ["--resolution", "2048", "--rate", "4000", "--batch", "4", "--kimg", "0.12"],
    "spherical": ["--resolution", "16", "--batch", "4", "--kimg", "0.12"],
    "surface": ["--resolution", "16", "--batch", "4", "--kimg", "0.12"],
    "video": ["--resolution", "8", "--frames", "4", "--batch", "4", "--kimg", "0.12"],
    "occupancy": ["--resolution", "8", "--batch", "4", "--kimg", "0.12"],
}
# A snapshot after nearly every step, so that many kills happen during one.
_OFTEN, _USUAL = 0.016, 0.08
_CHILD = "import sys; sys.path.insert(0, {folder!r}); import chaos; chaos.child(sys.argv[1:], snapshot_kimg={kimg})"


def child(argv: list[str], *, snapshot_kimg: float, quiet: bool = False) -> None:
    """Run a command of inrgan with a given snapshot interval."""
    often = recipes.recipe
    recipes.recipe = lambda preset, modality: replace(often(preset, modality), snapshot_kimg=snapshot_kimg)
    torch.set_num_threads(1)
    if quiet:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    cli.main(argv)


class Chaos:
    """Trainings in child processes, and their checks.

    Args:
        root: Folder of all files.
        modality: Name of the modality.
        seed: Seed of the times of kills.
    """

    def __init__(self, root: Path, *, modality: str, seed: int):
        self.root, self.modality, self.random = root, modality, random.Random(seed)
        self.failed: list[str] = []
        sizes = SIZES[modality]
        self.short = str(float(sizes[sizes.index("--kimg") + 1]) * 0.4)  # nearly all of its time is spent on saves

    def command(self, *flags: str, often: bool = False) -> list[str]:
        """The command line of a training."""
        code = _CHILD.format(folder=str(Path(__file__).parent), kimg=_OFTEN if often else _USUAL)
        return [sys.executable, "-c", code, *self.argv(*flags)]

    def argv(self, *flags: str) -> list[str]:
        """The arguments of a training."""
        return ["train", self.modality, *SIZES[self.modality], *flags]

    def train(self, *flags: str, often: bool = False) -> subprocess.CompletedProcess[str]:
        """Train to the end."""
        return subprocess.run(self.command(*flags, often=often), capture_output=True, text=True, timeout=900)

    def check(self, name: str, good: bool, seen: object = "") -> None:
        """Record and print a result."""
        print(f"{'ok  ' if good else 'FAIL'} {name}  {seen}", flush=True)
        if not good:
            self.failed.append(name)

    def kills(self, count: int) -> None:
        """Kill -9 at random moments until a run is complete; its last state must equal that of an uninterrupted run."""
        # A server that has imported everything forks the children, so that they train instead of importing.
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(["inrgan.cli", "inrgan.training", "inrgan_modalities", "chaos"])

        def start(run: Path) -> multiprocessing.process.BaseProcess:
            process = server.Process(
                target=child, args=(self.argv("--run-dir", str(run), "--kimg", self.short),),
                kwargs={"snapshot_kimg": _OFTEN, "quiet": True},
            )  # fmt: skip
            process.start()
            return process

        quiet = self.root / "quiet"
        for _ in range(2):  # the second one is timed without the start of the server
            shutil.rmtree(quiet, ignore_errors=True)
            began = time.monotonic()
            process = start(quiet)
            process.join()
            whole = time.monotonic() - began
            assert process.exitcode == 0, "the uninterrupted run failed"
        equal, died, saving, early, done = 0, 0, 0, 0, 0
        while done < count:
            run, deaths, began = self.root / f"kill{done}", 0, time.monotonic()
            while True:
                process = start(run)
                if deaths < 2:  # twice at any moment, including the start; then let it finish
                    process.join(timeout=self.random.uniform(0.0, 0.8) * whole)
                    if process.exitcode is None and (deaths + done) % 2:
                        saving += await_saving(run, process)  # in the middle of a write
                else:
                    process.join()
                if process.exitcode is not None:
                    assert process.exitcode == 0, f"run {done} ended with code {process.exitcode}"
                    break
                early += not (run / "state-latest.pt").exists()
                process.kill()
                process.join()
                deaths += 1
            good = same(state(quiet), state(run)) and loads(run) and not leftovers(run)
            shutil.rmtree(run)
            if deaths == 0:  # it finished before any kill and shows nothing: the machine is less busy now
                whole = time.monotonic() - began
                continue
            done, died, equal = done + 1, died + deaths, equal + good
            print(f"  run {done}: killed {deaths} times, {'equal' if good else 'DIFFERENT'}", flush=True)
        self.check(
            "kill -9", equal == count,
            f"{equal} of {count} equal bit for bit; {died} kills, {saving} in a write, {early} before the first state",
        )  # fmt: skip

    def signals(self) -> None:
        """SIGINT and SIGTERM save and exit with the usual codes; the resumed run equals an uninterrupted one."""
        for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
            run = self.root / f"signal{number}"
            child = subprocess.Popen(self.command("--run-dir", str(run)), stderr=subprocess.DEVNULL)
            wait_for(run / "state-latest.pt", child)
            child.send_signal(number)
            child.wait(timeout=300)
            done = self.train("--run-dir", str(run))
            equal = same(state(self.quiet()), state(run))
            self.check(f"signal {number}", child.returncode == code and done.returncode == 0 and equal,
                       f"exit code {child.returncode}, then equal: {equal}")  # fmt: skip

    def quiet(self) -> Path:
        """An uninterrupted run."""
        run = self.root / "uninterrupted"
        if not run.exists():
            done = self.train("--run-dir", str(run))
            assert done.returncode == 0, done.stderr
        return run

    def damaged_state(self) -> None:
        """A truncated or changed last state: training resumes from the previous one with a message."""
        for name in ("cut", "changed"):
            run = self.root / f"damaged-{name}"
            shutil.copytree(self.quiet(), run)
            data = bytearray((run / "state-latest.pt").read_bytes())
            if name == "cut":
                data = data[: len(data) // 2]
            else:
                data[len(data) // 2] ^= 16
            (run / "state-latest.pt").write_bytes(data)
            done = self.train("--resume", str(run))
            equal = done.returncode == 0 and same(state(self.quiet()), state(run))
            self.check(
                f"{name} state", equal and "state-previous.pt" in done.stderr, last_line(done.stderr, "previous")
            )
            for file in ("state-latest.pt", "state-previous.pt"):
                (run / file).write_bytes(bytes(data[: len(data) // 3]))
            done = self.train("--resume", str(run))
            good = done.returncode == 2 and "truncated or corrupt" in done.stderr and "Traceback" not in done.stderr
            self.check(f"both states {name}", good and loads(run), last_line(done.stderr))

    def second_process(self) -> None:
        """A second process in the run directory is refused without effect on the first one."""
        run = self.root / "shared"
        child = subprocess.Popen(self.command("--run-dir", str(run)), stderr=subprocess.DEVNULL)
        wait_for(run / "state-latest.pt", child)
        child.send_signal(signal.SIGSTOP)  # otherwise it may finish before the second one starts
        second = self.train("--run-dir", str(run))
        child.send_signal(signal.SIGCONT)
        child.wait(timeout=600)
        good = second.returncode == 2 and "in use" in second.stderr and child.returncode == 0
        self.check("second process", good and same(state(self.quiet()), state(run)), last_line(second.stderr))

    def full_disk(self) -> None:
        """A disk that gets full during a run: it stops with a message, and resumes once there is space."""
        disk = self.root / "disk"
        disk.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)], capture_output=True)
        if mounted.returncode:
            print("skip full disk: no right to mount a tmpfs here", flush=True)
            return
        try:
            run = disk / "run"
            child = subprocess.Popen(self.command("--run-dir", str(run), often=True), stderr=subprocess.PIPE, text=True)
            wait_for(run / "state-previous.pt", child)
            filler = disk / "filler"
            with open(filler, "wb", buffering=0) as file:
                try:
                    while file.write(bytes(1 << 16)):
                        pass
                except OSError:
                    pass
            _, error = child.communicate(timeout=600)
            stopped = child.returncode == 2 and "No space left" in error and "Traceback" not in error
            self.check("full disk: stops", stopped and loads(run), f"exit code {child.returncode}: {last_line(error)}")
            filler.unlink()
            shutil.copytree(run, self.root / "moved")
            done = self.train("--run-dir", str(self.root / "moved"), often=True)
            self.check("full disk: resumes elsewhere", done.returncode == 0 and loads(self.root / "moved"))
        finally:
            subprocess.run(["umount", "-l", str(disk)], check=False)

    def data(self) -> None:
        """Files with NaN, files that disappear, and a folder that disappears."""
        if self.modality != "image":
            return
        folder = self.root / "data"
        folder.mkdir()
        rng = np.random.default_rng(0)
        for i in range(60):
            np.save(folder / f"{i:02}.npy", rng.uniform(-1, 1, (3, 16, 16)).astype(np.float32))
        broken = np.load(folder / "07.npy")
        broken[0, 3, 3] = np.nan
        np.save(folder / "07.npy", broken)
        done = self.train("--data", str(folder), "--run-dir", str(self.root / "nan"))
        log = (self.root / "nan" / "log.txt").read_text() + done.stderr
        self.check("NaN in one file", done.returncode == 0 and "07.npy" in log, last_line(log, "07.npy"))

        for name, vanishing in (("one file", [folder / "11.npy"]), ("all files", sorted(folder.glob("*.npy")))):
            run = self.root / f"vanished-{name.split()[0]}"
            child = subprocess.Popen(
                self.command("--data", str(folder), "--run-dir", str(run)), stderr=subprocess.PIPE, text=True
            )
            wait_for(run / "config.json", child)
            for path in vanishing:
                path.unlink(missing_ok=True)
            _, error = child.communicate(timeout=600)
            log = (run / "log.txt").read_text() if (run / "log.txt").exists() else ""
            if name == "one file":
                good = child.returncode == 0
            else:  # items that were read before may suffice; otherwise it stops with a message
                good = child.returncode in (0, 2) and "Traceback" not in error
            self.check(f"missing: {name}", good and (child.returncode == 2 or loads(run)),
                       f"exit code {child.returncode}: {last_line(error) or last_line(log)}")  # fmt: skip

    def gradients(self) -> None:
        """NaN in gradients, for some steps and forever."""
        for name, until, code in (("for 3 steps", 8, 0), ("for ever", 10**9, 2)):
            run = self.root / f"nan-{until}"
            command = self.command("--run-dir", str(run))
            command[2] = _NAN.format(until=until) + command[2]
            done = subprocess.run(command, capture_output=True, text=True, timeout=900)
            good = done.returncode == code and loads(run) and "Traceback" not in done.stderr
            if code:
                good = good and "trunk" in done.stderr
            self.check(f"NaN gradients {name}", good, f"exit code {done.returncode}: {last_line(done.stderr)}")


_NAN = """
from inrgan.training.step import TrainingStep
critic_loss, calls = TrainingStep.critic_loss, [0]
def spoiled(self, *args, **kwargs):
    loss = critic_loss(self, *args, **kwargs)
    calls[0] += 1
    if 5 <= calls[0] < {until}:
        weight = self.networks.D["whole"].trunk.flat.weight
        loss = loss + (weight * float("nan")).sum() * 0
    return loss
TrainingStep.critic_loss = spoiled
"""


def state(run: Path) -> dict[str, object]:
    """The last state of a run."""
    return load_state(run / "state-latest.pt", device=torch.device("cpu"))


def same(a: object, b: object) -> bool:
    """Whether nested containers are equal bit for bit."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return isinstance(b, list | tuple) and len(a) == len(b) and all(map(same, a, b))
    return a == b


def loads(run: Path) -> bool:
    """Whether the last snapshot loads."""
    Generator.from_pretrained(run).sample([0])
    return True


def leftovers(run: Path) -> list[Path]:
    """Temporary files of incomplete writes."""
    return [p for p in run.rglob(".*.*") if p.name != ".lock"] if run.exists() else []


def await_saving(run: Path, process: multiprocessing.process.BaseProcess) -> int:
    """Wait for a temporary file and return 1, or 0 if the training finished first."""
    while process.exitcode is None:
        if leftovers(run):
            return 1
        time.sleep(0.0005)
    return 0


def wait_for(path: Path, child: "subprocess.Popen[bytes] | subprocess.Popen[str]") -> None:
    """Wait for a file."""
    while not path.exists() and child.poll() is None:
        time.sleep(0.005)


def last_line(text: str, holding: str = "") -> str:
    """The last line of a text that contains a word."""
    lines = [line for line in text.strip().splitlines() if holding in line]
    return lines[-1][-200:] if lines else ""


def main(argv: Sequence[str] | None = None) -> None:
    """Run the selected checks; exit with code 1 if any failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="number of runs that are killed twice each")
    parser.add_argument("--modality", default="image", choices=sorted(SIZES))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--only", help="one of: signals, damaged_state, second_process, full_disk, data, gradients, kills"
    )
    args = parser.parse_args(argv)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory() as root:
        chaos = Chaos(Path(root), modality=args.modality, seed=args.seed)
        faults: list[Callable[[], None]] = [
            chaos.signals, chaos.damaged_state, chaos.second_process, chaos.full_disk, chaos.data, chaos.gradients,
        ]  # fmt: skip
        for fault in faults:
            if args.only in (None, fault.__name__):
                fault()
        if args.kills and args.only in (None, "kills"):
            chaos.kills(args.kills)
    print("all survived" if not chaos.failed else f"failed: {', '.join(chaos.failed)}")
    sys.exit(bool(chaos.failed))


if __name__ == "__main__":
    main()
