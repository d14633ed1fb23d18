"""What 5,000 event watchers cost a running job: the same job with and without them, in turns.

Each round is a new server, a new lake and one simulated terminal. While the job runs, somebody polls it; the
watchers read all that comes, on the same machine and from one thread, so that what they take of the processors
themselves is in the figures too. Only the ratios count: absolute figures drift with the machine.
"""

import os
import resource
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "service"))

from event_stream import Swarm
from harness import Scrape, Server, Sim, stop_all

WATCHERS = int(os.environ.get("BETEDGE_BENCH_WATCHERS", "5000"))
ROUNDS = 3
JOB = {"root": "AAPL", "start_date": "20220103", "end_date": "20240104", "schema": "ohlc"}


def allow_descriptors() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(folder: Path, watchers: int) -> tuple[float, float, float, int]:
    """Seconds of the job by its own times, seconds of a poll at its median and its p99, bytes a watcher."""
    sim = Sim(folder / "sim", "v3", ["--latency", "20ms", "--concurrency", "8"])
    processes = [sim]
    try:
        server = Server(folder, sim, preexec=allow_descriptors, THETA_CONCURRENCY="8")
        processes.append(server)
        sim.terminal("gone")
        job = server.client.submit("stock", **JOB)
        server.wait_event("upstream_unavailable")
        before = Scrape(server)("process_resident_memory_bytes")
        with ExitStack() as stack:
            if watchers:
                swarm = stack.enter_context(Swarm(server.port, f"/jobs/{job}/events", watchers))
                swarm.wait_until(lambda swarm: swarm.begun == watchers, "each one's snapshot")
            grown = Scrape(server)("process_resident_memory_bytes") - before
            sim.terminal("up")
            server.wait_event("upstream_available")
            first = server.wait_event("item_done")["time"]
            polls = []
            while True:
                began = time.perf_counter()
                answer = server.client.get(f"/jobs/{job}")
                polls.append(time.perf_counter() - began)
                if answer.json()["status"] not in ("pending", "running"):
                    break
            ended = answer.json()
            assert ended["items"]["succeeded"] == ended["progress"]["total"], ended
            if watchers:
                swarm.wait_until(lambda swarm: swarm.ended == watchers, "each one's end")
        took = datetime.fromisoformat(ended["finished_at"]) - datetime.fromisoformat(first)
        quantiles = statistics.quantiles(polls, n=100)
        return took.total_seconds(), quantiles[49], quantiles[98], int(grown / watchers) if watchers else 0
    finally:
        stop_all(processes)


def main() -> None:
    allow_descriptors()
    found = {0: [], WATCHERS: []}
    for _ in range(ROUNDS):
        for watchers, runs in found.items():
            with tempfile.TemporaryDirectory(prefix="betedge-bench-") as folder:
                runs.append(run(Path(folder), watchers))
    alone, watched = ([statistics.median(column) for column in zip(*runs)] for runs in found.values())
    print(f"{'a job of 504 items':<22} {'alone':>10} {WATCHERS:>6,} watchers {'ratio':>7}")
    for name, scale, unit, column in (("job", 1, "s", 0), ("poll, median", 1e3, "ms", 1), ("poll, p99", 1e3, "ms", 2)):
        print(f"{name:<22} {alone[column] * scale:>7.2f} {unit:<2} {watched[column] * scale:>12.2f} {unit:<2}"
              f" {watched[column] / alone[column]:>7.2f}")
    print(f"{'memory a watcher':<22} {'':>10} {watched[3] / 1024:>12.1f} KiB")


if __name__ == "__main__":
    main()
