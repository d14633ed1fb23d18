"""docs/migration.md, followed: its files and commands as they stand there, while clients go on asking.

The clients are of the original's form: they know its requests and its two kinds of answers, and
anything else is an error.
"""

import http.client
import itertools
import json
import os
import re
import shlex
import subprocess
import threading
import tomllib

import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.parquet as parquet
import pytest

import harness
from harness import ROOT
from test_s3 import bucket, minio_settings  # noqa: F401: a fixture

PAGE = (ROOT / "docs" / "migration.md").read_text()
ADDRESS = "127.0.0.1:8001"  # as the page has it
# Days that the page's own commands do not ask for.
DAYS = [f"202401{day:02}" for day in (4, 5, 8, 9, 10, 11, 12, 16, 17, 18, 19)]
OLD_DAY = "20240131"  # its object is the original's own


def sections(level):
    """Each heading of that level and what stands below it."""
    found = re.split(rf"^{'#' * level} (.+)$", PAGE, flags=re.MULTILINE)[1:]
    return {title: text.split("\n## ")[0] for title, text in zip(found[::2], found[1::2])}


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def commands(text):
    """Each `$ command` of a text's console blocks, and what it answers."""
    for block in blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, answer = part.partition("\n")
            yield command, answer


def pattern_of(answer):
    """An answer of the page as a pattern: … is anything within a line, and a line of it any lines."""
    lines = [r"(?:.*\n)*" if line == "…" else re.escape(line).replace("…", ".*") + r"\n"
             for line in answer.splitlines()]
    return "".join(lines)


class Operator:
    """Does in the server's folder what the page says, at a server with another address."""

    def __init__(self, folder, environment):
        self.folder, self.environment, self.server = folder, environment, None
        (folder / "bin").mkdir()
        (folder / "bin" / "betedge").symlink_to(harness.BINARY)

    def write(self, file):
        (self.folder / "betedge.toml").write_text(file)

    def run(self, command, answer):
        reloads = len(self.server.events("settings_reloaded")) if self.server else 0
        environment = {"PATH": f"{self.folder}/bin:/usr/bin:/bin", "HOME": str(self.folder), **self.environment}
        if self.server:
            environment |= {"PID": str(self.server.popen.pid), "BETEDGE_URL": f"http://127.0.0.1:{self.server.port}"}
            command = command.replace(ADDRESS, f"127.0.0.1:{self.server.port}")
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", command], cwd=self.folder, env=environment,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE)
        said = done.stdout if done.stdout.endswith("\n") or not done.stdout else done.stdout + "\n"
        said = said.replace("\r\n", "\n")
        assert done.returncode == 0, (command, done)
        assert re.fullmatch(pattern_of(answer), said), f"$ {command}\n{said}--- but the page says\n{answer}"
        if "kill -HUP" in command:
            self.server.wait_event("settings_reloaded", count=reloads + 1)
            assert not self.server.events("settings_rejected")

    def follow(self, text):
        for command, answer in commands(text):
            self.run(command, answer)

    def take_step(self, text):
        file, = blocks(text, "toml")
        self.write(file)
        self.follow(text)


