"""Bad days: the terminal, the lake and the store fail while jobs run."""

import os
import resource
import socket

import pytest

from harness import drop_privileges, ignore_file_size_signal

WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}


def test_a_job_waits_while_the_terminal_is_gone_and_goes_on_when_it_is_back(simulate, serve):
    sim = simulate()
    server = serve(sim)
    sim.terminal("gone")
    job = server.client.submit("stock", **WEEK)
    server.wait_event("upstream_unavailable")
    waiting = server.client.job(job)
    assert waiting["status"] in ("pending", "running")
    assert waiting["waiting_for"].startswith("upstream unavailable since 20"), waiting
    sim.terminal("up")
    ended = server.wait_job(job)
    assert (ended["status"], ended["error_message"], ended["items"]["succeeded"]) == ("completed", None, 5)
    assert "waiting_for" not in ended
    assert server.events("upstream_available")


def test_a_terminal_that_goes_away_in_the_middle_costs_nothing(simulate, serve):
    sim = simulate("--latency", "10ms", "--contracts", "20")
    server = serve(sim)
    job = server.client.submit("option", **{**WEEK, "end_date": "20240328"})
    for count in (5, 15):
        server.wait_event("item_done", count=count, job=job)
        sim.terminal("gone")
        server.wait_event("upstream_unavailable", count=1 if count == 5 else 2)
        sim.terminal("up")
    ended = server.wait_job(job)
    assert (ended["status"], ended["error_message"]) == ("completed", None)
    assert not server.events("item_failed")


def test_a_terminal_that_is_still_starting_is_waited_for(simulate, serve):
    server = serve(simulate("--starting", "1s"))
    job = server.client.submit("stock", **WEEK)
    assert server.wait_job(job)["items"]["succeeded"] == 5


def test_passing_faults_are_tried_again_and_leave_no_trace(simulate, serve):
    sim = simulate("--fault", "reset@first=1", "--fault", "429@every=7")
    server = serve(sim, THETA_RETRY_DELAY="10ms")
    job = server.client.submit("stock", **WEEK)
    ended = server.wait_job(job)
    assert (ended["status"], ended["error_message"], ended["items"]["succeeded"]) == ("completed", None, 5)
    assert server.events("item_retry")
    assert min(count for call, count in sim.calls().items() if "start_date" not in call) >= 2


def test_an_item_that_fails_for_good_does_not_stop_the_others(simulate, serve):
    server = serve(simulate("--fault", "500@date=20240103"), THETA_RETRY_DELAY="10ms")
    job = server.client.submit("stock", **WEEK)
    ended = server.wait_job(job)
    assert (ended["status"], ended["state"]) == ("completed", "completed_with_errors")
    assert (ended["items"]["failed"], ended["items"]["succeeded"]) == (1, 4)
    failed = server.client.items(job, "failed")[0]
    assert failed["attempts"] == 4
    assert server.client.get("/health").status == 200


def test_a_job_of_which_every_item_fails_is_failed(simulate, serve):
    server = serve(simulate("--fault", "473"))
    job = server.client.submit("stock", **WEEK)
    ended = server.wait_job(job)
    assert (ended["status"], ended["state"]) == ("failed", "failed")
    assert ended["error_message"].startswith("5 of 5 items failed: 20240102: ")
    assert ended["progress"]["percentage"] == 100.0


