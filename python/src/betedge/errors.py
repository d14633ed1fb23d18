"""What can go wrong, by cause. Every error of a server's answer carries its status, code and request.

    BetEdgeError
      ConnectionFailed      nobody answered, retries included
      ServerError           the server answered with a fault
        InvalidRequest      400, 413, 422: what was asked for is not valid; `faults` lists each
        NotAuthorized       401, 403
        NotFound            404, 410
        Conflict            409
        TooManyRequests     429, retries included
        Unavailable         5xx, retries included
      JobError              a job ended otherwise than asked for; carries it as `job`
        JobFailed           nothing of it succeeded, or it cannot go on
        JobCancelled        somebody cancelled it
        PartialResult       some of its items failed; `failures` lists them
      WaitTimeout           the job has not ended in time; it goes on
      MissingObjects        objects of a request are not in the lake; `keys` names them
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from .models import Item, JobInfo


class BetEdgeError(Exception):
    """Any error of this package."""


class ConnectionFailed(BetEdgeError):
    """Nobody answered."""


class ServerError(BetEdgeError):
    """The server's answer was a fault."""

    def __init__(self, message: str, *, status: int, code: str | None, body: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.status, self.code, self.body = status, code, body


class InvalidRequest(ServerError):
    """What was asked for is not valid."""

    @property
    def faults(self) -> Sequence[Mapping[str, Any]]:
        """Each fault with its place (`loc`), its kind (`type`) and a sentence (`msg`); empty when the body could not be read."""
        detail: Any = self.body.get("detail")
        return cast("Sequence[Mapping[str, Any]]", detail) if isinstance(detail, list) else []


class NotAuthorized(ServerError):
    """No token, a wrong one, or one without the scope."""


class NotFound(ServerError):
    """There is no such job, object or path."""


class Conflict(ServerError):
    """The job's state does not allow it, or the Idempotency-Key belongs to another request."""


class TooManyRequests(ServerError):
    """More than the server takes at the moment."""


class Unavailable(ServerError):
    """The server cannot answer at the moment."""


class JobError(BetEdgeError):
    """A job ended otherwise than asked for."""

    def __init__(self, message: str, job: JobInfo) -> None:
        super().__init__(message)
        self.job = job


class JobFailed(JobError):
    """Nothing of the job succeeded, or it could not go on."""


class JobCancelled(JobError):
    """The job was cancelled."""


class PartialResult(JobError):
    """Some items of the job failed; the others are there."""

    def __init__(self, message: str, job: JobInfo, failures: Sequence[Item]) -> None:
        super().__init__(message, job)
        self.failures = list(failures)


class WaitTimeout(BetEdgeError, TimeoutError):
    """The job has not ended in time. It goes on; wait again, or cancel it."""

    def __init__(self, message: str, job: JobInfo | None) -> None:
        super().__init__(message)
        self.job = job


class MissingObjects(BetEdgeError):
    """Objects of a request are not in the lake."""

    def __init__(self, keys: Sequence[str], where: str, remedy: str) -> None:
        shown = ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
        super().__init__(f"{len(keys)} objects are not in {where}: {shown}; {remedy}, or read with allow_missing=True")
        self.keys = list(keys)


_BY_STATUS: dict[int, type[ServerError]] = {
    400: InvalidRequest, 413: InvalidRequest, 422: InvalidRequest, 401: NotAuthorized, 403: NotAuthorized,
    404: NotFound, 410: NotFound, 409: Conflict, 429: TooManyRequests,
}


def from_answer(status: int, body: Mapping[str, Any], path: str) -> ServerError:
    """The error that an answer stands for."""
    detail: Any = body.get("detail") or body.get("message") or f"HTTP {status}"
    if isinstance(detail, list):
        faults = cast("Sequence[Mapping[str, Any]]", detail)
        detail = "; ".join(f"{'.'.join(str(part) for part in fault.get('loc', ())[1:])}: {fault.get('msg')}" for fault in faults)
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else ServerError)
    return kind(f"{path}: {detail}", status=status, code=body.get("code"), body=body)
