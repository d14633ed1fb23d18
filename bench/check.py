"""`make bench-check`: the instructions of the hot paths beside those that are committed.

    check.py PROGRAM             fails where a path takes over 3 % more than bench/counts.json has
    check.py PROGRAM --update    writes what is counted into bench/counts.json

callgrind counts what our own code executes. The shared libraries (Arrow, zstd, libc) are other people's, and choose their
code by the processor; without them a count is the same on every machine, so a change of a few percent is a change of our
code, or of the compiler.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

COUNTS = Path(__file__).with_name("counts.json")
ALLOWED = 0.03
# Some 20,000 rows each.
QUOTES = ("contracts=50", "interval=60000")
PATHS = {
    "v3 CSV quotes": ("encode", "form=v3_csv", *QUOTES),
    "v3 CSV quotes, typed": ("encode", "form=v3_csv", "columns=typed", *QUOTES),
    "v2 CSV quotes": ("encode", "form=v2_csv", *QUOTES),
    "v2 JSON quotes": ("encode", "form=v2_json", *QUOTES),
    "v3 CSV ohlc": ("encode", "form=v3_csv", "schema=ohlc", *QUOTES),
    "v3 CSV eod": ("encode", "form=v3_csv", "schema=eod", "contracts=1000", "first=20240102", "last=20240131"),
    "submit, read and planned": ("plan",),
}


def own_instructions(profile: str, program: str) -> int:
    """The sum of what was executed in one object file, calls into others left out (Callgrind format specification)."""
    names: dict[str, str] = {}
    total, is_own, is_call = 0, False, False
    for line in profile.splitlines():
        if found := re.match(r"(c?)ob=\((\d+)\)\s*(.*)", line):
            of_callee, number, name = found.groups()
            if name:  # said once, and referred to by its number from then on
                names[number] = name
            if not of_callee:
                is_own = Path(names[number]).name == program
        elif line.startswith("calls="):
            is_call = True
        elif re.match(r"[+\-*\d]", line):
            # The line after calls= is what the callee took.
            if is_own and not is_call:
                total += int(line.split()[-1])
            is_call = False
    if total == 0:
        raise ValueError(f"no instructions of {program} in the profile")
    return total


def compare(counted: dict[str, int], committed: dict[str, int]) -> dict[str, str]:
    """What is wrong with a path, in one sentence; a path that is not named is well."""
    wrong = {}
    for name in counted.keys() | committed.keys():
        if name not in committed:
            wrong[name] = "has no committed count; `make bench-check UPDATE=1` writes it"
        elif name not in counted:
            wrong[name] = "is committed and was not counted; `make bench-check UPDATE=1` forgets it"
        elif counted[name] > committed[name] * (1 + ALLOWED):
            more = counted[name] / committed[name] - 1
            wrong[name] = (f"takes {more:.1%} more instructions ({counted[name]:,} instead of {committed[name]:,}); make it "
                           f"cheaper, or accept it with `make bench-check UPDATE=1` and say why in the commit")
    return wrong


def cheaper(counted: dict[str, int], committed: dict[str, int]) -> list[str]:
    """The paths that take over 3 % less: until that is committed, they may become dearer again unseen."""
    return [name for name, instructions in counted.items() if name in committed and instructions < committed[name] * (1 - ALLOWED)]


def count(program: Path, words: tuple[str, ...], folder: Path) -> int:
    folder.mkdir()
    if words[0] == "encode":
        words = (*words, f"file={folder / 'answer'}")
        subprocess.run([program, "render", *words[1:]], check=True)
    profile = folder / "callgrind.out"
    subprocess.run(["valgrind", "--tool=callgrind", f"--callgrind-out-file={profile}", "-q", program, *words], input="\n", text=True,
                   check=True, stdout=subprocess.DEVNULL, env={"PATH": os.environ["PATH"], "MALLOC_ARENA_MAX": "1"})
    return own_instructions(profile.read_text(), program.name)


def count_all(program: Path) -> dict[str, int]:
    with tempfile.TemporaryDirectory(prefix="betedge-check-") as folder:
        # valgrind 3.19 misreads clang 19's debug information, and needs none.
        bare = Path(folder) / "betedge_bench"
        subprocess.run(["strip", "--strip-debug", "-o", bare, program], check=True)
        with ThreadPoolExecutor(2) as pool:
            counts = pool.map(lambda item: count(bare, item[1], Path(folder) / str(item[0])), enumerate(PATHS.values()))
            return dict(zip(PATHS, counts))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("program", type=Path)
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--report", type=Path, help="a file for every path's verdict, as JSON")
    options = parser.parse_args()
    committed = json.loads(COUNTS.read_text())
    counted = count_all(options.program)
    wrong = {} if options.update else compare(counted, committed)
    for name, instructions in counted.items():
        before = committed.get(name)
        change = f"{instructions / before - 1:+.2%}" if before else "new"
        print(f"  {name:<26} {instructions:>14,} {change:>8}", flush=True)
    for name, sentence in wrong.items():
        print(f"{name} {sentence}", file=sys.stderr)
    if not options.update and (won := cheaper(counted, committed)):
        print(f"cheaper by over {ALLOWED:.0%}: {'; '.join(won)}. `make bench-check UPDATE=1` writes down what was won")
    if options.report:
        options.report.write_text(json.dumps({name: wrong.get(name) for name in counted.keys() | wrong.keys()}))
    if options.update:
        COUNTS.write_text(json.dumps(counted, indent=1) + "\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
