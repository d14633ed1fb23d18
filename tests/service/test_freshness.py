"""What is there is kept when it is the same; what the vendor does not have is remembered."""

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

DAY = {"root": "AAPL", "start_date": "20240105", "end_date": "20240105", "schema": "ohlc", "interval": 900000}


def ended(server, kind="stock", **members):
    return server.wait_job(server.client.submit(kind, **members))


def item(server, job):
    return server.client.items(job["job_id"])[0]


def test_no_data_is_remembered_with_its_day_and_asked_for_again_by_refresh(simulate, serve):
    sim = simulate("--fault", "472@date=20240105")
    server = serve(sim)
    assert ended(server, **DAY)["items"]["no_data"] == 1
    calls = sim.stats()["calls"]
    again = ended(server, **DAY)
    assert again["items"]["no_data"] == 1
    assert item(server, again)["note"].startswith("no data: told 20")
    assert sim.stats()["calls"] == calls
    assert server.client.post("/historical/stock?dry_run=true", DAY).json()["calls"] == 0
    sim.faults()
    assert ended(server, **DAY)["items"]["no_data"] == 1, "nobody asked for more than to skip"
    assert ended(server, **DAY, mode="refresh")["items"]["succeeded"] == 1
    assert ended(server, **DAY)["items"]["skipped"] == 1


def test_a_series_of_zeros_is_no_data_with_a_reason_of_its_own(simulate, serve):
    server = serve(simulate("--fault", "zeros@kind=stock"))
    job = ended(server, **DAY)
    assert job["items"]["no_data"] == 1
    assert "is zero" in item(server, job)["note"]
    assert not server.objects()
    assert "zero_series" in item(server, ended(server, **DAY))["note"]


def test_a_strangers_file_is_kept_whatever_its_types_and_tells_the_days_that_it_lacks(simulate, serve):
    sim = simulate()
    server = serve(sim)
    path = server.lake / "historical-stock/eod/AAPL/2023/data.parquet"
    path.parent.mkdir(parents=True)
    parquet.write_table(pa.table({
        "date": pa.array([20230103, 20230104], pa.int32()),
        "close": pa.array([1.5, 2.5], pa.float32()),
        "volume": pa.array([1, 2], pa.int16()),
    }), path)
    bytes_before = path.read_bytes()
    job = ended(server, root="AAPL", start_date="20230103", end_date="20231229", schema="eod")
    assert job["items"]["skipped"] == 1
    assert item(server, job)["note"].startswith("adopted: 2 rows; no data on 248 of 250 sessions")
    assert path.read_bytes() == bytes_before and sim.stats()["calls"] == 0
    coverage = server.client.get(
        "/lake/coverage?kind=stock&root=AAPL&schema=eod&start_date=20230101&end_date=20231231").json()
    assert (coverage["counts"]["present"], coverage["counts"]["no_data"]) == (2, 248)


def test_objects_of_a_lake_whose_store_is_lost_are_read_and_counted(simulate, serve, tmp_path):
    sim = simulate()
    before = serve(sim)
    assert ended(before, **{**DAY, "end_date": "20240109"})["items"]["succeeded"] == 3
    before.stop()
    after = serve(sim, folder=tmp_path, BETEDGE_LAKE=before.lake)
    calls = sim.stats()["calls"]
    job = ended(after, **{**DAY, "end_date": "20240109"})
    assert job["items"]["skipped"] == 3
    assert {one["note"] for one in after.client.items(job["job_id"])} == {"adopted: 26 rows"}
    assert ended(after, **DAY, mode="refresh")["items"]["skipped"] == 1, "they say what they are"
    assert sim.stats()["calls"] == calls


@pytest.mark.parametrize("what", ["rubbish", "cut", "another"])
def test_what_lies_there_and_is_not_what_it_should_be_is_downloaded_again(simulate, serve, what, tmp_path):
    sim = simulate()
    before = serve(sim)
    ended(before, **{**DAY, "end_date": "20240108"})
    first, second = sorted(before.objects())
    whole = (before.lake / first).read_bytes()
    after = serve(sim, folder=tmp_path)
    place = after.lake / first
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(
        {"rubbish": b"no such file", "cut": whole[:-9], "another": (before.lake / second).read_bytes()}[what]
    )
    job = ended(after, **DAY)
    assert job["items"]["succeeded"] == 1
    assert "and was downloaded again" in item(after, job)["note"]
    assert place.read_bytes() == whole


def test_each_mode_keeps_what_it_says(simulate, serve):
    sim = simulate()
    server = serve(sim)
    ended(server, **DAY)
    for mode, state in (("skip", "skipped"), ("refresh", "skipped"), ("force", "succeeded")):
        assert ended(server, **DAY, mode=mode)["items"][state] == 1, mode
    key = next(iter(server.objects()))
    with open(server.lake / key, "ab") as file:
        file.write(b"!")
    for mode in ("skip", "refresh"):
        assert ended(server, **DAY, mode=mode)["items"]["succeeded" if mode == "skip" else "skipped"] == 1, mode


def test_a_window_is_another_object(simulate, serve):
    server = serve(simulate())
    ended(server, **DAY)
    windowed = {**DAY, "start_time": "36000000", "end_time": "39600000"}
    assert ended(server, **windowed)["items"]["succeeded"] == 1
    assert len(server.objects()) == 2


def test_another_layout_is_downloaded_again(simulate, serve):
    sim = simulate()
    server = serve(sim)
    ended(server, **DAY)
    server.stop()
    narrow = serve(sim, BETEDGE_LAKE_PRICE_TYPE="float32")
    assert ended(narrow, **DAY)["items"]["succeeded"] == 1
    assert ended(narrow, **DAY)["items"]["skipped"] == 1
