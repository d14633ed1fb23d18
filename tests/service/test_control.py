"""What a client can do about jobs and upstreams: cancel, retry, delete, plan, page, order, limit."""

from datetime import datetime

import pyarrow
import pyarrow.parquet as parquet
import pytest

from event_stream import watch
from harness import Scrape, until

WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}
YEAR = {"root": "AAPL", "start_date": "20230103", "end_date": "20231229", "schema": "ohlc"}
# Of a stock a month's days are one call and end together; of a chain each day is a call of its own, and one more for
# the underlying.
CHAINS = {**YEAR, "interval": 900000}
NOBODY = "0192f0c1-2345-7abc-8def-0123456789ab"


def week_of(*roots):
    return {**{name: value for name, value in WEEK.items() if name != "root"}, "roots": list(roots)}


def post(server, path, body=None):
    return server.client.post(path, body)


def cancel(server, job):
    return post(server, f"/jobs/{job}/cancel")


def delete(server, job):
    return server.client.request("DELETE", f"/jobs/{job}")


def put_upstream(server, body, name="thetadata"):
    return server.client.request("PUT", f"/upstreams/{name}", body)


def seconds_between(earlier, later):
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


def state_of(sim, name):
    return sim.stats()[name]


def days_of(items):
    return ["".join(item["key"].split("/")[-4:-1]) for item in items]


def check_nothing_is_left_behind(server):
    left = [path.name for path in server.lake.rglob(".*/*") if path.name != "lock"]
    assert not left, f"unfinished files: {left}"


# --- cancel ---------------------------------------------------------------------------------------


def test_cancel_stops_what_runs_at_once_and_keeps_what_is_done(simulate, serve):
    # After twelve days no answer comes any more: whoever is not stopped hangs.
    sim = simulate("--concurrency", "64", "--contracts", "20", "--fault", "hang@kind=option,after=12")
    server = serve(sim)
    job = server.client.submit("option", **CHAINS)
    server.wait_event("item_done", count=12, job=job)
    until(lambda: state_of(sim, "calls") == 12 * 2 + 4, "four calls that hang")
    answer = cancel(server, job)
    assert answer.status in (200, 202), answer
    assert answer.json()["state"] == ("cancelled" if answer.status == 200 else "cancelling")
    ended = server.wait_job(job)
    assert (ended["status"], ended["state"], ended["error_message"]) == ("failed", "cancelled", "cancelled")
    items = ended["items"]
    assert (items["succeeded"], items["cancelled"]) == (12, 238)
    assert ended["progress"]["completed"] == 250
    assert ended["progress"]["percentage"] == 100.0
    asked = server.wait_event("request_received", path=f"/jobs/{job}/cancel")
    last = server.wait_event("job_cancelled", job=job)
    stopped = server.events("item_cancelled", job=job)
    assert len(stopped) == 6, "the four whose calls hang, and two that wait for a slot"
    for event in [*stopped, last]:
        assert seconds_between(asked["time"], event["time"]) < 2
    # What is done stays done, and nothing half-done is there.
    kept = server.client.items(job, "succeeded")
    assert {item["key"] for item in kept} == server.objects()
    check_nothing_is_left_behind(server)
    assert server.client.get(f"/jobs/{job}/items?state=cancelled&limit=1").json()["items"][0]["rows"] == 0
    # The slots are free again: the next job has all four.
    sim.faults()
    again = server.client.submit("option", **{**WEEK, "root": "MSFT"})
    assert server.wait_job(again)["items"]["succeeded"] == 5
    upstream, = [one for one in server.client.get("/upstreams").json()["upstreams"] if one["name"] == "thetadata"]
    assert (upstream["in_use"], upstream["waiting"]) == (0, 0)


def test_a_job_that_nothing_runs_for_is_cancelled_with_the_answer(simulate, serve):
    sim = simulate()
    server = serve(sim)
    sim.terminal("gone")
    job = server.client.submit("stock", **YEAR)
    server.wait_event("upstream_unavailable")
    until(lambda: server.client.job(job)["items"]["running"] == 0, "the end of what had been begun")
    answer = cancel(server, job)
    assert (answer.status, answer.json()["state"]) == (200, "cancelled")
    assert answer.json() == server.client.job(job)
    assert answer.headers["ETag"] == server.client.get(f"/jobs/{job}").headers["ETag"]
    assert answer.json()["items"]["cancelled"] == 250
    assert "waiting_for" not in answer.json() and "cancel" not in answer.json()["links"]
    assert answer.headers["Retry-After"] is None
    sim.terminal("up")
    assert server.wait_job(server.client.submit("stock", **WEEK))["status"] == "completed"
    assert len(server.objects()) == 5, "nothing of the cancelled one was done any more"


