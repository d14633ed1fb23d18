"""A real server and a simulated terminal for one's own tests.

    pytest_plugins = ["betedge.testing"]

    def test_mine(betedge_server):
        with betedge_server.client() as client:
            client.historical.stock("AAPL", "2024-01-02", "2024-01-05", schema="eod").wait_for_completion()

The binary is the one named by BETEDGE_BINARY, or `betedge` on the PATH. Ports are free ones, folders temporary.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from ._client import Client


def binary() -> str:
    """The program to run; a FileNotFoundError when there is none."""
    found = os.environ.get("BETEDGE_BINARY") or shutil.which("betedge")
    if not found:
        raise FileNotFoundError("no betedge on the PATH; BETEDGE_BINARY names one")
    return found


class _Process:
    def __init__(self, arguments: list[str], environment: dict[str, str], folder: Path, ready: str) -> None:
        self._log = (folder / f"{arguments[0]}.log").open("ab")
        self.popen = subprocess.Popen([binary(), *arguments], cwd=folder, env={"PATH": "/usr/bin:/bin", "HOME": str(folder)} | environment,
                                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self._log, text=True)
        assert self.popen.stdout is not None
        for line in self.popen.stdout:
            if found := re.search(ready, line):
                self.ready = found
                return
        self.end()
        raise RuntimeError(f"betedge {arguments[0]} ended at once: {Path(self._log.name).read_text()[-2000:]}")

    def end(self, kill: bool = False) -> None:
        if self.popen.poll() is None:
            (self.popen.kill if kill else self.popen.terminate)()
        self.popen.wait()
        if self.popen.stdout:
            self.popen.stdout.close()
        self._log.close()


class BetEdge:
    """One server over one lake, and the simulated terminal behind it. A context manager.

    `sim` are more arguments of `betedge sim` (`["--latency", "50ms", "--fault", "hang"]`), `settings` more environment of
    `betedge serve` (THETA_CONCURRENCY="8").
    """

    def __init__(self, *, sim: list[str] | None = None, **settings: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="betedge-testing-"))
        self.lake = self._folder / "lake"
        self._settings = settings
        self._server: _Process | None = None
        self._terminal: _Process | None = None
        self._listen = "127.0.0.1:0"
        try:
            self._terminal = _Process(["sim", "--v3-port", "0", "--v2-port", "0", "--control-port", "0", *(sim or [])], {}, self._folder,
                                      r"127\.0\.0\.1:(\d+) \(v3\).*127\.0\.0\.1:(\d+) \(control\)")
            self._v3, self._control = self._terminal.ready.groups()
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Starts the server, on the port that it had before."""
        environment = {"BETEDGE_LISTEN": self._listen, "BETEDGE_LAKE": str(self.lake), "BETEDGE_STORE": str(self._folder / "jobs.db"),
                       "THETA_BASE_URL": f"http://127.0.0.1:{self._v3}", "THETA_API": "v3", "NASDAQ_BASE_URL": f"http://127.0.0.1:{self._control}"}
        self._server = _Process(["serve"], environment | self._settings, self._folder, r"listening on (https?)://(127\.0\.0\.1:\d+)")
        self._listen = self._server.ready[2]

    def kill(self) -> None:
        """Kills the server as a power cut would; start() brings it back with all its jobs."""
        if self._server:
            self._server.end(kill=True)

    @property
    def url(self) -> str:
        return f"http://{self._listen}"

    @property
    def terminal_control(self) -> str:
        """The simulator's own control address, for /sim/faults and /sim/options."""
        return f"http://127.0.0.1:{self._control}"

    def client(self, **settings: Any) -> Client:
        """A client of this server."""
        return Client(self.url, **settings)

    def close(self) -> None:
        for process in (self._server, self._terminal):
            if process:
                process.end()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> BetEdge:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@pytest.fixture
def betedge_server() -> Iterator[BetEdge]:
    """A server with a terminal of twenty contracts a chain, for one test."""
    with BetEdge(sim=["--contracts", "20"]) as server:
        yield server
