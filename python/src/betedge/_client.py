"""The blocking client."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import time as Time
from datetime import timedelta
from types import TracebackType
from typing import Any, TypeVar

import httpx

from . import _flows as flows
from ._display import as_html
from ._settings import Settings
from .errors import ConnectionFailed
from .models import Event, Item, JobInfo, Plan
from .reading import Reading
from .requests import Day, Format, Mode, Request, Schema, earnings, historical

T = TypeVar("T")


def answer_of(answer: httpx.Response, body: bytes) -> flows.Answer:
    return flows.Answer(answer.status_code, {name.lower(): value for name, value in answer.headers.items()}, body)


class _Driver:
    """Carries out what the flows ask for."""

    def __init__(self, settings: Settings, transport: httpx.BaseTransport | None) -> None:
        self.settings = settings
        self._http = httpx.Client(base_url=settings.url, headers=settings.headers, timeout=settings.timeout, transport=transport)

    def close(self) -> None:
        self._http.close()

    def run(self, flow: flows.Flow[T]) -> T:
        result: list[T] = []
        list(self.drive(flow, result))
        return result[0]

    def drive(self, flow: flows.Flow[T], result: list[T]) -> Iterator[Event]:
        stream: httpx.Response | None = None
        chunks: Iterator[bytes] = iter(())
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
                            answer = self._call(effect)
                        case flows.Pause(seconds):
                            time.sleep(seconds)
                        case flows.Now():
                            answer = time.monotonic()
                        case flows.OpenStream():
                            if stream:
                                stream.close()
                            request = self._http.build_request("GET", effect.path, headers=effect.headers, timeout=httpx.Timeout(effect.patience))
                            stream = self._http.send(request, stream=True)
                            chunks = stream.iter_bytes()
                            answer = answer_of(stream, b"")
                        case flows.Read():
                            answer = next(chunks, b"")
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
                stream.close()

    def _call(self, effect: flows.Call) -> flows.Answer:
        answer = self._http.request(effect.method, effect.path, json=effect.body, headers=dict(effect.headers),
                                    timeout=effect.timeout or self.settings.timeout)
        return answer_of(answer, answer.content)


class Historical:
    """`client.historical.option(…)` and `.stock(…)`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def option(self, root: str | Sequence[str], start: Day, end: Day, *, schema: Schema = "quote", interval: int | str | timedelta | None = None,
               start_time: Time | int | None = None, end_time: Time | int | None = None, mode: Mode | None = None, labels: Mapping[str, str] | None = None,
               priority: int | None = None, format: Format | None = None) -> Job:
        """Submits a job for whole option chains with their underlyings."""
        return self._client.submit(historical("option", root, start, end, schema=schema, interval=interval, start_time=start_time, end_time=end_time,
                                              mode=mode, labels=labels, priority=priority, format=format))

    def stock(self, root: str | Sequence[str], start: Day, end: Day, *, schema: Schema = "quote", interval: int | str | timedelta | None = None,
              start_time: Time | int | None = None, end_time: Time | int | None = None, mode: Mode | None = None, labels: Mapping[str, str] | None = None,
              priority: int | None = None, format: Format | None = None) -> Job:
        """Submits a job for stocks."""
        return self._client.submit(historical("stock", root, start, end, schema=schema, interval=interval, start_time=start_time, end_time=end_time,
                                              mode=mode, labels=labels, priority=priority, format=format))