def test_no_data_is_a_fact_and_no_failure(simulate, serve):
    server = serve(simulate("--fault", "gap=20240103"))
    job = server.client.submit("stock", **WEEK)
    ended = server.wait_job(job)
    assert (ended["status"], ended["error_message"]) == ("completed", None)
    assert (ended["items"]["no_data"], ended["items"]["succeeded"]) == (1, 4)
    assert len(server.objects()) == 4


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_sessions_missing_inside_one_answer_are_named_and_the_rest_is_kept(simulate, serve, api):
    server = serve(simulate("--fault", "gap=20230410", "--fault", "gap=20230705", api=api))
    job = server.client.submit("stock", root="AAPL", start_date="20230301", end_date="20230302", schema="eod")
    ended = server.wait_job(job)
    assert (ended["status"], ended["error_message"], ended["rows"]) == ("completed", None, 248)
    item, = server.client.items(job)
    assert (item["state"], item["note"]) == ("succeeded", "no data on 2 of 250 sessions: 20230410 20230705")
    many = server.client.submit("stock", root="XGAP", start_date="20230301", end_date="20230302", schema="eod")
    server.wait_job(many)
    item, = server.client.items(many)
    assert item["note"] == (
        "no data on 46 of 250 sessions: 20230109 20230123 20230130 20230206 20230213 20230227 20230306 20230313"
        " 20230320 20230327 and 36 more"
    )


def test_an_upload_that_fails_fails_its_item_and_the_others_go_on(simulate, serve):
    server = serve(simulate(), THETA_RETRY_DELAY="10ms")
    # A folder that is not empty stands where the object should.
    in_the_way = server.lake / "historical-stock/ohlc/1m/AAPL/2024/01/04/data.parquet/x"
    in_the_way.mkdir(parents=True)
    job = server.client.submit("stock", **WEEK)
    ended = server.wait_job(job)
    assert (ended["status"], ended["state"]) == ("completed", "completed_with_errors"), ended
    assert (ended["items"]["failed"], ended["items"]["succeeded"]) == (1, 4)
    failed = server.client.items(job, "failed")[0]
    assert failed["key"].endswith("2024/01/04/data.parquet") and failed["error"]
    assert "20240104" in ended["error_message"]


def test_a_lake_that_refuses_us_fails_the_job_with_the_reason(simulate, serve, folder):
    sim = simulate("--latency", "20ms", "--contracts", "20")
    own = folder / "own"
    own.mkdir()
    if os.geteuid() == 0:
        os.chown(own, 65534, 65534)
    server = serve(sim, folder=own, preexec=drop_privileges)
    job = server.client.submit("option", **{**WEEK, "end_date": "20240628"})
    server.wait_event("item_done", count=3, job=job)
    for path in [server.lake, *server.lake.rglob("*")]:
        if path.is_dir():
            path.chmod(0o555)
    ended = server.wait_job(job)
    assert (ended["status"], ended["state"]) == ("failed", "failed"), ended
    assert ended["error_message"]
    assert ended["items"]["succeeded"] >= 3
    assert ended["items"]["pending"] == ended["items"]["running"] == 0
    assert server.client.get("/health").status == 200


def test_what_cannot_be_made_durable_is_not_accepted(simulate, serve):
    server = serve(simulate(), preexec=ignore_file_size_signal)
    kept = server.client.submit("stock", **WEEK)
    server.wait_job(kept)
    # From here on no file of the server's grows: the store's disk is full.
    before = resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    answer = server.client.post("/historical/stock", {**WEEK, "root": "MSFT"})
    assert answer.status == 503, answer
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["detail"] == "Failed to submit request: the job store is not available"
    event = server.wait_event("submit_failed")
    assert (event["status"], event["path"]) == ("503", "/historical/stock")
    assert server.client.job(kept)["status"] == "completed"
    resource.prlimit(server.popen.pid, resource.RLIMIT_FSIZE, before)
    job = server.client.submit("stock", **{**WEEK, "root": "MSFT"})
    assert server.wait_job(job)["items"]["succeeded"] == 5


def test_clients_that_go_away_or_talk_nonsense_do_no_harm(simulate, serve):
    server = serve(simulate())
    for nonsense in (b"", b"GET", b"\x00\xff\x16\x03\x01", b"POST /historical/stock HTTP/1.1\r\nHost: x\r\n"
                     b"Content-Length: 500\r\n\r\n{\"root\":", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(nonsense)
    job = server.client.submit("stock", **WEEK)
    assert server.wait_job(job)["status"] == "completed"
