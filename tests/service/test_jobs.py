"""Jobs as their submitter sees them."""

import threading
import time

import pyarrow.parquet as parquet
import pytest

from harness import PATIENCE, Scrape


def follow(server, job_id, asks):
    """Asks for the job until it has ended, as fast as it goes; what it said each time."""
    seen = []
    give_up = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < give_up, f"it did not end: {seen[-1]}"
        job = server.client.job(job_id)
        seen.append(job)
        asks()
        if job["status"] in ("completed", "failed"):
            return seen


def test_a_job_of_504_items_is_accepted_before_its_work_and_its_progress_only_grows(simulate, serve):
    # Chains, whose days end one by one.
    sim = simulate("--latency", "5ms", "--contracts", "20")
    server = serve(sim)
    sim.terminal("gone")  # nothing can be done before the answer
    job_id = server.client.submit("option", root="AAPL", start_date="20220103", end_date="20240104", schema="ohlc")
    assert server.client.job(job_id)["progress"]["completed"] == 0
    sim.terminal("up")

    others = []

    def ask_something_else():
        if len(others) < 50:
            others.append(server.client.get("/health").status)
            others.append(server.client.get("/jobs?limit=1").status)

    seen = follow(server, job_id, ask_something_else)
    assert seen[-1]["status"] == "completed"
    assert seen[-1]["progress"] == {"completed": 504, "total": 504, "percentage": 100.0}
    assert set(others) == {200}
    done = [job["progress"]["completed"] for job in seen]
    assert done == sorted(done)
    assert len(set(done)) > 20, "it was seen on its way"
    versions = [job["updated_at"] for job in seen]
    assert versions == sorted(versions)
    statuses = [job["status"] for job in seen]
    assert statuses == sorted(statuses, key=["pending", "running", "completed"].index)
    assert sim.stats()["max_in_service"] <= 4
    assert len(server.objects()) == 504


@pytest.mark.parametrize("kind,latency,first,total,most", [
    ("option", "20ms", "20230101", 250, 50),  # a call a day
    ("stock", "200ms", "20200101", 1006, 252),  # a call a month: twelve of forty-eight
])
def test_a_small_job_does_not_wait_for_a_large_one(simulate, serve, kind, latency, first, total, most):
    server = serve(simulate("--latency", latency, "--contracts", "20"))
    large = server.client.submit(kind, root="AAPL", start_date=first, end_date="20231231", schema="ohlc")
    server.wait_event("item_done", count=4, job=large)
    small = server.client.submit(kind, root="MSFT", start_date="20240103", end_date="20240103", schema="ohlc")
    assert server.wait_job(small)["status"] == "completed"
    done = server.client.job(large)["progress"]
    assert done["total"] == total
    assert done["completed"] < most, "one day of the other job did not wait for all of this one"


def test_two_jobs_at_once_share_the_limit_and_both_end(simulate, serve):
    # Chains: a call a day, and so a turn a day.
    sim = simulate("--latency", "5ms", "--concurrency", "2", "--queue", "0", "--contracts", "20")
    server = serve(sim, THETA_CONCURRENCY=2)
    jobs = [
        server.client.submit("option", root=root, start_date="20240102", end_date="20240229", schema="ohlc")
        for root in ("AAPL", "MSFT")
    ]
    for job in jobs:
        ended = server.wait_job(job)
        assert (ended["status"], ended["error_message"]) == ("completed", None)
    # The account's limit was never passed: a third call would have been answered 429.
    stats = sim.stats()
    assert stats["max_outstanding"] <= 2
    assert "429" not in stats["outcomes"]
    # From the second one's first item to the first one's last, they take turns.
    order = [event["job"] for event in server.events("item_done")]
    both = order[order.index(jobs[1]) : len(order) - order[::-1].index(jobs[0])]
    assert abs(both.count(jobs[0]) - both.count(jobs[1])) <= 4, order


def test_the_same_request_again_downloads_nothing_and_force_refresh_all(simulate, serve):
    sim = simulate()
    server = serve(sim)
    request = {"root": "AAPL", "start_date": "20240102", "end_date": "20240112", "schema": "ohlc"}
    server.wait_job(server.client.submit("stock", **request))
    calls = sum(sim.calls().values())
    again = server.client.submit("stock", **request)
    assert server.wait_job(again)["items"]["skipped"] == 9
    assert sum(sim.calls().values()) == calls
    forced = server.client.submit("stock", **request, force_refresh=True)
    assert server.wait_job(forced)["items"]["succeeded"] == 9
    assert sum(sim.calls().values()) == 2 * calls


@pytest.mark.parametrize("form", ["parquet", "ipc"])
def test_objects_lie_where_loaders_look(simulate, serve, form):
    server = serve(simulate("--contracts", "8"))
    client = server.client
    common = {"root": "AAPL", "start_date": "20240103", "end_date": "20240104", "return_format": form}
    for kind, more in (
        ("stock", {"schema": "quote"}),
        ("stock", {"schema": "eod"}),
        ("option", {"schema": "quote", "interval": 900000}),
        ("option", {"schema": "eod"}),
        ("option", {"schema": "ohlc", "interval": 3600000}),
        ("stock", {"schema": "ohlc", "interval": 300000, "start_time": 36000000, "end_time": 39600000}),
    ):
        job = client.submit(kind, **common, **more)
        assert server.wait_job(job)["items"]["succeeded"] >= 1
    assert server.objects() == {
        f"historical-stock/quote/1m/AAPL/2024/01/03/data.{form}",
        f"historical-stock/quote/1m/AAPL/2024/01/04/data.{form}",
        f"historical-stock/eod/AAPL/2024/data.{form}",
        f"historical-options/quote/15m/all/AAPL/2024/01/03/data.{form}",
        f"historical-options/quote/15m/all/AAPL/2024/01/04/data.{form}",
        f"historical-options/eod/AAPL/2024/01/data.{form}",
        f"historical-options/ohlc/1h/all/AAPL/2024/01/03/data.{form}",
        f"historical-options/ohlc/1h/all/AAPL/2024/01/04/data.{form}",
        f"historical-stock/ohlc/5m@100000-110000/AAPL/2024/01/03/data.{form}",
        f"historical-stock/ohlc/5m@100000-110000/AAPL/2024/01/04/data.{form}",
    }


