"""What a client does, without a server: the flows are asked, and told what came of it."""

import json
from datetime import date, datetime, time, timedelta

import pytest

from betedge import _flows as flows
from betedge.errors import (
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    JobCancelled,
    JobFailed,
    NotAuthorized,
    NotFound,
    PartialResult,
    ServerError,
    TooManyRequests,
    Unavailable,
    WaitTimeout,
    from_answer,
)
from betedge.models import JobInfo
from betedge.requests import day_text, earnings, historical, milliseconds, month_text, time_of_day

ID = "01a218c9-9cc7-7378-b5d9-577355e0f670"


def raw(state="running", completed=1, total=3, **more):
    return {"job_id": ID, "state": state, "progress": {"completed": completed, "total": total, "percentage": 100 * completed / total},
            "items": {"failed": 0}, "rows": 10, "bytes": 20, "error_message": None, "created_at": "2026-11-26T16:56:35.783933+00:00", "request": {}} | more


def answer(body, status=200, **headers):
    return flows.Answer(status, {name.replace("_", "-"): value for name, value in headers.items()}, json.dumps(body).encode())


class Script:
    """Drives a flow by answers in order, and keeps what was asked. Time goes on by the pauses alone."""

    def __init__(self, flow, *answers):
        self.flow, self.answers = flow, list(answers)
        self.asked, self.pauses, self.emitted, self.now = [], [], [], 100.0

    def run(self):
        value, error = None, None
        while True:
            try:
                effect = self.flow.throw(error) if error else self.flow.send(value)
            except StopIteration as done:
                assert not self.answers, f"never asked for {self.answers}"
                return done.value
            value, error = None, None
            if isinstance(effect, flows.Pause):
                self.pauses.append(effect.seconds)
                self.now += effect.seconds
            elif isinstance(effect, flows.Now):
                value = self.now
            elif isinstance(effect, flows.Emit):
                self.emitted.append(effect.event)
            else:
                self.asked.append(effect)
                value = self.answers.pop(0)
                if callable(value):
                    value = value(self)
                if isinstance(effect, flows.OpenStream) and isinstance(value, int):
                    value = flows.Answer(value, {"content-type": "text/event-stream; charset=utf-8"} if value == 200 else {}, b"")
                if isinstance(effect, flows.Read):
                    assert value is None or isinstance(value, bytes), value
                    value = value or b""
                if isinstance(value, Exception):
                    value, error = None, value


GONE = ConnectionFailed("gone")


def event(name, id="1", **more):
    return f"id: {id}\nevent: {name}\ndata: {json.dumps(raw(**more))}\n\n".encode()


def after(seconds, value):
    """The answer, but so many seconds later."""
    def take(script):
        script.now += seconds
        return value
    return take


def test_a_call_is_made_again_after_what_may_pass_and_no_oftener_than_told():
    script = Script(flows.info(ID, flows.Retries(2)), GONE, answer({}, 503), answer(raw()))
    assert script.run().id == ID
    assert len(script.asked) == 3 and len(script.pauses) == 2 and script.pauses[0] < script.pauses[1]
    with pytest.raises(ConnectionFailed):
        Script(flows.info(ID, flows.Retries(1)), GONE, GONE).run()
    with pytest.raises(Unavailable):
        Script(flows.info(ID, flows.Retries(0)), answer({"detail": "no"}, 500)).run()


def test_retry_after_is_kept_to():
    script = Script(flows.info(ID, flows.Retries(1)), answer({}, 429, retry_after="7"), answer(raw()))
    script.run()
    assert script.pauses == [7.0]
    assert flows.Retries().pause(1, "Thu, 26 Nov 2026 16:56:35 GMT") < 2
    assert flows.Retries().pause(50) <= 10


def test_a_fault_that_will_not_pass_is_raised_at_once():
    script = Script(flows.info(ID, flows.Retries(5)), answer({"detail": "Job x not found", "code": "job_not_found"}, 404))
    with pytest.raises(NotFound) as raised:
        script.run()
    assert (raised.value.status, raised.value.code) == (404, "job_not_found")


@pytest.mark.parametrize("status, kind", [(400, InvalidRequest), (401, NotAuthorized), (403, NotAuthorized), (404, NotFound), (409, Conflict), (410, NotFound),
                                          (413, InvalidRequest), (418, ServerError), (422, InvalidRequest), (429, TooManyRequests), (500, Unavailable), (503, Unavailable)])
def test_every_status_has_its_error(status, kind):
    assert type(from_answer(status, {}, "/x")) is kind


