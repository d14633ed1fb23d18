"""What a client does, without doing it: generators that ask for calls, pauses and event streams, and are given the answers.

Client and AsyncClient drive the same generators, one by blocking and one by awaiting, so that they cannot differ. Nothing
here reads a clock or a socket.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from .errors import ConnectionFailed, JobCancelled, JobFailed, PartialResult, WaitTimeout, from_answer
from .models import ENDED, Event, Item, JobInfo, Plan
from .requests import Request

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One HTTP request. Answered by an Answer; ConnectionFailed is raised into the generator."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    timeout: float | None = None  # seconds until the answer begins; None: the client's own


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def members(self) -> Mapping[str, Any]:
        """The body of a fault, which may be anything when it is not the server's own."""
        try:
            found: Any = json.loads(self.body)
        except ValueError:
            return {}
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Pause:
    """So many seconds, or less when there is less time."""

    seconds: float


@dataclass(frozen=True)
class OpenStream:
    """Answered by the status of an event stream's answer; ConnectionFailed is raised."""

    path: str
    last_id: str | None
    patience: float  # seconds that may pass without a byte


@dataclass(frozen=True)
class NextEvent:
    """The open stream's next event; None when it has ended or fallen silent."""


@dataclass(frozen=True)
class Now:
    """Seconds on a clock that never goes back."""


@dataclass(frozen=True)
class Emit:
    """Hands an event to whoever reads a job's events."""

    event: Event


Effect = Call | Pause | OpenStream | NextEvent | Now | Emit
Flow = Generator[Effect, Any, T]

_LONGEST_PAUSE = 8.0
_LONG_POLL = 25
_SILENCE = 60.0  # the server sends a comment well before that


@dataclass(frozen=True)
class Retries:
    """How often a call is made again after it failed for a reason that may pass."""

    most: int = 2

    def pause(self, made: int, after: str | None = None) -> float:
        """Seconds before the next call, `made` having failed: exponential with jitter, or as long as the server said."""
        if after is not None:
            try:
                return min(float(after), 60.0)
            except ValueError:
                pass  # a date: ours will do
        return min(0.25 * 2.0**made, _LONGEST_PAUSE) * random.uniform(0.75, 1.25)


def call(what: Call, retries: Retries) -> Flow[Answer]:
    """An answer of 2xx or 3xx. Faults that may pass (no connection, 408, 429, 5xx) are tried again; others are raised."""
    made = 0
    while True:
        made += 1
        try:
            answer: Answer = yield what
        except ConnectionFailed:
            if made > retries.most:
                raise
            yield Pause(retries.pause(made))
            continue
        if answer.status < 400:
            return answer
        may_pass = answer.status in (408, 429) or answer.status >= 500
        if not may_pass or made > retries.most:
            raise from_answer(answer.status, answer.members(), what.path)
        yield Pause(retries.pause(made, answer.headers.get("retry-after")))


def submit(request: Request, retries: Retries) -> Flow[str]:
    """The id of the job. One Idempotency-Key for all tries, so that a lost answer makes no second job."""
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": "respond-async"}
    answer = yield from call(Call("POST", request.path, dict(request.body), headers), retries)
    return str(answer.json()["job_id"])


def plan(request: Request, retries: Retries) -> Flow[Plan]:
    answer = yield from call(Call("POST", f"{request.path}?dry_run=true", dict(request.body)), retries)
    return Plan.read(answer.json())


def info(job: str, retries: Retries) -> Flow[JobInfo]:
    answer = yield from call(Call("GET", f"/jobs/{job}"), retries)
    return JobInfo.read(answer.json())


def jobs(state: str | None, limit: int | None, retries: Retries) -> Flow[list[JobInfo]]:
    query = "&".join([*([f"job_status={state}"] if state else []), *([f"limit={limit}"] if limit else [])])
    answer = yield from call(Call("GET", f"/jobs?{query}" if query else "/jobs"), retries)
    return [JobInfo.read(raw) for raw in answer.json()["jobs"]]


