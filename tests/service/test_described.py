"""What the server says of itself is what it does.

schemathesis reads /openapi.json from the running server and asks whatever that allows, and much that
it does not; an answer that is not described is a failure. And every code of the table of errors is
brought about by some request.
"""

import html
import http.client
import json
import re
import resource
import shlex
import socket
import subprocess
import sys
import threading
from pathlib import Path

import openapi_spec_validator
import pytest

import harness
from harness import PATIENCE, Response, ignore_file_size_signal

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
DAY = {"root": "AAPL", "start_date": "20240102", "end_date": "20240102", "schema": "ohlc"}
NOBODY = "/jobs/00000000-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def description(shared_server):
    return shared_server.client.get("/openapi.json").json()


def test_the_description_is_openapi(description):
    openapi_spec_validator.validate(description)
    assert description["openapi"] == "3.1.0"
    for name in ("JobInfo", "JobStatus", "JobAccepted", "Problem", "ValidationProblem"):
        assert name in description["components"]["schemas"]


def contract(server, folder, seed, *arguments):
    """schemathesis against the server; what it found, when it found something."""
    ran = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIGURATION, "run",
         f"http://127.0.0.1:{server.port}/openapi.json", "--no-color", "--seed", str(seed), *map(str, arguments)],
        cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    assert ran.returncode == 0, ran.stdout[-20000:]
    asked = re.search(r"(\d+) generated", ran.stdout)
    assert asked and int(asked[1]) > 500, ran.stdout[-3000:]
    assert server.popen.poll() is None
    return ran.stdout


@pytest.fixture
def described(simulate, serve):
    """A server that small machines survive: what schemathesis thinks of asks for centuries."""
    return serve(simulate("--contracts", "5"), BETEDGE_LIMITS_ITEMS_PER_JOB=200)


def test_nothing_is_answered_that_is_not_described(described, folder):
    """Endpoint by endpoint, then job after job: what one answer named is what the next request asks for."""
    contract(described, folder, 20240102, "--max-examples", 8)


@pytest.mark.contract
@pytest.mark.parametrize("seed", range(1, 6))
def test_nothing_is_found_for_long(described, folder, seed):
    contract(described, folder, seed, "--max-examples", 300, "--max-time", 300)


def test_the_examples_of_the_page_are_understood(simulate, serve):
    """Each curl line, read as curl reads it."""
    server = serve(simulate("--contracts", "5"))
    job = server.client.submit("stock", **DAY)
    server.wait_job(job)
    lines = re.findall(r"<pre><code>(curl .*?)</code></pre>", server.client.get("/docs").text)
    asked = []
    for line in sorted(map(html.unescape, lines), key=lambda line: "DELETE" in line):
        url, *options = shlex.split(
            line.removeprefix("curl ").replace("$BETEDGE_URL", "").replace("$JOB", job).replace("$BETEDGE_TOKEN", "x")
        )
        method, body = "GET", None
        while options:
            option = options.pop(0)
            if option == "--json":
                method, body = (method if method != "GET" else "POST"), options.pop(0)
            elif option == "-X":
                method = options.pop(0)
            elif option == "-c":
                options.pop(0)
            else:
                assert option in ("-N", "-OJ"), line
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)
        connection.request(method, url, body, {"Content-Type": "application/json"} if body else {})
        answer = connection.getresponse()  # its head alone: one of them never ends
        # 409: nothing to retry, and no tokens to log in with.
        assert answer.status < 400 or answer.status == 409, (line, answer.read())
        asked.append(line)
        connection.close()
    assert len(asked) >= 20


# --- every code, brought about --------------------------------------------------------------------

# What cannot be made to happen from outside at will, and where it is tested instead.
NOT_FROM_OUTSIDE = {
    "idempotency_in_flight": "two requests in the same moment: tests/unit/server/api_test.cpp",
    "lake_unavailable": "a lake that fails: tests/unit/server/lake_api_test.cpp",
    "verification_in_progress": "two in the same moment: tests/unit/server/lake_api_test.cpp",
    "internal_error": "a handler that throws: tests/unit/server/api_test.cpp",
    "request_timeout": "ten seconds of silence: tests/unit/server/api_test.cpp, net/http_server_test.cpp",
    "starting": "the moment before the store is open: tests/unit/server/api_test.cpp",
    "unavailable": "a store that takes too long: tests/unit/server/answers_test.cpp",
}


@pytest.fixture(scope="module")
def codes(shared_server):
    """The documented codes, each with its status, as the page has them."""
    page = shared_server.client.get("/docs").text
    table = page[page.index('id="errors"') : page.index('id="shapes"')]
    return {code: int(status) for code, status in re.findall(r'<tr id="([a-z_]+)">.*?<td>(\d{3}) ', table)}


@pytest.fixture(scope="module")
def seen():
    """The codes that were brought about."""
    return set()


@pytest.fixture
def met(codes, seen):
    """Checks that an answer is the error of that code, with everything that an error has."""

    def check(code, answer):
        problem = json.loads(answer.body)
        assert (problem["code"], answer.status, problem["status"]) == (code, codes[code], codes[code]), problem
        assert problem["type"] == f"/docs#{code}" and problem["title"]
        assert list(problem)[0] == "detail" and list(problem)[-1] == "code", problem
        assert answer.headers["Betedge-Error"] == code
        assert answer.headers["Content-Type"] == "application/json"
        seen.add(code)

    return check


