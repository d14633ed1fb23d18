"""How a job is watched: server-sent events, long polls, ETags."""

import resource
import signal
import threading
import time
from datetime import datetime

import pytest

from event_stream import EventStream, Swarm, Unread, watch
from harness import PATIENCE, Scrape, missing, until

DAYS = {"root": "AAPL", "start_date": "20240102", "end_date": "20240328", "schema": "ohlc"}
WEEK = {**DAYS, "end_date": "20240108"}
NOBODY = "0192f0c1-2345-7abc-8def-0123456789ab"


def numbers(events, name):
    return [int(event.id) for event in events if event.name == name]


def named(events, name):
    return [event for event in events if event.name == name]


def seconds_between(earlier, later):
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


@pytest.fixture
def standing(simulate, serve):
    """A terminal that is gone, a server that knows it, and a function that submits what then stands still.

    Chains, because each of their days has a call of its own and so ends alone: every third one fails."""
    sim = simulate("--latency", "20ms", "--contracts", "20", "--fault", "473@kind=option,every=3")
    server = serve(sim)
    sim.terminal("gone")

    def submit(**members):
        job = server.client.submit("option", **{**DAYS, **members})
        server.wait_event("upstream_unavailable")
        until(lambda: server.client.job(job)["items"]["running"] == 0, "the end of what had been begun")
        return job

    return sim, server, submit


def failed_items(server, job):
    return {item["key"]: item for item in server.client.items(job, "failed")}


def without_job(event):
    return {name: value for name, value in event.data.items() if name != "job_id"}


# --- one job's stream -----------------------------------------------------------------------------


