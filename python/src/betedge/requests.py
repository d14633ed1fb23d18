"""Requests as the server takes them, from the values that Python has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Literal

Day = date | datetime | str
Kind = Literal["option", "stock", "earnings"]
Schema = Literal["quote", "ohlc", "eod"]
Mode = Literal["skip", "refresh", "force"]
Format = Literal["parquet", "ipc"]

_UNITS = {"s": 1_000, "m": 60_000, "h": 3_600_000}


def day_text(day: Day) -> str:
    """"20240102" of a date, a datetime (its own day) or "2024-01-02"."""
    if isinstance(day, date):
        return day.strftime("%Y%m%d")
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", day):
        return day.replace("-", "")
    if re.fullmatch(r"\d{8}", day):
        return day
    raise ValueError(f"{day!r} is no day; give a date, or text such as '2024-01-02'")


def month_text(month: Day) -> str:
    """"202401" of a date in it, or of "2024-01"."""
    if isinstance(month, str) and re.fullmatch(r"\d{4}-\d{2}|\d{6}", month):
        return month.replace("-", "")
    return day_text(month)[:6]


def milliseconds(span: int | str | timedelta) -> int:
    """Milliseconds of "15m", "1h", "30s", a timedelta, or of a number, which is milliseconds already."""
    if isinstance(span, timedelta):
        return round(span.total_seconds() * 1_000)
    if isinstance(span, int):
        return span
    found = re.fullmatch(r"(\d+)([smh])", span)
    if not found:
        raise ValueError(f"{span!r} is no interval; give '15m', '1h', a timedelta, or milliseconds")
    return int(found[1]) * _UNITS[found[2]]


def time_of_day(moment: time | int) -> int:
    """Milliseconds since midnight in New York."""
    if isinstance(moment, int):
        return moment
    return ((moment.hour * 60 + moment.minute) * 60 + moment.second) * 1_000 + moment.microsecond // 1_000


@dataclass(frozen=True)
class Request:
    """What to submit, plan or read: its kind, and the members of the HTTP body."""

    kind: Kind
    body: Mapping[str, Any]

    @property
    def path(self) -> str:
        return "/earnings" if self.kind == "earnings" else f"/historical/{self.kind}"


def _common(body: dict[str, Any], mode: Mode | None, labels: Mapping[str, str] | None, priority: int | None, format: Format | None) -> dict[str, Any]:
    more = {"mode": mode, "labels": dict(labels) if labels else None, "priority": priority, "return_format": format}
    return body | {name: value for name, value in more.items() if value is not None}


def historical(
    kind: Literal["option", "stock"], root: str | Sequence[str], start: Day, end: Day, *, schema: Schema = "quote", interval: int | str | timedelta | None = None,
    start_time: time | int | None = None, end_time: time | int | None = None, mode: Mode | None = None, labels: Mapping[str, str] | None = None,
    priority: int | None = None, format: Format | None = None,
) -> Request:
    """A request for the history of one symbol or several."""
    roots: dict[str, Any] = {"root": root} if isinstance(root, str) else {"roots": list(root)}
    body: dict[str, Any] = roots | {"start_date": day_text(start), "end_date": day_text(end), "schema": schema}
    if interval is not None:
        body["interval"] = milliseconds(interval)
    if start_time is not None:
        body["start_time"] = time_of_day(start_time)
    if end_time is not None:
        body["end_time"] = time_of_day(end_time)
    return Request(kind, _common(body, mode, labels, priority, format))


def earnings(start: Day, end: Day, *, mode: Mode | None = None, labels: Mapping[str, str] | None = None, priority: int | None = None,
             format: Format | None = None) -> Request:
    """A request for the earnings calendar of whole months."""
    body: dict[str, Any] = {"start_date": month_text(start), "end_date": month_text(end)}
    return Request("earnings", _common(body, mode, labels, priority, format))