def raw(server, request):
    """The answer to bytes that no client would send."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        return Response(answer.status, answer.reason, answer.headers, answer.read())


def test_the_form_of_a_request(shared_server, met):
    def line(first, *headers):
        return "\r\n".join([first, "Host: localhost", *headers, "", ""]).encode()

    for code, request in {
        "bad_request": line("GET /"),
        "expectation_failed": line("GET / HTTP/1.1", "Expect: miracles"),
        "headers_too_large": line("GET / HTTP/1.1", *["X: 1"] * 200),
        "not_implemented": line("POST / HTTP/1.1", "Transfer-Encoding: gzip"),
        "version_not_supported": line("GET / HTTP/2.0"),
        "payload_too_large": line("POST /earnings HTTP/1.1", "Content-Length: 9999999"),
    }.items():
        met(code, raw(shared_server, request))


def test_the_content_of_a_request(shared_server, met):
    client = shared_server.client
    for code, answer in {
        "body_unreadable": client.post("/earnings", b"\xff", {"Content-Type": "application/json"}),
        "validation_error": client.post("/earnings", {}),
        "invalid_client_id": client.get("/jobs", {"X-Client-Id": "x" * 65}),
        "invalid_cursor": client.get(f"{NOBODY}/items?cursor=x"),
        "invalid_idempotency_key": client.post("/historical/stock", DAY, {"Idempotency-Key": "x" * 256}),
        "invalid_job_id": client.get("/jobs/x"),
        "invalid_label": client.get("/jobs?label=x"),
        "invalid_state": client.get(f"{NOBODY}/items?state=x"),
        "invalid_status": client.get("/jobs?job_status=x"),
        "not_found": client.get("/nope"),
        "job_not_found": client.get(NOBODY),
        "object_not_found": client.get("/objects/nothing"),
        "upstream_not_found": client.request("PUT", "/upstreams/nobody", {"concurrency": 1}),
        "method_not_allowed": client.request("PATCH", "/jobs"),
        "misdirected": client.get("/jobs", {"Host": "evil.example"}),
        "foreign_origin": client.post("/earnings", {}, {"Origin": "https://evil.example"}),
        "unsupported_media_type": client.post("/login", b"x", {"Content-Type": "text/plain"}),
        "login_not_needed": client.post("/login", {"token": "x"}),
    }.items():
        met(code, answer)


def test_the_state_of_jobs(simulate, serve, met):
    server = serve(simulate("--contracts", "5"), BETEDGE_LIMITS_QUEUED_ITEMS=3)
    client = server.client
    key = {"Idempotency-Key": "monday"}
    job = client.post("/historical/stock", DAY, key).json()["job_id"]
    met("idempotency_key_reused", client.post("/historical/stock", {**DAY, "root": "MSFT"}, key))
    server.wait_job(job)
    key = next(iter(server.objects()))
    met("range_not_satisfiable", client.get(f"/objects/{key}", {"Range": "bytes=99999999-"}))
    met("conflict", client.post(f"/jobs/{job}/retry", b""))
    met("quota_exceeded", client.post("/historical/stock", {**DAY, "end_date": "20240105"}))


def test_a_held_request_whose_job_fails_or_whose_server_stops(simulate, serve, met):
    sim = simulate("--contracts", "5", "--fault", "500")
    server = serve(sim, THETA_RETRY_ATTEMPTS=1)
    hold = {"Prefer": "wait=600"}
    failed = server.client.post("/historical/stock", DAY, hold)
    met("job_failed", failed)
    assert server.client.get(failed.headers["Location"]).json()["status"] == "failed"
    sim.faults()
    sim.terminal("gone")
    held = []
    holder = threading.Thread(
        target=lambda: held.append(server.client.post("/historical/stock", {**DAY, "root": "KO"}, hold))
    )
    holder.start()
    server.wait_event("job_started", count=2)
    server.popen.terminate()
    holder.join(PATIENCE)
    met("draining", held[0])


def test_a_store_that_cannot_write(simulate, serve, met):
    server = serve(simulate("--contracts", "5"), preexec=ignore_file_size_signal)
    resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    met("store_unavailable", server.client.post("/historical/stock", DAY))


def test_who_may_ask(serve, folder, met):
    made = subprocess.run(
        [harness.BINARY, "token", "ann", "--scope", "read", "--file", "tokens"], cwd=folder,
        env={"PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True,
    )
    client = serve(BETEDGE_TOKENS=folder / "tokens").client
    met("unauthorized", client.get("/jobs"))
    met("forbidden", client.post("/earnings", {}, {"Authorization": f"Bearer {made.stdout.strip()}"}))
    for _ in range(9):
        refused = client.post("/login", {"token": "guess"})
    met("too_many_logins", refused)


def test_every_code_of_the_page_was_brought_about(codes, seen):
    assert seen | set(NOT_FROM_OUTSIDE) == set(codes)
    assert not seen & set(NOT_FROM_OUTSIDE)


def test_an_error_is_a_problem_to_who_asks_for_one(shared_server):
    asking = {"Accept": "application/json;q=0.5, application/problem+json"}
    answer = shared_server.client.get(NOBODY, asking)
    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["instance"] == NOBODY and isinstance(answer.json()["detail"], str)
    answer = shared_server.client.post("/earnings", {}, asking)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["detail"] == "start_date: Field required; end_date: Field required"
    assert [fault["loc"][1] for fault in answer.json()["errors"]] == ["start_date", "end_date"]
    assert shared_server.client.get("/health", asking).headers["Content-Type"] == "application/json"


def test_head_says_the_code_in_a_header(shared_server):
    answer = shared_server.client.request("HEAD", NOBODY)
    assert (answer.status, answer.headers["Betedge-Error"], answer.body) == (404, "job_not_found", b"")
