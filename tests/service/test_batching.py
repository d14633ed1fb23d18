"""As much in one call as the protocol allows; and in smaller ones where that is too much."""

import pyarrow.parquet as parquet

JANUARY = {"start_date": "20240101", "end_date": "20240131", "schema": "ohlc", "interval": 60000}
SYMBOLS = [f"SYM{letter}" for letter in "ABCDEFGHIJ"]


def data_calls(sim):
    """The calls for rows so far, lists left out."""
    return {call: count for call, count in sim.calls().items() if "/history/" in call or "hist/" in call}


def rows_of(server):
    """The rows of each object, without the order in which their calls brought them."""
    return {
        key: sorted(map(tuple, (row.values() for row in parquet.read_table(server.lake / key).to_pylist())))
        for key in server.objects()
    }


def test_a_month_of_minute_bars_for_ten_symbols_takes_ten_calls(simulate, serve):
    sim = simulate()
    server = serve(sim)
    request = {"roots": SYMBOLS, **JANUARY}
    plan = server.client.post("/historical/stock?dry_run=true", request).json()
    assert (plan["total"], plan["calls"]) == (210, 10)
    assert sum(item["calls"] for item in plan["items"]) == 10
    job = server.wait_job(server.client.submit("stock", **request))
    assert job["items"]["succeeded"] == 210
    assert len(server.objects()) == 210
    assert sum(data_calls(sim).values()) == 10
    # What was told beforehand is what was done, and done once.
    assert server.client.post("/historical/stock?dry_run=true", request).json()["calls"] == 0


def test_what_came_by_the_month_is_the_same_bytes_as_by_the_day(simulate, serve, tmp_path):
    sim = simulate()
    by_month, by_day = serve(sim), serve(sim, folder=tmp_path)
    whole = {"root": "AAPL", **JANUARY, "schema": "quote"}
    by_month.wait_job(by_month.client.submit("stock", **whole))
    calls = sum(data_calls(sim).values())
    assert calls == 1
    for day in range(2, 12):
        one = {**whole, "start_date": f"202401{day:02}", "end_date": f"202401{day:02}"}
        by_day.wait_job(by_day.client.submit("stock", **one))
    assert sum(data_calls(sim).values()) == 1 + 8
    keys = by_day.objects()
    assert len(keys) == 8
    for key in keys:
        assert (by_month.lake / key).read_bytes() == (by_day.lake / key).read_bytes(), key


def test_a_v2_terminal_is_asked_for_a_month_too(simulate, serve):
    sim = simulate(api="v2")
    server = serve(sim)
    job = server.wait_job(server.client.submit("stock", root="AAPL", **JANUARY))
    assert job["items"]["succeeded"] == 21
    assert sum(data_calls(sim).values()) == 1


def test_a_chains_month_is_one_call_where_the_terminal_takes_that(simulate, serve, tmp_path):
    request = {"root": "SYMA", "start_date": "20240101", "end_date": "20240131", "schema": "eod"}
    answers = {}
    for span in ("any", "day"):
        sim = simulate("--chain-span", span)
        server = serve(sim, folder=tmp_path / span)
        job = server.wait_job(server.client.submit("option", **request))
        assert (job["status"], job["items"]["succeeded"]) == ("completed", 1)
        assert server.client.items(job["job_id"])[0]["attempts"] == 1
        answers[span] = {key: (server.lake / key).read_bytes() for key in server.objects()}
        # The one refusal is remembered: a second month is not tried.
        server.wait_job(server.client.submit("option", **{**request, "start_date": "20240201", "end_date": "20240229"}))
        assert sum(data_calls(sim).values()) == {"any": 2, "day": 1 + 21 + 20}[span]
    assert answers["any"] == answers["day"]


def test_a_call_that_is_too_large_is_cut_until_it_is_not(simulate, serve, tmp_path):
    """By days, then by hours: the object is whole, and nobody is told of an attempt."""
    day = {"start_date": "20240105", "end_date": "20240105", "schema": "quote", "interval": 900000}
    whole = serve(simulate("--contracts", "60"))
    whole.wait_job(whole.client.submit("option", root="SYMA", **day))
    sim = simulate("--contracts", "60", "--too-large", "300")
    server = serve(sim, folder=tmp_path)
    job = server.wait_job(server.client.submit("option", root="SYMA", **day))
    assert (job["status"], job["error_message"]) == ("completed", None)
    assert server.client.items(job["job_id"])[0]["attempts"] == 1
    assert sim.stats()["outcomes"]["570"] >= 3
    assert rows_of(server) == rows_of(whole)


def test_at_last_it_is_cut_into_its_expirations(simulate, serve, tmp_path):
    day = {"start_date": "20240105", "end_date": "20240105", "schema": "quote", "interval": 3600000}
    whole = serve(simulate("--contracts", "60"))
    whole.wait_job(whole.client.submit("option", root="SYMA", **day))
    sim = simulate("--contracts", "60", "--too-large", "40")
    server = serve(sim, folder=tmp_path)
    job = server.wait_job(server.client.submit("option", root="SYMA", **day))
    assert (job["status"], job["error_message"]) == ("completed", None)
    assert any("expiration=2024" in call for call in sim.calls())
    assert rows_of(server) == rows_of(whole)


def test_what_is_too_large_in_any_part_fails_and_says_so(simulate, serve):
    server = serve(simulate())
    job = server.wait_job(server.client.submit("stock", root="XTOOLARGE", **JANUARY))
    assert job["items"]["failed"] == 21
    assert "cannot be asked for in smaller parts" in job["error_message"]


def test_a_day_that_cannot_be_read_fails_alone(simulate, serve):
    sim = simulate("--fault", "cut-row@date=20240117")
    server = serve(sim, THETA_RETRY_DELAY="10ms")
    job = server.wait_job(server.client.submit("stock", root="AAPL", **JANUARY))
    assert (job["items"]["succeeded"], job["items"]["failed"]) == (20, 1)
    page = f"/jobs/{job['job_id']}/items?state=failed"
    assert job["error_message"].startswith(f"1 of 21 items failed, see {page}: 20240117: ")
    assert "ended in the middle of row" in job["error_message"]
    (failed,) = [item for item in server.client.items(job["job_id"]) if item["state"] == "failed"]
    assert "/2024/01/17/" in failed["key"]
    assert len(server.objects()) == 20
