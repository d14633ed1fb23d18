"""When the terminal misbehaves: jobs wait, say what they wait for in words for a tired operator, go on by themselves,
and nothing is lost, neither an item nor an attempt."""

import datetime

import pytest

from harness import until

WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}
# Whatever is batched, chains of quotes are asked for day by day: as many calls as sessions, and the stock's.
CHAINS = {"root": "AAPL", "start_date": "20240102", "end_date": "20240131", "schema": "quote", "interval": 3600000}
SMALL = ("--contracts", "20")
APIS = pytest.mark.parametrize("api", ["v3", "v2"])


def waits_for(server, job, text):
    """Polls the job until it says that it waits for this; the whole sentence."""

    def look():
        status = server.client.job(job)
        assert status["status"] in ("pending", "running"), status
        says = status.get("waiting_for") or ""
        return says if text in says else None

    return until(look, f"waiting_for with {text!r}")


def assert_nothing_lost(server, job, items):
    """The job is whole, and no item was tried twice."""
    ended = server.wait_job(job)
    assert (ended["status"], ended["error_message"]) == ("completed", None), ended
    assert (ended["items"]["succeeded"], ended["items"]["failed"]) == (items, 0), ended
    assert "waiting_for" not in ended
    assert not server.events("item_failed") and not server.events("item_retry")
    assert {item["attempts"] for item in server.client.items(job)} == {1}
    return ended


def upstream_of(server, name="thetadata"):
    answer = server.client.get("/upstreams")
    return {one["name"]: one for one in answer.json()["upstreams"]}[name]


def time_of(event):
    return datetime.datetime.fromisoformat(event["time"])


@APIS
def test_a_terminal_that_was_not_started(simulate, serve, api):
    sim = simulate(api=api)
    sim.terminal("gone")
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    says = waits_for(server, job, "no terminal answers")
    assert says.startswith("upstream unavailable since 20")
    assert says.endswith(
        f": no terminal answers: {api} at {sim.base_url}: nobody listens on {sim.base_url[7:]} (connection refused)")
    sim.terminal("up")
    assert_nothing_lost(server, job, 5)


@APIS
def test_a_terminal_that_is_starting(simulate, serve, api):
    sim = simulate("--starting", "1h", api=api)
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    says = waits_for(server, job, "the terminal is starting")
    assert "the terminal is not ready: " in says and "HTTP 571" in says
    sim.options(starting="0ms")
    assert_nothing_lost(server, job, 5)


@APIS
def test_a_nightly_restart_in_the_middle_of_a_year(simulate, serve, api):
    # Slow enough that calls are under way when it comes, whether they are of a day or of a month.
    sim = simulate("--bandwidth", "300KB/s", api=api)
    server = serve(sim)
    job = server.client.submit("stock", root="AAPL", start_date="20240101", end_date="20241231", schema="ohlc")
    server.wait_event("item_done", count=60, job=job)
    sim.options(starting="1h")
    sim.terminal("gone")
    server.wait_event("upstream_unavailable")
    says = waits_for(server, job, "nobody listens")
    assert says.startswith("upstream unavailable since 20"), says
    tag = server.client.get(f"/jobs/{job}").headers["ETag"]
    sim.terminal("up")
    says = waits_for(server, job, "the terminal is starting")
    assert server.client.get(f"/jobs/{job}", {"If-None-Match": tag}).status == 200, "it says something else now"
    assert upstream_of(server)["waiting_for"] == says and upstream_of(server)["circuit"] == "open"
    sim.options(starting="0ms")
    sim.options(bandwidth="0")
    assert_nothing_lost(server, job, 252)
    assert len(server.objects()) == 252
    assert len(server.events("upstream_available")) == 1
    assert upstream_of(server)["waiting_for"] is None


def test_a_terminal_that_is_restarted_again_and_again(simulate, serve):
    sim = simulate(*SMALL, "--latency", "30ms", "--restart-every", "1s", "--restart-takes", "200ms", "--starting",
                   "100ms")
    server = serve(sim)
    job = server.client.submit("option", **{**CHAINS, "end_date": "20240628"})
    server.wait_event("upstream_available", count=2)
    assert_nothing_lost(server, job, 124)


@APIS
def test_another_terminal_has_logged_in(simulate, serve, api):
    sim = simulate(*SMALL, "--latency", "20ms", api=api)
    server = serve(sim)
    job = server.client.submit("option", **CHAINS)
    server.wait_event("item_done", count=3, job=job)
    sim.terminal("kicked")
    says = waits_for(server, job, "another terminal has logged in with this account")
    assert "restart this one" in says, says
    assert server.client.get("/health/ready").status == 200
    sim.terminal("up")
    assert_nothing_lost(server, job, 21)


def test_another_terminal_has_logged_in_and_this_one_says_connected(simulate, serve):
    """Probes succeed and calls do not: it is left alone for longer each time, and never seems to be well."""
    sim = simulate("--fault", "478")
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    server.wait_event("upstream_unavailable", count=4)
    # After 250, 500 and 1000 ms: each time as many calls as are made at once, at most.
    assert sim.stats()["outcomes"]["478"] <= 4 * 4
    says = waits_for(server, job, "HTTP 478 another terminal has logged in with this account")
    assert upstream_of(server)["waiting_for"], says
    first, *_, last = server.events("upstream_unavailable")
    assert (time_of(last) - time_of(first)).total_seconds() >= 1.7
    sim.faults()
    assert_nothing_lost(server, job, 5)
    assert upstream_of(server)["waiting_for"] is None


