"""Sync mode and the rollout from sync to async, from outside: who is held, until when, and what is said."""

import re
import signal
import socket
import subprocess
import threading

import pytest

import harness
from test_metrics import Scrape

DAY = {"root": "AAPL", "start_date": "20240102", "end_date": "20240102", "schema": "ohlc"}
# No session in it: a job that has ended when it is made.
WEEKEND = {**DAY, "start_date": "20240106", "end_date": "20240107"}
PATHS = {"option": "/historical/option", "stock": "/historical/stock", "earnings": "/earnings"}
SENTENCES = {
    "option": "Failed to process historical option request",
    "stock": "Failed to process historical stock request",
    "earnings": "Failed to process earnings request",
}


class Asking:
    """A request in a thread of its own; `answers` is everybody's, in the order in which they came."""

    def __init__(self, server, path, body, answers=None, **headers):
        self.answer, self.fault = None, None

        def ask():
            try:
                self.answer = server.client.post(path, body, headers=headers)
            except OSError as fault:
                self.fault = fault
            if answers is not None:
                answers.append(self)

        self._thread = threading.Thread(target=ask, daemon=True)
        self._thread.start()

    def wait(self):
        self._thread.join(harness.PATIENCE)
        assert not self._thread.is_alive(), "no answer came"
        assert self.fault is None, self.fault
        return self.answer

    @property
    def is_held(self):
        return self._thread.is_alive()


def success(job):
    """What the original answered when it had done a request, byte for byte."""
    return f'{{"status":"success","request_id":"{job}"}}'


def detail_of(answer):
    """What went wrong, where the original said it: the first member."""
    assert answer.text.startswith('{"detail":"'), answer
    return answer.json()["detail"]


def only_job(server):
    job, = server.client.get("/jobs").json()["jobs"]
    return job["job_id"]


def let_go(sim):
    """Calls that hang are cut, and made again without a fault."""
    sim.faults()
    answer = sim.control.request("PUT", "/sim/state", {"terminal": "up", "drop_all": True})
    assert answer.status == 200, answer


def synchronous(serve, sim, **settings):
    return serve(
        sim, NASDAQ_BASE_URL=f"http://127.0.0.1:{sim.control.port}",
        **{"BETEDGE_ASYNC_DEFAULT": "false", "THETA_RETRY_DELAY": "10ms", **settings})


def mode_of(answer):
    """sync or async, by what the answer is; everything in it is looked at."""
    assert answer.status == 202, answer
    body = answer.json()
    if body["status"] == "success":
        assert answer.text == success(body["request_id"])
        assert answer.headers["Location"] == f"/jobs/{body['request_id']}"
        return "sync"
    job = body["job_id"]
    assert answer.text == (
        f'{{"status":"accepted","job_id":"{job}","message":"Request submitted for background processing",'
        f'"status_url":"/jobs/{job}"}}')
    assert answer.headers["Location"] == f"/jobs/{job}"
    return "async"


def test_a_request_is_held_until_its_job_ends(simulate, serve):
    sim = simulate("--fault", "hang@first=1")
    server = synchronous(serve, sim)
    asking = Asking(server, PATHS["stock"], DAY)
    server.wait_event("job_started")
    job = only_job(server)
    assert server.client.job(job)["status"] == "running"
    assert asking.is_held
    let_go(sim)
    answer = asking.wait()
    assert (answer.status, answer.text) == (202, success(job))
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Location"] == f"/jobs/{job}"
    ended = server.client.job(job)
    assert (ended["status"], ended["progress"]["percentage"]) == ("completed", 100.0)
    assert Scrape(server)("betedge_sync_requests_total", endpoint="stock") == 1
    assert server.wait_event("sync_answered")["job"] == job


