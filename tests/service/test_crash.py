"""A server killed at any moment goes on where it stood."""

import collections
import random
import re

import pyarrow.parquet as parquet
import pytest


def calls_by_symbol_and_day(sim):
    """How often each symbol's day was asked for, whatever became of it."""
    days = collections.Counter()
    for call, count in sim.calls().items():
        symbol = re.search(r"\b(?:symbol|root)=(\w+)", call)[1]
        days[symbol, re.search(r"\b(?:start_)?date=(\d{8})", call)[1]] += count
    return days


def symbol_and_day(key):
    parts = key.split("/")
    return re.search(r"\bSYM\d+\b", key)[0], "".join(parts[-4:-1])


def check_objects(server):
    """Every published object is whole: readable to its last row group."""
    for key in server.objects():
        assert parquet.read_table(server.lake / key).num_rows > 0, key


def run_with_kills(simulate, serve, kills, first, last, chance):
    # Chains: each day is a call of its own, and another for the underlying. How far a server gets before its kill is the
    # machine's affair: when a job has ended, the next kills hit another one.
    sim = simulate("--latency", "15ms", "--contracts", "20")
    server = serve(sim)
    jobs, total, committed, least = [], 0, {}, 0
    for _ in range(kills):
        left = total - server.client.job(jobs[-1])["progress"]["completed"] if jobs else 0
        if left == 0:
            jobs.append(server.client.submit(
                "option", root=f"SYM{len(jobs)}", start_date=first, end_date=last, schema="ohlc"))
            left = total = server.client.job(jobs[-1])["progress"]["total"]
            least = 0
        # A random moment: some items further, then somewhere within the next one.
        ahead = chance.randint(1, max(1, total // (kills + 8)))
        server.wait_event("item_done", count=min(ahead, left), job=jobs[-1])
        server.let_run(chance.random() * 0.03)
        server.kill()
        calls = calls_by_symbol_and_day(sim)
        for key in server.objects():
            committed.setdefault(key, calls[symbol_and_day(key)])
        check_objects(server)
        server = serve(sim)
        now = server.client.job(jobs[-1])["progress"]["completed"]
        assert now >= least, "what was done stays done"
        least = now
    for job in jobs:
        ended = server.wait_job(job)
        assert (ended["status"], ended["error_message"]) == ("completed", None)
        assert ended["progress"]["completed"] == ended["progress"]["total"] == total
    assert total * len(jobs) == len(server.objects())
    check_objects(server)
    calls = calls_by_symbol_and_day(sim)
    again = {key for key, count in committed.items() if calls[symbol_and_day(key)] != count}
    assert not again, f"objects that lay in the lake were downloaded again: {again}"
    left = [path.name for path in server.lake.rglob(".*/*") if path.name != "lock"]
    assert not left, f"unfinished files were left: {left}"
    return server, jobs


def test_killed_at_25_random_moments_the_job_completes_and_nothing_is_torn_or_fetched_again(simulate, serve):
    chance = random.Random(20240105)
    server, jobs = run_with_kills(simulate, serve, 25, "20230103", "20231229", chance)
    states = [item["state"] for job in jobs for item in server.client.items(job)]
    assert set(states) <= {"succeeded", "skipped"}


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(5))
def test_killed_a_hundred_times_the_job_completes(simulate, serve, seed):
    run_with_kills(simulate, serve, 100, "20200102", "20231229", random.Random(seed))


def test_killed_in_the_middle_of_batches_the_job_completes_and_nothing_is_torn(simulate, serve):
    # A month is one call, and some twenty objects are published after it, one by one. How far a server gets before its
    # kill is the machine's affair: when a job has ended, the next kills hit another one.
    chance = random.Random(20240106)
    sim = simulate("--latency", "30ms")
    server = serve(sim)
    jobs = []
    least = 0
    for _ in range(15):
        if not jobs or server.client.job(jobs[-1])["status"] == "completed":
            jobs.append(server.client.submit(
                "stock", root=f"SYM{len(jobs)}", start_date="20200102", end_date="20231229", schema="ohlc"))
            least = 0
        server.wait_event("item_done", count=1, job=jobs[-1])
        server.let_run(chance.random() * 0.05)
        server.kill()
        check_objects(server)
        server = serve(sim)
        now = server.client.job(jobs[-1])["progress"]["completed"]
        assert now >= least, "what was done stays done"
        least = now
    total = 0
    for job in jobs:
        ended = server.wait_job(job)
        assert (ended["status"], ended["error_message"]) == ("completed", None)
        assert ended["progress"]["completed"] == ended["progress"]["total"]
        total += ended["progress"]["total"]
        items = server.client.items(job)
        assert {item["state"] for item in items} <= {"succeeded", "skipped"}
        assert all(item["rows"] == 390 for item in items if item["state"] == "succeeded")
    assert total == len(server.objects())
    check_objects(server)
    left = [path.name for path in server.lake.rglob(".*/*") if path.name != "lock"]
    assert not left, f"unfinished files were left: {left}"


def test_killed_right_after_the_202_the_job_is_there(simulate, serve):
    sim = simulate("--latency", "5ms")
    jobs = []
    for number in range(5):
        server = serve(sim)
        jobs.append(server.client.submit(
            "stock", root=f"SYM{number}", start_date="20240102", end_date="20240105", schema="ohlc"))
        server.kill()
    server = serve(sim)
    for job in jobs:
        assert server.wait_job(job)["status"] == "completed"


def test_a_job_that_ended_before_a_restart_is_still_told(simulate, serve):
    sim = simulate()
    server = serve(sim)
    job = server.client.submit("stock", root="AAPL", start_date="20240102", end_date="20240105", schema="ohlc")
    before = server.wait_job(job)
    assert server.stop() == 0
    server = serve(sim)
    assert server.client.job(job) == before
    assert [item["state"] for item in server.client.items(job)] == ["succeeded"] * 4


def test_in_memory_no_file_is_written_and_after_a_restart_a_job_is_unknown(simulate, serve, folder):
    sim = simulate()
    server = serve(sim, store=":memory:")
    job = server.client.submit("stock", root="AAPL", start_date="20240102", end_date="20240105", schema="ohlc")
    assert server.wait_job(job)["status"] == "completed"
    files = [path for path in folder.rglob("*") if path.is_file() and server.lake not in path.parents]
    assert files == [], "nothing lies beside the lake"
    assert server.stop() == 0
    server = serve(sim, store=":memory:")
    answer = server.client.get(f"/jobs/{job}")
    assert (answer.status, answer.json()["detail"]) == (404, f"Job {job} not found")
    again = server.client.submit("stock", root="AAPL", start_date="20240102", end_date="20240105", schema="ohlc")
    assert server.wait_job(again)["items"]["skipped"] == 4
