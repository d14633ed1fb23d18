"""Both clients against a real server with a simulated terminal."""

import asyncio
import contextlib
import inspect
import json
import subprocess
import threading
import urllib.request
from datetime import date

import httpx
import pytest

import betedge
from betedge.testing import BetEdge, binary

WEEK = ("2024-01-02", "2024-01-05")


def put(server, path, **members):
    request = urllib.request.Request(server.terminal_control + path, json.dumps(members).encode(), {"Content-Type": "application/json"}, method="PUT")
    urllib.request.urlopen(request).close()


class Between(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """What lies between a client and its server: each rule may answer a request itself, by None it lets it through."""

    def __init__(self, *rules):
        self.rules, self.seen = rules, []
        self.blocking, self.waiting = httpx.HTTPTransport(), httpx.AsyncHTTPTransport()

    def answer(self, request):
        self.seen.append(request)
        return next((found for rule in self.rules if (found := rule(request)) is not None), None)

    def handle_request(self, request):
        return self.answer(request) or self.blocking.handle_request(request)

    async def handle_async_request(self, request):
        return self.answer(request) or await self.waiting.handle_async_request(request)


def first(*answers):
    """A rule that gives these answers, one a request, and then none."""
    left = list(answers)
    return lambda request: left.pop(0) if left else None


def no_events(request):
    return httpx.Response(501) if request.url.path.endswith("/events") else None


def no_long_polls(request):
    """Asked to hold a request, it answers at once."""
    if request.url.params.get("wait"):
        request.url = request.url.copy_remove_param("wait")


@contextlib.asynccontextmanager
async def opened(kind, url, **settings):
    """Either client, so that one story can be told of both."""
    if kind is betedge.AsyncClient:
        async with kind(url, **settings) as client:
            yield client
    else:
        with kind(url, **settings) as client:
            yield client


async def the(said):
    """What either client says."""
    return await said if inspect.iscoroutine(said) else said


@pytest.fixture
def client(betedge_server):
    with betedge_server.client() as client:
        yield client


def test_a_job_from_submit_to_objects(client, betedge_server):
    seen = []
    job = client.historical.option("AAPL", *WEEK, schema="ohlc", interval="15m")
    done = job.wait_for_completion(timeout=60, on_progress=seen.append)
    assert (done.state, done.progress.completed, done.progress.total) == ("completed", 4, 4)
    assert seen[-1] == done == job.info and job.state == "completed"
    assert done.rows > 0 and done.bytes > 0 and done.finished_at >= done.created_at and done.request["root"] == "AAPL"
    items = job.items()
    assert [item.state for item in items] == ["succeeded"] * 4 and job.failures() == []
    assert all((betedge_server.lake / item.key).stat().st_size == item.bytes for item in items)
    assert client.job(job.id).info == job.refresh()
    assert job.id in [known.id for known in client.jobs("completed", 10)] and client.jobs("pending") == []
    assert repr(job) == f"<betedge.Job {job.id} completed 4/4>" and repr(betedge.Job(client._driver, "x")) == "<betedge.Job x>"
    assert 'aria-valuenow="100"' in job._repr_html_() and "4 succeeded" in job._repr_html_()
    job.delete()
    with pytest.raises(betedge.NotFound):
        client.job(job.id)


def test_events_end_with_the_job(client):
    job = client.historical.stock("AAPL", *WEEK, schema="eod")
    names = [event.name for event in job.events()]
    assert names[0] == "snapshot" and names[-1] == "end"
    assert [event.name for event in job.events()][-1] == "end"


def test_a_plan_stores_nothing(client):
    request = betedge.requests.historical("stock", "AAPL", date(2024, 1, 2), date(2024, 1, 5), schema="ohlc", interval="15m")
    plan = client.plan(request)
    assert len(plan.objects) == len(plan.missing) == 4 and plan.calls >= 1 and client.jobs() == []
    assert plan.objects[0].covers == (date(2024, 1, 2), date(2024, 1, 2)) and plan.not_yet_available == []
    client.submit(request).wait_for_completion(timeout=60)
    assert client.plan(request).missing == []


def test_earnings(client):
    assert client.earnings("2024-01", "2024-02").wait_for_completion(timeout=60).progress.total == 2


def test_what_is_not_valid_is_told_with_its_place(client):
    with pytest.raises(betedge.InvalidRequest) as raised:
        client.historical.stock("AAPL", "2024-01-05", "2024-01-02", schema="eod")
    assert raised.value.status == 422 and raised.value.code == "validation_error"
    assert raised.value.faults[0]["loc"][-1] == "end_date"
    with pytest.raises(betedge.Conflict):
        job = client.historical.stock("AAPL", *WEEK, schema="eod")
        job.wait_for_completion(timeout=60)
        job.retry_failed()


def test_failed_items_are_never_silent_and_can_be_retried(betedge_server):
    put(betedge_server, "/sim/faults", faults=["wrong-header@date=20240103"])
    with betedge_server.client() as client:
        job = client.historical.option("AAPL", *WEEK, schema="ohlc", interval="15m")
        with pytest.raises(betedge.PartialResult) as raised:
            job.wait_for_completion(timeout=60)
        assert [failure.key.split("/")[-2] for failure in raised.value.failures] == ["03"]
        assert raised.value.job.id == job.id and raised.value.failures == job.failures()
        assert job.wait_for_completion(timeout=60, allow_partial=True).items["failed"] == 1
        put(betedge_server, "/sim/faults", faults=[])
        job.retry_failed()
        assert job.wait_for_completion(timeout=60).state == "completed"


def test_a_job_of_which_nothing_succeeds_failed(betedge_server):
    put(betedge_server, "/sim/faults", faults=["wrong-header"])
    with betedge_server.client() as client, pytest.raises(betedge.JobFailed) as raised:
        client.historical.stock("AAPL", *WEEK, schema="eod").wait_for_completion(timeout=60)
    assert raised.value.job.state == "failed"


def test_cancel_and_the_time_that_is_up(betedge_server):
    put(betedge_server, "/sim/state", terminal="gone")
    with betedge_server.client() as client:
        job = client.historical.stock("AAPL", *WEEK, schema="eod")
        with pytest.raises(betedge.WaitTimeout) as raised:
            job.wait_for_completion(timeout=0.2)
        assert isinstance(raised.value, TimeoutError)
        job.cancel()
        with pytest.raises(betedge.JobCancelled):
            job.wait_for_completion(timeout=60)


@pytest.mark.parametrize("kind", [betedge.Client, betedge.AsyncClient])
def test_waiting_survives_a_server_that_is_killed_and_comes_back(kind):
    with BetEdge(sim=["--contracts", "20", "--latency", "60ms"]) as server:
        first, back = threading.Event(), threading.Event()

        def restart():
            first.wait(60)
            server.kill()
            server.start()
            back.set()

        thread = threading.Thread(target=restart)
        thread.start()
        seen = []

        def watch(now):
            seen.append(back.is_set())
            if now.progress.completed:
                first.set()

        async def story():
            async with opened(kind, server.url) as client:
                job = await the(client.historical.option("AAPL", "2024-01-02", "2024-02-29", schema="ohlc", interval="15m"))
                return await the(job.wait_for_completion(timeout=120, on_progress=watch))

        done = asyncio.run(story())
        thread.join()
        assert done.state == "completed" and done.progress.completed == done.progress.total == 41
        assert seen[-1] and not seen[0]


def test_a_token_is_asked_for_and_sent(tmp_path, monkeypatch):
    tokens = tmp_path / "tokens"
    said = subprocess.run([binary(), "token", "tester", "--scope", "submit", "--file", tokens], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    token = said.stdout.split()[-1]
    with BetEdge(BETEDGE_TOKENS=str(tokens)) as server:
        with server.client(retries=0) as anybody, pytest.raises(betedge.NotAuthorized):
            anybody.jobs()
        with server.client(token=token) as known:
            assert known.jobs() == []
        monkeypatch.setenv("BETEDGE_TOKEN", token)
        monkeypatch.setenv("BETEDGE_URL", server.url)
        with betedge.Client() as known:
            assert known.jobs() == []


def test_a_token_without_the_scope_may_not(tmp_path):
    tokens = tmp_path / "tokens"
    said = subprocess.run([binary(), "token", "reader", "--scope", "read", "--file", tokens], capture_output=True, text=True, check=True)
    with BetEdge(BETEDGE_TOKENS=str(tokens)) as server:
        with server.client(token=said.stdout.split()[-1]) as reader, pytest.raises(betedge.NotAuthorized) as raised:
            assert reader.jobs() == []
            reader.historical.stock("AAPL", *WEEK, schema="eod")
        assert raised.value.status == 403
        with server.client(token="wrong") as nobody, pytest.raises(betedge.NotAuthorized) as raised:
            betedge.Job(nobody._driver, "01a218c9-9cc7-7378-b5d9-577355e0f670").wait_for_completion(timeout=60)
        assert raised.value.status == 401


def test_a_busy_server_is_asked_again_under_one_key_for_each_call(betedge_server):
    between = Between(first(httpx.Response(503, headers={"Retry-After": "0"}), httpx.Response(429, headers={"Retry-After": "0"})))
    with betedge_server.client(transport=between) as client:
        job = client.historical.stock("AAPL", *WEEK, schema="eod")
        assert len(between.seen) == 3 and len({request.headers["Idempotency-Key"] for request in between.seen}) == 1
        client.historical.stock("AAPL", *WEEK, schema="eod")
        assert between.seen[3].headers["Idempotency-Key"] != between.seen[0].headers["Idempotency-Key"]
        job.wait_for_completion(timeout=60)
    for status, kind in ((503, betedge.Unavailable), (429, betedge.TooManyRequests)):
        between = Between(lambda request, status=status: httpx.Response(status, headers={"Retry-After": "0"}))
        with betedge_server.client(transport=between) as client, pytest.raises(kind):
            client.jobs()
        assert len(between.seen) == 3


def test_a_lost_answer_makes_no_second_job(betedge_server):
    lost = []

    def lose(request):
        if request.method == "POST" and not lost:
            lost.append(httpx.HTTPTransport().handle_request(request).read())
            raise httpx.ReadError("the line broke")

    with betedge_server.client(transport=Between(lose)) as client:
        job = client.historical.stock("AAPL", *WEEK, schema="eod")
        assert [known.id for known in client.jobs()] == [job.id] == [json.loads(lost[0])["job_id"]]


@pytest.mark.parametrize("rules", [[no_events], [no_events, no_long_polls]], ids=["long polls", "polls"])
@pytest.mark.parametrize("kind", [betedge.Client, betedge.AsyncClient])
def test_without_events_both_clients_wait_all_the_same(betedge_server, rules, kind):
    put(betedge_server, "/sim/state", terminal="gone")
    between, seen = Between(*rules), []

    def watch(now):
        if not seen:
            put(betedge_server, "/sim/state", terminal="up")
        seen.append(now.state)

    async def story():
        async with opened(kind, betedge_server.url, transport=between) as client:
            job = await the(client.historical.stock("AAPL", *WEEK, schema="eod"))
            return await the(job.wait_for_completion(timeout=60, on_progress=watch))

    done = asyncio.run(story())
    assert done.state == "completed" and seen[0] != "completed" and seen[-1] == "completed"
    assert not any(request.headers.get("Last-Event-ID") for request in between.seen)
    assert any("wait=" in str(request.url) for request in between.seen) == (no_long_polls not in rules)


def test_the_time_is_up_while_there_is_progress_all_the_time():
    with BetEdge(sim=["--contracts", "20", "--latency", "100ms"], THETA_CONCURRENCY="1") as server, server.client() as client:
        job = client.historical.option("AAPL", "2024-01-02", "2024-03-28", schema="ohlc", interval="15m")
        seen = []
        with pytest.raises(betedge.WaitTimeout) as raised:
            job.wait_for_completion(timeout=1, on_progress=seen.append)
        assert len(seen) > 1 and raised.value.job == seen[-1] and not job.refresh().has_ended
        job.cancel()


def test_an_address_that_is_none_is_refused_at_once():
    with pytest.raises(ValueError, match="http://127.0.0.1:8000"):
        betedge.Client("127.0.0.1:8000")


def test_nobody_there():
    with betedge.Client("http://127.0.0.1:9", retries=0) as client, pytest.raises(betedge.ConnectionFailed, match="127.0.0.1:9"):
        client.jobs()


def test_wait_all_waits_for_the_others_when_one_fails(betedge_server):
    put(betedge_server, "/sim/faults", faults=["wrong-header@date=20240103"])
    with betedge_server.client() as client:
        partial, whole = (client.historical.option("AAPL", *days, schema="ohlc", interval="15m") for days in (WEEK, ("2024-01-08", "2024-01-12")))
        with pytest.raises(betedge.PartialResult) as raised:
            client.wait_all([partial, whole], timeout=60)
        assert raised.value.job.id == partial.id and whole.state == "completed"


def test_wait_all_waits_for_each(client):
    jobs = [client.historical.stock(symbol, *WEEK, schema="eod") for symbol in ("AAPL", "MSFT")]
    assert [done.state for done in client.wait_all(jobs, timeout=60)] == ["completed"] * 2
    assert [done.state for done in client.wait_all(jobs)] == ["completed"] * 2


def test_the_asynchronous_client_does_the_same(betedge_server):
    async def story():
        async with betedge.AsyncClient(betedge_server.url) as client:
            job = await client.historical.option("AAPL", *WEEK, schema="ohlc", interval="15m")
            with pytest.raises(RuntimeError, match="refresh"):
                _ = job.state
            assert job._repr_html_() == f"<code>{job.id}</code>" and repr(job) == f"<betedge.AsyncJob {job.id}>"
            assert (await job).state == job.state == "completed"
            assert "4 succeeded" in job._repr_html_() and repr(job).endswith("completed 4/4>")
            assert [event.name async for event in job.events()][-1] == "end"
            assert len(await job.items()) == 4 and await job.failures() == []
            assert (await client.job(job.id)).info == await job.refresh()
            assert [known.id for known in await client.jobs()] == [job.id]
            stock = await client.historical.stock("AAPL", *WEEK, schema="eod")
            calendar = await client.earnings("2024-01", "2024-01")
            assert [done.state for done in await client.wait_all([stock, calendar], timeout=60)] == ["completed"] * 2
            with pytest.raises(betedge.Conflict):
                await stock.retry_failed()
            assert (await stock.cancel()).state == "completed", "what has ended stays so"
            await stock.delete()
            request = betedge.requests.historical("option", "AAPL", *WEEK, schema="ohlc", interval="15m")
            assert (await client.plan(request)).missing == []
            assert (await client.read(request)).to_arrow().num_rows == job.info.rows
            assert (await client.read(request, lake=str(betedge_server.lake))).missing == []
            put(betedge_server, "/sim/state", terminal="gone")
            waiting = await client.historical.stock("MSFT", *WEEK, schema="eod")
            with pytest.raises(betedge.WaitTimeout):
                await waiting.wait_for_completion(timeout=0.2, on_progress=lambda now: None)
            await waiting.cancel()
        async with betedge.AsyncClient("http://127.0.0.1:9", retries=0) as nobody:
            with pytest.raises(betedge.ConnectionFailed):
                await nobody.jobs()

    asyncio.run(story())


def test_the_two_clients_have_one_surface():
    for blocking, waiting in ((betedge.Client, betedge.AsyncClient), (betedge.Job, betedge.AsyncJob), (betedge.Historical, betedge.AsyncHistorical)):
        names = {name for name in vars(blocking) if not name.startswith("_")}
        assert names == {name for name in vars(waiting) if not name.startswith("_")}
        for name in names:
            one, other = getattr(blocking, name), getattr(waiting, name)
            if callable(one):
                assert list(inspect.signature(one).parameters) == list(inspect.signature(other).parameters), name
                assert one.__doc__ == other.__doc__, name


def test_every_public_name_is_there_and_said_what_it_is():
    for name in betedge.__all__:
        found = getattr(betedge, name)
        assert isinstance(found, str) or found.__doc__, name
