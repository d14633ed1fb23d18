"""Every event that operators rely on, by its name (docs/operations.md)."""

import re

import pytest

from harness import ROOT, parse_event

WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}


@pytest.fixture
def week(simulate, serve):
    """A server on which one week went wrong in every way that an item can end."""
    server = serve(simulate("--fault", "gap=20240103", "--fault", "473@date=20240104"))
    return server


def test_the_service_tells_its_beginning_and_its_end(serve):
    server = serve()
    server.wait_event("service_started")
    started = server.events("service_started")
    assert len(started) == 1
    assert started[0]["version"] == server.version
    assert started[0]["listen"] == f"127.0.0.1:{server.port}"
    assert started[0]["lake"] == str(server.lake)
    assert started[0]["store"].endswith("jobs.db")
    assert server.stop() == 0
    assert server.events("service_stopping")[0]["signal"] == "SIGTERM"
    assert parse_event(server.log[-1])["event"] == "service_stopped"


def test_a_job_tells_each_items_end_and_its_own(week):
    job = week.client.submit("stock", **WEEK)
    week.wait_job(job)
    submitted = week.wait_event("request_received", method="POST")
    assert (submitted["path"], submitted["status"], submitted["job"]) == ("/historical/stock", "202", job)
    assert float(submitted["duration_ms"]) >= 0
    assert week.wait_event("job_started", job=job)["items"] == "5"
    done = week.events("item_done", job=job)
    assert len(done) == 3
    assert all(int(event["rows"]) == 390 and int(event["bytes"]) > 0 and event["attempt"] == "1" for event in done)
    no_data = week.events("item_no_data", job=job)
    assert [event["item"] for event in no_data] == ["historical-stock/ohlc/1m/AAPL/2024/01/03/data.parquet"]
    failed = week.events("item_failed", job=job)
    assert len(failed) == 1 and "473" in failed[0]["error"]
    assert failed[0]["item"].endswith("2024/01/04/data.parquet")
    completed = week.events("job_completed", job=job)
    assert len(completed) == 1
    assert (completed[0]["succeeded"], completed[0]["no_data"], completed[0]["failed"]) == ("3", "1", "1")

    again = week.client.submit("stock", **WEEK)
    week.wait_job(again)
    assert len(week.events("item_skipped", job=again)) == 3


def test_a_job_that_fails_says_why(simulate, serve):
    server = serve(simulate("--fault", "473"))
    job = server.client.submit("stock", **WEEK)
    server.wait_job(job)
    failed = server.events("job_failed", job=job)
    assert len(failed) == 1 and "5 of 5 items failed" in failed[0]["error"]


def test_a_store_that_cannot_be_read_is_told_to_the_client_and_in_the_log(simulate, serve, folder):
    server = serve(simulate())
    job = server.client.submit("stock", **WEEK)
    server.wait_job(job)
    assert server.stop() == 0
    # The server holds the first page; of what it has not read yet the disk gives garbage back.
    server = serve()
    with open(folder / "jobs.db", "r+b") as store:
        size = store.seek(0, 2)
        store.seek(4096)
        store.write(b"\xff" * (size - 4096))
    for path, sentence in (
        (f"/jobs/{job}", "Failed to get job status: "),
        (f"/jobs/{job}/items", "Failed to list items: "),
    ):
        answer = server.client.get(path)
        assert answer.status == 503, answer
        assert int(answer.headers["Retry-After"]) >= 1
        assert answer.json()["detail"].startswith(sentence)
        failed = server.wait_event("status_failed", path=path)
        assert (failed["level"], failed["status"], failed["job"]) == ("error", "503", job)
        assert "malformed" in failed["error"], failed
    assert server.client.get("/health").status == 200


def test_reads_are_logged_only_when_asked_for(serve):
    quiet = serve()
    quiet.client.get("/jobs")
    quiet.client.get("/nope")
    quiet.wait_event("request_received", path="/nope", status="404")
    assert not quiet.events("request_received", path="/jobs")
    quiet.stop()
    talkative = serve(LOG_LEVEL="debug")
    talkative.client.get("/jobs")
    assert talkative.wait_event("request_received", path="/jobs")["level"] == "debug"


def test_what_a_client_sends_cannot_forge_an_event(serve):
    server = serve()
    server.client.get("/jobs/x%0Atime=1%20event=job_failed%20job=y")
    event = server.wait_event("request_received", status="400")
    assert event["path"] == "/jobs/x\ntime=1 event=job_failed job=y"
    assert not server.events("job_failed")


def test_every_event_is_documented(week):
    """And every line is an event: time, level, name, fields."""
    job = week.client.submit("stock", **WEEK)
    week.wait_job(job)
    week.stop()
    page = (ROOT / "docs" / "operations.md").read_text()
    documented = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    for line in week.log:
        assert re.match(r"time=\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z level=(debug|info|warning|error) event=\w+", line), line
        assert parse_event(line)["event"] in documented, line
