"""What a client does, without doing it: generators that ask for calls, pauses and event streams, and are given the answers.

Client and AsyncClient drive the same generators, one by blocking and one by awaiting, so that they cannot differ. Nothing
here reads a clock or a socket.
"""

from __future__ import annotations

import json
import os.path
import random
import re
import uuid
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, TypeVar, cast
from urllib.parse import quote, urlencode

from .errors import BetEdgeError, ConnectionFailed, JobCancelled, JobFailed, PartialResult, ServerError, WaitTimeout, from_answer
from .models import Event, Item, JobInfo, Plan
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

    @property
    def is_stream(self) -> bool:
        return self.status == 200 and self.headers.get("content-type", "").startswith("text/event-stream")

    def read(self, reader: Callable[[Any], T]) -> T:
        """What the body says; a ServerError when it is not what a betedge server says, a proxy's page for example."""
        try:
            return reader(json.loads(self.body))
        except (ValueError, KeyError, TypeError) as fault:
            raise ServerError(f"no answer of a betedge server: {self.body[:200]!r}", status=self.status, code=None, body={}) from fault

    def members(self) -> Mapping[str, Any]:
        """The body of a fault, which may be anything when it is not the server's own."""
        try:
            found: Any = json.loads(self.body)
        except ValueError:
            return {}
        return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Pause:
    seconds: float


@dataclass(frozen=True)
class OpenStream:
    """Answered by an Answer without its body, which Read gives; ConnectionFailed is raised."""

    path: str
    last_id: str | None
    patience: float  # seconds that may pass without a byte

    @property
    def headers(self) -> dict[str, str]:
        return {"Accept": "text/event-stream"} | ({"Last-Event-ID": self.last_id} if self.last_id else {})


@dataclass(frozen=True)
class Read:
    """The open stream's next bytes; none when it has ended or fallen silent."""


@dataclass(frozen=True)
class Now:
    """Seconds on a clock that never goes back."""


@dataclass(frozen=True)
class Emit:
    """Hands an event to whoever reads a job's events."""

    event: Event


Effect = Call | Pause | OpenStream | Read | Now | Emit
Flow = Generator[Effect, Any, T]

_LONGEST_PAUSE = 8.0
_LONG_POLL = 25
_SILENCE = 60.0  # the server sends a comment well before that
_SHORTEST = 0.25  # seconds that are listened or asked for even when fewer are left
_MAY_PASS = frozenset({408, 429, 500, 502, 503, 504})


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
    """An answer of 2xx or 3xx. Faults that may pass (no connection, 408, 429, 5xx, our own submit still being stored) are
    tried again; others are raised."""
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
        may_pass = answer.status in _MAY_PASS or answer.status >= 500 or answer.members().get("code") == "idempotency_in_flight"
        if not may_pass or made > retries.most:
            raise from_answer(answer.status, answer.members(), what.path)
        yield Pause(retries.pause(made, answer.headers.get("retry-after")))


def submit(request: Request, retries: Retries) -> Flow[str]:
    """The id of the job. One Idempotency-Key for all tries, so that a lost answer makes no second job."""
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Prefer": "respond-async"}
    answer = yield from call(Call("POST", request.path, dict(request.body), headers), retries)
    return answer.read(lambda said: str(said["job_id"]))


def plan(request: Request, retries: Retries) -> Flow[Plan]:
    answer = yield from call(Call("POST", f"{request.path}?dry_run=true", dict(request.body)), retries)
    return answer.read(Plan.read)


def _path(job: str, more: str = "") -> str:
    return f"/jobs/{quote(job, safe='')}{more}"


def info(job: str, retries: Retries) -> Flow[JobInfo]:
    answer = yield from call(Call("GET", _path(job)), retries)
    return answer.read(JobInfo.read)


def jobs(state: str | None, limit: int | None, retries: Retries) -> Flow[list[JobInfo]]:
    answer = yield from call(Call("GET", "/jobs" + _query(job_status=state, limit=limit)), retries)
    return answer.read(lambda said: [JobInfo.read(raw) for raw in said["jobs"]])


