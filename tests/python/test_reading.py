"""Reading a request's objects back: exactly those, from a folder and from a bucket."""

import json
import subprocess
import sys
import warnings

import pyarrow.fs
import pytest

import betedge
from betedge.legacy import BetEdgeClient
from betedge.reading import Reading, _need
from betedge.requests import historical
from betedge.testing import BetEdge
from conftest import ROOT

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


def test_a_lake_that_this_machine_does_not_see_is_not_taken_for_days_without_data(filled, tmp_path):
    with pytest.raises(betedge.MissingObjects, match="where this machine sees its lake") as raised:
        filled.read(REQUEST, lake=str(tmp_path))
    assert len(raised.value.keys) == 3
    assert filled.read(REQUEST, lake=str(tmp_path), allow_missing=True).missing == raised.value.keys


def test_days_without_data_are_not_missing(client):
    """The simulator's market begins on 1 June 2012."""
    request = historical("option", "AAPL", "2012-05-30", "2012-06-04", schema="ohlc", interval="15m")
    done = client.submit(request).wait_for_completion(timeout=60)
    reading = client.read(request)
    assert (done.items["no_data"], len(reading.files), reading.missing) == (2, 2, [])
    assert reading.to_arrow().num_rows == done.rows


def test_stocks_of_several_symbols_say_whose_they_are(client):
    request = historical("stock", ["AAPL", "MSFT"], "2024-01-02", "2024-01-03", schema="ohlc", interval="15m")
    rows = client.submit(request).wait_for_completion(timeout=60).rows
    reading = client.read(request)
    assert [group["count"] for group in reading.to_arrow().group_by("root").aggregate([([], "count_all")]).rename_columns(["root", "count"]).to_pylist()] == [rows // 2] * 2
    assert set(reading.scan().to_table(columns=["root"])["root"].to_pylist()) == {"AAPL", "MSFT"}
    assert reading.to_duckdb().filter("root = 'MSFT'").count("*").fetchall() == [(rows // 2,)]
    import polars

    assert reading.to_polars().filter(polars.col("root") == "AAPL").collect().height == rows // 2


def test_a_lake_below_folders_that_look_like_a_key_says_the_same(client, betedge_server, tmp_path):
    request = historical("stock", ["AAPL", "MSFT"], "2024-01-02", "2024-01-03", schema="ohlc", interval="15m")
    client.submit(request).wait_for_completion(timeout=60)
    (tmp_path / "backup/2024").mkdir(parents=True)
    lake = betedge_server.lake.rename(tmp_path / "backup/2024/lake")
    reading = Reading(client.plan(request), str(lake))
    assert len(reading.files) == 4 and set(reading.to_arrow()["root"].to_pylist()) == {"AAPL", "MSFT"}


@pytest.fixture
def s3():
    """The S3 server of the object store's contract; it ends with its standard input."""
    popen = subprocess.Popen([sys.executable, ROOT / "tests/contract/object_store/s3_server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ready = json.loads(popen.stdout.readline())
    import boto3

    keys = ready["may_all"]
    boto3.client("s3", endpoint_url=ready["endpoint"], region_name="us-east-1", aws_access_key_id=keys["access_key"],
                 aws_secret_access_key=keys["secret_key"]).create_bucket(Bucket="mine")
    yield ready["endpoint"], keys
    popen.stdin.close()
    popen.wait(30)
    popen.stdout.close()


def test_a_lake_in_a_bucket_is_read_there(s3, monkeypatch):
    endpoint, keys = s3
    address = endpoint.removeprefix("http://")
    with BetEdge(sim=["--contracts", "20"], BETEDGE_LAKE="s3://mine/lake", MINIO_ENDPOINT=address, MINIO_ACCESS_KEY=keys["access_key"],
                 MINIO_SECRET_KEY=keys["secret_key"]) as server, server.client() as client:
        rows = client.submit(REQUEST).wait_for_completion(timeout=60).rows
        bucket = pyarrow.fs.S3FileSystem(access_key=keys["access_key"], secret_key=keys["secret_key"], endpoint_override=address, scheme="http", region="us-east-1")
        reading = client.read(REQUEST, filesystem=bucket)
        assert (reading.lake, len(reading.files), reading.to_arrow().num_rows) == ("s3://mine/lake", 3, rows)
        # Or by what is customary in the environment.
        for name, value in {"AWS_ACCESS_KEY_ID": keys["access_key"], "AWS_SECRET_ACCESS_KEY": keys["secret_key"], "AWS_ENDPOINT_URL": endpoint,
                            "AWS_DEFAULT_REGION": "us-east-1"}.items():
            monkeypatch.setenv(name, value)
        assert client.read(REQUEST).to_polars().collect().height == rows
        wider = historical("option", "AAPL", "2024-01-02", "2024-01-05", schema="quote", interval="15m")
        with pytest.raises(betedge.MissingObjects) as raised:
            client.read(wider)
        assert [key[-23:-13] for key in raised.value.keys] == ["2024/01/05"]


def test_a_lake_that_is_seen_elsewhere(filled, betedge_server):
    assert len(filled.read(REQUEST, lake=f"{betedge_server.lake}/").files) == 3
    folder = pyarrow.fs.SubTreeFileSystem(str(betedge_server.lake.parent), pyarrow.fs.LocalFileSystem())
    assert filled.read(REQUEST, lake="lake", filesystem=folder).to_arrow().num_rows > 0


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