def items(job: str, state: str | None, retries: Retries) -> Flow[list[Item]]:
    found: list[Item] = []
    cursor = None
    while True:
        query = "limit=500" + (f"&state={state}" if state else "") + (f"&cursor={cursor}" if cursor else "")
        page = (yield from call(Call("GET", f"/jobs/{job}/items?{query}"), retries)).json()
        found += [Item.read(raw) for raw in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            return found


def act(job: str, action: str, retries: Retries) -> Flow[JobInfo]:
    """cancel or retry."""
    answer = yield from call(Call("POST", f"/jobs/{job}/{action}", {}), retries)
    return JobInfo.read(answer.json())


def delete(job: str, retries: Retries) -> Flow[None]:
    yield from call(Call("DELETE", f"/jobs/{job}"), retries)


def lake(retries: Retries) -> Flow[str]:
    """Where the objects lie: a folder, or s3://bucket/prefix."""
    answer = yield from call(Call("GET", "/lake/roots"), retries)
    return str(answer.json()["lake"])


def wait(job: str, timeout: float | None, on_change: Callable[[JobInfo], None]) -> Flow[JobInfo | None]:
    """The job when it has ended; None when the time is up before. Tells each change.

    By events as long as the server has them; a stream that breaks is taken up again where it was, however long the server
    is away. Where there are no events, by long polls; where those come back at once and unchanged, by asking every second.
    """
    began: float = yield Now()

    def left() -> Flow[float | None]:
        if timeout is None:
            return None
        now: float = yield Now()
        return timeout - (now - began)

    known: dict[str, Any] = {}
    last_id: str | None = None
    failures = 0
    while True:
        seconds = yield from left()
        if seconds is not None and seconds <= 0:
            return None
        try:
            patience = _SILENCE if seconds is None else min(_SILENCE, seconds)
            status: int = yield OpenStream(f"/jobs/{job}/events", last_id, patience)
        except ConnectionFailed:
            failures += 1
            yield Pause(Retries().pause(min(failures, 6)))
            continue
        if status == 204:  # it ended after the last event that we had
            return (yield from _settled(job))
        if status != 200:
            return (yield from _wait_by_polls(job, left, on_change, status))
        failures = 0
        while True:
            event: Event | None = yield NextEvent()
            if event is None:
                break
            if event.id:
                last_id = event.id
            if event.name in ("snapshot", "progress", "end"):
                known.update(event.data)  # progress says only what changes
                now = JobInfo.read(dict(known))
                on_change(now)
                if event.name == "end" or now.state in ENDED:
                    return now


def events(job: str) -> Flow[None]:
    """Emits a job's events until its end, through broken streams and restarts."""
    last_id: str | None = None
    failures = 0
    while True:
        try:
            status: int = yield OpenStream(f"/jobs/{job}/events", last_id, _SILENCE)
        except ConnectionFailed:
            status = 503
        if status == 204:
            return
        if status >= 500 or status == 429:
            failures += 1
            yield Pause(Retries().pause(min(failures, 6)))
            continue
        if status != 200:
            yield from info(job, Retries())  # says why
            raise from_answer(status, {}, f"/jobs/{job}/events")
        failures = 0
        while (event := (yield NextEvent())) is not None:
            last_id = event.id or last_id
            yield Emit(event)
            if event.name == "end":
                return


def finish(now: JobInfo, allow_partial: bool, retries: Retries) -> Flow[JobInfo]:
    """The job that has ended, or the error that its end is."""
    if now.state == "cancelled":
        raise JobCancelled(f"job {now.id} was cancelled after {now.progress.completed} of {now.progress.total} items", now)
    if now.state == "failed":
        raise JobFailed(f"job {now.id} failed: {now.error_message}", now)
    if now.state == "completed_with_errors" and not allow_partial:
        failures = yield from items(now.id, "failed", retries)
        raise PartialResult(f"job {now.id}: {now.error_message}", now, failures)
    return now


def wait_and_finish(job: str, timeout: float | None, on_change: Callable[[JobInfo], None], allow_partial: bool, retries: Retries) -> Flow[JobInfo]:
    last: list[JobInfo] = []

    def note(now: JobInfo) -> None:
        last[:] = [now]
        on_change(now)

    ended = yield from wait(job, timeout, note)
    if ended is None:
        so_far = f", {last[0].progress.completed} of {last[0].progress.total} items done" if last else ""
        raise WaitTimeout(f"job {job} has not ended after {timeout:g} s{so_far}; it goes on", last[0] if last else None)
    return (yield from finish(ended, allow_partial, retries))


def _settled(job: str) -> Flow[JobInfo]:
    return (yield from info(job, Retries(most=1_000_000)))


def _wait_by_polls(job: str, left: Callable[[], Flow[float | None]], on_change: Callable[[JobInfo], None], status: int) -> Flow[JobInfo | None]:
    if status in (400, 401, 403, 404, 410):
        # Nothing that polls would be told otherwise, so the reason is asked for.
        yield from info(job, Retries())
    etag, failures = "", 0
    while True:
        seconds = yield from left()
        if seconds is not None and seconds <= 0:
            return None
        patience = _LONG_POLL if seconds is None else max(1, min(_LONG_POLL, int(seconds)))
        asked: float = yield Now()
        try:
            answer: Answer = yield Call("GET", f"/jobs/{job}?wait={patience}", headers={"If-None-Match": etag} if etag else {}, timeout=patience + 10)
        except ConnectionFailed:
            failures += 1
            yield Pause(Retries().pause(min(failures, 6)))
            continue
        if answer.status >= 500 or answer.status in (408, 429):
            failures += 1
            yield Pause(Retries().pause(min(failures, 6), answer.headers.get("retry-after")))
            continue
        if answer.status >= 400:
            raise from_answer(answer.status, answer.members(), f"/jobs/{job}")
        failures = 0
        is_new = answer.status == 200 and (not etag or answer.headers.get("etag") != etag)
        etag = answer.headers.get("etag", "")
        if is_new:
            now = JobInfo.read(answer.json())
            on_change(now)
            if now.has_ended:
                return now
        if (yield Now()) - asked < 0.5:
            yield Pause(1.0)


class EventParser:
    """Lines of an event stream (WHATWG HTML, 9.2.6) to events."""

    def __init__(self) -> None:
        self._name, self._id, self._data = "", "", list[str]()

    def feed(self, line: str) -> Event | None:
        if line == "":
            name, data = self._name or "message", self._data
            self._name, self._data = "", []
            return Event(name, self._id, json.loads("\n".join(data))) if data else None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "event":
            self._name = value
        elif name == "data":
            self._data.append(value)
        elif name == "id":
            self._id = value
        return None


