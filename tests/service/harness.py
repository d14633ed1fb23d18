"""The real binary from outside: processes, their logs, and HTTP.

Nothing here waits by the clock: readiness is a line on standard output, progress is an event in the
log, both handed on by the thread that reads them.
"""

import ctypes
import http.client
import itertools
import json
import os
import re
import shlex
import signal
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED_DATA = ROOT.parent / "shared" / "data"
BINARY = Path(os.environ.get("BETEDGE_BINARY", ROOT / "build" / "release" / "betedge"))
# How long anything may take on a busy machine before a test gives up.
PATIENCE = float(os.environ.get("BETEDGE_TEST_PATIENCE", "60"))

_FIELD = re.compile(r'(\w+)=("(?:[^"\\]|\\.)*"|\S*)')


def parse_event(line):
    """A log line as a dict: time, level, event and its fields."""
    fields = {}
    for name, value in _FIELD.findall(line):
        fields[name] = json.loads(value) if value.startswith('"') else value
    return fields


class Response:
    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:500]!r}>"


class Client:
    """HTTP/1.1 to one server, a connection a request; https, verified by `ca`, a file, when it is given."""

    def __init__(self, port, timeout=PATIENCE, ca=None):
        self.port, self.timeout, self.ca = port, timeout, ca

    def _connection(self):
        if self.ca is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        context = ssl.create_default_context(cafile=str(self.ca))
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.timeout, context=context)

    def request(self, method, path, body=None, headers=None):
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            headers.setdefault("Content-Type", "application/json")
        if isinstance(body, str):
            body = body.encode("utf-8")
        connection = self._connection()
        try:
            connection.request(method, path, body=body, headers=headers)
            answer = connection.getresponse()
            return Response(answer.status, answer.reason, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path, headers=None):
        return self.request("GET", path, headers=headers)

    def post(self, path, body, headers=None):
        return self.request("POST", path, body, headers)

    def submit(self, kind, **members):
        """Submits and returns the job's id."""
        answer = self.post(f"/historical/{kind}", members)
        assert answer.status == 202, answer
        return answer.json()["job_id"]

    def job(self, job_id):
        answer = self.get(f"/jobs/{job_id}")
        assert answer.status == 200, answer
        return answer.json()

    def items(self, job_id, state=None):
        """All items of a job, page by page."""
        items, cursor = [], None
        while True:
            query = "".join([f"&state={state}" if state else "", f"&cursor={cursor}" if cursor else ""])
            answer = self.get(f"/jobs/{job_id}/items?limit=500{query}")
            assert answer.status == 200, answer
            page = answer.json()
            items += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return items


_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def _die_with_parent(preexec):
    """What a child does first: what it was told, then see to it that it cannot outlive the test."""

    def begin():
        if preexec:
            preexec()
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)

    return begin


