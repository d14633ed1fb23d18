"""What a running server is scraped for, against what it says of its jobs."""

import re
import subprocess
from pathlib import Path

import pytest

from harness import ROOT, Scrape, missing

PROMTOOL = ROOT / ".deps" / "promtool"
WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}


@pytest.fixture
def terminal(simulate):
    """One that has nothing of one day of the week, and refuses each call in which another is."""
    return simulate("--fault", "gap=20240103", "--fault", "473@date=20240104")


@pytest.fixture
def mixed(terminal, serve):
    """A server on which one week ends in every way that items end by themselves."""
    return serve(terminal)


def counted(scrape, **labels):
    states = ("succeeded", "skipped", "no_data", "failed", "cancelled")
    return {state: scrape("betedge_items_total", outcome=state, **labels) for state in states}


def test_items_are_counted_as_the_jobs_say(terminal, mixed):
    assert set(counted(Scrape(mixed), dataset="stock_ohlc").values()) == {0}, "there before the first item"
    first = mixed.wait_job(mixed.client.submit("stock", **WEEK))
    second = mixed.wait_job(mixed.client.submit("stock", **{**WEEK, "start_date": "20240103"}))
    scrape = Scrape(mixed)
    said = {state: first["items"][state] + second["items"][state] for state in counted(scrape)}
    assert counted(scrape, dataset="stock_ohlc") == said
    assert counted(scrape) == said, "and of no other dataset"
    assert (said["succeeded"], said["skipped"], said["no_data"], said["failed"]) == (3, 2, 2, 2)
    assert scrape("betedge_items_total", outcome="failed", reason="upstream_refused") == 2
    assert scrape("betedge_jobs_total", dataset="stock_ohlc", outcome="completed_with_errors") == 2
    assert scrape("betedge_jobs_total") == 2
    assert scrape("betedge_rows_total", dataset="stock_ohlc") == first["rows"] + second["rows"]
    assert scrape("betedge_bytes_total", direction="written") == first["bytes"] + second["bytes"]
    assert scrape("betedge_bytes_total", direction="downloaded") > 0
    assert scrape("betedge_jobs_unfinished") == 0
    assert scrape("betedge_item_queue_seconds_count") == first["progress"]["total"] + second["progress"]["total"]
    # Calls, not items. The week is refused, then halved until the bad day is alone: 2-3 (without rows of the 3rd, which
    # is then asked for alone), 4-8 refused again, 4 refused, 5-8. The second job has only the 4th left to ask for.
    calls = "betedge_upstream_request_duration_seconds_count"
    assert scrape(calls, upstream="thetadata", endpoint="stock_ohlc", outcome="ok") == 2
    assert scrape(calls, endpoint="stock_ohlc", outcome="no_data") == 1
    assert scrape(calls, endpoint="stock_ohlc", outcome="upstream_refused") == 3 + 1
    assert scrape(calls) == 7
    assert terminal.stats()["outcomes"] == {"200": 2, "472": 1, "473": 4}, "as the other side counts them"
    assert scrape("betedge_storage_put_duration_seconds_count", backend="folder", outcome="ok") == 3
    assert scrape("betedge_store_commit_seconds_count", outcome="ok") > 0
    assert scrape("betedge_store_commit_seconds_count", outcome="failed") == 0


def test_requests_are_counted_by_route_and_mode(mixed):
    mixed.wait_job(mixed.client.submit("stock", **WEEK))
    mixed.client.post("/historical/stock", {})
    mixed.client.get("/nope/" + "x" * 100)
    scrape = Scrape(mixed)
    requests = "http_server_request_duration_seconds_count"
    submits = {"http_request_method": "POST", "http_route": "/historical/stock", "mode": "async"}
    assert scrape(requests, http_response_status_code="202", **submits) == 1
    assert scrape(requests, http_response_status_code="422", **submits) == 1
    assert scrape(requests, http_request_method="GET", http_route="/jobs/{job_id}", http_response_status_code="200") >= 1
    assert scrape(requests, http_response_status_code="404") == 1
    assert "xxx" not in scrape.answer.text
    assert scrape("http_server_active_requests") == 1, "the scrape itself"
    assert scrape("betedge_sync_requests_total", endpoint="stock") == 0
    mixed.client.get("/", {"X-Long": "x" * (32 << 10)})
    assert Scrape(mixed)("http_server_refused_requests_total", http_response_status_code="431") == 1


def test_the_scrape_is_what_prometheus_wants(mixed):
    if not PROMTOOL.exists():
        missing(f"no promtool at {PROMTOOL}: tools/setup fetches it")
    job = mixed.client.submit("stock", **WEEK)
    mixed.wait_job(job)
    answer = mixed.client.get("/metrics")
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    done = subprocess.run([PROMTOOL, "check", "metrics"], input=answer.body, capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    for secret in (job, "AAPL", "20240102"):
        assert secret not in answer.text, "labels are of few values"


def test_series_do_not_grow_with_jobs_and_symbols(mixed):
    mixed.wait_job(mixed.client.submit("stock", **WEEK))
    Scrape(mixed)  # whose own series comes with the next one
    before = set(Scrape(mixed).series)
    for root in ("MSFT", "IBM", "KO"):
        mixed.wait_job(mixed.client.submit("stock", **{**WEEK, "root": root}))
    assert {name for name, _ in set(Scrape(mixed).series) - before} == set()


def test_the_process_and_its_limits_are_told(serve):
    server = serve(BETEDGE_MEMORY_BUDGET="64MiB", THETA_CONCURRENCY="3")
    scrape = Scrape(server)
    assert scrape("betedge_build_info", version=server.version) == 1
    assert scrape("betedge_memory_budget_bytes") == 64 << 20
    for kind in ("download", "decode", "encode"):
        assert scrape("betedge_memory_bytes", kind=kind) == 0
    assert scrape("betedge_upstream_slots", upstream="thetadata", state="limit") == 3
    assert scrape("betedge_upstream_slots", state="in_use") == 0
    assert scrape("betedge_upstream_circuit_state", upstream="thetadata") == 0
    status = Path(f"/proc/{server.popen.pid}/status").read_text()
    resident = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) << 10
    assert 0 < scrape("process_resident_memory_bytes") <= resident
    assert scrape("process_cpu_seconds_total") > 0
    for place in ("lake", "store"):
        assert 0 < scrape("betedge_storage_free_bytes", place=place) <= scrape("betedge_storage_size_bytes", place=place)


def test_a_terminal_that_is_gone_is_told_and_so_is_the_job_that_stands_still(simulate, serve):
    sim = simulate()
    server = serve(sim)
    sim.terminal("gone")
    job = server.client.submit("stock", **WEEK)
    server.wait_event("upstream_unavailable")
    scrape = Scrape(server)
    assert scrape("betedge_upstream_circuit_state", upstream="thetadata") == 1
    assert scrape("betedge_upstream_circuit_opened_total", upstream="thetadata") == 1
    assert scrape("betedge_jobs_unfinished") == 1
    assert scrape("betedge_job_standstill_seconds") > 0
    sim.terminal("up")
    server.wait_job(job)
    scrape = Scrape(server)
    assert scrape("betedge_upstream_circuit_state", upstream="thetadata") == 0
    assert scrape("betedge_job_standstill_seconds") == 0