@APIS
def test_a_terminal_that_was_first_used_from_another_address(simulate, serve, api):
    sim = simulate(api=api)
    server = serve(sim)
    sim.terminal("wrong-ip")
    job = server.client.submit("stock", **WEEK)
    says = waits_for(server, job, "127.0.0.1, literally")
    assert "HTTP 476" in says and "restart it" in says, says
    sim.terminal("up")
    assert_nothing_lost(server, job, 5)


@APIS
def test_a_terminal_that_has_lost_its_server(simulate, serve, api):
    sim = simulate(api=api)
    server = serve(sim)
    sim.terminal("disconnected")
    job = server.client.submit("stock", **WEEK)
    waits_for(server, job, "has lost its connection to ThetaData")
    sim.terminal("up")
    assert_nothing_lost(server, job, 5)


def test_throttling_with_retry_after_is_obeyed_by_all_calls(simulate, serve):
    sim = simulate(*SMALL, "--latency", "20ms")
    server = serve(sim)
    job = server.client.submit("option", **CHAINS)
    server.wait_event("item_done", count=2, job=job)
    sim.faults("429=5")
    throttled = server.wait_event("upstream_throttled")
    sim.faults()
    says = waits_for(server, job, "upstream throttles us since 20")
    assert "HTTP 429 too many requests" in says and "goes on at 20" in says, says
    stands = upstream_of(server)
    assert (stands["concurrency"], stands["allowed"], stands["circuit"]) == (4, 2, "closed")
    assert stands["waiting_for"].endswith(", 2 of 4 calls at once")
    assert_nothing_lost(server, job, 21)
    # Nobody called before the time had come: what was under way ended soon, the next item later.
    gaps = [(time_of(done) - time_of(throttled)).total_seconds() for done in server.events("item_done", job=job)]
    assert not [gap for gap in gaps if 2.5 < gap < 4.9], gaps
    assert upstream_of(server)["allowed"] == 4, "it grows back while calls go well"


def test_throttling_without_retry_after_finds_the_pace_that_is_taken(simulate, serve):
    sim = simulate(*SMALL, "--latency", "20ms", "--concurrency", "1", "--queue", "0")
    server = serve(sim)
    job = server.client.submit("option", **CHAINS)
    assert_nothing_lost(server, job, 21)
    stats = sim.stats()
    assert stats["max_in_service"] == 1
    # It tries for one more after each round that went well, as it must: nobody says when the other user of the account
    # has left. Without, three of four calls would be refused.
    assert stats["outcomes"]["429"] < 1.5 * stats["outcomes"]["200"]
    assert min(int(event["calls_at_once"]) for event in server.events("upstream_throttled")) == 1


def test_a_terminal_that_drops_connections_under_load(simulate, serve):
    sim = simulate(*SMALL, "--latency", "20ms")
    server = serve(sim)
    job = server.client.submit("option", **CHAINS)
    server.wait_event("item_done", count=2, job=job)
    sim.faults("drop")
    says = waits_for(server, job, "closed the connection without an answer")
    assert says.startswith("upstream throttles us since 20") and "it has more to do than it takes" in says, says
    sim.faults()
    assert_nothing_lost(server, job, 21)


@APIS
def test_a_terminal_that_closes_every_connection(simulate, serve, api):
    sim = simulate(*SMALL, "--latency", "20ms", api=api)
    server = serve(sim)
    job = server.client.submit("option", **CHAINS)
    server.wait_event("item_done", count=2, job=job)
    sim.terminal("down")
    waits_for(server, job, "upstream unavailable since 20")
    waits_for(server, job, "no terminal answers")
    sim.terminal("up")
    assert_nothing_lost(server, job, 21)


def test_a_call_that_is_dropped_while_others_are_answered_fails_alone(simulate, serve):
    sim = simulate(*SMALL, "--latency", "20ms", "--fault", "drop@kind=option,date=20240104")
    server = serve(sim, THETA_RETRY_DELAY="10ms")
    job = server.client.submit("option", **CHAINS)
    ended = server.wait_job(job)
    assert (ended["items"]["succeeded"], ended["items"]["failed"]) == (20, 1), ended
    failed, = server.client.items(job, "failed")
    assert "closed the connection without an answer" in failed["error"]
    assert failed["attempts"] == 4


@APIS
def test_a_trickle_may_take_as_long_as_it_likes(simulate, serve, api):
    # 4,000 bytes at 1,000 a second: four times what the terminal may be silent.
    sim = simulate("--fault", "slow=1KB", api=api)
    server = serve(sim, THETA_TIMEOUT="1s")
    job = server.client.submit("stock", root="AAPL", start_date="20240103", end_date="20240103", schema="ohlc",
                               interval=300000)
    assert_nothing_lost(server, job, 1)


@APIS
def test_a_stall_is_not_a_trickle(simulate, serve, api):
    sim = simulate("--fault", "stall=1000@first=1", api=api)
    server = serve(sim, THETA_TIMEOUT="1s", THETA_RETRY_DELAY="10ms")
    job = server.client.submit("stock", root="AAPL", start_date="20240103", end_date="20240103", schema="ohlc")
    retry = server.wait_event("item_retry", job=job)
    assert "said nothing for 1 s" in retry["error"], retry
    ended = server.wait_job(job)
    assert (ended["items"]["succeeded"], ended["items"]["failed"]) == (1, 0)
    item, = server.client.items(job)
    assert item["attempts"] == 2
    assert upstream_of(server)["allowed"] < upstream_of(server)["concurrency"], "silence is a sign of too much load"