@pytest.mark.parametrize("api", ["v3", "v2"])
@pytest.mark.parametrize("fault", ["hang", "stall=1000", "slow=100", "571"])
def test_whatever_the_terminal_does_a_cancel_stops_what_runs_within_two_seconds(simulate, serve, api, fault):
    sim = simulate("--fault", fault, "--contracts", "8", api=api)
    server = serve(sim)
    job = server.client.submit("option", root="AAPL", start_date="20240102", end_date="20240110")

    def is_under_way():
        now = server.client.job(job)
        return now["items"]["running"] > 0 or "waiting_for" in now

    until(is_under_way, "a call")
    asked = datetime.fromisoformat(cancel(server, job).json()["updated_at"])
    ended = until(lambda: (now := server.client.job(job))["finished_at"] and now, "the end")
    assert (ended["state"], ended["items"]["cancelled"]) == ("cancelled", 7)
    assert (datetime.fromisoformat(ended["finished_at"]) - asked).total_seconds() < 2


def test_cancel_again_and_cancel_of_what_has_ended_change_nothing(simulate, serve):
    sim = simulate("--latency", "600s", "--concurrency", "64")
    server = serve(sim)
    job = server.client.submit("stock", **{**WEEK, "end_date": "20240430"})
    until(lambda: state_of(sim, "in_service") == 4, "four months, and calls, that hang")
    for _ in range(3):
        assert cancel(server, job).status in (200, 202)
    cancelled = server.wait_job(job)
    assert cancelled["items"]["cancelled"] == cancelled["progress"]["total"] == 83
    server.wait_event("item_cancelled", count=83, job=job)
    assert len(server.events("item_cancelled", job=job)) == 83, "all the days of each call, and each once"
    answer = cancel(server, job)
    assert (answer.status, answer.json()) == (200, cancelled)
    sim.options(latency="0ms")
    done = server.client.submit("stock", **{**WEEK, "root": "MSFT"})
    completed = server.wait_job(done)
    etag = server.client.get(f"/jobs/{done}").headers["ETag"]
    answer = cancel(server, done)
    assert (answer.status, answer.json(), answer.headers["ETag"]) == (200, completed, etag)
    assert completed["state"] == "completed"
    assert len(server.events("job_cancelled", job=job)) == 1


@pytest.mark.parametrize("method,path", [
    ("POST", "/jobs/{}/cancel"), ("POST", "/jobs/{}/retry"), ("DELETE", "/jobs/{}"),
    ("GET", "/jobs/{}"), ("GET", "/jobs/{}/items"),
])
def test_an_unknown_job_is_a_404_and_no_id_a_400(shared_server, method, path):
    answer = shared_server.client.request(method, path.format(NOBODY))
    assert (answer.status, answer.json()["detail"]) == (404, f"Job {NOBODY} not found")
    answer = shared_server.client.request(method, path.format("nonsense"))
    assert (answer.status, answer.json()["detail"]) == (400, "Invalid job ID format")


def test_a_cancel_survives_a_kill_in_its_middle(simulate, serve):
    sim = simulate("--latency", "20ms")
    server = serve(sim)
    job = server.client.submit("stock", **YEAR)
    server.wait_event("item_done", count=5, job=job)
    answer = cancel(server, job)
    assert answer.status in (200, 202)
    server.kill()
    calls = sum(sim.calls().values())
    server = serve(sim)
    ended = server.wait_job(job)
    assert (ended["status"], ended["state"], ended["error_message"]) == ("failed", "cancelled", "cancelled")
    assert ended["items"]["pending"] == ended["items"]["running"] == 0
    assert sum(sim.calls().values()) == calls, "nothing of it was asked for again"
    kept = {item["key"] for item in server.client.items(job, "succeeded")}
    assert kept <= server.objects() and len(kept) >= 5
    assert len(server.objects() - kept) <= 4 * 23, "four months, published and killed before it was written down"
    # What it had done is there for the next one, and what it had not can be had.
    again = server.wait_job(server.client.submit("stock", **YEAR))
    assert (again["state"], again["progress"]["completed"]) == ("completed", 250)
    assert again["items"]["skipped"] >= len(kept)