def test_faults_are_said_with_their_places():
    body = {"detail": [{"loc": ["body", "start_date"], "msg": "Field required", "type": "missing"}]}
    error = from_answer(422, body, "/historical/option")
    assert "start_date: Field required" in str(error)
    assert [fault["type"] for fault in error.faults] == ["missing"]
    assert from_answer(400, {"detail": "no"}, "/").faults == []


def test_a_submit_has_one_key_for_all_its_tries():
    request = historical("stock", "AAPL", "2024-01-02", "2024-01-05")
    script = Script(flows.submit(request, flows.Retries(2)), GONE, answer({}, 502), answer({"job_id": ID}, 202))
    assert script.run() == ID
    assert len({call.headers["Idempotency-Key"] for call in script.asked}) == 1
    again = Script(flows.submit(request, flows.Retries(0)), answer({"job_id": ID}, 202))
    again.run()
    assert again.asked[0].headers["Idempotency-Key"] != script.asked[0].headers["Idempotency-Key"]


def test_waiting_goes_by_events_and_takes_a_broken_stream_up_where_it_was():
    seen = []
    script = Script(flows.wait(ID, None, seen.append), 200, event("snapshot", "4"), event("progress", "5", completed=2), after(9, None), GONE, GONE, 200,
                    event("end", "9", state="completed", completed=3))
    assert script.run().state == "completed"
    opened = [effect for effect in script.asked if isinstance(effect, flows.OpenStream)]
    assert [effect.last_id for effect in opened] == [None, "5", "5", "5"]
    assert [now.progress.completed for now in seen] == [1, 2, 3]
    assert len(script.pauses) == 2


def test_a_stream_that_is_closed_at_once_is_not_opened_over_and_over():
    script = Script(flows.wait(ID, None, lambda now: None), 200, None, 200, b": hello\n", None, 200, event("end", state="completed"))
    script.run()
    assert script.pauses == [1.0, 1.0]


def test_events_that_are_away_for_a_moment_are_asked_for_again_before_polls():
    script = Script(flows.wait(ID, None, lambda now: None), 503, 502, 200, event("end", state="completed"))
    script.run()
    assert len(script.pauses) == 2
    page = flows.Answer(200, {"content-type": "text/html"}, b"")
    for answers in ((503, 503, 503, 503), (page,)):
        polled = Script(flows.wait(ID, None, lambda now: None), *answers, answer(raw("completed", 3)))
        assert polled.run().has_ended and isinstance(polled.asked[-1], flows.Call)


def test_a_job_that_ended_while_the_stream_was_broken_is_asked_for():
    script = Script(flows.wait(ID, None, lambda now: None), 200, event("progress", "5"), None, 204, answer(raw("completed", 3)))
    assert script.run().has_ended


def test_without_events_it_polls_long_and_unchanged_answers_are_no_news():
    seen = []

    script = Script(flows.wait(ID, None, seen.append), 404, answer(raw(), etag='"1"'), after(20, answer({}, 304, etag='"1"')), GONE, answer({}, 503),
                    after(20, answer(raw("completed", 3), etag='"2"')))
    assert script.run().has_ended
    assert [now.state for now in seen] == ["running", "completed"]
    assert [(effect.path.partition("?")[2], effect.headers) for effect in script.asked[1:3]] == [("", {}), ("wait=25", {"If-None-Match": '"1"'})]


def test_where_long_polls_come_back_at_once_it_asks_every_second():
    script = Script(flows.wait(ID, None, lambda now: None), 501, answer(raw()), answer(raw()), answer(raw(completed=2)), answer(raw("completed", 3)))
    script.run()
    assert script.pauses == [1.0, 1.0]


def test_waiting_for_a_job_that_is_not_there_or_not_ours_says_so():
    for status, kind in ((404, NotFound), (401, NotAuthorized), (403, NotAuthorized)):
        with pytest.raises(kind):
            Script(flows.wait(ID, None, lambda now: None), status, answer({"detail": "no"}, status)).run()
    with pytest.raises(NotFound):
        Script(flows.wait(ID, None, lambda now: None), 501, answer({"detail": "no"}, 404)).run()


def test_the_time_is_up_on_a_stream_and_on_polls():
    with pytest.raises(WaitTimeout, match="has not ended after 5 s, 1 of 3 items done; it goes on") as raised:
        Script(flows.wait_and_finish(ID, 5, lambda now: None, False, flows.Retries()), 200, event("snapshot"), after(6, None)).run()
    assert raised.value.job.progress.completed == 1
    script = Script(flows.wait(ID, 5, lambda now: None), 501, answer(raw()), after(9, answer(raw())))
    assert script.run() is None
    assert script.asked[-1].path.endswith("wait=5")


