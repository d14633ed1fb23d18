"""How time and memory grow: with the rows of an answer, the items of a job, the jobs in the store, the calls at once.

Each is a plot, bench/plots/growth-*.svg, and one line: how much more the last step costs than proportional growth would.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import plots
from answers import Answer, Side
from rows import BENCH, ROOT, Outcome, Row, held_mib

sys.path.insert(0, str(ROOT / "tests/service"))
from harness import Server, Sim, stop_all  # noqa: E402

Series = list[tuple[float, float, float]]  # what grows, seconds, MiB
PLOTS = ROOT / "bench/plots"


def rows_of_an_answer(folder: Path) -> Series:
    """v3 CSV quotes from memory to memory; the memory is what comes on top of the input and the file."""
    series = []
    for contracts in (3, 26, 256, 2_558, 25_576):
        answer = Answer(f"{contracts} contracts", ("schema=quote", f"contracts={contracts}", "interval=60000"))
        file = folder / "answer"
        answer.render(file)
        ours = Side("betedge", [BENCH, "encode", *answer.words, f"file={file}"], folder / "none")
        seconds = min(ours.once() for _ in range(3))
        ours.end()
        series.append((ours.rows, seconds, ours.peak_mib - (file.stat().st_size + ours.bytes) / 2**20))
        file.unlink()
    return series


SYMBOLS = [f"{first}{second}" for first in "ABCDEFGH" for second in "ABCDE"]


def submit(server: Server, symbols: list[str], first: str, last: str) -> tuple[str, float]:
    """A job's id, and the seconds to its answer."""
    began = time.perf_counter()
    job = server.client.submit("stock", roots=symbols, start_date=first, end_date=last, schema="quote", interval=900_000)
    return job, time.perf_counter() - began


def items_in_a_job(folder: Path) -> Series:
    """Seconds to the answer of a submit, and what the server holds afterwards; the terminal is away."""
    series = []
    for number, (symbols, first, last) in enumerate(((1, "20230103", "20230103"), (1, "20230103", "20230201"), (1, "20230103", "20231229"), (10, "20230103", "20231229"),
                                                     (40, "20230103", "20231229"))):
        found = []
        for attempt in range(3):
            server = Server(folder / f"items-{number}-{attempt}")
            try:
                job, seconds = submit(server, SYMBOLS[:symbols], first, last)
                found.append((server.client.job(job)["progress"]["total"], seconds, held_mib(server.popen.pid)))
            finally:
                stop_all([server])
        series.append(sorted(found)[1])
    return series


def jobs_in_the_store(folder: Path) -> Series:
    """Seconds from a start to the open port, and what the server holds then."""
    series, known = [], 0
    for jobs in (1, 10, 100, 1_000, 10_000):
        server = Server(folder / "jobs", **{"BETEDGE_LIMIT_QUEUED_ITEMS": "10000000"})
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: server.client.submit("stock", root="A" + "".join(chr(ord("A") + number // 26**place % 26) for place in range(4)),
                                                              start_date="20230103", end_date="20230201", schema="ohlc"), range(known, jobs)))
        known = jobs
        stop_all([server])
        began = time.perf_counter()
        server = Server(folder / "jobs")
        seconds = time.perf_counter() - began
        series.append((jobs, seconds, held_mib(server.popen.pid)))
        stop_all([server])
    return series


def calls_at_once(folder: Path) -> Series:
    """A month of quarter-hour quotes at 100 ms latency, by how many calls may be under way."""
    series = []
    for calls in (1, 2, 4, 8, 16):
        sim = Sim(folder / f"sim-{calls}", "v3", ["--latency", "100ms", "--concurrency", "16", "--cache", "1GiB"])
        server = Server(folder / f"calls-{calls}", sim, THETA_CONCURRENCY=str(calls))
        try:
            began = time.perf_counter()
            job = server.client.submit("option", root="AAPL", start_date="20240102", end_date="20240131", schema="quote", interval=900_000)
            while server.client.get(f"/jobs/{job}?wait=60").json()["status"] in ("pending", "running"):
                pass
            series.append((calls, time.perf_counter() - began, held_mib(server.popen.pid, "VmHWM")))
        finally:
            stop_all([server, sim])
    return series


def measure(folder: Path) -> list[Outcome]:
    found = []
    for name, title, over, take in (
        ("rows", "One answer, v3 CSV to Parquet, one thread", "rows", rows_of_an_answer),
        ("items", "Submitting one job", "items in the job", items_in_a_job),
        ("jobs", "Starting a server", "jobs in the store", jobs_in_the_store),
        ("calls", "A month at 100 ms latency", "calls at once", calls_at_once),
    ):
        series = take(folder)
        plots.growth(title, over, series, PLOTS / f"growth-{name}.svg")
        (x0, s0, _), (x1, s1, _) = series[-2:]
        found.append(Outcome(f"{title}: {x1:,.0f} {over}, not {x0:,.0f}", f"{s1:.3f} s", f"{s0:.3f} s", s1 / s0 / (x1 / x0), 1.2, at_most=True,
                             sides={"x, seconds, MiB": [[x, round(seconds, 5), round(mib, 1)] for x, seconds, mib in series]}))
    return found


ROWS = [Row("growth", "how it grows", measure)]
