"""The server under load: the status endpoint, submits, time to an answer, watchers, and what running jobs hold.

At the status endpoint the side that serves has the first core to itself, whatever it is, and what loads it (wrk, the
simulator) the second. A submit may use both, on either side: its load is no load, and one worker of the peer is one thread.
"""

import json
import os
import re
import resource
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rows import PEER_PYTHON, PEERS, ROOT, Outcome, Row, held_mib, in_turns, run

sys.path.insert(0, str(ROOT / "tests/service"))
from event_stream import Swarm  # noqa: E402
from harness import Scrape, Server, Sim, stop_all  # noqa: E402

SERVING_CORE, LOADING_CORE = 0, 1
NOWHERE = "http://127.0.0.1:9"  # an upstream that is not there: jobs are accepted and wait


def pin(pid: int, core: int) -> None:
    """Every thread of a running process, and with them those that they will begin."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def serving(command: list[str | Path], port: int, log: Path, cores: str, **environment: str) -> Iterator[subprocess.Popen]:
    """A peer on these cores, from its open port on until the block ends."""
    with log.open("w") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", cores, *map(str, command)],
            stdout=output, stderr=subprocess.STDOUT, env=os.environ | environment,
        )
        try:
            give_up = time.monotonic() + 30
            while socket.socket().connect_ex(("127.0.0.1", port)) != 0:
                if process.poll() is not None or time.monotonic() > give_up:
                    raise RuntimeError(f"{command[0]} does not serve:\n{log.read_text()}")
                time.sleep(0.02)
            yield process
        finally:
            process.terminate()
            process.wait(10)


@contextmanager
def nginx(folder: Path, body: str) -> Iterator[int]:
    """A constant answer, one worker, as nginx does it best: no log, connections kept for ever."""
    folder.mkdir()
    port = free_port()
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000000; {"".join(f"{kind}_temp_path {folder}/{kind}; " for kind in kinds)}
  server {{ listen 127.0.0.1:{port}; location / {{ default_type application/json; return 200 '{body}'; }} }}
}}
""")
    with serving(["nginx", "-p", folder, "-c", folder / "nginx.conf"], port, folder / "log", str(SERVING_CORE)):
        yield port


@contextmanager
def fastapi(folder: Path, cores: str, status: str = "{}") -> Iterator[int]:
    folder.mkdir()
    port = free_port()
    (folder / "status.json").write_text(status)
    command = [PEER_PYTHON, "-m", "uvicorn", "fastapi_app:app", "--app-dir", PEERS, "--port", str(port),
               "--loop", "uvloop", "--http", "httptools", "--workers", "1", "--no-access-log", "--log-level", "warning"]
    with serving(command, port, folder / "log", cores, PEER_STATUS=str(folder / "status.json"), PEER_STORE=str(folder / "jobs.db")):
        yield port


@dataclass(frozen=True)
class Load:
    rate: float  # answers a second
    p50_ms: float
    p99_ms: float


def wrk(port: int, path: str, connections: int, seconds: int, script: list[str | Path] = (), cores: str = str(LOADING_CORE)) -> Load:
    command = ["taskset", "--cpu-list", cores, "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
    if script:
        command += ["-s", script[0]]
    command += [f"http://127.0.0.1:{port}{path}", *(["--", *script[1:]] if script else [])]
    text = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"a load with failures:\n{text}")
    scale = {"us": 1e-3, "ms": 1.0, "s": 1e3}

    def percentile(name: str) -> float:
        number, unit = re.search(rf"^\s+{name}%\s+([\d.]+)(us|ms|s)", text, re.MULTILINE).groups()
        return float(number) * scale[unit]

    return Load(float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1)), percentile("50"), percentile("99"))