def test_the_time_is_up_however_much_there_is_to_hear():
    """Neither progress without end nor the comments of a stream that stands still prolong a wait."""
    for heard in (event("progress"), b": still here\n\n"):
        script = Script(flows.wait(ID, 5, lambda now: None), 200, after(1, event("snapshot")), *[after(0.5, heard)] * 4, 200, *[after(1, heard)] * 2)
        assert script.run() is None
        assert [effect.patience for effect in script.asked if isinstance(effect, flows.OpenStream)] == [2.5, 1.0]


def test_no_pause_outlasts_a_wait():
    busy = answer({}, 503, retry_after="60")
    script = Script(flows.wait(ID, 5, lambda now: None), 501, busy)
    assert script.run() is None and script.now == 105 and script.asked[-1].timeout == 5
    script = Script(flows.wait(ID, 0.125, lambda now: None), GONE, GONE)
    assert script.run() is None and script.pauses == [0.125, 0.0]


def test_without_any_time_it_looks_once():
    assert Script(flows.wait(ID, 0, lambda now: None), answer(raw("completed", 3))).run().has_ended
    with pytest.raises(WaitTimeout, match="after 0 s, 1 of 3 items done; it goes on"):
        Script(flows.wait_and_finish(ID, 0, lambda now: None, False, flows.Retries()), answer(raw())).run()


def test_all_are_waited_for_whatever_becomes_of_the_first():
    seen = []
    jobs = [(ID, lambda now: None), ("other", seen.append)]
    script = Script(flows.wait_all(jobs, None, False, flows.Retries()), 200, event("end", state="failed"), 200, event("end", state="completed"))
    with pytest.raises(JobFailed):
        script.run()
    assert [now.state for now in seen] == ["completed"]
    late = Script(flows.wait_all(jobs, 5, False, flows.Retries()), 200, event("snapshot"), after(6, None), answer(raw("completed", 3)))
    with pytest.raises(WaitTimeout):
        late.run()
    assert [now.state for now in seen] == ["completed"] * 2, "the time being up, the others are looked at once"


def test_a_submit_that_is_still_being_stored_is_asked_for_again():
    script = Script(flows.submit(earnings("2024-01", "2024-01"), flows.Retries(2)), GONE, answer({"code": "idempotency_in_flight"}, 409), answer({"job_id": ID}, 202))
    assert script.run() == ID
    with pytest.raises(Conflict):
        Script(flows.submit(earnings("2024-01", "2024-01"), flows.Retries(2)), answer({"code": "job_not_ended"}, 409)).run()


def test_an_answer_of_somebody_else_is_no_answer():
    for said in (b"<html>", b'{"hello": 1}', b"[]"):
        with pytest.raises(ServerError, match="no answer of a betedge server"):
            Script(flows.info(ID, flows.Retries(0)), flows.Answer(200, {}, said)).run()


def test_what_is_put_into_a_path_stays_where_it_is_put():
    script = Script(flows.info("../x?y", flows.Retries(0)), answer(raw()))
    script.run()
    assert script.asked[0].path == "/jobs/..%2Fx%3Fy"
    script = Script(flows.jobs("a&b", None, flows.Retries(0)), answer({"jobs": []}))
    script.run()
    assert script.asked[0].path == "/jobs?job_status=a%26b"


def test_objects_are_asked_for_by_series():
    keys = [f"historical-stock/eod/{symbol}/{year}/data.parquet" for symbol in ("AAPL", "MSFT") for year in (2023, 2024)]
    page = {"objects": [{"key": keys[0]}, {"key": "historical-stock/eod/AAPL/2022/data.parquet"}], "next_cursor": keys[0]}
    script = Script(flows.held(keys, flows.Retries(0)), answer(page), answer({"objects": [], "next_cursor": None}), answer({"objects": [{"key": keys[3]}], "next_cursor": None}))
    assert script.run() == {keys[0], keys[3]}
    assert [call.path for call in script.asked] == [
        "/objects?prefix=historical-stock%2Feod%2FAAPL%2F202&limit=1000",
        "/objects?prefix=historical-stock%2Feod%2FAAPL%2F202&limit=1000&cursor=historical-stock%2Feod%2FAAPL%2F2023%2Fdata.parquet",
        "/objects?prefix=historical-stock%2Feod%2FMSFT%2F202&limit=1000"]
    assert Script(flows.held([], flows.Retries(0))).run() == set()


