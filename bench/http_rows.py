"""The server under load: the status endpoint, submits, time to an answer, and watchers.

A side that serves has the first core to itself, whatever it is; what loads it (wrk, the simulator) has the second.
"""

import json
import os
import re
import resource
import socket
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness import PEER_PYTHON, PEERS, Outcome, Row
from service import Scrape, Server, Sim, Swarm, stop_all

SERVING_CORE, LOADING_CORE = 0, 1
NOWHERE = "http://127.0.0.1:9"  # an upstream that is not there: jobs are accepted and wait


def pin(pid: int, core: int) -> None:
    """Every thread of a running process, and with them those that they will begin."""
    for thread in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})


def rss_mib(pid: int, field: str = "VmRSS") -> float:
    """What a process holds (VmRSS) or held at most (VmHWM)."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE).group(1)) / 1024


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextmanager
def serving(command: list[str | Path], port: int, log: Path, **environment: str) -> Iterator[subprocess.Popen]:
    """A peer on the serving core, from its open port on until the block ends."""
    with log.open("w") as output:
        process = subprocess.Popen(
            ["taskset", "--cpu-list", str(SERVING_CORE), *map(str, command)],
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
    with serving(["nginx", "-p", folder, "-c", folder / "nginx.conf"], port, folder / "log"):
        yield port


@contextmanager
def fastapi(folder: Path, status: str = "{}") -> Iterator[int]:
    folder.mkdir()
    port = free_port()
    (folder / "status.json").write_text(status)
    command = [PEER_PYTHON, "-m", "uvicorn", "fastapi_app:app", "--app-dir", PEERS, "--port", str(port),
               "--loop", "uvloop", "--http", "httptools", "--workers", "1", "--no-access-log", "--log-level", "warning"]
    with serving(command, port, folder / "log", PEER_STATUS=str(folder / "status.json"), PEER_STORE=str(folder / "jobs.db")):
        yield port


@dataclass(frozen=True)
class Load:
    rate: float  # answers a second
    p50_ms: float
    p99_ms: float


def wrk(port: int, path: str, connections: int, seconds: int, script: list[str | Path] = ()) -> Load:
    command = ["taskset", "--cpu-list", str(LOADING_CORE), "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "30s"]
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
        with nginx(folder / "nginx", "x" * len(status)) as constant, fastapi(folder / "fastapi", status) as bare:
            found = loads_in_turns(3, {
                "betedge": lambda: wrk(server.port, f"/jobs/{job}", 64, 3),
                "nginx": lambda: wrk(constant, "/", 64, 3),
                "fastapi": lambda: wrk(bare, f"/jobs/{job}", 64, 3),
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
        pin(server.popen.pid, SERVING_CORE)
        prefixes = iter("ABCDEFGHIJKL")

        def load(port: int) -> Load:
            return wrk(port, "/historical/option", 16, 4, [PEERS / "submit.lua", next(prefixes)])

        with fastapi(folder / "fastapi") as peer:
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


ROWS: list[Row] = [
    Row("status", "the status endpoint while a job runs", measure_status),
    Row("submit", "durable submits", measure_submit),
]
