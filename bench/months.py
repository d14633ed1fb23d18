"""A month of one symbol, end to end, against the simulated terminal on the same machine; and what it takes in memory.

The terminal has rendered every answer before (it keeps them in memory), so that both sides wait for bytes, not for the
market. A client's time runs from its first request to its last file; ours from the submit to the job's end.
"""

import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from rows import PEERS, ROOT, Outcome, Row, held_mib, in_turns, run

sys.path.insert(0, str(ROOT / "tests/service"))
from harness import Server, Sim, stop_all  # noqa: E402

FIRST, LAST = "20240102", "20240131"


def sessions() -> list[str]:
    """The month's sessions, by the calendar that is built into betedge."""
    return [day for day in (f"202401{number:02}" for number in range(2, 32))
            if datetime.strptime(day, "%Y%m%d").weekday() < 5 and day != "20240115"]


@contextmanager
def terminal(folder: Path, *options: str):
    sim = Sim(folder / "sim", "v3", ["--cache", "4GiB", *options])
    try:
        yield sim
    finally:
        stop_all([sim])


class Ours:
    """One run after the other, each with a server, a lake and a store of its own."""

    def __init__(self, folder: Path, sim: Sim, interval: int, **settings: str) -> None:
        self.folder, self.sim, self.interval, self.settings = folder, sim, interval, settings
        self.runs = 0
        self.peaks: list[float] = []

    def __call__(self) -> float:
        self.runs += 1
        server = Server(self.folder / f"ours-{self.runs}", self.sim, **self.settings)
        try:
            began = time.perf_counter()
            job = server.client.submit("option", root="AAPL", start_date=FIRST, end_date=LAST, schema="quote", interval=self.interval)
            while (answer := server.client.get(f"/jobs/{job}?wait=60").json())["status"] in ("pending", "running"):
                pass
            seconds = time.perf_counter() - began
            if answer["status"] != "completed" or answer["items"]["succeeded"] != len(sessions()):
                raise RuntimeError(f"the job ended as {answer}")
            self.peaks.append(held_mib(server.popen.pid, "VmHWM"))
            return seconds
        finally:
            stop_all([server])


class Successor:
    def __init__(self, folder: Path, sim: Sim, library: str, interval: str) -> None:
        self.command = [sys.executable, PEERS / "successor.py", library, sim.base_url, "AAPL", interval, folder / f"{library}.parquet", *sessions()]
        self.peaks: list[float] = []

    def __call__(self) -> float:
        ran = run(self.command)
        self.peaks.append(ran.peak_mib)
        return float(ran.stdout)


def against_successor(folder: Path, name: str, interval: int, label: str, rounds: int) -> list[Outcome]:
    with terminal(folder) as sim:
        ours = Ours(folder, sim, interval)
        peers = {library: Successor(folder, sim, library, label) for library in ("polars", "pyarrow")}
        for side in (ours, *peers.values()):
            side()  # renders the answers, and warms what there is to warm
            side.peaks.clear()
        seconds = in_turns(rounds, {"betedge": ours} | peers)
    best = min(peers, key=seconds.get)
    sides = {"betedge": {"s": seconds["betedge"], "peak MiB": max(ours.peaks)}}
    sides |= {library: {"s": seconds[library], "peak MiB": max(peer.peaks)} for library, peer in peers.items()}
    memory, theirs = max(ours.peaks), max(peers[best].peaks)
    return [
        Outcome(f"a month, {name}, end to end", f"{seconds['betedge']:.2f} s", f"4 threads, {best} {seconds[best]:.2f} s",
                seconds[best] / seconds["betedge"], 2.5, sides=sides),
        Outcome(f"its peak memory, {name}", f"{memory:.0f} MiB", f"4 threads, {best} {theirs:.0f} MiB", memory / theirs, 0.2, at_most=True, sides=sides),
    ]


def month_xl(folder: Path) -> list[Outcome]:
    return against_successor(folder, "XL", 60_000, "1m", 3)


def month_medium(folder: Path) -> list[Outcome]:
    # The memory of a small month is no target: most of a Python process is its libraries.
    return against_successor(folder, "MEDIUM", 900_000, "15m", 5)[:1]


def slow_upstream(folder: Path) -> list[Outcome]:
    """200 ms before each answer's first byte, four calls at once: nothing is faster than calls × latency / limit, but that calls
    come whole and bytes take their time. So curl asks for the same in the same turns, four at once, and keeps nothing."""
    calls = [f"v3/{kind}/history/quote?symbol=AAPL&date={day}&interval=15m&{more}&format=csv"
             for day in sessions() for kind, more in (("option", "expiration=*"), ("stock", "venue=utp_cta"))]
    ideal = len(calls) * 0.2 / 4
    with terminal(folder, "--concurrency", "4") as sim:
        command = ["curl", "--silent", "--no-progress-meter", "--fail", "--parallel", "--parallel-immediate", "--parallel-max", "4"]
        for call in calls:
            command += ["--output", "/dev/null", f"{sim.base_url}/{call}"]

        def curl() -> float:
            began = time.perf_counter()
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
            return time.perf_counter() - began

        ours = Ours(folder, sim, 900_000, THETA_CONCURRENCY="4")
        ours()
        sim.options(latency="200ms")
        found = in_turns(5, {"betedge": ours, "curl": curl})
    seconds = found["betedge"]
    return [
        Outcome("a month at 200 ms, four calls at once", f"{seconds:.3f} s", f"ideal {ideal:.3f} s", seconds / ideal, 1.04, at_most=True),
        Outcome("the same, beside who keeps nothing of it", f"{seconds:.3f} s", f"curl to /dev/null {found['curl']:.3f} s", seconds / found["curl"], 1.04, at_most=True),
    ]


def peak_memory(folder: Path) -> list[Outcome]:
    found = []
    with terminal(folder, "--concurrency", "4") as sim:
        ours = Ours(folder, sim, 60_000, THETA_CONCURRENCY="4")
        ours()
        found.append(Outcome("peak memory, four XL answers in flight", f"{ours.peaks[0]:.0f} MiB", "the target alone", ours.peaks[0], 256, at_most=True, unit="MiB"))
    with terminal(folder, "--contracts", "AAPL=14000") as sim:
        server = Server(folder / "large", sim)
        try:
            job = server.client.submit("option", root="AAPL", start_date="20240116", end_date="20240116", schema="quote", interval=60_000)
            while (answer := server.client.get(f"/jobs/{job}?wait=60").json())["status"] in ("pending", "running"):
                pass
            if answer["status"] != "completed":
                raise RuntimeError(f"the job ended as {answer}")
            item = server.client.items(job)[0]
            peak = held_mib(server.popen.pid, "VmHWM")
        finally:
            stop_all([server])
    found.append(Outcome(f"peak memory, one answer of {item['rows']:,} rows", f"{peak:.0f} MiB", "the target alone", peak, 256, at_most=True, unit="MiB"))
    return found


ROWS = [
    Row("month-xl", "a month of one-minute quotes, end to end", month_xl),
    Row("month-medium", "a month of quarter-hour quotes, end to end", month_medium),
    Row("slow-upstream", "a month at 200 ms latency", slow_upstream),
    Row("peak-memory", "peak memory of the server", peak_memory),
]
