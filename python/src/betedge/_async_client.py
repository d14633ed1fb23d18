"""The client for asyncio: the blocking one's surface, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from datetime import time as Time
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

import httpx

from . import _flows as flows
from ._client import answer_of
from ._display import as_html
from ._settings import Settings
from .errors import ConnectionFailed
from .models import Event, Item, JobInfo, Plan
from .reading import Reading
from .requests import Day, Format, Mode, Request, Schema, earnings, historical

T = TypeVar("T")


class _Driver:
    """Carries out what the flows ask for."""

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport | None) -> None:
        self.settings = settings
        self._http = httpx.AsyncClient(base_url=settings.url, headers=settings.headers, timeout=settings.timeout, transport=transport)

    async def close(self) -> None:
        await self._http.aclose()

    async def run(self, flow: flows.Flow[T]) -> T:
        result: list[T] = []
        _ = [event async for event in self.drive(flow, result)]
        return result[0]

    async def drive(self, flow: flows.Flow[T], result: list[T]) -> AsyncIterator[Event]:
        stream: httpx.Response | None = None
        chunks: AsyncIterator[bytes] | None = None
        answer: Any = None
        error: ConnectionFailed | None = None
        try:
            while True:
                try:
                    effect = flow.throw(error) if error else flow.send(answer)
                except StopIteration as done:
                    result.append(done.value)
                    return
                answer, error = None, None
                try:
                    match effect:
                        case flows.Call():
                            answer = await self._call(effect)
                        case flows.Pause(seconds):
                            await asyncio.sleep(seconds)
                        case flows.Now():
                            answer = time.monotonic()
                        case flows.OpenStream():
                            if stream:
                                await stream.aclose()
                            request = self._http.build_request("GET", effect.path, headers=effect.headers, timeout=httpx.Timeout(effect.patience))
                            stream = await self._http.send(request, stream=True)
                            chunks = stream.aiter_bytes()
                            answer = answer_of(stream, b"")
                        case flows.Read():
                            answer = await anext(chunks, b"") if chunks else b""
                        case flows.Emit(event):
                            yield event
                except httpx.RequestError as failed:
                    if isinstance(effect, flows.Read):
                        answer = b""  # broken off, or silent for too long: the flow takes it up again
                        continue
                    error = ConnectionFailed(f"{self.settings.url}: {failed or type(failed).__name__}")
        finally:
            flow.close()
            if stream:
                await stream.aclose()

    async def _call(self, effect: flows.Call) -> flows.Answer:
        answer = await self._http.request(effect.method, effect.path, json=effect.body, headers=dict(effect.headers),
                                          timeout=effect.timeout or self.settings.timeout)
        return answer_of(answer, answer.content)


class AsyncHistorical:
    """`client.historical.option(…)` and `.stock(…)`."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    async def option(self, root: str | Sequence[str], start: Day, end: Day, *, schema: Schema = "quote", interval: int | str | timedelta | None = None,
               start_time: Time | int | None = None, end_time: Time | int | None = None, mode: Mode | None = None, labels: Mapping[str, str] | None = None,
               priority: int | None = None, format: Format | None = None) -> AsyncJob:
        """Submits a job for whole option chains with their underlyings."""
        return await self._client.submit(historical("option", root, start, end, schema=schema, interval=interval, start_time=start_time, end_time=end_time,
                                              mode=mode, labels=labels, priority=priority, format=format))

    async def stock(self, root: str | Sequence[str], start: Day, end: Day, *, schema: Schema = "quote", interval: int | str | timedelta | None = None,
              start_time: Time | int | None = None, end_time: Time | int | None = None, mode: Mode | None = None, labels: Mapping[str, str] | None = None,
              priority: int | None = None, format: Format | None = None) -> AsyncJob:
        """Submits a job for stocks."""
        return await self._client.submit(historical("stock", root, start, end, schema=schema, interval=interval, start_time=start_time, end_time=end_time,
                                              mode=mode, labels=labels, priority=priority, format=format))