class Process:
    """One run of the binary. Its standard output and standard error are kept line by line."""

    def __init__(self, arguments, folder, environment=None, ready=None, name="betedge", preexec=None):
        self.name, self.folder = name, Path(folder)
        self.command = [str(BINARY), *map(str, arguments)]
        self.out, self.log = [], []
        self._changed = threading.Condition()
        self.popen = subprocess.Popen(
            self.command,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            preexec_fn=_die_with_parent(preexec),
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read, args=(stream, lines), daemon=True)
            for stream, lines in ((self.popen.stdout, self.out), (self.popen.stderr, self.log))
        ]
        for reader in self._readers:
            reader.start()
        self.ready_line = None
        if ready:
            self.ready_line = self._wait_line(ready)

    def _read(self, stream, lines):
        for line in stream:
            with self._changed:
                lines.append(line.rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def _ended(self):
        return not any(reader.is_alive() for reader in self._readers)

    def transcript(self):
        return "\n".join(
            [f"$ {shlex.join(self.command)}", *self.out[-20:], "--- log", *self.log[-60:]]
        )

    def wait_until(self, look, what, timeout=PATIENCE):
        """Waits until `look()` gives something, looking again whenever a line has come."""
        until = time.monotonic() + timeout
        with self._changed:
            while True:
                found = look()
                if found:
                    return found
                left = until - time.monotonic()
                if left <= 0 or self._ended():
                    raise AssertionError(f"{self.name}: {what} did not come\n{self.transcript()}")
                self._changed.wait(min(left, 1.0))

    def _wait_line(self, pattern):
        def look():
            for line in self.out:
                found = re.search(pattern, line)
                if found:
                    return found
            return None

        return self.wait_until(look, f"a line like {pattern!r}")

    def events(self, name=None, **fields):
        """The events so far of that name with those fields."""
        found = []
        for line in list(self.log):
            event = parse_event(line)
            if name and event.get("event") != name:
                continue
            if all(event.get(key) == value for key, value in fields.items()):
                found.append(event)
        return found

    def wait_event(self, name, count=1, timeout=PATIENCE, **fields):
        """Waits for the count-th event of that name with those fields, and returns it."""
        found = []
        seen = 0

        def look():
            nonlocal seen
            while seen < len(self.log):
                event = parse_event(self.log[seen])
                seen += 1
                if event.get("event") == name and all(
                    event.get(key) == value for key, value in fields.items()
                ):
                    found.append(event)
            return found[count - 1] if len(found) >= count else None

        return self.wait_until(look, f"{count} × {name} {fields}", timeout)

    def signal(self, number):
        self.popen.send_signal(number)

    def wait(self, timeout=PATIENCE):
        status = self.popen.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        return status

    def let_run(self, seconds):
        """Leaves it alone for so long, unless it ends before."""
        try:
            self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            pass

    def kill(self):
        if self.popen.poll() is None:
            self.popen.kill()
        return self.wait()

    def stop(self):
        """SIGTERM, and the exit status."""
        if self.popen.poll() is None:
            self.popen.terminate()
        try:
            return self.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not stop\n{self.transcript()}") from None


class Server(Process):
    """`betedge serve` on a free port, with a lake and a store of its own."""

    READY = r"^betedge (\S+) listening on https?://127\.0\.0\.1:(\d+)$"

    def __init__(self, folder, sim=None, arguments=(), environment=None, store=None, preexec=None, **settings):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.lake = folder / "lake"
        environment = {
            "HOME": str(folder),
            "BETEDGE_LISTEN": "127.0.0.1:0",
            "BETEDGE_LAKE": str(self.lake),
            "BETEDGE_STORE": str(store or folder / "jobs.db"),
            **({"THETA_BASE_URL": sim.base_url} if sim else {}),
            **({"THETA_API": sim.api, "NASDAQ_BASE_URL": f"http://127.0.0.1:{sim.control.port}"} if sim else {}),
            **{name: str(value) for name, value in settings.items()},
            **(environment or {}),
        }
        super().__init__(
            ["serve", *arguments], folder, environment, ready=self.READY, name="server", preexec=preexec
        )
        self.version, port = self.ready_line.groups()
        self.port = int(port)
        self.client = Client(self.port, ca=environment.get("BETEDGE_TLS_CERT"))
        self._marks = itertools.count()

    def events(self, name=None, **fields):
        """The events of that name with those fields, all that were logged before this was asked."""
        if self.popen.poll() is None:
            self._read_to_here()
        return super().events(name, **fields)

    def _read_to_here(self):
        # What a test learnt from an answer may still be on its way through the pipe. The line of a request of
        # our own comes behind it; where none comes (another log level, no more connections) it is let be.
        mark = f"/mark-{next(self._marks)}"
        try:
            self.client.get(mark)
            self.wait_event("request_received", timeout=2, path=mark)
        except (AssertionError, OSError, http.client.HTTPException):
            pass

    def wait_job(self, job_id, timeout=PATIENCE):
        """Waits for the job's end in the log, and returns how it stands."""

        def look():
            return [
                line
                for line in self.log
                if job_id in line and re.search(r"event=job_(completed|failed|cancelled)\b", line)
            ]

        # A job without items, or one that ended before a restart, says nothing any more.
        job = self.client.job(job_id)
        if job["status"] not in ("completed", "failed"):
            self.wait_until(look, f"the end of job {job_id}", timeout)
            job = self.client.job(job_id)
        assert job["status"] in ("completed", "failed"), job
        return job

    def objects(self):
        """The keys of all published objects."""
        return {
            str(path.relative_to(self.lake))
            for path in self.lake.rglob("data.*")
            if not any(part.startswith(".") for part in path.relative_to(self.lake).parts)
        }


class Sim(Process):
    """`betedge sim` on free ports: a terminal that does what the test says."""

    READY = (
        r"listening on http://127\.0\.0\.1:(\d+) \(v3\) and http://127\.0\.0\.1:(\d+) \(v2\)"
        r" and http://127\.0\.0\.1:(\d+) \(control\)"
    )

    def __init__(self, folder, api="v3", arguments=()):
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        super().__init__(
            ["sim", "--v3-port", 0, "--v2-port", 0, "--control-port", 0, *arguments],
            folder,
            ready=self.READY,
            name="sim",
        )
        self.v3_port, self.v2_port, control_port = map(int, self.ready_line.groups())
        self.control = Client(control_port)
        self.api = api

    @property
    def base_url(self):
        return f"http://127.0.0.1:{self.v2_port if self.api == 'v2' else self.v3_port}"

    def stats(self):
        return self.control.get("/sim/stats").json()

    def _put(self, path, **members):
        answer = self.control.request("PUT", path, members)
        assert answer.status == 200, answer

    def options(self, **options):
        """Changes options while it runs: latency="50ms"."""
        self._put("/sim/options", **{name.replace("_", "-"): value for name, value in options.items()})

    def faults(self, *faults):
        """From now on these faults, and no others."""
        self._put("/sim/faults", faults=list(faults))

    def terminal(self, state, **more):
        """up, down (closes without an answer), gone (nobody listens), starting, disconnected, kicked, wrong-ip;
        for_ms=N: for that long."""
        self._put("/sim/state", terminal=state, **more)

    def calls(self):
        """How often each call was made, by its canonical text."""
        return {call: record["calls"] for call, record in self.stats()["by_call"].items()}


class Scrape:
    """One answer of /metrics: series by name and labels."""

    def __init__(self, server, headers=None):
        self.answer = server.client.get("/metrics", headers=headers)
        assert self.answer.status == 200, self.answer
        self.series = {}
        for line in self.answer.text.splitlines():
            if line.startswith("#"):
                continue
            name, labels, value = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line).groups()
            key = (name, frozenset(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or "")))
            assert key not in self.series, line
            self.series[key] = float(value)

    def __call__(self, name, **labels):
        """The sum of the series that have these labels; None when there is none."""
        found = [value for (one, has), value in self.series.items() if one == name and set(labels.items()) <= has]
        return sum(found) if found else None


def until(look, what):
    """Asks again and again until `look()` gives something."""
    give_up = time.monotonic() + PATIENCE
    while not (found := look()):
        assert time.monotonic() < give_up, f"{what} did not come"
    return found


def drop_privileges():
    """For a child that must not be root: becomes nobody."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)


def ignore_file_size_signal():
    """For a child whose writes a test makes fail by a file size limit: the error, not the signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def stop_all(processes):
    for process in reversed(processes):
        if process.popen.poll() is None:
            process.kill()


def missing(what):
    """What a test needs and is not there: a named skip, a failure where nothing may be missing."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
