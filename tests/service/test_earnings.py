"""POST /earnings, from outside: the real binary, the simulator's calendar, and pyarrow.

The texts of the calendar are turned into values here by another way than the server's.
"""

import datetime
import json
import re

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from harness import Client

PATH = "/api/calendar/earnings"
SCHEMA = pa.schema(
    [
        pa.field("date", pa.string(), nullable=False),
        pa.field("symbol", pa.string(), nullable=False),
        ("name", pa.string()),
        ("time", pa.string()),
        ("eps", pa.float64()),
        ("eps_forecast", pa.float64()),
        ("surprise_pct", pa.float64()),
        ("market_cap", pa.int64()),
        ("fiscal_quarter_ending", pa.string()),
        ("num_estimates", pa.int64()),
        ("last_year_eps", pa.float64()),
        ("last_year_report_date", pa.string()),
    ]
)


def serve_earnings(serve, sim, **settings):
    return serve(sim, NASDAQ_BASE_URL=f"http://127.0.0.1:{sim.control.port}", **settings)


def submit(server, first, last=None, status=202, **members):
    answer = server.client.post("/earnings", {"start_date": first, "end_date": last or first, **members})
    assert answer.status == status, answer
    return answer.json()["job_id"] if status == 202 else answer.json()


def weekdays(year, month):
    day = datetime.date(year, month, 1)
    while day.month == month:
        if day.weekday() < 5:
            yield day
        day += datetime.timedelta(days=1)


def rows_of(body):
    return json.loads(body)["data"]["rows"] or []


def calendar(sim, day):
    answer = sim.control.get(f"{PATH}?date={day}", headers={"User-Agent": "Mozilla/5.0"})
    assert answer.status == 200, answer
    return rows_of(answer.body)


def number(text, kind=float):
    text = (text or "").strip()
    if text in ("", "N/A"):
        return None
    value = kind(re.sub(r"[$,()]", "", text))
    return -value if text.startswith("(") else value


def text(value):
    return (value or "").strip() or None


def values_of(day, row):
    """A row of the file, out of a row of the calendar."""
    time = text(row["time"])
    reported = row.get("lastYearRptDt")
    return {
        "date": str(day),
        "symbol": row["symbol"].strip(),
        "name": text(row["name"]),
        "time": None if time == "time-not-supplied" else time,
        "eps": number(row.get("eps")),
        "eps_forecast": number(row["epsForecast"]),
        "surprise_pct": number(row.get("surprise")),
        "market_cap": number(row["marketCap"], int),
        "fiscal_quarter_ending": text(row["fiscalQuarterEnding"]),
        "num_estimates": number(row["noOfEsts"], int),
        "last_year_eps": number(row.get("lastYearEPS")),
        "last_year_report_date": (
            datetime.datetime.strptime(reported, "%m/%d/%Y").date().isoformat()
            if reported not in (None, "", "N/A")
            else None
        ),
    }


def table(server, year, month):
    return parquet.read_table(server.lake / f"earnings/{year}/{month:02d}/data.parquet")


def test_months_become_files_with_what_the_calendar_says(simulate, serve):
    sim = simulate("--today", "20240520")
    server = serve_earnings(serve, sim)
    job = server.wait_job(submit(server, "202402", "202404"))
    assert job["status"] == "completed" and job["error_message"] is None
    assert job["progress"]["total"] == 3
    assert server.objects() == {f"earnings/2024/{month:02d}/data.parquet" for month in (2, 3, 4)}
    asked = [call for call in sim.stats()["by_call"] if call.startswith(PATH)]
    assert asked == [f"{PATH}?date={day}" for month in (2, 3, 4) for day in weekdays(2024, month)]

    rows = 0
    for month in (2, 3, 4):
        found = table(server, 2024, month)
        assert found.schema.equals(SCHEMA)
        expected = [values_of(day, row) for day in weekdays(2024, month) for row in calendar(sim, day)]
        assert found.to_pylist() == expected
        rows += len(expected)
        metadata = parquet.read_metadata(server.lake / f"earnings/2024/{month:02d}/data.parquet").metadata
        assert metadata[b"betedge.rows"].decode() == str(len(expected))
        assert metadata[b"betedge.key"].decode() == f"earnings/2024/{month:02d}/data.parquet"
    assert rows > 1000
    items = server.client.items(job["job_id"])
    assert [item["state"] for item in items] == ["succeeded"] * 3
    assert sum(item["rows"] for item in items) == rows


