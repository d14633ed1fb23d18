"""The job store beside SQLite by hand, a job of ten thousand items, and ten thousand jobs at rest."""

import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from http_rows import NOWHERE, symbol
from rows import ROOT, Outcome, Row, held_mib, in_turns, run

sys.path.insert(0, str(ROOT / "tests/service"))
from harness import Server, stop_all  # noqa: E402

BENCH_STORE = ROOT / "build/release/bench/betedge_bench_store"


def in_a_new_folder(folder: Path, side: Callable[[Path], float]) -> Callable[[], float]:
    def once() -> float:
        folder.mkdir()
        try:
            return side(folder)
        finally:
            shutil.rmtree(folder)

    return once


def measure_claims(folder: Path) -> list[Outcome]:
    items = 10_000

    def side(name: str) -> Callable[[], float]:
        return in_a_new_folder(folder / name, lambda at: items / float(run([BENCH_STORE, "claims", name, at / "jobs.db", items]).stdout))

    found = in_turns(5, {"ours": side("ours"), "raw": side("raw")})
    return [
        Outcome("items claimed and completed, 100 a commit", f"{found['ours']:,.0f}/s", f"SQLite by hand: {found['raw']:,.0f}/s",
                found["ours"] / found["raw"], 0.6, sides={f"{name}, items/s": rate for name, rate in found.items()}),
    ]


def status_seconds(server: Server, job: str) -> float:
    """The median of a poll, over one connection after the other."""
    times = []
    for _ in range(200):
        began = time.perf_counter()
        answer = server.client.get(f"/jobs/{job}")
        times.append(time.perf_counter() - began)
        if answer.status != 200:
            raise RuntimeError(f"no status: {answer}")
    return statistics.median(times)


def measure_large_submit(folder: Path) -> list[Outcome]:
    roots, items = [symbol(number) for number in range(40)], 40 * 252
    polls: list[tuple[float, float]] = []

    def ours(at: Path) -> float:
        server = Server(at, THETA_BASE_URL=NOWHERE, THETA_API="v3")
        try:
            small = server.client.submit("option", root="ZZZZ", start_date="20240102", end_date="20240131", schema="quote")
            began = time.perf_counter()
            job = server.client.submit("option", roots=roots, start_date="20240101", end_date="20241231", schema="quote")
            rate = items / (time.perf_counter() - began)
            if server.client.job(job)["progress"]["total"] != items:
                raise RuntimeError(f"not a job of {items} items")
            polls.append((status_seconds(server, job), status_seconds(server, small)))
            return rate
        finally:
            stop_all([server])

    found = in_turns(5, {
        "ours": in_a_new_folder(folder / "ours", ours),
        "raw": in_a_new_folder(folder / "raw", lambda at: items / float(run([BENCH_STORE, "create", "raw", at / "jobs.db", 1, items]).stdout)),
    })
    large, small = (statistics.median(column) for column in zip(*polls))
    sides = {**{f"{name}, items/s": rate for name, rate in found.items()}, "poll of it, s": large, "poll of 21 items, s": small}
    return [
        Outcome("a job of 10,080 items accepted", f"{found['ours']:,.0f} items/s", f"SQLite by hand: {found['raw']:,.0f} rows/s",
                found["ours"] / found["raw"], 0.5, sides=sides),
        Outcome("a poll of it", f"{large * 1e3:.2f} ms", f"a job of 21 items: {small * 1e3:.2f} ms", large / small, 1.2, at_most=True, sides=sides),
    ]


def measure_rest(folder: Path) -> list[Outcome]:
    """The jobs come through the store's own port, and have ended (cancelled: the quickest end)."""
    jobs = 10_000
    full, empty = folder / "full", folder / "empty"
    full.mkdir()
    run([BENCH_STORE, "fill", full / "jobs.db", jobs, 252, "ended"])
    held: dict[str, list[float]] = {"full": [], "empty": []}

    def start(name: str, at: Path) -> float:
        began = time.perf_counter()
        server = Server(at, THETA_BASE_URL=NOWHERE, THETA_API="v3")
        took = time.perf_counter() - began
        try:
            known = server.client.get("/jobs?limit=1").json()["jobs"]
            if len(known) != (name == "full"):
                raise RuntimeError(f"not the jobs that were put there: {known}")
            held[name].append(held_mib(server.popen.pid))
            return took
        finally:
            stop_all([server])

    found = in_turns(5, {"empty": lambda: start("empty", empty), "full": lambda: start("full", full)})
    idle, known = statistics.median(held["empty"]), statistics.median(held["full"])
    sides = {"start, s": found, "resident, MiB": {"empty": idle, "full": known}, "store, MiB": (full / "jobs.db").stat().st_size / 2**20}
    return [
        Outcome("memory of a job at rest, of 10,000", f"{known:.1f} MiB", f"an empty store: {idle:.1f} MiB", max(0.0, known - idle) * 1024 / jobs, 1, at_most=True,
                unit="KiB", sides=sides),
        Outcome("a start with 10,000 jobs of 252 items", f"{found['full'] * 1e3:.0f} ms", f"an empty store: {found['empty'] * 1e3:.0f} ms",
                found["full"] / found["empty"], 2, at_most=True, sides=sides),
        Outcome("an idle server", f"{idle:.1f} MiB", "-", idle, 36, at_most=True, unit="MiB", sides=sides),
    ]


ROWS: list[Row] = [
    Row("claims", "the store: items claimed and completed", measure_claims),
    Row("large-submit", "a job of ten thousand items", measure_large_submit),
    Row("rest", "ten thousand jobs at rest", measure_rest),
]
