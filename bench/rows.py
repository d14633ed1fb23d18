"""What the rows of `make bench` share: a row's shape, rounds in turns, and what a process took."""

import os
import re
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "build/release/betedge"
BENCH = ROOT / "build/release/bench/betedge_bench"
# The peers' Python; tools/dev installs bench/requirements.txt there. Nothing of it is needed to build or test.
PEER_PYTHON = ROOT / ".deps/bench/bin/python"
PEERS = ROOT / "bench/peers"


@dataclass(frozen=True)
class Outcome:
    """One line of the table. `figure` is what the target speaks of: nearly always a ratio to the best peer of the same
    run, so that it means the same on any machine."""

    work: str
    ours: str
    peer: str
    figure: float
    floor: float
    goal: float | None = None
    at_most: bool = False  # the figure must not exceed the floor, rather than reach it
    unit: str = "×"
    sides: dict[str, object] = field(default_factory=dict)  # every side's own figures, for results.json

    @property
    def is_met(self) -> bool:
        return self.figure <= self.floor if self.at_most else self.figure >= self.floor


@dataclass(frozen=True)
class Row:
    """One thing that is measured, by itself with `make bench ROW=name`."""

    name: str
    title: str
    measure: Callable[[Path], list[Outcome]]  # in an empty folder that is removed afterwards


def in_turns(rounds: int, sides: dict[str, Callable[[], float]]) -> dict[str, float]:
    """The median of each side, all sides having their turn in every round: what drifts with the machine drifts for all."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    return {name: statistics.median(values) for name, values in found.items()}


def held_mib(pid: int, field: str = "VmRSS") -> float:
    """What a process holds (VmRSS) or held at most (VmHWM)."""
    return int(re.search(rf"{field}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) / 1024


@dataclass(frozen=True)
class Ran:
    stdout: str
    peak_mib: float
    cpu_seconds: float


def run(command: list[str | Path], **environment: str) -> Ran:
    """Runs a program to its end: what it printed and what it took (its peak is never less than what this process holds).
    Raises when it fails."""
    with subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, text=True, env=os.environ | environment) as process:
        stdout = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command, stdout)
    return Ran(stdout, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime)