# --- retry ----------------------------------------------------------------------------------------


def test_retry_begins_the_failed_items_anew_and_no_others(simulate, serve):
    sim = simulate("--fault", "473@date=20240103", "--fault", "473@date=20240105", "--fault", "472@date=20240104")
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    first = server.wait_job(job)
    assert (first["state"], first["items"]["failed"], first["items"]["no_data"]) == ("completed_with_errors", 2, 1)
    assert first["links"]["retry"] == f"/jobs/{job}/retry"
    before = {item["key"]: item for item in server.client.items(job)}
    calls = sum(sim.calls().values())
    sim.faults("473@date=20240105")
    sim.terminal("gone")
    answer = post(server, f"/jobs/{job}/retry")
    assert (answer.status, answer.headers["Location"]) == (202, f"/jobs/{job}")
    begun = answer.json()
    assert (begun["status"], begun["error_message"], begun["finished_at"]) == ("pending", None, None)
    # The only time that progress falls.
    assert begun["progress"] == {"completed": 3, "total": 5, "percentage": 60.0}
    assert begun["items"] == {**first["items"], "failed": 0, "pending": 2}
    refused = post(server, f"/jobs/{job}/retry")
    assert refused.status == 409, "it has not ended"
    assert job in refused.json()["detail"] and "ended" in refused.json()["detail"]
    sim.terminal("up")
    server.wait_event("job_completed", count=2, job=job)
    second = server.client.job(job)
    assert (second["state"], second["items"]["failed"], second["items"]["succeeded"]) == ("completed_with_errors", 1, 3)
    assert second["error_message"].startswith(f"1 of 5 items failed, see /jobs/{job}/items?state=failed: 20240105: ")
    after = {item["key"]: item for item in server.client.items(job)}
    for key, item in before.items():
        if item["state"] != "failed":
            assert after[key] == item, "what had not failed was left alone"
    assert sum(sim.calls().values()) == calls + 3, "both by one call, and as it is refused each alone"
    assert server.events("job_retried", job=job)


def test_retry_until_all_is_there(simulate, serve):
    sim = simulate("--fault", "473")
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    assert server.wait_job(job)["state"] == "failed"
    for fault, failed, state in (("473@date=20240105", 1, "completed_with_errors"), (None, 0, "completed")):
        sim.faults(*([fault] if fault else []))
        ends = len(server.events("job_completed", job=job))
        answer = post(server, f"/jobs/{job}/retry")
        assert answer.status == 202, answer
        server.wait_event("job_completed", count=ends + 1, job=job)
        ended = server.client.job(job)
        assert (ended["state"], ended["items"]["failed"]) == (state, failed)
        assert ended["status"] == "completed"
    assert ended["error_message"] is None
    assert [item["error"] for item in server.client.items(job)] == [None] * 5
    assert len(server.objects()) == 5
    answer = post(server, f"/jobs/{job}/retry")
    assert answer.status == 409, "nothing failed any more"
    assert "retry" not in ended["links"]


def test_retry_of_a_cancelled_job_is_refused_unless_some_of_it_failed(simulate, serve):
    sim = simulate("--latency", "600s")
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    cancel(server, job)
    server.wait_job(job)
    assert post(server, f"/jobs/{job}/retry").status == 409


def test_a_retried_job_is_watched_again(simulate, serve):
    sim = simulate("--fault", "473")
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    server.wait_job(job)
    with watch(server, job) as stream:
        end = list(stream)[-1]
    sim.faults()
    assert post(server, f"/jobs/{job}/retry").status == 202
    with watch(server, job, end.id) as stream:
        assert stream.status == 200, "it goes on"
        events = list(stream)
    assert events[-1].name == "end" and int(events[-1].id) > int(end.id)
    assert events[-1].data["state"] == "completed"
    assert not [event for event in events if event.name == "item_failed"]


# --- delete ---------------------------------------------------------------------------------------