REQUESTS = {
    "option": ({"root": "AAPL", "start_date": "20240102", "end_date": "20240104", "schema": "ohlc"},
               "473@kind=option,date=20240103", 3),
    "stock": ({"root": "AAPL", "start_date": "20240102", "end_date": "20240104", "schema": "ohlc"},
              "473@date=20240103", 3),
    "earnings": ({"start_date": "202401", "end_date": "202402"}, "403@kind=earnings,date=20240110", 2),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_some_items_failed_is_a_500_that_says_so_and_the_same_again_does_the_rest(simulate, serve, kind):
    body, fault, items = REQUESTS[kind]
    sim = simulate("--contracts", "4", "--fault", fault)
    server = synchronous(serve, sim, THETA_RETRY_ATTEMPTS=1)
    answer = server.client.post(PATHS[kind], body)
    job = only_job(server)
    ended = server.client.job(job)
    assert (ended["items"]["failed"], ended["items"]["succeeded"]) == (1, items - 1)
    assert ended["error_message"].startswith(f"1 of {items} items failed, see /jobs/{job}/items?state=failed: ")
    assert answer.status == 500
    assert detail_of(answer) == f"{SENTENCES[kind]}: {ended['error_message']}"
    kept = {key: (server.lake / key).stat().st_mtime_ns for key in server.objects()}

    sim.faults()
    again = server.client.post(PATHS[kind], body)
    second = again.json()["request_id"]
    assert (again.status, again.text) == (202, success(second))
    assert second != job
    done = server.client.job(second)["items"]
    assert (done["skipped"], done["succeeded"]) == (items - 1, 1)
    assert len(server.objects()) == items
    assert {key: (server.lake / key).stat().st_mtime_ns for key in kept} == kept


@pytest.mark.parametrize("kind", REQUESTS)
def test_all_items_failed_is_a_500_that_says_why(simulate, serve, kind):
    body, _, items = REQUESTS[kind]
    sim = simulate("--contracts", "4", "--fault", "403")
    server = synchronous(serve, sim, THETA_RETRY_ATTEMPTS=1)
    answer = server.client.post(PATHS[kind], body)
    ended = server.client.job(only_job(server))
    assert (ended["status"], ended["state"], ended["items"]["failed"]) == ("failed", "failed", items)
    assert answer.status == 500
    assert ended["error_message"].startswith(f"{items} of {items} items failed: ")
    assert detail_of(answer) == f"{SENTENCES[kind]}: {ended['error_message']}"
    assert Scrape(server)("betedge_sync_requests_total", endpoint=kind) == 1


def test_what_is_no_failure_is_a_success(simulate, serve):
    server = synchronous(serve, simulate("--fault", "472@date=20240103"))
    for body in ({**DAY, "end_date": "20240103"}, WEEKEND):
        answer = server.client.post(PATHS["stock"], body)
        assert (answer.status, answer.text) == (202, success(answer.json()["request_id"]))


def test_a_request_that_is_refused_is_refused_at_once_as_before(simulate, serve):
    server = synchronous(serve, simulate())
    answer = server.client.post(PATHS["stock"], {**DAY, "end_date": "20240101"})
    assert answer.status == 422
    assert Scrape(server)("betedge_sync_requests_total") == 0


# The request's Prefer; whether its job ends meanwhile; the answer's mode and its Preference-Applied.
PREFERENCES = [
    ("respond-async", False, "async", "respond-async"),
    ("wait=0", False, "async", "wait=0"),
    ("wait=1", False, "async", "wait=1"),
    ("respond-async, wait=1", False, "async", "respond-async, wait=1"),
    ("wait=1, respond-async", False, "async", "respond-async, wait=1"),
    ("wait=30", True, "sync", "wait=30"),
    ("respond-async, wait=30", True, "sync", "respond-async, wait=30"),
    ("wait=86400", True, "sync", "wait=30"),
    ('Wait="30"; x=y', True, "sync", "wait=30"),
    ("wait=soon", True, "sync", None),
    ("return=minimal", True, "sync", None),
]


@pytest.mark.parametrize("prefer, ends, mode, applied", PREFERENCES)
def test_what_a_request_prefers_is_done_and_said(simulate, serve, prefer, ends, mode, applied):
    sim = simulate(*([] if ends else ["--fault", "hang"]))
    server = synchronous(serve, sim)
    answer = server.client.post(PATHS["stock"], DAY, headers={"Prefer": prefer})
    assert (mode_of(answer), answer.headers["Preference-Applied"]) == (mode, applied)
    if not ends:
        assert server.client.job(answer.json()["job_id"])["status"] in ("pending", "running")
    counted = Scrape(server)("betedge_sync_requests_total", endpoint="stock")
    assert counted == (1 if mode == "sync" else 0)


def test_who_is_async_may_ask_to_be_held(simulate, serve):
    server = serve(simulate())
    answer = server.client.post(PATHS["stock"], DAY, headers={"Prefer": "wait=30"})
    assert (mode_of(answer), answer.headers["Preference-Applied"]) == ("sync", "wait=30")


def test_a_held_client_that_goes_away_leaves_its_job_running(simulate, serve):
    sim = simulate("--fault", "hang@first=1")
    server = synchronous(serve, sim)
    body = '{"root":"AAPL","start_date":"20240102","end_date":"20240103","schema":"ohlc"}'
    with socket.create_connection(("127.0.0.1", server.port), timeout=harness.PATIENCE) as connection:
        connection.sendall((f"POST /historical/stock HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode())
        server.wait_event("job_started")
    job = only_job(server)
    let_go(sim)
    ended = server.wait_job(job)
    assert (ended["status"], ended["items"]["succeeded"]) == ("completed", 2)
    assert server.stop() == 0


def test_at_shutdown_a_held_request_gets_503_and_the_next_start_does_its_job(simulate, serve):
    sim = simulate("--fault", "hang")
    server = synchronous(serve, sim)
    asking = {kind: Asking(server, PATHS[kind], body) for kind, (body, _, _) in REQUESTS.items()}
    server.wait_event("job_started", count=3)
    assert all(one.is_held for one in asking.values())
    server.signal(signal.SIGTERM)
    jobs = {}
    for kind, one in asking.items():
        answer = one.wait()
        assert answer.status == 503
        assert answer.headers["Location"].startswith("/jobs/")
        assert int(answer.headers["Retry-After"]) >= 1
        assert detail_of(answer) == f"{SENTENCES[kind]}: the server is stopping; the job goes on at its next start"
        jobs[kind] = answer.headers["Location"].removeprefix("/jobs/")
    let_go(sim)
    assert server.wait() == 0
    server = synchronous(serve, sim)
    for kind, job in jobs.items():
        ended = server.wait_job(job)
        assert (ended["status"], ended["items"]["succeeded"]) == ("completed", REQUESTS[kind][2])


def sessions(count):
    """So many days of the first half of 2024 that are sessions."""
    days = [f"2024{month:02}{day:02}" for month, days in (
        (1, (2, 3, 4, 5, *range(8, 13), *range(16, 20), *range(22, 27), 29, 30, 31)),
        (2, (1, 2, *range(5, 10), *range(12, 17), *range(20, 24), *range(26, 30))),
        (3, (1, *range(4, 9), *range(11, 16), *range(18, 23), *range(25, 29))),
        (4, (*range(1, 6), *range(8, 13), *range(15, 20), *range(22, 27), 29, 30)),
        (5, (1, 2, 3, *range(6, 11), *range(13, 18), *range(20, 25)))) for day in days]
    assert len(days) >= count
    return days[:count]


def test_a_hundred_held_requests_slow_no_other(simulate, serve):
    # Their answers are cut in a row, which is tried again after an hour at the earliest: they hold
    # no slot of the terminal's, and none of them ends before it is told to.
    server = synchronous(serve, simulate("--fault", "cut-row@symbol=MSFT"), THETA_RETRY_DELAY="7200")
    answers = []
    held = [
        Asking(server, PATHS["stock"], {**DAY, "root": "MSFT", "start_date": day, "end_date": day}, answers)
        for day in sessions(100)
    ]
    server.wait_event("item_retry", count=100)
    assert Scrape(server)("http_server_active_requests") == 101, "the hundred, and who asks this"

    fast = server.client.post(PATHS["stock"], DAY, headers={"Prefer": "respond-async"})
    assert mode_of(fast) == "async"
    jobs = [job["job_id"] for job in server.client.get("/jobs").json()["jobs"]]
    assert len(jobs) == 101
    for job in jobs:
        assert server.client.job(job)["job_id"] == job
    assert server.wait_job(fast.json()["job_id"])["status"] == "completed"
    assert mode_of(server.client.post(PATHS["stock"], {**DAY, "root": "IBM"})) == "sync"
    assert server.client.get("/health").status == 200
    assert not answers, "all of that came before any of the hundred"
    assert Scrape(server)("betedge_sync_requests_total", endpoint="stock") == 1

    for job in jobs:
        if job != fast.json()["job_id"]:
            assert server.client.post(f"/jobs/{job}/cancel", None).status in (200, 202)
    for one in held:
        answer = one.wait()
        assert (answer.status, detail_of(answer)) == (500, f"{SENTENCES['stock']}: cancelled")
    assert len({one.answer.headers["Location"] for one in held}) == 100
    assert Scrape(server)("betedge_sync_requests_total", endpoint="stock") == 101


def write(server, text):
    (server.folder / "betedge.toml").write_text(text)


def reload(server):
    count = len(server.events("settings_reloaded")) + 1
    server.signal(signal.SIGHUP)
    return server.wait_event("settings_reloaded", count=count)


def asked(server, kind="stock", **headers):
    body = {"start_date": "202401", "end_date": "202401"} if kind == "earnings" else WEEKEND
    return server.client.post(PATHS[kind], body, headers=headers)


# A file's [async], and how it has whom answered: (endpoint, X-Client-Id, mode).
PRECEDENCE = {
    "default": ("default = false", [("stock", None, "sync"), ("option", "ann", "sync")]),
    "a_new_install": ("", [("stock", None, "async"), ("option", "ann", "async")]),
    "endpoint_before_default": (
        "default = false\nendpoints = { option = true }",
        [("option", None, "async"), ("option", "ann", "async"), ("stock", None, "sync")]),
    "endpoint_off_before_default_on": (
        "endpoints = { stock = false }", [("option", None, "async"), ("stock", None, "sync")]),
    "percentage_before_endpoint": (
        "default = false\npercentage = 100\nendpoints = { option = false }",
        [("option", None, "async"), ("stock", "ann", "async")]),
    "percentage_before_endpoint_outside_the_share": (
        "percentage = 0\nendpoints = { option = true }", [("option", None, "sync"), ("stock", "ann", "sync")]),
    "client_before_percentage": (
        "percentage = 100\nclients = { ann = false }",
        [("stock", "ann", "sync"), ("stock", "bob", "async"), ("stock", None, "async")]),
    "client_before_all_else": (
        "default = false\npercentage = 0\nendpoints = { stock = false }\nclients = { ann = true }",
        [("stock", "ann", "async"), ("stock", "bob", "sync"), ("stock", None, "sync")]),
}


@pytest.fixture(scope="module")
def rolled(tmp_path_factory):
    """One server whose file changes."""
    server = harness.Server(tmp_path_factory.mktemp("rolled"))
    yield server
    harness.stop_all([server])


@pytest.mark.parametrize("name", PRECEDENCE)
def test_the_stronger_setting_decides(rolled, name):
    settings, expected = PRECEDENCE[name]
    write(rolled, f"[async]\n{settings}\n")
    reload(rolled)
    for kind, client, mode in expected:
        headers = {"X-Client-Id": client} if client else {}
        assert mode_of(asked(rolled, kind, **headers)) == mode, (kind, client)


def test_a_request_decides_before_every_setting(rolled):
    write(rolled, "[async]\ndefault = false\nclients = { ann = false }\n")
    reload(rolled)
    assert mode_of(asked(rolled, **{"X-Client-Id": "ann"})) == "sync"
    for prefer in ("respond-async", "wait=0"):
        answer = asked(rolled, Prefer=prefer, **{"X-Client-Id": "ann"})
        assert (mode_of(answer), answer.headers["Preference-Applied"]) == ("async", prefer)
    write(rolled, "[async]\nclients = { ann = true }\n")
    reload(rolled)
    assert mode_of(asked(rolled, Prefer="wait=30", **{"X-Client-Id": "ann"})) == "sync"


def test_a_percentage_takes_in_a_share_that_only_grows(rolled):
    names = [f"client-{number}" for number in range(60)]

    def taken_in(percentage):
        write(rolled, f"[async]\npercentage = {percentage}\n")
        reload(rolled)
        return {name for name in names if mode_of(asked(rolled, **{"X-Client-Id": name})) == "async"}

    shares = [taken_in(percentage) for percentage in (0, 25, 50, 100)]
    assert shares[0] == set() and shares[3] == set(names)
    assert shares[1] < shares[2]
    assert 6 <= len(shares[1]) <= 24 and 18 <= len(shares[2]) <= 42
    assert taken_in(25) == shares[1], "who is in does not change"
    # Who has no name is taken by address, and stays where it is.
    assert len({mode_of(asked(rolled)) for _ in range(5)}) == 1


def test_a_client_is_its_tokens_name_before_what_it_says_of_itself(serve, folder):
    made = subprocess.run(
        [harness.BINARY, "token", "ann", "--file", "tokens"], cwd=folder, env={"PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE)
    assert made.returncode == 0, made.stderr
    server = serve(BETEDGE_TOKENS=folder / "tokens", BETEDGE_ASYNC_DEFAULT="false",
                   BETEDGE_ASYNC_CLIENTS="ann=true,bob=false")
    bearer = {"Authorization": f"Bearer {made.stdout.strip()}"}
    assert mode_of(asked(server, **bearer)) == "async"
    assert mode_of(asked(server, **bearer, **{"X-Client-Id": "bob"})) == "async"


def test_when_the_fallback_is_gone_nobody_is_held_and_who_would_be_is_told(simulate, serve):
    sim = simulate("--fault", "hang")
    server = synchronous(serve, sim, BETEDGE_SYNC_ENABLED="false", BETEDGE_ASYNC_CLIENTS="new=true")
    for headers, is_told, applied in (
        ({}, True, None), ({"X-Client-Id": "old"}, True, None), ({"Prefer": "wait=30"}, True, None),
        ({"X-Client-Id": "new"}, False, None), ({"Prefer": "respond-async"}, False, "respond-async"),
    ):
        answer = server.client.post(PATHS["stock"], DAY, headers=headers)
        assert mode_of(answer) == "async", headers
        assert bool(re.fullmatch(r"@\d+", answer.headers["Deprecation"] or "")) == is_told, headers
        assert answer.headers["Preference-Applied"] == applied, headers
    server.wait_event("sync_refused", count=3, path="/historical/stock")
    assert Scrape(server)("betedge_sync_requests_total") == 0
    let_go(sim)
    assert server.stop() == 0
    assert len(server.events("sync_refused")) == 3


def test_the_metric_counts_who_was_answered_sync_by_endpoint(simulate, serve):
    server = synchronous(serve, simulate("--contracts", "4"), BETEDGE_ASYNC_CLIENTS="new=true")
    for kind, (body, _, _) in REQUESTS.items():
        assert Scrape(server)("betedge_sync_requests_total", endpoint=kind) == 0, "there before the first"
        assert mode_of(server.client.post(PATHS[kind], body)) == "sync"
        assert mode_of(server.client.post(PATHS[kind], body, headers={"X-Client-Id": "new"})) == "async"
    for _ in range(2):
        assert mode_of(asked(server, "option")) == "sync"
    scrape = Scrape(server)
    assert {kind: scrape("betedge_sync_requests_total", endpoint=kind) for kind in PATHS} == {
        "option": 3, "stock": 1, "earnings": 1}
    durations = "http_server_request_duration_seconds_count"
    assert scrape(durations, http_route="/historical/option", mode="sync") == 3
    assert scrape(durations, http_route="/historical/option", mode="async") == 1
    server.wait_event("sync_answered", count=5, client="")
    assert not server.events("sync_answered", client="new"), "it was never held"
