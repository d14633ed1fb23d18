"""Nothing is done twice: the same request again, equal requests at once, objects that several jobs need."""

import itertools
import re
import threading

import pytest

from harness import Client, Scrape

WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}
MONTH = {**WEEK, "end_date": "20240131"}
NEXT = {**WEEK, "start_date": "20240117", "end_date": "20240214"}  # eleven of its days are MONTH's too
KEY = {"Idempotency-Key": "backfill-17"}


def submit(server, body=None, kind="stock", **headers):
    return server.client.post(
        f"/historical/{kind}", body or WEEK, {name.replace("_", "-"): value for name, value in headers.items()})


def calls_by_day(sim):
    return {re.search(r"\bdate=(\d{8})|start_date=(\d{8})", call)[0][-8:]: count for call, count in sim.calls().items()}


@pytest.fixture
def standing(simulate, serve):
    """A simulator that is gone, and a server: what is submitted stays active until the test lets it go."""
    sim = simulate("--latency", "5ms")
    server = serve(sim)
    sim.terminal("gone")
    return sim, server


# --- Idempotency-Key ------------------------------------------------------------------------------


def test_the_same_key_gives_the_same_answer_while_the_job_runs_and_after_and_after_a_restart(standing, serve):
    sim, server = standing
    first = submit(server, **KEY)
    assert first.status == 202
    assert "Idempotency-Replayed" not in first.headers and "Betedge-Joined" not in first.headers

    def check_replay(key):
        again = submit(server, Idempotency_Key=key)
        assert (again.status, again.body) == (202, first.body)
        assert again.headers["Location"] == first.headers["Location"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Betedge-Joined" not in again.headers

    # A structured field's string, quoted; and as most clients send it, bare.
    for key in ("backfill-17", '"backfill-17"', ' "backfill-17" '):
        check_replay(key)
    sim.terminal("up")
    server.wait_job(first.json()["job_id"])
    check_replay("backfill-17")
    assert server.stop() == 0
    server = serve(sim)
    check_replay('"backfill-17"')
    assert server.client.get("/jobs").json()["total"] == 1
    assert set(calls_by_day(sim).values()) == {1}
    assert not server.events("job_completed"), "it ended in the process before, and is counted once"
    assert Scrape(server)("betedge_jobs_total") == 0


def test_a_key_is_for_one_request(standing):
    sim, server = standing
    first = submit(server, **KEY)
    for other in ({**WEEK, "root": "MSFT"}, {**WEEK, "schema": "quote"}, {**WEEK, "labels": {"a": "b"}},
                  {**WEEK, "force_refresh": True}):
        answer = submit(server, other, **KEY)
        assert answer.status == 422, answer
        fault, = answer.json()["detail"]
        assert (fault["loc"], fault["input"]) == (["header", "Idempotency-Key"], "backfill-17")
        assert "this key was sent with another request before" in fault["msg"]
        assert "Idempotency-Replayed" not in answer.headers and "Location" not in answer.headers
    assert submit(server, WEEK, "option", **KEY).status == 422, "another endpoint is another request"
    # The same request, said in other words.
    same = submit(server, {"schema": "ohlc", "interval": "60000", **WEEK, "start_time": None}, **KEY)
    assert (same.status, same.body) == (202, first.body)
    assert server.client.get("/jobs").json()["total"] == 1
    sim.terminal("up")


def test_another_client_has_keys_of_its_own(standing):
    sim, server = standing
    jobs = {}
    for client, body in (("ann", WEEK), ("bob", {**WEEK, "root": "MSFT"}), (None, {**WEEK, "root": "IBM"})):
        named = {"X_Client_Id": client} if client else {}
        answer = submit(server, body, **KEY, **named)
        assert answer.status == 202 and "Idempotency-Replayed" not in answer.headers
        jobs[client] = answer.json()["job_id"]
        again = submit(server, body, **KEY, **named)
        assert (again.json()["job_id"], again.headers["Idempotency-Replayed"]) == (jobs[client], "true")
    assert len(set(jobs.values())) == 3
    sim.terminal("up")


@pytest.mark.parametrize("key", ["", " ", '""', "x" * 256, "tab\there", "\xff", '"' + "x" * 256 + '"'])
def test_a_key_that_is_none_is_refused_and_nothing_is_stored(standing, key):
    _, server = standing
    answer = submit(server, Idempotency_Key=key)
    assert (answer.status, answer.json()["detail"]) == (
        400, "Idempotency-Key must be 1 to 255 printable characters"), answer
    assert server.client.get("/jobs").json()["total"] == 0


def test_the_longest_and_the_oddest_keys_are_keys(standing):
    sim, server = standing
    seen = set()
    for number, key in enumerate(("x" * 255, '"' + "y" * 255 + '"', '"', "a b", r'"a\"b"', "*")):
        body = {**WEEK, "root": f"SYM{number}"}
        first, again = submit(server, body, Idempotency_Key=key), submit(server, body, Idempotency_Key=key)
        assert first.status == again.status == 202, key
        assert again.headers["Idempotency-Replayed"] == "true"
        seen.add(first.json()["job_id"])
    assert len(seen) == 6
    sim.terminal("up")


def test_what_was_refused_leaves_its_key_free(standing):
    sim, server = standing
    assert submit(server, {**WEEK, "end_date": "20230101"}, **KEY).status == 422
    assert submit(server, **KEY).status == 202
    sim.terminal("up")


def test_a_key_is_forgotten_with_its_job(standing):
    sim, server = standing
    sim.terminal("up")
    first = submit(server, **KEY).json()["job_id"]
    server.wait_job(first)
    assert server.client.request("DELETE", f"/jobs/{first}").status == 204
    again = submit(server, {**WEEK, "root": "MSFT"}, **KEY)
    assert again.status == 202 and "Idempotency-Replayed" not in again.headers


# --- equal requests -------------------------------------------------------------------------------


def test_an_equal_request_joins_the_job_that_is_active(standing):
    sim, server = standing
    first = submit(server)
    for body in (WEEK, {**WEEK, "interval": 60000}, {**WEEK, "root": "aapl", "start_time": None}):
        joined = submit(server, body)
        assert (joined.status, joined.body) == (202, first.body)
        assert joined.headers["Betedge-Joined"] == "true"
        assert joined.headers["Location"] == first.headers["Location"]
    # With a key it joins as well, and the key is the job's from then on.
    keyed = submit(server, **KEY)
    assert (keyed.body, keyed.headers["Betedge-Joined"]) == (first.body, "true")
    replayed = submit(server, **KEY)
    assert replayed.headers["Idempotency-Replayed"] == "true" and "Betedge-Joined" not in replayed.headers
    # In any field another: another job.
    others = [{**WEEK, "end_date": "20240109"}, {**WEEK, "schema": "quote"}, {**WEEK, "interval": 300000},
              {**WEEK, "return_format": "ipc"}, {**WEEK, "force_refresh": True}, {**WEEK, "priority": 1},
              {**WEEK, "labels": {"a": "b"}}, {**WEEK, "start_time": 36000000, "end_time": 39600000}]
    made = [submit(server, body) for body in others]
    assert all("Betedge-Joined" not in answer.headers for answer in made)
    ids = {answer.json()["job_id"] for answer in made} | {first.json()["job_id"]}
    assert len(ids) == len(others) + 1
    sim.terminal("up")
    server.wait_job(first.json()["job_id"])
    after = submit(server)
    assert "Betedge-Joined" not in after.headers, "one that has ended is joined by nobody"
    assert server.wait_job(after.json()["job_id"])["items"]["skipped"] == 5


def test_a_job_that_is_being_cancelled_is_joined_by_nobody(standing):
    sim, server = standing
    first = submit(server).json()["job_id"]
    assert server.client.post(f"/jobs/{first}/cancel", None).status in (200, 202)
    second = submit(server)
    assert "Betedge-Joined" not in second.headers and second.json()["job_id"] != first
    sim.terminal("up")
    assert server.wait_job(second.json()["job_id"])["items"]["succeeded"] == 5
    assert server.client.job(first)["state"] == "cancelled"


def at_once(count, ask):
    """What `count` threads get that ask at the same moment."""
    ready, answers = threading.Barrier(count), [None] * count

    def one(number):
        ready.wait()
        answers[number] = ask(number)

    threads = [threading.Thread(target=one, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers


def test_a_hundred_equal_submits_at_once_make_one_job_and_one_download_an_item(simulate, serve):
    sim = simulate("--latency", "100ms")
    server = serve(sim)
    answers = at_once(100, lambda _: Client(server.port).post("/historical/stock", MONTH))
    assert {answer.status for answer in answers} == {202}
    job, = {answer.json()["job_id"] for answer in answers}
    assert len({answer.body for answer in answers}) == 1
    assert sum(answer.headers["Betedge-Joined"] == "true" for answer in answers) == 99
    ended = server.wait_job(job)
    assert (ended["items"]["succeeded"], ended["progress"]["total"]) == (21, 21)
    assert server.client.get("/jobs").json()["total"] == 1
    assert set(calls_by_day(sim).values()) == {1} and len(sim.calls()) == 1


def test_a_hundred_submits_of_one_key_at_once_make_one_job(simulate, serve):
    sim = simulate("--latency", "100ms")
    server = serve(sim)
    answers = at_once(100, lambda _: Client(server.port).post("/historical/stock", WEEK, KEY))
    done = [answer for answer in answers if answer.status == 202]
    in_flight = [answer for answer in answers if answer.status == 409]
    assert len(done) + len(in_flight) == 100 and done
    assert len({answer.body for answer in done}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in done) == 1
    for answer in in_flight:
        assert answer.headers["Retry-After"] == "1"
        assert "Idempotency-Key" in answer.json()["detail"]
    server.wait_job(done[0].json()["job_id"])
    assert server.client.get("/jobs").json()["total"] == 1
    assert set(calls_by_day(sim).values()) == {1}


# --- one download for several jobs ----------------------------------------------------------------


def test_two_jobs_that_need_one_day_download_it_once_and_both_count_it(standing):
    sim, server = standing
    first, second = submit(server, MONTH).json()["job_id"], submit(server, NEXT).json()["job_id"]
    assert first != second
    sim.terminal("up")
    one, two = server.wait_job(first), server.wait_job(second)
    days = {item["key"] for job in (first, second) for item in server.client.items(job)}
    shared = {item["key"] for item in server.client.items(first)} & {
        item["key"] for item in server.client.items(second)}
    assert len(shared) == 11
    assert one["items"]["succeeded"] == one["progress"]["total"] == 21
    assert two["items"]["succeeded"] == two["progress"]["total"] == 21
    assert len(days) == len(server.objects()) == 31
    assert len(sim.calls()) == 2, "January and February"
    assert set(calls_by_day(sim).values()) == {1}
    # Both say the same of them.
    of = [{item["key"]: item for item in server.client.items(job)} for job in (first, second)]
    for key in shared:
        assert of[0][key] == of[1][key]
    assert one["bytes"] == sum(item["bytes"] for item in of[0].values())
    assert two["bytes"] == sum(item["bytes"] for item in of[1].values())


STEPS = ["submit 1", "submit 2", "up", "cancel 1"]
ORDERS = [order for order in itertools.permutations(STEPS) if order.index("submit 1") < order.index("cancel 1")]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: ", ".join(order))
def test_one_of_two_cancelled_in_any_order_the_other_gets_all_it_asked_for(simulate, serve, order):
    sim = simulate("--latency", "30ms")
    server = serve(sim)
    sim.terminal("gone")
    jobs = {}
    for step in order:
        if step == "up":
            sim.terminal("up")
        elif step == "cancel 1":
            answer = server.client.post(f"/jobs/{jobs['1']}/cancel", None)
            assert answer.status in (200, 202), answer
        else:
            number = step[-1]
            jobs[number] = submit(server, {"1": MONTH, "2": NEXT}[number]).json()["job_id"]
    cancelled, other = server.wait_job(jobs["1"]), server.wait_job(jobs["2"])
    assert (cancelled["state"], cancelled["error_message"]) == ("cancelled", "cancelled")
    assert (other["state"], other["error_message"]) == ("completed", None)
    assert other["items"]["succeeded"] + other["items"]["skipped"] == other["progress"]["total"] == 21
    wanted = {item["key"] for item in server.client.items(jobs["2"])}
    kept = {item["key"] for item in server.client.items(jobs["1"], "succeeded")}
    assert wanted <= server.objects() and kept <= server.objects()
    # Only what was cut in its middle may have been begun a second time.
    again = [day for day, count in calls_by_day(sim).items() if count > 1]
    assert len(again) <= 4
    assert sum(cancelled["items"].values()) == cancelled["progress"]["total"] == 21


def test_a_day_that_runs_for_a_cancelled_job_goes_on_for_the_other(simulate, serve):
    sim = simulate("--latency", "400ms")
    server = serve(sim)
    first = submit(server, MONTH).json()["job_id"]
    server.wait_event("job_started", job=first)
    second = submit(server, {**MONTH, "priority": 1}).json()["job_id"]
    assert server.client.job(second)["items"]["running"] > 0, "what runs for the first one runs for it too"
    answer = server.client.post(f"/jobs/{first}/cancel", None)
    assert (answer.status, answer.json()["state"]) == (200, "cancelled"), "nothing has to stop for that"
    ended = server.wait_job(second)
    assert ended["items"]["succeeded"] == 21
    assert set(calls_by_day(sim).values()) == {1}