def test_delete_forgets_the_job_and_keeps_its_objects(simulate, serve):
    sim = simulate()
    server = serve(sim)
    job, other = (server.client.submit("stock", **{**WEEK, "root": root}) for root in ("AAPL", "MSFT"))
    server.wait_job(job)
    server.wait_job(other)
    objects = server.objects()
    assert len(objects) == 10
    answer = delete(server, job)
    assert (answer.status, answer.body) == (204, b"")
    for path in (f"/jobs/{job}", f"/jobs/{job}/items", f"/jobs/{job}/events"):
        assert server.client.get(path).status == 404, path
    for answer in (delete(server, job), cancel(server, job), post(server, f"/jobs/{job}/retry")):
        assert answer.status == 404
    assert [one["job_id"] for one in server.client.get("/jobs").json()["jobs"]] == [other]
    assert server.objects() == objects
    server.wait_event("job_deleted", job=job)
    assert server.stop() == 0
    server = serve(sim)
    assert server.client.get(f"/jobs/{job}").status == 404
    assert server.client.job(other)["status"] == "completed"
    # The lake is known as before: nothing is downloaded again.
    calls = sum(sim.calls().values())
    assert server.wait_job(server.client.submit("stock", **WEEK))["items"]["skipped"] == 5
    assert sum(sim.calls().values()) == calls


def test_an_active_job_is_not_deleted(simulate, serve):
    sim = simulate("--latency", "600s")
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    answer = delete(server, job)
    assert answer.status == 409
    assert answer.json()["detail"].endswith("cancel it first, or wait until it has ended"), answer
    assert server.client.job(job)["status"] in ("pending", "running")
    cancel(server, job)
    server.wait_job(job)
    assert delete(server, job).status == 204


# --- plan before paying ---------------------------------------------------------------------------


def dry_run(server, kind="stock", flag="true", **members):
    return server.client.post(f"/historical/{kind}?dry_run={flag}", members)


@pytest.mark.parametrize("kind,members,items", [
    ("stock", WEEK, 5),
    ("stock", {**WEEK, "schema": "eod", "start_date": "20220103", "end_date": "20231229"}, 2),
    ("option", {**WEEK, "schema": "eod"}, 1),
    ("option", {**WEEK, "schema": "quote"}, 5),
    ("stock", week_of("AAPL", "MSFT"), 10),
])
def test_a_dry_run_makes_the_calls_known_that_are_made_then(simulate, serve, kind, members, items):
    sim = simulate("--contracts", "8")
    server = serve(sim)
    answer = dry_run(server, kind, **members)
    assert answer.status == 200, answer
    plan = answer.json()
    assert (plan["total"], plan["present"], plan["missing"]) == (items, 0, items)
    assert plan["calls"] == sum(item["calls"] for item in plan["items"])
    assert plan["expected"] == {"bytes": None, "seconds": None, "from_objects": 0}, "nothing to go by yet"
    # Nothing was asked, nothing is stored.
    assert sum(sim.calls().values()) == 0
    assert server.client.get("/jobs").json()["total"] == 0 and server.objects() == set()
    job = server.client.submit(kind, **members)
    ended = server.wait_job(job)
    assert ended["request"] == plan["request"]
    assert [item["key"] for item in server.client.items(job)] == [item["key"] for item in plan["items"]]
    made = sum(sim.calls().values())
    # A month's chain is tried once before it is asked for by the day.
    assert made == plan["calls"] + ((kind, members["schema"]) == ("option", "eod"))
    after = dry_run(server, kind, **members).json()
    assert (after["present"], after["missing"], after["calls"]) == (items, 0, 0)
    assert {item["state"] for item in after["items"]} == {"present"}
    assert sum(sim.calls().values()) == made


def test_a_dry_run_says_what_is_there_and_what_the_rest_will_take(simulate, serve):
    sim = simulate()
    server = serve(sim)
    server.wait_job(server.client.submit("stock", **{**WEEK, "end_date": "20240103"}))
    objects = server.objects()
    calls = sum(sim.calls().values())
    plan = dry_run(server, **WEEK).json()
    assert (plan["total"], plan["present"], plan["missing"], plan["calls"]) == (5, 2, 3, 1)
    assert {item["key"] for item in plan["items"] if item["state"] == "present"} == objects
    sizes = [(server.lake / key).stat().st_size for key in objects]
    assert plan["expected"]["from_objects"] == 2
    assert plan["expected"]["bytes"] == pytest.approx(3 * sum(sizes) / 2, abs=1)
    assert plan["expected"]["seconds"] >= 0
    # Force does it all again; so does the server's own word for it.
    for members in ({"mode": "force"}, {"force_refresh": True}):
        forced = dry_run(server, **WEEK, **members).json()
        assert (forced["present"], forced["missing"], forced["calls"]) == (0, 5, 1), members
    assert sum(sim.calls().values()) == calls
    assert server.client.get("/jobs").json()["total"] == 1