def test_each_end_of_a_job_has_its_error():
    def ended(state, **more):
        return JobInfo.read(raw(state, 3, error_message="2 of 3 items failed", **more))

    assert Script(flows.finish(ended("completed"), False, flows.Retries())).run().state == "completed"
    with pytest.raises(JobFailed, match="2 of 3"):
        Script(flows.finish(ended("failed"), True, flows.Retries())).run()
    with pytest.raises(JobCancelled):
        Script(flows.finish(ended("cancelled"), True, flows.Retries())).run()
    item = {"key": "k", "state": "failed", "attempts": 3, "rows": None, "bytes": None, "sha256": None, "error": "HTTP 500"}
    with pytest.raises(PartialResult) as raised:
        Script(flows.finish(ended("completed_with_errors"), False, flows.Retries()), answer({"items": [item], "next_cursor": None})).run()
    assert [failure.error for failure in raised.value.failures] == ["HTTP 500"] and raised.value.job.state == "completed_with_errors"
    assert Script(flows.finish(ended("completed_with_errors"), True, flows.Retries())).run().id == ID


def test_items_come_page_by_page():
    item = {"key": "k", "state": "succeeded", "attempts": 1, "rows": 5, "bytes": 9, "sha256": "ab", "error": None, "note": "so"}
    script = Script(flows.items(ID, "succeeded", flows.Retries()), answer({"items": [item], "next_cursor": "c1"}), answer({"items": [item], "next_cursor": None}))
    assert len(script.run()) == 2
    assert script.asked[1].path.endswith("limit=500&state=succeeded&cursor=c1")


def test_events_are_handed_on_until_the_end_through_what_breaks():
    script = Script(flows.events(ID), GONE, 503, 200, event("snapshot", "1"), None, 200, event("end", "2", state="completed"))
    script.run()
    assert [one.name for one in script.emitted] == ["snapshot", "end"]
    ended = Script(flows.events(ID), 204)
    ended.run()
    assert ended.emitted == []
    with pytest.raises(NotFound):
        Script(flows.events(ID), 404, answer({"detail": "no"}, 404)).run()
    for nowhere in (418, 501, flows.Answer(200, {"content-type": "text/html"}, b"")):
        with pytest.raises(ServerError, match="no events here"):
            Script(flows.events(ID), nowhere, answer(raw())).run()


def test_event_lines_are_read_as_the_standard_says():
    said = 'retry: 2000\n\n: a comment\nid: 7\nevent: progress\ndata: {"a":\ndata: "\u2028\u00e9"}\n\ndata:{"b":2}\n\n'
    for end in ("\n", "\r\n", "\r"):
        stream = said.replace("\n", end).encode() + b"\n"
        for size in (1, 2, 3, len(stream)):
            parser = flows.EventParser()
            found = [one for at in range(0, len(stream), size) for one in parser.feed(stream[at:at + size])]
            assert [(one.name, one.id, dict(one.data)) for one in found] == [("progress", "7", {"a": "\u2028\u00e9"}), ("message", "7", {"b": 2})]


def test_a_fault_without_json_is_a_fault_all_the_same():
    assert flows.Answer(502, {}, b"<html>").members() == {}
    assert flows.Answer(502, {}, b"[1]").members() == {}


@pytest.mark.parametrize("day", [date(2024, 1, 2), datetime(2024, 1, 2, 15), "2024-01-02", "20240102"])
def test_days_may_be_written_as_one_likes(day):
    assert day_text(day) == "20240102"


def test_what_is_no_day_or_interval_is_refused_with_what_would_do():
    with pytest.raises(ValueError, match="2024-01-02"):
        day_text("2.1.2024")
    with pytest.raises(ValueError, match="15m"):
        milliseconds("quarter")


def test_months_intervals_and_times():
    assert [month_text(month) for month in ("2024-01", "202401", date(2024, 1, 9))] == ["202401"] * 3
    assert [milliseconds(span) for span in ("15m", "1h", "30s", timedelta(minutes=15), 900_000)] == [900_000, 3_600_000, 30_000, 900_000, 900_000]
    assert [time_of_day(moment) for moment in (time(9, 30), time(9, 30, 1, 5000), 34_200_000)] == [34_200_000, 34_201_005, 34_200_000]


def test_requests_have_the_members_of_the_contract():
    option = historical("option", ["AAPL", "MSFT"], "2024-01-02", date(2024, 1, 5), schema="ohlc", interval="5m", start_time=time(10), end_time=39_600_000,
                        mode="refresh", labels={"a": "b"}, priority=5, format="ipc")
    assert option.path == "/historical/option"
    assert option.body == {"roots": ["AAPL", "MSFT"], "start_date": "20240102", "end_date": "20240105", "schema": "ohlc", "interval": 300_000, "start_time": 36_000_000,
                           "end_time": 39_600_000, "mode": "refresh", "labels": {"a": "b"}, "priority": 5, "return_format": "ipc"}
    calendar = earnings("2024-01", "2024-03")
    assert (calendar.path, calendar.body) == ("/earnings", {"start_date": "202401", "end_date": "202403"})
