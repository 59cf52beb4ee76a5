"""Fuzz the readers with mutated files and arguments for a given time, with new random examples in every round.

The tests called ``fuzzed`` run with many more examples than in the suite: archives, streams, images, arrays, audio,
meshes, textures, points, volumes, NetCDF files, videos, generators, configurations and flags. A failure is shown with
the smallest example that hypothesis found, which should become a test.

    python tools/fuzz.py --minutes 10
    python tools/fuzz.py --minutes 10 --only "fields or sounds"
"""

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
FILES = ("tests/data/test_data_hostile.py", "tests/data/test_data_fuzz.py", "tests/video/test_video_fuzz.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--examples", type=int, default=2000, help="examples for each reader in each round")
    parser.add_argument("--only", help="expression that selects tests, as for pytest -k")
    args = parser.parse_args()
    deadline, rounds = time.monotonic() + 60 * args.minutes, 0
    chosen = "fuzzed" if args.only is None else f"fuzzed and ({args.only})"
    command = [sys.executable, "-m", "pytest", "-n", "0", "-k", chosen, *FILES]
    environment = {**os.environ, "INRGAN_FUZZ_EXAMPLES": str(args.examples)}
    while rounds == 0 or time.monotonic() < deadline:
        done = subprocess.run([*command, f"--hypothesis-seed={time.time_ns()}"], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            sys.exit(f"round {rounds + 1} found a failure; see above")
        rounds += 1
    print(f"{rounds} rounds of {args.examples} examples for each reader: no failure")


if __name__ == "__main__":
    main()