def test_a_dry_run_of_a_long_forced_job_is_answered(simulate, serve):
    server = serve(simulate())
    plan = dry_run(server, **YEAR, mode="force").json()
    assert (plan["total"], plan["calls"]) == (250, 12)


def test_a_dry_run_is_refused_as_the_request_would_be(simulate, serve):
    server = serve(simulate(), BETEDGE_LIMITS_ITEMS_PER_JOB="10")
    for members in ({**WEEK, "end_date": "20240101"}, {**WEEK, "root": "../x"}, YEAR):
        dry, real = dry_run(server, **members), server.client.post("/historical/stock", members)
        assert (dry.status, dry.body) == (real.status, real.body)
        assert dry.status == 422
    answer = dry_run(server, flag="perhaps", **WEEK)
    assert answer.status == 422
    fault, = answer.json()["detail"]
    assert (fault["type"], fault["loc"], fault["input"]) == ("bool_parsing", ["query", "dry_run"], "perhaps")
    for flag in ("false", "0", "no", "False"):
        answer = server.client.post(f"/historical/stock?dry_run={flag}", WEEK)
        assert answer.status == 202, flag


# --- what a job is made of ------------------------------------------------------------------------


def test_items_come_page_by_page(simulate, serve):
    server = serve(simulate("--contracts", "20", "--fault", "473@kind=option,every=5"))
    job = server.client.submit("option", **CHAINS)
    server.wait_job(job)

    def pages(query):
        cursor, found = None, []
        while True:
            answer = server.client.get(f"/jobs/{job}/items?{query}" + (f"&cursor={cursor}" if cursor else ""))
            assert answer.status == 200, answer
            found.append(answer.json()["items"])
            cursor = answer.json()["next_cursor"]
            if cursor is None:
                return found

    by_default = pages("")
    assert [len(page) for page in by_default] == [100, 100, 50]
    everything = [item for page in by_default for item in page]
    assert days_of(everything) == sorted(days_of(everything))
    for limit in (1, 7, 125, 250, 1000, 5000):
        found = pages(f"limit={limit}")
        assert [item for page in found for item in page] == everything, limit
        assert {len(page) for page in found[:-1]} <= {limit}
    failed = pages("state=failed&limit=7")
    assert [len(page) for page in failed] == [7] * 7 + [1]
    assert [item for page in failed for item in page] == [item for item in everything if item["state"] == "failed"]
    assert pages("state=cancelled") == [[]]
    for query, detail in (("cursor=x", "Invalid cursor"), ("cursor=-1", "Invalid cursor"),
                          ("state=lost", "Invalid state 'lost'. Valid states: ")):
        answer = server.client.get(f"/jobs/{job}/items?{query}")
        assert answer.status == 400 and answer.json()["detail"].startswith(detail), answer
    assert server.client.get(f"/jobs/{job}/items?limit=x").status == 422
    assert server.client.get(f"/jobs/{job}/items?cursor=4000000000").json() == {"items": [], "next_cursor": None}


def test_a_job_without_items_ends_with_its_creation_and_is_counted_once(simulate, serve):
    sim = simulate()
    server = serve(sim)
    job = server.client.submit("stock", **{**WEEK, "start_date": "20240106", "end_date": "20240107"})
    ended = server.client.job(job)
    assert (ended["status"], ended["progress"]) == ("completed", {"completed": 0, "total": 0, "percentage": 100.0})
    server.wait_event("request_received", path="/historical/stock")  # written after all that it led to
    assert len(server.events("job_completed", job=job)) == 1
    assert Scrape(server)("betedge_jobs_total") == 1
    assert cancel(server, job).json() == ended
    assert delete(server, job).status == 204
    assert sum(sim.calls().values()) == 0


def test_a_job_of_several_symbols(simulate, serve):
    server = serve(simulate("--fault", "473@symbol=MSFT,date=20240104"))
    job = server.client.submit("stock", **week_of("AAPL", "msft", "IBM", "AAPL"))
    ended = server.wait_job(job)
    assert ended["request"]["roots"] == ["AAPL", "MSFT", "IBM"]
    assert [warning for warning in ended["warnings"] if "AAPL" in warning], "it was named twice"
    assert (ended["progress"]["total"], ended["items"]["succeeded"], ended["items"]["failed"]) == (15, 14, 1)
    assert ": MSFT 20240104: " in ended["error_message"]
    items = server.client.items(job)
    assert [item["key"].split("/")[3] for item in items] == ["AAPL"] * 5 + ["MSFT"] * 5 + ["IBM"] * 5
    assert len(server.objects()) == 14