def loads_in_turns(rounds: int, sides: dict[str, Callable[[], Load]]) -> dict[str, Load]:
    """The medians of each side, all sides having their turn in every round."""
    found: dict[str, list[Load]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    return {
        name: Load(*(statistics.median(getattr(load, field) for load in loads) for field in ("rate", "p50_ms", "p99_ms")))
        for name, loads in found.items()
    }


def load_sides(found: dict[str, Load]) -> dict[str, object]:
    return {name: {"per_second": load.rate, "p50_ms": load.p50_ms, "p99_ms": load.p99_ms} for name, load in found.items()}


def per_second(load: Load) -> str:
    return f"{load.rate:,.0f}/s"


def p99(load: Load) -> str:
    return f"p99 {load.p99_ms:.2f} ms"


# --- GET /jobs/{id}


def measure_status(folder: Path) -> list[Outcome]:
    sim = Sim(folder / "sim", "v3", ["--latency", "2s", "--concurrency", "4"])
    processes = [sim]
    try:
        server = Server(folder / "ours", sim)
        processes.append(server)
        pin(server.popen.pid, SERVING_CORE)
        pin(sim.popen.pid, LOADING_CORE)
        # Some hundred items of two seconds each: it is running all the while.
        job = server.client.submit("option", root="AAPL", start_date="20230103", end_date="20241231", interval=3_600_000)
        server.wait_event("item_done")
        status = server.client.get(f"/jobs/{job}").text
        with nginx(folder / "nginx", "x" * len(status)) as constant, fastapi(folder / "fastapi", str(SERVING_CORE), status) as bare:
            # Short turns: the machine changes from one second to the next.
            found = loads_in_turns(9, {
                "betedge": lambda: wrk(server.port, f"/jobs/{job}", 64, 1),
                "nginx": lambda: wrk(constant, "/", 64, 1),
                "fastapi": lambda: wrk(bare, f"/jobs/{job}", 64, 1),
            })
        still = server.client.job(job)
        if still["status"] != "running":
            raise RuntimeError(f"the job has ended meanwhile: {still}")
    finally:
        stop_all(processes)
    ours, constant, bare = found["betedge"], found["nginx"], found["fastapi"]
    sides = load_sides(found)
    return [
        Outcome("GET /jobs/{id}, 64 connections", per_second(ours), f"nginx, a constant: {per_second(constant)}", ours.rate / constant.rate, 0.8, sides=sides),
        Outcome("GET /jobs/{id}, 64 connections", per_second(ours), f"FastAPI, bare: {per_second(bare)}", ours.rate / bare.rate, 8, sides=sides),
        Outcome("GET /jobs/{id}, the slowest of 100", p99(ours), f"nginx, a constant: {p99(constant)}", ours.p99_ms / constant.p99_ms, 2, at_most=True, sides=sides),
    ]


# --- POST /historical/option


def measure_submit(folder: Path) -> list[Outcome]:
    server = Server(folder / "ours", THETA_BASE_URL=NOWHERE, THETA_API="v3", BETEDGE_LIMITS_QUEUED_ITEMS=100_000_000)
    try:
        prefixes = iter("ABCDEFGHIJKL")

        def load(port: int) -> Load:
            return wrk(port, "/historical/option", 16, 4, [PEERS / "submit.lua", next(prefixes)], cores="0,1")

        with fastapi(folder / "fastapi", "0,1") as peer:
            found = loads_in_turns(3, {"betedge": lambda: load(server.port), "fastapi": lambda: load(peer)})
        one = server.client.get("/jobs?limit=1").json()["jobs"][0]
        if one["progress"]["total"] != 252:
            raise RuntimeError(f"not a job of 252 items: {one}")
    finally:
        stop_all([server])
    ours, peer = found["betedge"], found["fastapi"]
    sides = load_sides(found)
    return [
        Outcome("submit of 252 items, durable, 16 clients", per_second(ours), f"FastAPI + sqlite3: {per_second(peer)}", ours.rate / peer.rate, 2, sides=sides),
        Outcome("the same, the slowest of 100", p99(ours), f"FastAPI + sqlite3: {p99(peer)}", ours.p99_ms / peer.p99_ms, 0.5, at_most=True, sides=sides),
    ]


# --- time to the answer of a submit of 252 items


YEAR = {"root": "AAPL", "start_date": "20240101", "end_date": "20241231", "schema": "ohlc", "interval": 900_000}


def measure_answer_time(folder: Path) -> list[Outcome]:
    sim = Sim(folder / "sim", "v2", ["--latency", "20ms", "--concurrency", "4", "--cache", "256MiB"])
    numbers = iter(range(1000))

    def ours(is_async: str) -> float:
        server = Server(folder / f"ours-{next(numbers)}", sim, BETEDGE_ASYNC_DEFAULT=is_async)
        try:
            began = time.perf_counter()
            answer = server.client.post("/historical/stock", YEAR)
            took = time.perf_counter() - began
            expected = "accepted" if is_async == "true" else "success"
            if answer.status != 202 or answer.json()["status"] != expected:
                raise RuntimeError(f"no answer to compare: {answer}")
            return took
        finally:
            stop_all([server])

    def original() -> float:
        seconds, written = run([PEER_PYTHON, PEERS / "original_form.py", sim.base_url, YEAR["root"], YEAR["start_date"], YEAR["end_date"],
                                folder / f"original-{next(numbers)}"]).stdout.split()
        if written != "252":
            raise RuntimeError(f"{written} days, not 252")
        return float(seconds)

    try:
        found = in_turns(3, {"original": original, "sync": lambda: ours("false"), "async": lambda: ours("true")})
    finally:
        stop_all([sim])
    sides = {f"{name}, seconds": seconds for name, seconds in found.items()}
    peer = f"the original's form: {found['original']:.2f} s"
    return [
        Outcome("time to the answer, held until it is done", f"{found['sync']:.2f} s", peer, found["original"] / found["sync"], 1, sides=sides),
        Outcome("time to the answer, accepted and durable", f"{found['async'] * 1e3:.1f} ms", peer, found["original"] / found["async"], 1, sides=sides),
    ]


# --- watchers


WATCHERS = 5_000


def allow_descriptors() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@dataclass(frozen=True)
class Watched:
    job_seconds: float
    poll_p99_ms: float
    kib_a_watcher: float


def run_watched(folder: Path, watchers: int) -> Watched:
    """A job from its first item to its end by its own times, polled from another process all the while. The
    watchers read all that comes, on the same machine and from one thread: what they take of the processors is in the figures."""
    sim = Sim(folder / "sim", "v3", ["--latency", "200ms", "--concurrency", "4"])
    processes = [sim]
    try:
        server = Server(folder, sim, preexec=allow_descriptors)
        processes.append(server)
        sim.terminal("gone")
        job = server.client.submit("option", root="MSFT", start_date="20240102", end_date="20240328", schema="quote", interval=3_600_000)
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
            poll_p99_ms, ended = run([sys.executable, ROOT / "bench/poll.py", server.port, job]).stdout.splitlines()
            ended = json.loads(ended)
            if ended["items"]["succeeded"] != ended["progress"]["total"]:
                raise RuntimeError(f"the job did not succeed: {ended}")
            if watchers:
                swarm.wait_until(lambda swarm: swarm.ended == watchers, "each one's end")
        took = datetime.fromisoformat(ended["finished_at"]) - datetime.fromisoformat(first)
        return Watched(took.total_seconds(), float(poll_p99_ms), grown / 1024 / watchers if watchers else 0)
    finally:
        stop_all(processes)


def measure_watchers(folder: Path) -> list[Outcome]:
    allow_descriptors()
    found: dict[int, list[Watched]] = {0: [], WATCHERS: []}
    for number in range(5):
        for watchers, runs in found.items():
            runs.append(run_watched(folder / f"{number}-{watchers}", watchers))
    alone, watched = (
        Watched(*(statistics.median(getattr(one, field) for one in runs) for field in ("job_seconds", "poll_p99_ms", "kib_a_watcher")))
        for runs in found.values()
    )
    sides = {"alone": vars(alone), "watched": vars(watched)}
    return [
        Outcome(f"a job with {WATCHERS:,} watchers", f"{watched.job_seconds:.2f} s", f"without: {alone.job_seconds:.2f} s",
                watched.job_seconds / alone.job_seconds, 1.2, at_most=True, sides=sides),
        Outcome("a poll of it, the slowest of 100", f"{watched.poll_p99_ms:.2f} ms", f"without: {alone.poll_p99_ms:.2f} ms",
                watched.poll_p99_ms / alone.poll_p99_ms, 1.2, at_most=True, sides=sides),
    ]


# --- memory by the number of running jobs


def symbol(number: int) -> str:
    return "".join(chr(ord("A") + number // 26**place % 26) for place in (3, 2, 1, 0))


def peak_of_running(folder: Path, jobs: int) -> float:
    """The server's peak once every one of the jobs has begun and a year of days was brought, as each of them wants."""
    sim = Sim(folder / "sim", "v3", ["--latency", "10ms", "--concurrency", "4", "--cache", "64MiB"])
    processes = [sim]
    try:
        server = Server(folder / "server", sim)
        processes.append(server)
        for number in range(jobs):
            server.client.submit("stock", **{**YEAR, "root": symbol(number)})
        while server.client.get("/jobs?job_status=pending&limit=1").json()["jobs"]:
            time.sleep(0.1)
        server.wait_event("item_done", count=252)
        return held_mib(server.popen.pid, "VmHWM")
    finally:
        stop_all(processes)


def measure_running_memory(folder: Path) -> list[Outcome]:
    found = {jobs: peak_of_running(folder / str(jobs), jobs) for jobs in (1, 10, 100, 1_000)}
    sides = {f"{jobs} jobs, MiB": mib for jobs, mib in found.items()}
    return [
        Outcome("memory with 1,000 running jobs", f"{found[1_000]:.0f} MiB", f"with one: {found[1]:.0f} MiB", found[1_000] / found[1], 1.2, at_most=True, sides=sides),
    ]


ROWS: list[Row] = [
    Row("status", "the status endpoint while a job runs", measure_status),
    Row("submit", "durable submits", measure_submit),
    Row("answer-time", "time to the answer of a submit", measure_answer_time),
    Row("watchers", "watchers of a running job", measure_watchers),
    Row("running-memory", "memory by running jobs", measure_running_memory),
]
