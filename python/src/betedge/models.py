"""What the server says, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

State = Literal["queued", "running", "cancelling", "cancelled", "completed", "completed_with_errors", "failed"]
ItemState = Literal["pending", "running", "succeeded", "skipped", "no_data", "failed", "cancelled"]
ENDED = frozenset({"cancelled", "completed", "completed_with_errors", "failed"})


def _when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@dataclass(frozen=True)
class Progress:
    """How far a job is, in items."""

    completed: int
    total: int
    percentage: float


@dataclass(frozen=True)
class JobInfo:
    """A job as it stood when it was asked for."""

    id: str
    state: State
    progress: Progress
    items: Mapping[str, int]  # how many are in each ItemState
    rows: int
    bytes: int
    error_message: str | None
    waiting_for: str | None  # why it stands still, if it does
    eta_seconds: float | None
    created_at: datetime | None
    finished_at: datetime | None
    request: Mapping[str, Any]
    raw: Mapping[str, Any] = field(repr=False, compare=False)  # everything the server said

    @property
    def has_ended(self) -> bool:
        return self.state in ENDED

    @staticmethod
    def read(raw: Mapping[str, Any]) -> JobInfo:
        progress = raw["progress"]
        return JobInfo(
            id=raw["job_id"], state=raw["state"], progress=Progress(progress["completed"], progress["total"], progress["percentage"]),
            items=raw["items"], rows=raw["rows"], bytes=raw["bytes"], error_message=raw["error_message"], waiting_for=raw.get("waiting_for"),
            eta_seconds=raw.get("eta_seconds"), created_at=_when(raw["created_at"]), finished_at=_when(raw.get("finished_at")), request=raw["request"], raw=raw,
        )


@dataclass(frozen=True)
class Item:
    """One object of a job."""

    key: str
    state: ItemState
    attempts: int
    rows: int | None
    bytes: int | None
    sha256: str | None
    error: str | None
    note: str | None  # what is missing inside, or why there is no data

    @staticmethod
    def read(raw: Mapping[str, Any]) -> Item:
        return Item(raw["key"], raw["state"], raw["attempts"], raw["rows"], raw["bytes"], raw["sha256"], raw["error"], raw.get("note"))


@dataclass(frozen=True)
class PlannedObject:
    """One object of a plan."""

    key: str
    is_present: bool  # nothing to download: it lies there and is fresh, or the vendor is known to have no data
    state: str
    covers: tuple[date, date]


@dataclass(frozen=True)
class Plan:
    """What a request would do; nothing has been stored."""

    objects: list[PlannedObject]
    calls: int
    expected_bytes: int | None
    expected_seconds: float | None
    not_yet_available: list[date]
    raw: Mapping[str, Any] = field(repr=False, compare=False)

    @property
    def missing(self) -> list[str]:
        return [planned.key for planned in self.objects if not planned.is_present]

    @staticmethod
    def read(raw: Mapping[str, Any]) -> Plan:
        def day(text: str) -> date:
            return datetime.strptime(text, "%Y%m%d").date()

        objects = [PlannedObject(item["key"], item["state"] == "present", item["state"], (day(item["covers"][0]), day(item["covers"][1])))
                   for item in raw["items"]]
        expected = raw["expected"]
        return Plan(objects, raw["calls"], expected["bytes"], expected["seconds"], [day(text) for text in raw["not_yet_available"]], raw)


@dataclass(frozen=True)
class Event:
    """One server-sent event of a job: `snapshot`, `progress`, `item_failed`, `end`."""

    name: str
    id: str
    data: Mapping[str, Any]
