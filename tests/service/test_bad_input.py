"""Each rule of a body broken once, and several at once, over a socket."""

import json

import pytest

GOOD = {"root": "AAPL", "start_date": "20240102", "end_date": "20240105", "schema": "quote"}
DAY = "Value error, Invalid date format: {}. Expected YYYYMMDD format"


def fault(type, field, msg, input, **ctx):
    found = {"type": type, "loc": ["body", field], "msg": msg, "input": input}
    if ctx:
        found["ctx"] = ctx
    return found


def value_error(field, msg, input):
    return fault("value_error", field, "Value error, " + msg, input, error={})


def pattern(field, input):
    return fault("string_pattern_mismatch", field, "String should match pattern '^\\d{8}$'", input,
                 pattern="^\\d{8}$")


SHORT = "Intervals under 60000ms (1 minute) are not officially supported, got {}"
CASES = {
    "start_date_is_no_day": ({"start_date": "20240230"}, [value_error(
        "start_date", "Invalid date format: 20240230. Expected YYYYMMDD format", "20240230")]),
    "start_date_has_letters": ({"start_date": "2024010x"}, [pattern("start_date", "2024010x")]),
    "end_before_start": ({"end_date": "20240101"}, [value_error(
        "end_date", "end_date must be >= start_date", "20240101")]),
    "schema_is_unknown": ({"schema": "trades"}, [value_error(
        "schema", "schema must be 'quote', 'ohlc', or 'eod', got 'trades'", "trades")]),
    "interval_is_short": ({"interval": 59999}, [value_error("interval", SHORT.format(59999), 59999)]),
    "interval_is_negative": ({"interval": -5}, [fault(
        "greater_than_equal", "interval", "Input should be greater than or equal to 0", -5, ge=0)]),
    "return_format_is_unknown": ({"return_format": "csv"}, [value_error(
        "return_format", "return_format must be 'parquet' or 'ipc', got 'csv'", "csv")]),
    "start_time_is_negative": ({"start_time": -1}, [fault(
        "greater_than_equal", "start_time", "Input should be greater than or equal to 0", -1, ge=0)]),
    "end_time_is_a_text": ({"end_time": "noon"}, [fault(
        "int_parsing", "end_time", "Input should be a valid integer, unable to parse string as an integer",
        "noon")]),
    "several_at_once": (
        {"root": 7, "start_date": "x", "schema": "z", "interval": 1.5, "return_format": None},
        [
            fault("string_type", "root", "Input should be a valid string", 7),
            pattern("start_date", "x"),
            value_error("schema", "schema must be 'quote', 'ohlc', or 'eod', got 'z'", "z"),
            fault("int_from_float", "interval",
                  "Input should be a valid integer, got a number with a fractional part", 1.5),
            fault("string_type", "return_format", "Input should be a valid string", None),
        ]),
}


@pytest.mark.parametrize("kind", ["option", "stock"])
@pytest.mark.parametrize("case", CASES)
def test_a_broken_rule_is_told_byte_for_byte(shared_server, kind, case):
    change, faults = CASES[case]
    answer = shared_server.client.post(f"/historical/{kind}", {**GOOD, **change})
    assert answer.status == 422
    assert answer.text.startswith(json.dumps({"detail": faults}, separators=(",", ":"))[:-1] + ',"type":"/docs#')


@pytest.mark.parametrize("kind", ["option", "stock"])
@pytest.mark.parametrize("root", ["", ".", "..", "A/B", "../x", "A\\B", "AAPL ", "A" * 17, "é", "A\u0000"])
def test_a_root_that_could_leave_its_folder_is_refused(shared_server, kind, root):
    answer = shared_server.client.post(f"/historical/{kind}", {**GOOD, "root": root})
    assert answer.status == 422
    detail = answer.json()["detail"]
    assert [one["loc"] for one in detail] == [["body", "root"]]
    assert detail[0]["input"] == root


def test_nothing_is_stored_for_a_refused_request(shared_server):
    before = shared_server.client.get("/jobs").json()["total"]
    shared_server.client.post("/historical/stock", {**GOOD, "end_date": "20230101"})
    assert shared_server.client.get("/jobs").json()["total"] == before


def test_a_later_name_of_schema_is_read_too(shared_server):
    body = {name: value for name, value in GOOD.items() if name != "schema"}
    answer = shared_server.client.post("/historical/stock", {**body, "data_schema": "nope"})
    assert answer.status == 422
    assert "'nope'" in answer.text


def test_days_that_have_not_ended_are_named_and_none_but_those_is_a_422(shared_server):
    answer = shared_server.client.post(
        "/historical/stock", {"root": "AAPL", "start_date": "20990105", "end_date": "20990109"}
    )
    assert answer.status == 422, answer
    assert answer.json()["detail"][0]["loc"][0] == "body"


def test_unknown_members_are_taken_and_named(shared_server):
    job = shared_server.client.submit("stock", root="AAPL", start_date="20240106", end_date="20240107", colour="red")
    assert any("colour" in warning for warning in shared_server.client.job(job)["warnings"])


def test_a_body_that_is_too_large_is_refused(shared_server):
    answer = shared_server.client.request(
        "POST", "/historical/stock", b" " * (2 << 20), {"Content-Type": "application/json"}
    )
    assert answer.status == 413
    assert answer.json()["detail"]


@pytest.mark.parametrize("query, status", [
    ("?limit=x", 422), ("?limit=-1", 422), ("?limit=2", 200), ("?job_status=done", 400),
    ("?job_status=COMPLETED", 200), ("?job_status=", 200), ("", 200),
])
def test_a_list_of_jobs_takes_what_it_says(shared_server, query, status):
    answer = shared_server.client.get("/jobs" + query)
    assert answer.status == status, answer
    if status == 400:
        assert answer.json()["detail"].startswith("Invalid status 'done'. Valid statuses: ")