def _query(**members: str | int | None) -> str:
    given = urlencode({name: value for name, value in members.items() if value is not None})
    return f"?{given}" if given else ""


def _pages(path: str, list_name: str, retries: Retries, **query: str | int | None) -> Flow[list[Any]]:
    """All of a list that comes page by page."""
    found: list[Any] = []
    cursor: str | int | None = None
    while True:
        answer = yield from call(Call("GET", path + _query(**query, cursor=cursor)), retries)
        page, cursor = answer.read(lambda said: (list(said[list_name]), said["next_cursor"]))
        found += page
        if cursor is None:
            return found


def items(job: str, state: str | None, retries: Retries) -> Flow[list[Item]]:
    return [Item.read(raw) for raw in (yield from _pages(_path(job, "/items"), "items", retries, limit=500, state=state))]


def act(job: str, action: str, retries: Retries) -> Flow[JobInfo]:
    """cancel or retry."""
    answer = yield from call(Call("POST", _path(job, f"/{action}"), {}), retries)
    return answer.read(JobInfo.read)


def delete(job: str, retries: Retries) -> Flow[None]:
    yield from call(Call("DELETE", _path(job)), retries)


def lake(retries: Retries) -> Flow[str]:
    """Where the objects lie: a folder, or s3://bucket/prefix."""
    answer = yield from call(Call("GET", "/lake/roots"), retries)
    return answer.read(lambda said: str(said["lake"]))


def held(keys: Sequence[str], retries: Retries) -> Flow[set[str]]:
    """Those of the keys that lie in the server's lake. Asks by series (what comes before the year in a key), not by key."""
    found: set[str] = set()
    for _, group in groupby(sorted(keys), lambda key: re.split(r"/\d{4}/", key)[0]):
        prefix = os.path.commonprefix(list(group))
        found |= {str(raw["key"]) for raw in (yield from _pages("/objects", "objects", retries, prefix=prefix, limit=1000))}
    return found & set(keys)


class _Deadline:
    """The time that a wait has, of which each step takes no more than is left."""

    def __init__(self, timeout: float | None) -> None:
        self._timeout = timeout
        self._began: float | None = None

    def left(self) -> Flow[float]:
        """Seconds; infinite when the wait may take for ever."""
        now: float = yield Now()
        if self._began is None:
            self._began = now
        return float("inf") if self._timeout is None else self._timeout - (now - self._began)

    def pause(self, seconds: float) -> Flow[None]:
        left = yield from self.left()
        yield Pause(max(min(seconds, left), 0.0))


def wait(job: str, timeout: float | None, on_change: Callable[[JobInfo], None]) -> Flow[JobInfo | None]:
    """The job when it has ended; None when the time is up before. Tells each change. Without any time it looks once.

    By events as long as the server has them; a stream that breaks is taken up again where it was, however long the server
    is away. Where there are no events, by long polls; where those come back at once and unchanged, by asking every second.
    """
    deadline = _Deadline(timeout)
    known: dict[str, Any] = {}
    last_id: str | None = None
    failures = 0
    left = yield from deadline.left()
    while left > 0:
        # How long a stream may be silent is settled when it is opened. Half of what is left, and a new stream when less
        # is left than that: so no silence outlasts the wait, at the price of a few streams near its end.
        patience = min(_SILENCE, max(left / 2, _SHORTEST))
        try:
            head: Answer | None = yield OpenStream(_path(job, "/events"), last_id, patience)
        except ConnectionFailed:
            head = None
        if head and not head.is_stream and (head.status not in _MAY_PASS or failures >= 3):
            break  # 204: it ended after the last event that we had; others: nobody has events for us
        if not head or not head.is_stream:
            failures += 1
            yield from deadline.pause(Retries().pause(min(failures, 6)))
            left = yield from deadline.left()
            continue
        parser = EventParser()
        opened: float = yield Now()
        left = yield from deadline.left()
        while left >= patience or patience == _SHORTEST:
            chunk: bytes = yield Read()
            for event in parser.feed(chunk):
                failures, last_id = 0, event.id or last_id
                if event.name in ("snapshot", "progress", "end"):
                    known.update(event.data)  # progress says only what changes
                    now = JobInfo.read(dict(known))
                    on_change(now)
                    if now.has_ended:
                        return now
            left = yield from deadline.left()
            if not chunk or left <= 0:
                break
        if (yield Now()) - opened < min(1.0, patience):  # not silent but closed at once: a server that is going
            yield from deadline.pause(1.0)
            left = yield from deadline.left()
    if left > 0 or not last_id:
        return (yield from _wait_by_polls(job, deadline, on_change))
    return None


