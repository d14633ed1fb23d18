"""Reading a request's objects back: exactly those, from a folder and from a bucket."""

import warnings

import pyarrow.fs
import pytest

import betedge
from betedge.legacy import BetEdgeClient
from betedge.models import Plan
from betedge.reading import Reading, _need
from betedge.requests import historical

REQUEST = historical("option", "AAPL", "2024-01-02", "2024-01-04", schema="quote", interval="15m")


@pytest.fixture
def client(betedge_server):
    with betedge_server.client() as client:
        yield client


@pytest.fixture
def filled(client):
    client.historical.option("AAPL", "2024-01-02", "2024-01-05", schema="quote", interval="15m").wait_for_completion(timeout=60)
    return client


def test_it_reads_exactly_the_objects_of_the_request(filled, betedge_server):
    reading = filled.read(REQUEST)
    assert len(reading.files) == 3 and reading.missing == [] and repr(reading) == f"<betedge.Reading of 3 objects in {betedge_server.lake}>"
    table = reading.to_arrow()
    assert set(table["date"].to_pylist()) == {20240102, 20240103, 20240104}
    assert reading.to_pandas().shape == (table.num_rows, table.num_columns)
    polars = pytest.importorskip("polars")
    assert reading.to_polars().filter(polars.col("date") == 20240103).collect().height == table.num_rows // 3
    import duckdb

    assert reading.to_duckdb().query("day", "SELECT count(*) FROM day").fetchall() == [(table.num_rows,)]
    assert reading.to_duckdb(duckdb.connect()).count("*").fetchall() == [(table.num_rows,)]


def test_what_is_missing_is_named(filled):
    wider = historical("option", "AAPL", "2024-01-02", "2024-01-10", schema="quote", interval="15m")
    with pytest.raises(betedge.MissingObjects) as raised:
        filled.read(wider)
    assert [key[-23:-13] for key in raised.value.keys] == ["2024/01/08", "2024/01/09", "2024/01/10"]
    reading = filled.read(wider, allow_missing=True)
    assert (len(reading.files), reading.missing) == (4, raised.value.keys) and repr(reading).endswith("3 missing>")
    with pytest.raises(betedge.BetEdgeError, match="nothing to read"):
        filled.read(historical("option", "MSFT", "2024-01-02", "2024-01-03", interval="15m"), allow_missing=True).scan()


def test_arrow_files_are_read_as_what_they_are(client):
    request = historical("stock", "AAPL", "2024-01-02", "2024-01-05", schema="eod", format="ipc")
    rows = client.submit(request).wait_for_completion(timeout=60).rows
    assert client.read(request).to_arrow().num_rows == rows


def test_a_lake_that_is_seen_elsewhere_or_lies_in_a_bucket(filled, betedge_server, monkeypatch):
    plan = filled.plan(REQUEST)
    assert len(filled.read(REQUEST, lake=f"{betedge_server.lake}/").files) == 3
    # A bucket is whatever pyarrow's file system says: the same objects behind another one.
    folder = pyarrow.fs.SubTreeFileSystem(str(betedge_server.lake.parent), pyarrow.fs.LocalFileSystem())
    assert Reading(plan, "s3://lake", folder).to_arrow().num_rows > 0
    asked = []
    monkeypatch.setattr(pyarrow.fs, "FileSystem", type("FileSystem", (), {"from_uri": staticmethod(lambda uri: asked.append(uri) or (folder, "lake"))}))
    assert len(Reading(plan, "s3://bucket/lake").files) == 3 and asked == ["s3://bucket/lake"]


def test_a_day_without_data_is_not_missing(filled):
    plan = filled.plan(REQUEST)
    raw = dict(plan.raw) | {"items": [*plan.raw["items"], {"key": "no/such/data.parquet", "state": "present", "covers": ["20240105", "20240105"], "calls": 0}]}
    assert Reading(Plan.read(raw), filled.read(REQUEST).lake).missing == []


def test_a_library_that_is_not_there_is_named_with_its_extra():
    with pytest.raises(betedge.BetEdgeError, match=r"pip install 'betedge\[polars\]'"):
        _need("no_such_library", "polars")


class ExternalHistoricalOptionRequest:
    """As the original's clients have it: a model with members."""

    def __init__(self, **members):
        self.__dict__.update(members)


class Model(ExternalHistoricalOptionRequest):
    def model_dump(self, mode):
        assert mode == "json"
        return dict(self.__dict__)


def test_the_originals_way_goes_on_with_a_word_of_warning(betedge_server):
    with pytest.warns(DeprecationWarning, match="betedge.Client"):
        client = BetEdgeClient(betedge_server.url)
    request = ExternalHistoricalOptionRequest(root="AAPL", start_date="20240102", end_date="20240103", schema="ohlc", interval=900_000, start_time=None)
    table = client.retrieve_data(request, timeout=60)
    assert set(table["date"].to_pylist()) == {20240102, 20240103}
    assert client.retrieve_data(request).equals(table)
    answer = client.request_data(Model(root="AAPL", start_date="20240104", end_date="20240104", schema="ohlc", interval=900_000, type="stock"))
    assert answer["status"] == "accepted" and client.client.job(answer["job_id"]).info.request["kind"] == "stock"
    answer = client.request_data({"start_date": "202401", "end_date": "202401"})
    assert client.client.job(answer["job_id"]).info.request["kind"] == "earnings"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        betedge.Client(betedge_server.url).close()
