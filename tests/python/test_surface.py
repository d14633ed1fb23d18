"""The whole public surface, used against the real server: one story told of both clients, and a count of what it left out."""

import asyncio
import inspect
import sys
from datetime import date, datetime, time, timedelta

import pytest

import betedge
from betedge import errors, legacy, requests, testing
from betedge.testing import BetEdge
from test_client import opened, put, the

WEEK = (date(2024, 1, 2), datetime(2024, 1, 5, 12))


def surface():
    """Each public function and method of the package, by its name."""
    found = {}
    for module in (betedge, errors, legacy, requests, testing):
        for name, what in vars(module).items():
            if name.startswith("_") or not getattr(what, "__module__", "").startswith("betedge"):
                continue
            members = {name: what} if inspect.isfunction(what) else {f"{name}.{member}": inner for member, inner in vars(what).items()} if inspect.isclass(what) else {}
            for member, inner in members.items():
                code = getattr(inspect.unwrap(getattr(inner, "fget", None) or getattr(inner, "__func__", inner)), "__code__", None)
                is_ours = code and "/betedge/" in code.co_filename
                if is_ours and (not member.split(".")[-1].startswith("_") or member.split(".")[-1] in ("__init__", "__await__", "_repr_html_", "__repr__")):
                    found[member] = code
    return found


@pytest.fixture
def used():
    """The code of every function that was called meanwhile."""
    seen = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, argument: seen.add(frame.f_code) if event == "call" else None)
    yield seen
    sys.setprofile(before)


async def story(kind, server):
    """Everything that a client can do, and everything that what it says can be asked."""
    put(server, "/sim/faults", faults=["wrong-header@date=20240103"])
    async with opened(kind, server.url) as client:
        option = await the(client.historical.option("AAPL", *WEEK, schema="ohlc", interval=timedelta(minutes=15), start_time=time(9, 30), end_time=time(16),
                                                    mode="skip", labels={"for": "a story"}, priority=1, format="parquet"))
        with pytest.raises(betedge.PartialResult) as raised:
            await the(option.wait_for_completion(timeout=60, on_progress=lambda now: None))
        assert [item.key for item in raised.value.failures] == [item.key for item in await the(option.failures())]
        put(server, "/sim/faults", faults=[])
        await the(option.retry_failed())
        assert [done.state for done in await the(client.wait_all([option], timeout=60))] == ["completed"]
        assert (option.state, option.info.has_ended, len(await the(option.items("succeeded")))) == ("completed", True, 4)
        assert "completed" in repr(option) and "progressbar" in option._repr_html_()

        stock = await the(client.historical.stock(["AAPL", "MSFT"], *WEEK, schema="ohlc", interval="15m"))
        calendar = await the(client.earnings("2024-01", date(2024, 1, 31)))
        names = []
        if kind is betedge.AsyncClient:
            assert (await stock).state == (await calendar).state == "completed"
            async for event in stock.events():
                names.append(event.name)
        else:
            client.wait_all([stock, calendar])
            names = [event.name for event in stock.events()]
        assert names[-1] == "end"
        assert (await the(calendar.cancel())).state == "completed"
        assert (await the(client.job(stock.id))).info == await the(stock.refresh())
        assert {known.id for known in await the(client.jobs("completed", 10))} == {option.id, stock.id, calendar.id}

        request = requests.historical("stock", ["AAPL", "MSFT"], *WEEK, schema="ohlc", interval=900_000)
        plan = await the(client.plan(request))
        assert plan.missing == [] and len(plan.objects) == 8
        reading = await the(client.read(request))
        heights = {len(reading.to_pandas()), reading.to_arrow().num_rows, reading.to_polars().collect().height, reading.to_duckdb().count("*").fetchall()[0][0],
                   reading.scan().count_rows()}
        assert heights == {stock.info.rows} and "8 objects" in repr(reading)
        assert (await the(client.submit(requests.earnings("2024-01", "2024-01")))).id != calendar.id
        await the(option.delete())
        with pytest.raises(betedge.NotFound):
            await the(client.job(option.id))
        with pytest.raises(betedge.InvalidRequest) as refused:
            await the(client.historical.stock("AAPL", "2024-01-05", "20240102"))
        assert refused.value.faults
        with pytest.raises(betedge.MissingObjects):
            await the(client.read(requests.historical("option", "TSLA", *WEEK, schema="eod")))


def test_all_of_it_is_used_against_the_real_server(used):
    with BetEdge(sim=["--contracts", "20"]) as server:
        asyncio.run(story(betedge.Client, server))
        put(server, "/sim/state", terminal="gone")
        with server.client() as client:
            waiting = client.historical.stock("QQQ", *WEEK, schema="eod")
            with pytest.raises(betedge.WaitTimeout):
                waiting.wait_for_completion(timeout=0.1, on_progress=betedge.bar())
            server.kill()
            server.start()
            waiting.cancel()
            with pytest.raises(betedge.JobCancelled):
                waiting.wait_for_completion(timeout=60)
        put(server, "/sim/state", terminal="up")
        put(server, "/sim/faults", faults=["wrong-header"])
        with server.client() as client, pytest.raises(betedge.JobFailed):
            client.historical.stock("SPY", *WEEK, schema="eod").wait_for_completion(timeout=60)
        put(server, "/sim/faults", faults=[])
        with pytest.warns(DeprecationWarning):
            original = legacy.BetEdgeClient(server.url)
        assert original.request_data({"root": "AAPL", "start_date": "20240102", "end_date": "20240105", "schema": "eod"})["status"] == "accepted"
        assert original.retrieve_data({"root": "AAPL", "start_date": "20240102", "end_date": "20240105", "schema": "eod"}).num_rows > 0
    with BetEdge(sim=["--contracts", "20"]) as server:
        asyncio.run(story(betedge.AsyncClient, server))
    generator = inspect.unwrap(getattr(testing.betedge_server, "__wrapped__", None) or testing.betedge_server._get_wrapped_function())()
    with next(generator).client() as client:
        assert client.jobs() == []
    generator.close()
    left_out = sorted(name for name, code in surface().items() if code not in used)
    assert len(surface()) > 70 and left_out == []