def test_a_stream_tells_a_job_from_its_snapshot_to_its_end(standing):
    sim, server, submit = standing
    job = submit()
    with watch(server, job) as stream:
        assert stream.status == 200
        assert stream.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.headers["Cache-Control"] == "no-store"
        snapshot = next(stream)
        assert snapshot.name == "snapshot"
        assert snapshot.data["waiting_for"].startswith("upstream unavailable since 20")
        sim.terminal("up")
        events = [snapshot, *stream]  # which ends by itself
    assert stream.parser.retry_ms == 2000
    ended = server.client.job(job)
    assert (ended["state"], ended["items"]["failed"]) == ("completed_with_errors", ended["progress"]["total"] // 3)

    assert {event.name for event in events} == {"snapshot", "progress", "item_failed", "end"}
    assert [event.name for event in events if event.name in ("snapshot", "end")] == ["snapshot", "end"]
    assert events[-1].name == "end"
    assert events[-1].data == ended
    assert all(event.data["job_id"] == job for event in events)

    progress = named(events, "progress")
    assert all(event.data.items() <= {**ended, **event.data}.items() for event in progress)
    versions = numbers(events, "progress")
    assert versions == sorted(set(versions)), "each tells of a later version"
    done = [event.data["progress"]["completed"] for event in progress]
    assert done == sorted(done)
    ids = [int(event.id) for event in events]
    assert ids[-1] == max(ids)
    # By the server's own times: its flushes are a quarter of a second apart, the last one is the end's.
    took = seconds_between(ended["created_at"], ended["finished_at"])
    assert len(progress) <= 4 * took + 2
    assert len(progress) < versions[-1] / 2, "not an event a version"

    told = [without_job(event) for event in named(events, "item_failed")]
    assert {item["key"]: item for item in told} == failed_items(server, job)
    assert len(told) == ended["items"]["failed"], "each once"
    # Before the progress that counts them.
    seen = 0
    for event in events[1:]:
        if event.name == "item_failed":
            seen += 1
        else:
            assert event.data["items"]["failed"] <= seen


def test_a_reconnect_after_the_end_is_told_that_there_is_no_more(standing):
    sim, server, submit = standing
    job = submit(end_date="20240105")
    sim.terminal("up")
    with watch(server, job) as stream:
        events = list(stream)
    ended = events[-1]
    assert ended.name == "end"
    with watch(server, job, ended.id) as again:
        assert (again.status, again.answer.read()) == (204, b"")
    with watch(server, job, str(int(ended.id) + 1)) as later:
        assert later.status == 204
    with watch(server, job, str(int(ended.id) - 1)) as before:
        assert before.status == 200
        assert list(before)[-1] == ended


def test_a_watcher_of_a_job_that_has_ended_gets_snapshot_and_end(standing):
    sim, server, submit = standing
    job = submit(end_date="20240105")
    sim.terminal("up")
    ended = server.wait_job(job)
    with watch(server, job) as stream:
        events = list(stream)
    assert [event.name for event in events] == ["snapshot", "end"]
    assert [event.data for event in events] == [ended, ended]
    # From the beginning, as one who has lost everything.
    with watch(server, job, "0") as stream:
        events = list(stream)
    assert [event.name for event in events] == ["item_failed"] * ended["items"]["failed"] + ["snapshot", "end"]
    assert {event.data["key"]: without_job(event) for event in events[:-2]} == failed_items(server, job)


def test_cut_at_every_event_in_turn_no_failed_item_is_missed(standing):
    sim, server, submit = standing
    job = submit()
    streams = [watch(server, job) for _ in range(40)]
    for stream in streams:
        assert next(stream).name == "snapshot"
    told = [None] * len(streams)

    def follow(number):
        """Reads so many events more, goes away without a word and comes back with the last one's id."""
        stream = streams[number]
        events = []
        while len(events) < number and not (events and events[-1].name == "end"):
            events.append(next(stream))
        stream.close()
        with watch(server, job, stream.last_id) as again:
            if again.status == 204:
                assert events[-1].name == "end"
            else:
                events += list(again)
        told[number] = events

    followers = [threading.Thread(target=follow, args=(number,)) for number in range(len(streams))]
    for follower in followers:
        follower.start()
    sim.terminal("up")
    for follower in followers:
        follower.join()
    server.wait_job(job)
    failed = failed_items(server, job)
    assert len(failed) == 20
    for number, events in enumerate(told):
        assert events is not None, f"cut after {number} events"
        assert events[-1].name == "end", number
        keys = {event.data["key"]: without_job(event) for event in named(events, "item_failed")}
        assert keys == failed, f"cut after {number} events"


def test_a_watcher_that_comes_back_again_and_again_learns_of_every_failure(standing):
    sim, server, submit = standing
    job = submit()
    last, told = None, {}
    sim.terminal("up")
    while True:
        with watch(server, job, last) as stream:
            if stream.status == 204:
                break
            # Up to what has its own version, then away.
            for event in stream:
                last = event.id
                if event.name == "item_failed":
                    told[event.data["key"]] = without_job(event)
                if event.name in ("progress", "end"):
                    break
    # The first connection may have come after the first failures: those it did not ask for.
    failed = failed_items(server, job)
    assert len(failed) == 20
    with watch(server, job, "0") as stream:
        assert {event.data["key"] for event in named(list(stream), "item_failed")} == set(failed)
    assert told.items() <= failed.items()
    assert len(failed) - len(told) <= 2


def test_items_that_fail_by_the_hundred_are_told_page_by_page(simulate, serve):
    server = serve(simulate("--fault", "473"))
    job = server.client.submit("stock", **{**DAYS, "start_date": "20230103"})
    total = server.wait_job(job)["progress"]["total"]
    assert total > 300
    with watch(server, job, "0") as stream:
        events = list(stream)
    assert [event.name for event in events[-2:]] == ["snapshot", "end"]
    assert [event.data["key"] for event in events[:-2]] == [item["key"] for item in server.client.items(job)]


def test_unknown_jobs_and_bad_ids_have_no_stream(simulate, serve):
    server = serve(simulate())
    for name, status, detail in (
        (NOBODY, 404, f"Job {NOBODY} not found"),
        ("nonsense", 400, "Invalid job ID format"),
    ):
        answer = server.client.get(f"/jobs/{name}/events")
        assert (answer.status, answer.json()["detail"]) == (status, detail)


def test_what_is_no_id_of_ours_begins_with_a_snapshot(standing):
    sim, server, submit = standing
    job = submit(end_date="20240105")
    for strange in ("", "nonsense", "-1", "99999999999999999999999", "1.5"):
        with watch(server, job, strange) as stream:
            assert next(stream).name == "snapshot", strange
    sim.terminal("up")
    server.wait_job(job)


# --- the stream of all jobs -----------------------------------------------------------------------


def test_one_stream_tells_of_all_jobs(standing):
    sim, server, submit = standing
    # Three jobs take turns: each third call could always be the same one's.
    sim.faults("473@every=4,kind=option")
    first = submit()
    with EventStream(server, "/events") as stream:
        snapshot = next(stream)
        assert snapshot.name == "snapshot"
        assert [job["job_id"] for job in snapshot.data["jobs"]] == [first]
        jobs = [first, *(submit(root=root, end_date="20240209") for root in ("MSFT", "IBM"))]
        sim.terminal("up")
        events, left = [], set(jobs)
        while left:
            event = next(stream)
            events.append(event)
            if event.name == "end":
                left.remove(event.data["job_id"])
        for job in jobs:
            own = [event for event in events if event.data["job_id"] == job]
            assert own[-1].name == "end" and own[-1].data == server.client.job(job)
            assert {event.name for event in own} == {"progress", "item_failed", "end"}
            done = [event.data["progress"]["completed"] for event in own if event.name == "progress"]
            assert done == sorted(done)
            told = [without_job(event) for event in own if event.name == "item_failed"]
            assert {item["key"]: item for item in told} == failed_items(server, job)
            assert len(told) == own[-1].data["items"]["failed"], "each once"
        # It goes on: with jobs to come.
        later = server.client.submit("stock", **{**WEEK, "root": "KO"})
        assert stream.until("end")[-1].data["job_id"] == later


def test_the_stream_of_all_jobs_is_gone_on_with_while_somebody_watches(standing):
    sim, server, submit = standing
    jobs = [submit(root=root) for root in ("AAPL", "MSFT")]
    with EventStream(server, "/events") as staying:
        assert next(staying).name == "snapshot"
        sim.terminal("up")
        with EventStream(server, "/events") as leaving:
            seen = leaving.until("item_failed")
        with EventStream(server, "/events", leaving.last_id) as back:
            left = set(jobs)
            while left:
                event = next(back)
                seen.append(event)
                if event.name == "end":
                    left.remove(event.data["job_id"])
        all_of_it = []
        left = set(jobs)
        while left:
            event = next(staying)
            all_of_it.append(event)
            if event.name == "end":
                left.remove(event.data["job_id"])
    names = [event.name for event in seen]
    assert names.count("snapshot") == 1, "the second time it went on where it had been"
    for job in jobs:
        ours, theirs = (
            {event.data["key"] for event in events if event.name == "item_failed" and event.data["job_id"] == job}
            for events in (seen, all_of_it)
        )
        assert theirs == set(failed_items(server, job))
        # What failed before the second watcher came, it did not ask for.
        assert ours <= theirs and len(theirs) - len(ours) <= 2


def test_an_id_of_another_process_begins_with_a_snapshot(standing):
    sim, server, submit = standing
    submit(end_date="20240105")
    with EventStream(server, "/events", "deadbeef-1") as stream:
        assert next(stream).name == "snapshot"
    sim.terminal("up")


def test_streams_and_polls_end_when_the_server_stops(standing, serve):
    sim, server, submit = standing
    job = submit()
    answers = []
    poll = threading.Thread(target=lambda: answers.append(server.client.get(f"/jobs/{job}?wait=60")))
    with watch(server, job) as one, EventStream(server, "/events") as all_jobs:
        assert (next(one).name, next(all_jobs).name) == ("snapshot", "snapshot")
        poll.start()
        until(lambda: Scrape(server)("http_server_active_requests") == 2, "the poll")  # beside the scrape itself
        server.signal(signal.SIGTERM)
        for stream in (one, all_jobs):
            assert "end" not in [event.name for event in stream], "the stream's end is not the job's"
    assert server.wait() == 0
    poll.join()
    assert answers[0].status in (200, 503), answers
    stopping, stopped = server.events("service_stopping")[0], server.events("service_stopped")[0]
    assert seconds_between(stopping["time"], stopped["time"]) < 10
    # The next one goes on, and so do its watchers.
    server = serve(sim)
    with watch(server, job, one.last_id) as stream:
        assert next(stream).name == "snapshot"
        sim.terminal("up")
        assert stream.until("end")[-1].data["state"] == "completed_with_errors"


# --- polling --------------------------------------------------------------------------------------


def poll(server, job, wait, etag=None):
    return server.client.get(f"/jobs/{job}?wait={wait}", {"If-None-Match": etag} if etag else {})


def test_a_long_poll_answers_at_the_next_change(standing):
    sim, server, submit = standing
    job = submit()
    before = server.client.get(f"/jobs/{job}")
    answers = []

    def ask(etag):
        answers.append(poll(server, job, 60, etag))

    asking = [threading.Thread(target=ask, args=(etag,)) for etag in (None, before.headers["ETag"])]
    for one in asking:
        one.start()
    sim.terminal("up")
    for one in asking:
        one.join()
    for answer in answers:
        assert answer.status == 200
        assert answer.headers["ETag"] != before.headers["ETag"]
    # From change to change, until the end, which is answered at once however long one would wait.
    etag, versions = answers[1].headers["ETag"], []
    while True:
        answer = poll(server, job, 60, etag)
        assert answer.status == 200
        etag = answer.headers["ETag"]
        versions.append(answer.json()["progress"]["completed"])
        if answer.json()["status"] == "completed":
            break
    assert versions == sorted(versions)
    assert poll(server, job, 60, etag).status == 304
    assert poll(server, job, 60).status == 200


def test_a_long_poll_of_a_job_that_stands_still(standing):
    _, server, submit = standing
    job = submit()
    etag = server.client.get(f"/jobs/{job}").headers["ETag"]
    still = poll(server, job, 1, etag)
    assert (still.status, still.body, still.headers["ETag"]) == (304, b"", etag)
    assert still.headers["Retry-After"] == "1"
    still = poll(server, job, 1)
    assert (still.status, still.headers["ETag"]) == (200, etag)
    # One who knows an older version is answered at once: nothing will change in this minute.
    for old in ('"0"', f'W/{etag[:-1]}0"', '"nonsense"'):
        answer = poll(server, job, 60, old)
        assert (answer.status, answer.headers["ETag"]) == (200, etag)
    assert poll(server, job, 0).status == 200
    assert poll(server, job, 0, etag).status == 304


@pytest.mark.parametrize("value,kind", [
    ("x", "int_parsing"), ("", "int_parsing"), ("1.5", "int_parsing"), ("1s", "int_parsing"),
    ("-1", "greater_than_equal"), ("99999999999999999999", "int_parsing"),
])
def test_a_wait_that_is_none_is_refused(standing, value, kind):
    sim, server, submit = standing
    job = submit(end_date="20240103")
    answer = poll(server, job, value)
    assert answer.status == 422, answer
    fault, = answer.json()["detail"]
    assert (fault["type"], fault["loc"], fault["input"]) == (kind, ["query", "wait"], value)
    sim.terminal("up")


def test_a_wait_for_an_unknown_job_is_a_404_at_once(simulate, serve):
    server = serve(simulate())
    answer = poll(server, NOBODY, 60)
    assert (answer.status, answer.json()["detail"]) == (404, f"Job {NOBODY} not found")


def test_the_same_tag_is_the_same_answer_and_another_answer_another_tag(simulate, serve):
    sim = simulate("--latency", "10ms", "--contracts", "20", "--fault", "473@kind=option,every=4")
    server = serve(sim)
    job = server.client.submit("option", **DAYS)
    by_tag, waits = {}, 0
    outages = [5, 25]
    give_up = time.monotonic() + PATIENCE
    while True:
        assert time.monotonic() < give_up, f"the job's end did not come after {len(by_tag)} versions"
        answer = server.client.get(f"/jobs/{job}")
        etag = answer.headers["ETag"]
        assert etag.startswith('"') and etag.endswith('"'), "strong"
        assert by_tag.setdefault(etag, answer.body) == answer.body
        now = answer.json()
        if "waiting_for" in now:
            waits += 1
            again = server.client.get(f"/jobs/{job}", {"If-None-Match": etag})
            assert again.status in (200, 304)
            sim.terminal("up")
        has_ended = now["status"] in ("completed", "failed")
        assert answer.headers["Retry-After"] == (None if has_ended else "1")
        if has_ended:
            break
        if outages and now["progress"]["completed"] >= outages[0]:
            outages.pop(0)
            sim.terminal("gone")
            server.wait_event("upstream_unavailable", count=2 - len(outages))
    assert waits >= 2
    assert len(set(by_tag.values())) == len(by_tag)
    assert len(by_tag) > 20


def test_who_knows_the_version_gets_no_body(standing):
    sim, server, submit = standing
    job = submit(end_date="20240105")
    path = f"/jobs/{job}"
    for is_over in (False, True):
        if is_over:
            sim.terminal("up")
            server.wait_job(job)
        whole = server.client.get(path)
        etag = whole.headers["ETag"]
        assert whole.headers["Cache-Control"] == "private, no-cache"
        for known in (etag, f"W/{etag}", f'"x", {etag}', "*"):
            answer = server.client.get(path, {"If-None-Match": known})
            assert (answer.status, answer.body, answer.headers["ETag"]) == (304, b"", etag), known
            assert answer.headers["Content-Length"] is None
            assert answer.headers["Retry-After"] == (None if is_over else "1")
        for other in ('"x"', etag.strip('"'), '"x", "y"'):
            assert server.client.get(path, {"If-None-Match": other}).status == 200, other


def test_head_is_get_without_the_body(standing):
    sim, server, submit = standing
    job = submit(end_date="20240105")
    sim.terminal("up")
    server.wait_job(job)
    path = f"/jobs/{job}"
    for path in (f"/jobs/{job}", f"/jobs/{job}?wait=60", f"/jobs/{job}/items", "/jobs", "/upstreams", "/version"):
        whole, head = server.client.get(path), server.client.request("HEAD", path)
        assert (head.status, head.body) == (200, b""), path
        for name in ("Content-Type", "Content-Length", "ETag", "Cache-Control", "Retry-After"):
            assert head.headers[name] == whole.headers[name], (path, name)
    for path in (f"/jobs/{job}/events", "/events"):
        head = server.client.request("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    etag = server.client.get(f"/jobs/{job}").headers["ETag"]
    assert server.client.request("HEAD", f"/jobs/{job}", headers={"If-None-Match": etag}).status == 304
    assert server.client.request("HEAD", f"/jobs/{NOBODY}/events").status == 404


# --- thousands ------------------------------------------------------------------------------------

WATCHERS, SLEEPERS = 5000, 50
# What one more watcher may cost the server, of resident memory.
BYTES_A_WATCHER = 24 << 10
DESCRIPTORS = 2 * (WATCHERS + SLEEPERS) + 1000


def allow_descriptors():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@pytest.fixture
def descriptors():
    """As many as the system lets this process and its children have."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= before[1] < DESCRIPTORS:
        missing(f"{DESCRIPTORS} open files are needed, and {before[1]} are allowed (ulimit -Hn)")
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1], before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_five_thousand_watchers_and_fifty_that_never_read_cost_little_and_hold_nobody_up(
    simulate, serve, descriptors
):
    sim = simulate("--latency", "60ms", "--contracts", "20", "--fault", "473@kind=option,every=2")
    server = serve(sim, preexec=allow_descriptors)
    sim.terminal("gone")
    three_years = {**DAYS, "start_date": "20210104", "end_date": "20231229", "interval": 3600000}
    job = server.client.submit("option", **three_years)
    server.wait_event("upstream_unavailable")
    until(lambda: server.client.job(job)["items"]["running"] == 0, "the end of what had been begun")
    before = Scrape(server)("process_resident_memory_bytes")
    path = f"/jobs/{job}/events"
    with Unread(server.port, path, SLEEPERS) as sleepers, Swarm(server.port, path, WATCHERS) as swarm:
        swarm.wait_until(lambda swarm: swarm.begun == WATCHERS, "each one's snapshot")
        until(lambda: Scrape(server)("betedge_event_watchers") == WATCHERS + SLEEPERS, "the last watcher")
        watched = Scrape(server)("process_resident_memory_bytes")
        assert watched - before < (WATCHERS + SLEEPERS) * BYTES_A_WATCHER

        sim.terminal("up")

        def are_full():
            """The others were sent much more than lies here: the server could not send these any more."""
            held = sleepers.waiting_bytes()
            return len(held) == SLEEPERS and swarm.bytes_read / WATCHERS > max(held.values()) + (16 << 10)

        until(are_full, "full buffers")  # and again below: the system may let a buffer grow a little
        done = server.client.job(job)["progress"]
        assert done["completed"] < done["total"], "the buffers were full before the job's end"
        # Nobody waits for them: items end as before.
        more = min(done["completed"] + 50, done["total"])
        until(lambda: server.client.job(job)["progress"]["completed"] >= more, "more items")
        assert Scrape(server)("betedge_job_standstill_seconds") < 5
        until(are_full, "full buffers")
        ended = server.wait_job(job)
        assert (ended["items"]["failed"], ended["progress"]["completed"]) == (376, 753)
        assert sim.stats()["max_in_service"] == 4, "as many calls as there may be"
        swarm.wait_until(lambda swarm: swarm.ended == WATCHERS, "each one's end")
        swarm.wait_until(lambda swarm: swarm.closed == WATCHERS, "the end of each stream")
        scrape = Scrape(server)
        assert scrape("process_resident_memory_bytes") - before < (WATCHERS + SLEEPERS) * BYTES_A_WATCHER
        assert scrape("betedge_job_standstill_seconds") == 0
        until(are_full, "full buffers")
    until(lambda: Scrape(server)("betedge_event_watchers") == 0, "the last one's leaving")
    assert server.stop() == 0