def _wait_by_polls(job: str, deadline: _Deadline, on_change: Callable[[JobInfo], None]) -> Flow[JobInfo | None]:
    etag, failures, hold = "", 0, 0  # the first look is not held: it tells at once how the job stands
    while True:
        left = yield from deadline.left()
        if hold and left <= 0:
            return None
        asked: float = yield Now()
        try:
            answer: Answer = yield Call("GET", _path(job, _query(wait=hold or None)), headers={"If-None-Match": etag} if etag else {},
                                        timeout=max(min(hold + 10.0, left), _SHORTEST if hold else 1.0))
        except ConnectionFailed:
            answer = Answer(503, {}, b"")
        was_held, hold = hold, int(max(1, min(_LONG_POLL, left)))
        if answer.status >= 500 or answer.status in _MAY_PASS:
            failures += 1
            yield from deadline.pause(Retries().pause(min(failures, 6), answer.headers.get("retry-after")))
            continue
        if answer.status >= 400:
            raise from_answer(answer.status, answer.members(), _path(job))
        failures = 0
        if answer.status == 200 and (not etag or answer.headers.get("etag") != etag):
            now = answer.read(JobInfo.read)
            on_change(now)
            if now.has_ended:
                return now
        etag = answer.headers.get("etag", "")
        if was_held and (yield Now()) - asked < 0.5:
            yield from deadline.pause(1.0)


def events(job: str) -> Flow[None]:
    """Emits a job's events until its end, through broken streams and restarts."""
    last_id: str | None = None
    failures = 0
    while True:
        try:
            head: Answer | None = yield OpenStream(_path(job, "/events"), last_id, _SILENCE)
        except ConnectionFailed:
            head = None
        if head and head.status == 204:
            return
        if head and not head.is_stream and head.status not in _MAY_PASS:
            yield from info(job, Retries())  # says why, if it is about the job
            raise from_answer(head.status, {"detail": "there are no events here"}, _path(job, "/events"))
        parser = EventParser()
        opened: float = yield Now()
        chunk: bytes = (yield Read()) if head and head.is_stream else b""
        while chunk:
            for event in parser.feed(chunk):
                last_id = event.id or last_id
                yield Emit(event)
                if event.name == "end":
                    return
            chunk = yield Read()
        failures = failures + 1 if (yield Now()) - opened < 1.0 else 0
        if failures:
            yield Pause(Retries().pause(min(failures, 6)))


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


def wait_all(jobs: Sequence[tuple[str, Callable[[JobInfo], None]]], timeout: float | None, allow_partial: bool, retries: Retries) -> Flow[list[JobInfo]]:
    """All of them when all have ended, whatever became of each. Then the first error is raised, if there was one."""
    deadline = _Deadline(timeout)
    ended: list[JobInfo] = []
    errors: list[BetEdgeError] = []
    for job, on_change in jobs:
        left = yield from deadline.left()
        try:
            ended.append((yield from wait_and_finish(job, None if timeout is None else max(left, 0.0), on_change, allow_partial, retries)))
        except BetEdgeError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return ended


class EventParser:
    """Bytes of an event stream (WHATWG HTML, 9.2.6) to events."""

    def __init__(self) -> None:
        self._rest = b""
        self._name, self._id, self._data = "", "", list[str]()

    def feed(self, chunk: bytes) -> list[Event]:
        # Only these end a line; a carriage return at the end may be half of one.
        *lines, self._rest = re.split(rb"\r\n|\n|\r(?!\Z)", self._rest + chunk)
        return [event for line in lines if (event := self._line(line.decode("utf-8", "replace")))]

    def _line(self, line: str) -> Event | None:
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