def test_what_is_there_is_skipped_and_force_refresh_downloads_it_again(simulate, serve):
    sim = simulate("--today", "20240520")
    server = serve_earnings(serve, sim)
    server.wait_job(submit(server, "202402"))
    calls = sim.stats()["calls"]
    again = submit(server, "202402")
    server.wait_job(again)
    assert [item["state"] for item in server.client.items(again)] == ["skipped"]
    assert sim.stats()["calls"] == calls
    file = server.lake / "earnings/2024/02/data.parquet"
    before = file.read_bytes()
    forced = submit(server, "202402", force_refresh=True)
    server.wait_job(forced)
    assert [item["state"] for item in server.client.items(forced)] == ["succeeded"]
    assert sim.stats()["calls"] == 2 * calls
    assert file.read_bytes() == before, "the same answers make the same bytes"


@pytest.mark.parametrize(
    "fault, says",
    [
        ("403", "403"),
        ("503", "503"),
        ("html", "html"),
        ("cut-row", "cut off"),
        ("wrong-header", "epsForecast"),
        ("short", "2024-02-14"),
        ("empty", "empty"),
    ],
)
def test_a_day_that_fails_fails_its_month_and_no_other(simulate, serve, fault, says):
    sim = simulate("--today", "20240520", "--fault", f"{fault}@kind=earnings,date=20240214")
    server = serve_earnings(serve, sim, THETA_RETRY_ATTEMPTS=2, THETA_RETRY_DELAY="1ms")
    job = server.wait_job(submit(server, "202402", "202403"))
    assert job["status"] == "completed"
    assert "1 of 2 items failed" in job["error_message"]
    february, march = server.client.items(job["job_id"])
    assert (february["state"], march["state"]) == ("failed", "succeeded")
    assert "2024-02-14" in february["error"] and says in february["error"], february
    assert server.objects() == {"earnings/2024/03/data.parquet"}


@pytest.mark.parametrize("fault", ["403", "429=1", "500", "reset=1KB", "drop", "html"])
def test_a_passing_fault_is_got_over(simulate, serve, fault):
    sim = simulate("--today", "20240520", "--fault", f"{fault}@kind=earnings,date=20240214,first=1")
    server = serve_earnings(serve, sim, THETA_RETRY_DELAY="1ms")
    job = server.wait_job(submit(server, "202402"))
    assert job["status"] == "completed" and job["error_message"] is None, job
    days = [day for day in weekdays(2024, 2) if calendar(sim, day)]
    assert sorted(set(table(server, 2024, 2)["date"].to_pylist())) == [str(day) for day in days]


def test_days_without_reports_are_a_fact(simulate, serve):
    sim = simulate(
        "--today", "20240520", "--fault", "header-only@kind=earnings,date=20240213",
        "--fault", "no-data-200@kind=earnings,date=20240214",
    )  # fmt: skip
    server = serve_earnings(serve, sim)
    job = server.wait_job(submit(server, "202402"))
    assert job["status"] == "completed" and job["error_message"] is None
    dates = set(table(server, 2024, 2)["date"].to_pylist())
    # Presidents' Day: companies could report, and were asked for.
    assert not dates & {"2024-02-13", "2024-02-14", "2024-02-19"}
    assert {"2024-02-12", "2024-02-15", "2024-02-20"} <= dates
    assert f"{PATH}?date=2024-02-19" in sim.stats()["by_call"]


def test_a_line_that_comes_twice_is_taken_once_and_one_that_differs_is_kept(simulate, serve):
    sim = simulate(
        "--today", "20240520", "--fault", "twins@kind=earnings,date=20240213",
        "--fault", "doubled@kind=earnings,date=20240214",
    )  # fmt: skip
    server = serve_earnings(serve, sim)
    server.wait_job(submit(server, "202402"))
    dates = table(server, 2024, 2)["date"].to_pylist()
    thirteenth = calendar(sim, "2024-02-13")
    assert dates.count("2024-02-13") == len(thirteenth) / 2
    assert dates.count("2024-02-14") == len(calendar(sim, "2024-02-14"))


