"""Feed mutated files and words to the readers for as long as you like; new random ones in every round.

The tests called ``fuzzed`` run with many more examples than in the suite: archives, streams, pictures, arrays, sounds,
meshes, points, volumes, NetCDF files, films, generators, configurations and flags. A round that fails is shown with the
smallest example that hypothesis found; make a plain test of it.

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
FILES = ("tests/data/test_data_hostile.py", "tests/data/test_data_fuzz.py")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--examples", type=int, default=2000, help="for each reader, in each round")
    parser.add_argument("--only", help="some of the tests, as pytest's -k takes them")
    args = parser.parse_args()
    deadline, rounds = time.monotonic() + 60 * args.minutes, 0
    chosen = "fuzzed" if args.only is None else f"fuzzed and ({args.only})"
    command = [sys.executable, "-m", "pytest", "-n", "0", "-k", chosen, *FILES]
    environment = {**os.environ, "INRGAN_FUZZ_EXAMPLES": str(args.examples)}
    while rounds == 0 or time.monotonic() < deadline:
        done = subprocess.run([*command, f"--hypothesis-seed={time.time_ns()}"], cwd=ROOT, env=environment, check=False)
        if done.returncode:
            sys.exit(f"round {rounds + 1} found something; see above")
        rounds += 1
    print(f"{rounds} rounds of {args.examples} examples for each reader: nothing but errors of inrgan's own")


if __name__ == "__main__":
    main()