def test_modes(simulate, serve, folder):
    sim = simulate()
    server = serve(sim)

    def run(**members):
        calls = sum(sim.calls().values())
        ended = server.wait_job(server.client.submit("stock", **{**WEEK, **members}))
        assert ended["state"] == "completed"
        return ended["items"]["succeeded"], ended["items"]["skipped"], sum(sim.calls().values()) - calls

    assert run() == (5, 0, 1)
    assert run(mode="skip") == (0, 5, 0)
    assert run(mode="refresh") == (0, 5, 0), "known, whole and of ended days"
    assert run(mode="force") == (5, 0, 1)
    # An object that somebody put there, unknown to us: read and kept by skip, done again by refresh.
    stranger = server.lake / "historical-stock/ohlc/1m/AAPL/2024/01/09/data.parquet"
    stranger.parent.mkdir(parents=True)
    parquet.write_table(pyarrow.table({"close": [1.5, 2.5]}), stranger)
    theirs = stranger.read_bytes()
    assert run(mode="skip", end_date="20240109") == (0, 6, 0)
    assert run(mode="skip", end_date="20240109") == (0, 6, 0), "known from then on"
    assert stranger.read_bytes() == theirs
    assert run(mode="refresh", end_date="20240109") == (1, 5, 1)
    assert stranger.read_bytes() != theirs
    # What is no file of any kind is of no use to anybody.
    stranger.unlink()
    stranger.write_bytes(b"not ours")
    assert run(mode="skip", end_date="20240109") == (1, 5, 1)


@pytest.mark.parametrize("members,kind,place", [
    ({"mode": "always"}, "literal_error", "mode"),
    ({"mode": 1}, "literal_error", "mode"),
    ({"mode": "skip", "force_refresh": True}, "value_error", "mode"),
    ({"labels": "a"}, "dict_type", "labels"),
    ({"labels": {"": "x"}}, "value_error", "labels"),
    ({"labels": {"a": 1}}, "value_error", "labels"),
    ({"labels": {"a" * 65: "x"}}, "value_error", "labels"),
    ({"labels": {"a": "x" * 513}}, "value_error", "labels"),
    ({"labels": {str(number): "x" for number in range(17)}}, "value_error", "labels"),
    ({"priority": "high"}, "int_parsing", "priority"),
    ({"priority": 1e9}, "less_than_equal", "priority"),
    ({"priority": -1000000}, "greater_than_equal", "priority"),
    ({"roots": ["MSFT"]}, "value_error", "roots"),
])
def test_members_that_are_wrong_are_named(shared_server, members, kind, place):
    answer = shared_server.client.post("/historical/stock", {**WEEK, **members})
    assert answer.status == 422, answer
    faults = answer.json()["detail"]
    assert (kind, ["body", place]) in [(fault["type"], fault["loc"]) for fault in faults], faults


@pytest.mark.parametrize("roots,kind,place", [
    ([], "too_short", ["body", "roots"]),
    ("AAPL", "list_type", ["body", "roots"]),
    ([1], "string_type", ["body", "roots", 0]),
    (["AAPL", "../x"], "string_pattern_mismatch", ["body", "roots", 1]),
])
def test_symbols_that_are_wrong_are_named(shared_server, roots, kind, place):
    answer = shared_server.client.post("/historical/stock", {**week_of(), "roots": roots})
    assert answer.status == 422, answer
    assert (kind, place) in [(fault["type"], fault["loc"]) for fault in answer.json()["detail"]], answer


def test_jobs_are_found_by_label(simulate, serve):
    sim = simulate()
    server = serve(sim)
    labels = {"team": "vol", "note": "a:b c&d", "ünï": "ø"}
    ours = server.client.submit("stock", **WEEK, labels=labels)
    theirs = server.client.submit("stock", **{**WEEK, "root": "MSFT"}, labels={"team": "rates"})
    none = server.client.submit("stock", **{**WEEK, "root": "IBM"})
    for job in (ours, theirs, none):
        server.wait_job(job)

    def found(query):
        answer = server.client.get(f"/jobs?{query}")
        assert answer.status == 200, answer
        return [job["job_id"] for job in answer.json()["jobs"]]

    assert server.client.job(ours)["request"]["labels"] == labels
    assert found("label=team:vol") == [ours]
    assert found("label=team:rates") == [theirs]
    assert found("label=note:a%3Ab%20c%26d") == [ours]
    assert found("label=%C3%BCn%C3%AF:%C3%B8") == [ours]
    assert found("label=team:") == found("label=team:nobody") == found("label=Team:vol") == []
    assert found("label=team:vol&job_status=completed") == [ours]
    assert found("label=team:vol&job_status=failed") == []
    assert found("") == [none, theirs, ours]
    for bad in ("team", ":vol", ""):
        answer = server.client.get(f"/jobs?label={bad}")
        assert (answer.status, answer.json()["detail"]) == (400, f"Invalid label '{bad}'. Say name:value")
    assert server.stop() == 0
    server = serve(sim)
    assert found("label=team:vol") == [ours]