def test_months_in_the_future_are_refused_and_the_current_one_names_what_is_to_come(simulate, serve):
    sim = simulate()
    server = serve_earnings(serve, sim)
    today = datetime.datetime.now(datetime.timezone.utc).date()
    refused = submit(server, f"{today.year + 1}01", status=422)
    assert refused["detail"], refused

    # From a month that is over into the present one, so that there is always an item.
    first = (today.replace(day=1) - datetime.timedelta(days=40)).replace(day=1)
    job = server.wait_job(submit(server, f"{first:%Y%m}", f"{today:%Y%m}"))
    last = (today.replace(day=1) + datetime.timedelta(days=31)).replace(day=1)
    to_come = job.get("not_yet_available", [])
    # New York is up to five hours behind: its today is ours or the day before.
    sure = [f"{today + datetime.timedelta(days=n):%Y%m%d}" for n in range(1, (last - today).days)
            if (today + datetime.timedelta(days=n)).weekday() < 5]  # fmt: skip
    assert set(sure) <= set(to_come)
    for item in server.client.items(job["job_id"]):
        dates = parquet.read_table(server.lake / item["key"])["date"].to_pylist()
        assert not {date.replace("-", "") for date in dates} & set(to_come)


@pytest.mark.parametrize(
    "members, field",
    [
        ({"start_date": "20240101"}, "start_date"),
        ({"start_date": "202413"}, "start_date"),
        ({"start_date": "202403", "end_date": "202401"}, "end_date"),
        ({"return_format": "ipc"}, "return_format"),
    ],
)
def test_bad_input_is_refused_before_anything_is_asked(simulate, serve, members, field):
    sim = simulate()
    server = serve_earnings(serve, sim)
    body = {"start_date": "202401", "end_date": "202402", **members}
    answer = server.client.post("/earnings", body)
    assert answer.status == 422, answer
    assert field in [fault["loc"][1] for fault in answer.json()["detail"]]
    assert sim.stats()["calls"] == 0


def test_the_terminal_being_gone_does_not_hold_up_earnings(simulate, serve):
    sim = simulate("--today", "20240520")
    server = serve_earnings(serve, sim)
    answer = sim.control.request("PUT", "/sim/state", {"terminal": "gone"})
    assert answer.status == 200, answer
    job = server.wait_job(submit(server, "202402"))
    assert job["status"] == "completed" and job["error_message"] is None


def test_nasdaq_being_gone_is_waited_for(simulate, serve, folder):
    sim = simulate("--today", "20240520")
    # The v3 port goes away with the terminal; the calendar on it too.
    server = serve(sim, NASDAQ_BASE_URL=f"http://127.0.0.1:{sim.v3_port}")
    sim.control.request("PUT", "/sim/state", {"terminal": "gone"})
    job_id = submit(server, "202402")
    server.wait_event("upstream_unavailable")
    sim.control.request("PUT", "/sim/state", {"terminal": "up"})
    job = server.wait_job(job_id)
    assert job["status"] == "completed" and job["error_message"] is None
    assert server.objects() == {"earnings/2024/02/data.parquet"}


def test_the_command_line_downloads_a_month(simulate, serve, folder, processes):
    from harness import Process

    sim = simulate("--today", "20240520")
    server = serve_earnings(serve, sim)
    command = Process(
        ["earnings", "2024-02", "--wait", "--url", f"http://127.0.0.1:{server.port}"],
        folder,
        {"HOME": str(folder)},
        name="betedge earnings",
    )
    processes.append(command)
    assert command.wait() == 0, command.transcript()
    assert server.objects() == {"earnings/2024/02/data.parquet"}


def test_the_recorded_days_are_read_as_they_are(simulate, serve, shared_data):
    """Through replay: November 2023 and July 2024, of which the recorded days have rows."""
    folder = shared_data / "nasdaq"
    days = {file.stem: rows_of(file.read_bytes()) for file in folder.glob("20*.json")}
    sim = simulate("--earnings-replay", str(folder))
    server = serve_earnings(serve, sim)
    job = server.wait_job(submit(server, "202311"))
    assert job["status"] == "completed" and job["error_message"] is None
    server.wait_job(submit(server, "202407"))
    found = table(server, 2023, 11).to_pylist() + table(server, 2024, 7).to_pylist()
    expected = [values_of(day, row) for day in sorted(days) for row in days[day]]
    assert len(expected) == 565
    assert found == expected


def test_a_client_that_says_it_is_a_library_is_blocked(simulate):
    """What the source would meet without its headers."""
    sim = simulate()
    for port in (sim.v3_port, sim.v2_port, sim.control.port):
        assert Client(port).get(f"{PATH}?date=2024-02-14").status == 403