class OriginalClient:
    """Asks as the original's clients do, one request after the other, until it is told to stop."""

    def __init__(self, port, name=None):
        self.port, self.name = port, name
        self.errors, self.answers = [], 0
        self.settings = None  # of the file that is in force, while it is not being changed
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _request(self, method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=harness.PATIENCE)
        headers = {"Content-Type": "application/json"} if body else {}
        if self.name:
            headers["X-Client-Id"] = self.name
        try:
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def _ask(self, path, body):
        """sync or async; raises on whatever the original did not say."""
        status, text = self._request("POST", path, body)
        assert status == 202, (path, status, text)
        answer = json.loads(text)
        if answer["status"] == "success":
            assert list(answer) == ["status", "request_id"], text
            return "sync"
        assert list(answer) == ["status", "job_id", "message", "status_url"], text
        while True:
            status, text = self._request("GET", answer["status_url"])
            assert status == 200, (answer["status_url"], status, text)
            job = json.loads(text)
            assert job["job_id"] == answer["job_id"]
            if job["status"] in ("completed", "failed"):
                break
        assert (job["status"], job["error_message"]) == ("completed", None), text
        assert job["progress"]["completed"] == job["progress"]["total"]
        return "async"

    def _run(self):
        requests = itertools.cycle(
            [*((kind, {"root": "AAPL", "start_date": day, "end_date": day, "schema": schema})
               for day in DAYS for kind, schema in (("stock", "quote"), ("stock", "ohlc"), ("option", "quote"))),
             ("stock", {"root": "AAPL", "start_date": OLD_DAY, "end_date": OLD_DAY, "schema": "ohlc"}),
             ("stock", {"root": "AAPL", "start_date": "20240101", "end_date": "20240131", "schema": "eod"}),
             ("option", {"root": "AAPL", "start_date": "20240101", "end_date": "20240131", "schema": "eod"}),
             ("earnings", {"start_date": "202401", "end_date": "202401"})])
        for kind, body in requests:
            with self._changed:
                if self._stopped:
                    return
                before = self.settings
            try:
                mode = self._ask("/earnings" if kind == "earnings" else f"/historical/{kind}", body)
                with self._changed:
                    expected = mode_of(before, self.name, kind) if before and self.settings is before else None
                    assert expected in (None, mode), (kind, body, mode, before)
            except (AssertionError, OSError, ValueError, KeyError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
            with self._changed:
                self.answers += 1
                self._changed.notify_all()

    def changing(self):
        """From now on either answer is right."""
        with self._changed:
            self.settings = None

    def changed(self, settings):
        """And from now on the one of these settings; returns when it has been asked for."""
        with self._changed:
            self.settings = settings
            until = self.answers + 3
            assert self._changed.wait_for(lambda: self.answers >= until, harness.PATIENCE)

    def stop(self):
        with self._changed:
            self._stopped = True
        self._thread.join(harness.PATIENCE)
        assert not self._thread.is_alive()


def mode_of(settings, client, kind):
    """Who is answered how, as the page has it; None where it depends on more than that."""
    rules = settings.get("async", {})
    if not settings.get("sync", {}).get("enabled", True):
        return "async"
    if client in rules.get("clients", {}):
        return "async" if rules["clients"][client] else "sync"
    if "percentage" in rules:
        return {0: "sync", 100: "async"}.get(rules["percentage"])
    return "async" if rules.get("endpoints", {}).get(kind, rules.get("default", True)) else "sync"


UINT32, FLOAT, STRING = pa.uint32(), pa.float32(), pa.string()
QUOTE = {
    "ms_of_day": UINT32, "bid_size": UINT32, "bid_exchange": UINT32, "bid": FLOAT, "bid_condition": UINT32,
    "ask_size": UINT32, "ask_exchange": UINT32, "ask": FLOAT, "ask_condition": UINT32, "date": UINT32,
}
OHLC = {
    "ms_of_day": UINT32, "open": FLOAT, "high": FLOAT, "low": FLOAT, "close": FLOAT, "volume": UINT32,
    "count": UINT32, "date": UINT32,
}
EOD = {
    "ms_of_day": UINT32, "ms_of_day2": UINT32, "open": FLOAT, "high": FLOAT, "low": FLOAT, "close": FLOAT,
    "volume": UINT32, "count": UINT32, **{name: kind for name, kind in QUOTE.items() if name != "ms_of_day"},
}
CONTRACT = {"root": STRING, "expiration": UINT32, "strike": UINT32, "right": STRING}
EARNINGS = {
    "date": STRING, "symbol": STRING, "name": STRING, "time": STRING, "eps": pa.float64(),
    "eps_forecast": pa.float64(), "surprise_pct": pa.float64(), "market_cap": pa.int64(),
    "fiscal_quarter_ending": STRING, "num_estimates": pa.int64(),
}


def keys_of_the_original():
    """Where the original puts, and looks for, what its clients asked for here; and its columns."""
    for day in DAYS:
        date = f"{day[:4]}/{day[4:6]}/{day[6:]}"
        yield f"historical-stock/quote/1m/AAPL/{date}/data.parquet", QUOTE
        yield f"historical-stock/ohlc/1m/AAPL/{date}/data.parquet", OHLC
        yield f"historical-options/quote/15m/all/AAPL/{date}/data.parquet", QUOTE | CONTRACT
    yield "historical-stock/eod/AAPL/2024/data.parquet", EOD
    yield "historical-options/eod/AAPL/2024/01/data.parquet", EOD | CONTRACT
    yield "earnings/2024/01/data.parquet", EARNINGS


def key_of_ohlc(day):
    return f"historical-stock/ohlc/1m/AAPL/{day[:4]}/{day[4:6]}/{day[6:]}/data.parquet"


class Lake:
    """The bucket, as the original's loaders and its publisher see it."""

    def __init__(self, bucket, name):
        import boto3  # comes with moto; the fixture has looked for it
        from botocore.config import Config

        self.name = name
        self.client = boto3.client(
            "s3", endpoint_url=bucket["endpoint"], region_name="us-east-1",
            aws_access_key_id=bucket["may_all"]["access_key"],
            aws_secret_access_key=bucket["may_all"]["secret_key"],
            config=Config(request_checksum_calculation="when_required"))
        self.client.create_bucket(Bucket=name)

    def bytes_of(self, key):
        return self.client.get_object(Bucket=self.name, Key=key)["Body"].read()

    def table(self, key):
        return parquet.read_table(pa.BufferReader(self.bytes_of(key)))

    def put(self, key, table):
        file = pa.BufferOutputStream()
        parquet.write_table(table, file)
        self.client.put_object(Bucket=self.name, Key=key, Body=file.getvalue().to_pybytes())
        return self.bytes_of(key)


def of_the_original():
    """A day's bars as the original wrote them."""
    columns = {name: [1, 2] for name in OHLC} | {"date": [int(OLD_DAY)] * 2}
    return pa.table(columns, schema=pa.schema(list(OHLC.items())))


@pytest.fixture
def steps():
    found = sections(3)
    numbered = [text for title, text in found.items() if re.match(r"\d+\. ", title)]
    assert len(numbered) == 7
    return numbered


def test_the_way_over_and_back_with_clients_that_notice_nothing(bucket, steps, simulate, folder, processes):  # noqa: F811
    if not os.access("/usr/bin/curl", os.X_OK):
        harness.missing("no curl, which the page's commands use")
    sim = simulate("--contracts", "4")
    beside, *changes = steps
    environment_block, start = blocks(beside, "sh")
    page = dict(line.split("=") for line in environment_block.split())
    name = page["MINIO_BUCKET"]
    minio = {**minio_settings(bucket), "MINIO_BUCKET": name}
    assert set(page) <= set(minio)
    lake = Lake(bucket, name)
    old = lake.put(key_of_ohlc(OLD_DAY), of_the_original())

    # 1. Beside it. The first command makes the file that the server is started with.
    operator = Operator(folder, minio)
    making, *looking = commands(beside)
    operator.run(*making)
    assert (folder / "betedge.toml").read_text() == making[1].partition("\n")[2]
    words = shlex.split(start)
    variables = dict(word.split("=") for word in words[: words.index("betedge")])
    arguments = [word.replace(ADDRESS, "127.0.0.1:0") for word in words[words.index("betedge") + 2 :]]
    assert words[words.index("betedge") + 1] == "serve" and arguments == ["--listen", "127.0.0.1:0"]

    def start_server(**more):
        server = harness.Server(
            folder, sim, arguments, NASDAQ_BASE_URL=f"http://127.0.0.1:{sim.control.port}", **minio, **more)
        processes.append(server)
        operator.server = server
        return server

    server = start_server(**variables)
    for command in looking:
        operator.run(*command)

    # 2. to 7., and back from each; with clients that are named on the page, and one that is not.
    clients = [OriginalClient(server.port, client) for client in (None, "ann", "bob")]

    def take(step):
        for client in clients:
            client.changing()
        operator.take_step(step)
        settings = tomllib.loads(blocks(step, "toml")[0])
        for client in clients:
            client.changed(settings)

    before = None
    for step in changes:
        take(step)
        if before:
            take(before)
            take(step)
        before = step
    for step in reversed(changes[:-1]):
        take(step)
    for client in clients:
        client.stop()
        assert not client.errors
        assert client.answers >= len(DAYS) * 3 + 4, "it asked for everything at least once"
    assert not server.events("item_failed")

    # Back to the Python service.
    operator.follow(sections(3)["Back to the Python service"])
    assert server.wait() == 0
    for key, columns in keys_of_the_original():
        table = lake.table(key)
        types = dict(zip(table.schema.names, table.schema.types))
        assert list(types)[: len(columns)] == list(columns), key
        assert {column: types[column] for column in columns} == columns, key
        assert table.num_rows > 0
    assert lake.bytes_of(key_of_ohlc(OLD_DAY)) == old, "what the original wrote is as it was"

    # And forward again without a way back: float64, and what is asked for again is written anew.
    day = {"root": "AAPL", "start_date": DAYS[0], "end_date": DAYS[0], "schema": "ohlc"}
    narrow = lake.table(key_of_ohlc(DAYS[0]))
    file = blocks(changes[-1], "toml")[0]
    operator.write(file.partition("[lake]")[0])
    server = start_server()
    assert server.wait_job(server.client.submit("stock", **day))["items"]["succeeded"] == 1
    wide = lake.table(key_of_ohlc(DAYS[0]))
    for column, kind in OHLC.items():
        assert wide.schema.field(column).type == (pa.float64() if kind == FLOAT else kind)
        assert compute.cast(wide[column], kind, safe=False).equals(narrow[column]), column
    old_day = server.client.submit("stock", **{**day, "start_date": OLD_DAY, "end_date": OLD_DAY})
    assert server.wait_job(old_day)["items"]["skipped"] == 1
    assert server.stop() == 0
    operator.write(file)
    server = start_server()
    assert server.wait_job(server.client.submit("stock", **day))["items"]["succeeded"] == 1
    assert lake.table(key_of_ohlc(DAYS[0])).equals(narrow)
    assert server.stop() == 0


def test_every_step_says_how_it_is_seen_what_is_noticed_and_how_to_go_back(steps):
    for number, step in enumerate(steps, 1):
        assert list(commands(step)), number
        assert "\nClients" in step or "\nEverybody" in step or "\nNobody" in step or "\nOnly the clients" in step, number
        assert "\n**Back:** " in step, number
        if number > 1:
            assert "$ kill -HUP $PID" in step, number


def test_there_is_one_table_of_differences():
    rows = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            for line in PAGE.splitlines() if line.startswith("|")]
    assert rows[0] == ["difference", "part", "the original", "betedge", "why", "way back"]
    assert set(rows[1]) == {"---"}
    assert {row[1] for row in rows[2:]} == {"answers", "jobs", "files", "settings"}
    names = [row[0] for row in rows[2:]]
    assert len(names) == len(set(names)) >= 30
    assert all(len(row) == 6 and all(row) for row in rows), "every difference has a reason and a way back"