def test_a_job_of_higher_priority_overtakes(simulate, serve):
    server = serve(simulate("--latency", "20ms", "--contracts", "20"))
    long = server.client.submit("option", **CHAINS)
    server.wait_event("item_done", count=5, job=long)
    urgent = server.client.submit("option", **{**CHAINS, "root": "MSFT", "end_date": "20230228"}, priority=10)
    unhurried = server.client.submit("option", **{**WEEK, "root": "IBM"}, priority=-1)
    submitted = server.wait_event("request_received", count=2, path="/historical/option")
    for job in (urgent, long, unhurried):
        assert server.wait_job(job)["state"] == "completed"
    lines = [
        (event["time"], event["job"]) for event in server.events("item_done")
        if event["time"] >= submitted["time"]
    ]
    order = [job for _, job in lines]
    first, last = order.index(urgent), len(order) - 1 - order[::-1].index(urgent)
    # Only what had been begun already ended between.
    between = [job for job in order[: last + 1] if job != urgent]
    assert len(between) <= 4 + 4, order[: last + 1]
    assert order[first : last + 1].count(urgent) == 39
    assert order.index(unhurried) > len(order) - 1 - order[::-1].index(long) - 5, "the one below waits for both"


# --- upstreams ------------------------------------------------------------------------------------


def upstream_of(server, name="thetadata"):
    answer = server.client.get("/upstreams")
    assert answer.status == 200, answer
    by_name = {one["name"]: one for one in answer.json()["upstreams"]}
    assert set(by_name) == {"thetadata", "nasdaq"}
    return by_name[name]


def test_upstreams_say_how_they_stand(simulate, serve):
    sim = simulate("--fault", "473@date=20240103")
    server = serve(sim, THETA_CONCURRENCY="3")
    idle = upstream_of(server)
    assert (idle["concurrency"], idle["allowed"], idle["in_use"], idle["waiting"]) == (3, 3, 0, 0)
    assert (idle["circuit"], idle["waiting_for"], idle["calls"], idle["failed_calls"]) == ("closed", None, 0, 0)
    server.wait_job(server.client.submit("stock", **WEEK))
    after = upstream_of(server)
    assert after["calls"] == 5
    assert after["calls_per_second"] > 0
    assert after["version"] == "v3"
    sim.terminal("gone")
    job = server.client.submit("stock", **{**WEEK, "root": "MSFT"})
    server.wait_event("upstream_unavailable")
    gone = upstream_of(server)
    assert gone["circuit"] == "open" and gone["failed_calls"] > after["failed_calls"]
    assert gone["waiting_for"] == server.client.job(job)["waiting_for"]
    assert upstream_of(server, "nasdaq")["circuit"] == "closed"
    sim.terminal("up")
    server.wait_job(job)


def test_the_limit_of_an_upstream_is_changed_while_it_works(simulate, serve):
    sim = simulate("--latency", "100ms", "--concurrency", "64", "--contracts", "20")
    server = serve(sim, THETA_CONCURRENCY="2")
    job = server.client.submit("option", **{**CHAINS, "start_date": "20220103"})
    server.wait_event("item_done", count=4, job=job)
    assert sim.stats()["max_outstanding"] == 2
    answer = put_upstream(server, {"concurrency": 12})
    assert answer.status == 200, answer
    assert (answer.json()["name"], answer.json()["concurrency"]) == ("thetadata", 12)

    def twelve_run():
        assert server.client.job(job)["status"] == "running", "it ended before twelve ran"
        return sim.stats()["outstanding"] >= 12

    until(twelve_run, "twelve calls at once")
    assert upstream_of(server)["concurrency"] == 12
    # Down again: what runs above it ends first, then never more than one.
    assert put_upstream(server, {"concurrency": 1}).json()["concurrency"] == 1
    until(lambda: sim.stats()["outstanding"] <= 1, "the end of what ran above the limit")
    assert sim.stats()["max_outstanding"] == 12, "never more than the limit"
    assert sim.control.request("POST", "/sim/reset").status == 200
    until(lambda: sim.stats()["calls"] >= 5, "five calls more")
    assert sim.stats()["max_outstanding"] == 1
    sim.options(latency="5ms")
    put_upstream(server, {"concurrency": 32})
    ended = server.wait_job(job)
    assert ended["items"]["succeeded"] == ended["progress"]["total"] == 501
    assert sim.stats()["max_outstanding"] <= 32
    changes = [(event["from"], event["to"]) for event in server.events("upstream_limit_changed")]
    assert changes == [("2", "12"), ("12", "1"), ("1", "32")]