def test_an_object_says_what_it_is(simulate, serve):
    server = serve(simulate("--contracts", "8"))
    job = server.client.submit("option", root="AAPL", start_date="20240103", end_date="20240103")
    server.wait_job(job)
    item = server.client.items(job)[0]
    path = server.lake / item["key"]
    table = parquet.read_table(path)
    assert table.column_names == [
        "ms_of_day", "bid_size", "bid_exchange", "bid", "bid_condition", "ask_size", "ask_exchange", "ask",
        "ask_condition", "date", "root", "expiration", "strike", "right",
    ]
    assert (item["rows"], item["bytes"]) == (table.num_rows, path.stat().st_size)
    metadata = {key.decode(): value.decode() for key, value in parquet.read_metadata(path).metadata.items()}
    assert any(key.startswith("betedge") for key in metadata), metadata.keys()
    assert not any(job in value for value in metadata.values()), "no job's id is in a file"
    # The underlying's rows follow the option's own.
    rights = table["right"].to_pylist()
    assert rights.index("U") == len(rights) - rights.count("U") > 0


def test_items_are_listed_by_state_and_page(simulate, serve):
    server = serve(simulate("--fault", "473@date=20240104"))
    job = server.client.submit("stock", root="AAPL", start_date="20240102", end_date="20240110", schema="ohlc")
    ended = server.wait_job(job)
    assert ended["status"] == "completed"
    assert ended["error_message"].startswith(
        f"1 of 7 items failed, see /jobs/{job}/items?state=failed: 20240104: "
    )
    assert (ended["state"], ended["items"]["failed"]) == ("completed_with_errors", 1)
    items = server.client.items(job)
    assert [item["key"][-23:-13] for item in items] == [
        f"2024/01/{day:02}" for day in (2, 3, 4, 5, 8, 9, 10)
    ]
    failed = server.client.items(job, "failed")
    assert len(failed) == 1 and "473" in failed[0]["error"]
    paged, cursor = [], 0
    while cursor is not None:
        page = server.client.get(f"/jobs/{job}/items?limit=3&cursor={cursor}").json()
        paged += page["items"]
        cursor = page["next_cursor"]
    assert paged == items


def test_many_clients_at_once_are_all_answered(simulate, serve):
    server = serve(simulate("--latency", "2ms"))
    wrong = []

    def client(number):
        job = server.client.submit(
            "stock", root=f"SYM{number}", start_date="20240102", end_date="20240105", schema="ohlc"
        )
        if server.wait_job(job)["progress"]["completed"] != 4:
            wrong.append(number)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert server.client.get("/jobs").json()["total"] == 16


def test_a_hundred_different_jobs_at_once_all_complete_and_none_starves(simulate, serve):
    sim = simulate("--latency", "10ms", "--contracts", "20")
    server = serve(sim, BETEDGE_MEMORY_BUDGET="64MiB")
    before = Scrape(server)("process_resident_memory_bytes")
    jobs = [None] * 100

    def client(number):
        kind, schema = (("stock", "ohlc"), ("stock", "quote"), ("option", "quote"), ("option", "ohlc"))[number % 4]
        jobs[number] = server.client.submit(
            kind, root=f"SYM{number}", start_date="20240102", end_date="20240112", schema=schema, interval=900000)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(100)]
    for thread in threads:
        thread.start()
    highest = 0
    give_up = time.monotonic() + PATIENCE
    while any(thread.is_alive() for thread in threads) or Scrape(server)("betedge_jobs_unfinished"):
        scrape = Scrape(server)
        assert time.monotonic() < give_up, f"{scrape('betedge_jobs_unfinished')} jobs have not ended"
        in_flight = scrape("betedge_memory_bytes")
        assert in_flight <= scrape("betedge_memory_budget_bytes")
        highest = max(highest, scrape("process_resident_memory_bytes"))
    for thread in threads:
        thread.join()
    assert len(set(jobs)) == 100 and None not in jobs
    for job in jobs:
        ended = server.client.job(job)
        assert (ended["state"], ended["error_message"], ended["items"]["succeeded"]) == ("completed", None, 9)
    # They take turns: soon after the last one came, each has its first item. A chain's day is a turn, and of a stock
    # all nine days, which one call brings.
    done = server.events("item_done")
    assert len(done) == 900
    turns = {}
    for event in done:
        turns.setdefault((event["job"], event["item"] if "options" in event["item"] else "all"), event)
    turns = list(turns.values())
    order = [event["job"] for event in turns]
    assert len(order) == 50 * 9 + 50
    last_accepted = max(event["time"] for event in server.events("request_received", method="POST"))
    all_there = next(place for place, event in enumerate(turns) if event["time"] >= last_accepted)
    assert max(order.index(job) for job in jobs) < all_there + 150
    assert highest - before < 64 << 20
    assert sim.stats()["max_outstanding"] <= 4