class Client:
    """A betedge server. Safe to share between threads; a context manager.

    `url` and `token` are BETEDGE_URL and BETEDGE_TOKEN when they are not given. `timeout` is for each answer to begin, in
    seconds; `retries` is how often a call is made again that failed for a reason that may pass.
    """

    def __init__(self, url: str | None = None, *, token: str | None = None, timeout: float = 30.0, retries: int = 2,
                 transport: httpx.BaseTransport | None = None) -> None:
        self._driver = _Driver(Settings.of(url, token, timeout, retries), transport)
        self.historical = Historical(self)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; jobs go on."""
        self._driver.close()

    def earnings(self, start: Day, end: Day, *, mode: Mode | None = None, labels: Mapping[str, str] | None = None, priority: int | None = None,
                 format: Format | None = None) -> Job:
        """Submits a job for the earnings calendar of whole months."""
        return self.submit(earnings(start, end, mode=mode, labels=labels, priority=priority, format=format))

    def submit(self, request: Request) -> Job:
        """Submits a job; it is durable when this returns."""
        return Job(self._driver, self._driver.run(flows.submit(request, self._driver.settings.retries)))

    def plan(self, request: Request) -> Plan:
        """What the request would do. Stores nothing, calls nobody."""
        return self._driver.run(flows.plan(request, self._driver.settings.retries))

    def job(self, id: str) -> Job:
        """A job that is known by its id; NotFound when there is none."""
        job = Job(self._driver, id)
        job.refresh()
        return job

    def jobs(self, status: str | None = None, limit: int | None = None) -> list[Job]:
        """The newest jobs first."""
        return [Job(self._driver, now.id, now) for now in self._driver.run(flows.jobs(status, limit, self._driver.settings.retries))]

    def wait_all(self, jobs: Sequence[Job], *, timeout: float | None = None, on_progress: Callable[[JobInfo], None] | None = None,
                 allow_partial: bool = False) -> list[JobInfo]:
        """Waits until all of them have ended, the time counted over all; what the first error was is raised after that. Tells
        how they go on one after another."""
        return self._driver.run(flows.wait_all([(job.id, job._note(on_progress)) for job in jobs],  # pyright: ignore[reportPrivateUsage]
                                               timeout, allow_partial, self._driver.settings.retries))

    def read(self, request: Request, *, lake: str | None = None, filesystem: Any = None, allow_missing: bool = False) -> Reading:
        """The request's objects, where they lie. `lake`: where this machine sees the lake, if not where the server does.
        MissingObjects when some are not there and that was not allowed."""
        retries = self._driver.settings.retries
        place = lake if lake is not None else self._driver.run(flows.lake(retries))
        reading = Reading(self.plan(request), place, filesystem)
        reading.settle(self._driver.run(flows.held(reading.unseen, retries)), allow_missing)
        return reading


class Job:
    """A job on the server. Knows its id, and how it stood when it was last asked."""

    def __init__(self, driver: _Driver, id: str, info: JobInfo | None = None) -> None:
        self._driver, self.id, self._info = driver, id, info

    @property
    def info(self) -> JobInfo:
        """How it stood when it was last asked; asks when it never was."""
        return self._info or self.refresh()

    @property
    def state(self) -> str:
        return self.info.state

    def refresh(self) -> JobInfo:
        """How it stands now."""
        self._info = self._driver.run(flows.info(self.id, self._driver.settings.retries))
        return self._info

    def wait_for_completion(self, *, timeout: float | None = None, on_progress: Callable[[JobInfo], None] | None = None,
                            allow_partial: bool = False) -> JobInfo:
        """Waits until it has ended, through restarts of the server too. WaitTimeout after so many seconds, the job going on;
        JobFailed, JobCancelled, and PartialResult unless that is allowed."""
        return self._driver.run(flows.wait_and_finish(self.id, timeout, self._note(on_progress), allow_partial, self._driver.settings.retries))

    def events(self) -> Iterator[Event]:
        """Its events as they come, until its end; a stream that breaks is taken up again where it was."""
        return self._driver.drive(flows.events(self.id), [])

    def items(self, state: str | None = None) -> list[Item]:
        """Its items, all or those in one state, in order."""
        return self._driver.run(flows.items(self.id, state, self._driver.settings.retries))

    def failures(self) -> list[Item]:
        """Its failed items, each with its error."""
        return self.items("failed")

    def cancel(self) -> JobInfo:
        """Stops it; what is finished stays."""
        self._info = self._driver.run(flows.act(self.id, "cancel", self._driver.settings.retries))
        return self._info

    def retry_failed(self) -> JobInfo:
        """Its failed items once more."""
        self._info = self._driver.run(flows.act(self.id, "retry", self._driver.settings.retries))
        return self._info

    def delete(self) -> None:
        """Forgets it, ended as it must be; its objects stay."""
        self._driver.run(flows.delete(self.id, self._driver.settings.retries))

    def _note(self, on_progress: Callable[[JobInfo], None] | None) -> Callable[[JobInfo], None]:
        def note(now: JobInfo) -> None:
            self._info = now
            if on_progress:
                on_progress(now)

        return note

    def __repr__(self) -> str:
        if self._info is None:
            return f"<betedge.Job {self.id}>"
        return f"<betedge.Job {self.id} {self._info.state} {self._info.progress.completed}/{self._info.progress.total}>"

    def _repr_html_(self) -> str:
        return as_html(self.info)