@pytest.mark.parametrize("body,kind", [
    ({}, "missing"), ({"concurrency": 0}, "greater_than_equal"), ({"concurrency": -3}, "greater_than_equal"),
    ({"concurrency": 257}, "less_than_equal"), ({"concurrency": 10**30}, "less_than_equal"),
    ({"concurrency": "8"}, "int_type"), ({"concurrency": 2.5}, "int_type"), ({"concurrency": None}, "int_type"),
    ({"concurrency": True}, "int_type"),
])
def test_a_limit_that_is_none_is_refused(shared_server, body, kind):
    before = upstream_of(shared_server)["concurrency"]
    answer = put_upstream(shared_server, body)
    assert answer.status == 422, answer
    fault, = answer.json()["detail"]
    assert (fault["type"], fault["loc"]) == (kind, ["body", "concurrency"])
    assert upstream_of(shared_server)["concurrency"] == before


@pytest.mark.parametrize("body,status", [(b"", 422), (b"{", 422), (b"[]", 422), (b'"8"', 422), (b"\xff", 400)])
def test_a_body_that_is_no_object_is_refused(shared_server, body, status):
    answer = shared_server.client.request(
        "PUT", "/upstreams/thetadata", body, {"Content-Type": "application/json"})
    assert answer.status == status, answer


def test_an_unknown_upstream_is_a_404(shared_server):
    answer = put_upstream(shared_server, {"concurrency": 4}, name="bloomberg")
    assert (answer.status, answer.json()["detail"]) == (404, "Upstream bloomberg not found")


# --- limits ---------------------------------------------------------------------------------------


def test_a_job_of_too_many_items_is_refused_with_what_to_do(simulate, serve):
    server = serve(simulate(), BETEDGE_LIMITS_ITEMS_PER_JOB="5")
    assert server.client.post("/historical/stock", WEEK).status == 202
    answer = server.client.post("/historical/stock", {**WEEK, "end_date": "20240109"})
    assert answer.status == 422
    fault, = answer.json()["detail"]
    assert fault["loc"] == ["body", "end_date"]
    assert fault["msg"].endswith(
        "this asks for 6 items, and a job may have 5: ask for a shorter range or fewer symbols at a time")
    assert server.client.post("/historical/stock", week_of("AAPL", "MSFT")).status == 422
    assert server.client.get("/jobs").json()["total"] == 1


def test_a_full_queue_takes_no_more_until_there_is_room(simulate, serve):
    sim = simulate()
    server = serve(sim, BETEDGE_LIMITS_QUEUED_ITEMS="12")
    sim.terminal("gone")
    first = server.client.submit("stock", **WEEK)
    second = server.client.submit("stock", **{**WEEK, "root": "MSFT"})
    answer = server.client.post("/historical/stock", {**WEEK, "root": "IBM"})
    assert answer.status == 429, answer
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.json()["detail"] == (
        "Failed to submit request: 15 items would wait to be done, and 12 may: wait until some have ended")
    assert server.client.get("/jobs").json()["total"] == 2
    # A smaller one has room; and what adds nothing is never too much.
    small = server.client.post("/historical/stock", {**WEEK, "root": "IBM", "end_date": "20240103"})
    assert small.status == 202
    joined = server.client.post("/historical/stock", WEEK)
    assert (joined.status, joined.json()["job_id"]) == (202, first), joined
    sim.terminal("up")
    for job in (first, second, small.json()["job_id"]):
        server.wait_job(job)
    assert server.client.post("/historical/stock", {**WEEK, "root": "IBM"}).status == 202