class AsyncClient:
    """A betedge server, for one event loop; an asynchronous context manager.

    `url` and `token` are BETEDGE_URL and BETEDGE_TOKEN when they are not given. `timeout` is for each answer to begin, in
    seconds; `retries` is how often a call is made again that failed for a reason that may pass.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, timeout: float = 30.0, retries: int = 2,
                 transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._driver = _Driver(Settings.of(url, token, timeout, retries), transport)
        self.historical = AsyncHistorical(self)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connections; jobs go on."""
        await self._driver.close()

    async def earnings(self, start: Day, end: Day, *, mode: Mode | None = None, labels: Mapping[str, str] | None = None, priority: int | None = None,
                 format: Format | None = None) -> AsyncJob:
        """Submits a job for the earnings calendar of whole months."""
        return await self.submit(earnings(start, end, mode=mode, labels=labels, priority=priority, format=format))

    async def submit(self, request: Request) -> AsyncJob:
        """Submits a job; it is durable when this returns."""
        return AsyncJob(self._driver, await self._driver.run(flows.submit(request, self._driver.settings.retries)))

    async def plan(self, request: Request) -> Plan:
        """What the request would do. Stores nothing, calls nobody."""
        return await self._driver.run(flows.plan(request, self._driver.settings.retries))

    async def job(self, id: str) -> AsyncJob:
        """A job that is known by its id; NotFound when there is none."""
        job = AsyncJob(self._driver, id)
        await job.refresh()
        return job

    async def jobs(self, status: str | None = None, limit: int | None = None) -> list[AsyncJob]:
        """The newest jobs first."""
        return [AsyncJob(self._driver, now.id, now) for now in await self._driver.run(flows.jobs(status, limit, self._driver.settings.retries))]

    async def wait_all(self, jobs: Sequence[AsyncJob], *, timeout: float | None = None, on_progress: Callable[[JobInfo], None] | None = None,
                       allow_partial: bool = False) -> list[JobInfo]:
        """Waits until all of them have ended, the time counted over all; what the first error was is raised after that. Tells
        how they go on one after another."""
        return await self._driver.run(flows.wait_all([(job.id, job._note(on_progress)) for job in jobs],  # pyright: ignore[reportPrivateUsage]
                                                     timeout, allow_partial, self._driver.settings.retries))

    async def read(self, request: Request, *, lake: str | None = None, filesystem: Any = None, allow_missing: bool = False) -> Reading:
        """The request's objects, where they lie. `lake`: where this machine sees the lake, if not where the server does.
        MissingObjects when some are not there and that was not allowed."""
        retries = self._driver.settings.retries
        place = lake if lake is not None else await self._driver.run(flows.lake(retries))
        reading = Reading(await self.plan(request), place, filesystem)
        reading.settle(await self._driver.run(flows.held(reading.unseen, retries)), allow_missing)
        return reading


class AsyncJob:
    """A job on the server. Knows its id, and how it stood when it was last asked."""

    def __init__(self, driver: _Driver, id: str, info: JobInfo | None = None) -> None:
        self._driver, self.id, self._info = driver, id, info

    @property
    def info(self) -> JobInfo:
        """How it stood when it was last asked; a RuntimeError when it never was."""
        if self._info is None:
            raise RuntimeError("nothing is known of this job yet: await job.refresh()")
        return self._info

    @property
    def state(self) -> str:
        return self.info.state

    def __await__(self) -> Generator[Any, None, JobInfo]:
        """`await job` is `await job.wait_for_completion()`."""
        return self.wait_for_completion().__await__()

    async def refresh(self) -> JobInfo:
        """How it stands now."""
        self._info = await self._driver.run(flows.info(self.id, self._driver.settings.retries))
        return self._info

    async def wait_for_completion(self, *, timeout: float | None = None, on_progress: Callable[[JobInfo], None] | None = None,
                                  allow_partial: bool = False) -> JobInfo:
        """Waits until it has ended, through restarts of the server too. WaitTimeout after so many seconds, the job going on;
        JobFailed, JobCancelled, and PartialResult unless that is allowed."""
        return await self._driver.run(flows.wait_and_finish(self.id, timeout, self._note(on_progress), allow_partial, self._driver.settings.retries))

    def events(self) -> AsyncIterator[Event]:
        """Its events as they come, until its end; a stream that breaks is taken up again where it was."""
        return self._driver.drive(flows.events(self.id), [])

    async def items(self, state: str | None = None) -> list[Item]:
        """Its items, all or those in one state, in order."""
        return await self._driver.run(flows.items(self.id, state, self._driver.settings.retries))

    async def failures(self) -> list[Item]:
        """Its failed items, each with its error."""
        return await self.items("failed")

    async def cancel(self) -> JobInfo:
        """Stops it; what is finished stays."""
        self._info = await self._driver.run(flows.act(self.id, "cancel", self._driver.settings.retries))
        return self._info

    async def retry_failed(self) -> JobInfo:
        """Its failed items once more."""
        self._info = await self._driver.run(flows.act(self.id, "retry", self._driver.settings.retries))
        return self._info

    async def delete(self) -> None:
        """Forgets it, ended as it must be; its objects stay."""
        await self._driver.run(flows.delete(self.id, self._driver.settings.retries))

    def _note(self, on_progress: Callable[[JobInfo], None] | None) -> Callable[[JobInfo], None]:
        def note(now: JobInfo) -> None:
            self._info = now
            if on_progress:
                on_progress(now)

        return note

    def __repr__(self) -> str:
        if self._info is None:
            return f"<betedge.AsyncJob {self.id}>"
        return f"<betedge.AsyncJob {self.id} {self._info.state} {self._info.progress.completed}/{self._info.progress.total}>"

    def _repr_html_(self) -> str:
        return as_html(self._info) if self._info else f"<code>{self.id}</code>"
