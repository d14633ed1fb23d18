"""A job into a bucket while server and network misbehave: it completes, and what lies there is right."""

import hashlib
import io

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import s3_servers

MONTH = {"root": "AAPL", "start_date": "20240102", "end_date": "20240131", "schema": "ohlc"}
SESSIONS = 21
OF_OBJECTS = r"/data\."

SERVERS = ["moto", *(pytest.param(kind, marks=pytest.mark.s3) for kind in ("versitygw", "minio"))]
THAT_LAST = SERVERS[1:]  # what lies in them outlives them
# An object of the job is some 20 kB: sent by one request, or (as a large one) in a part.
WHOLE = {}
IN_PARTS = {"BETEDGE_S3_MULTIPART_ABOVE": "1KiB"}


def table_of(key, content):
    if key.endswith(".parquet"):
        return parquet.read_table(io.BytesIO(content))
    return pa.ipc.open_file(io.BytesIO(content)).read_all()


def check(server, bucket, job):
    """The job has completed; each object is the one that its item says, there is no other, and no rest."""
    ended = server.wait_job(job, timeout=180)
    assert (ended["status"], ended["error_message"]) == ("completed", None)
    items = {item["key"]: item for item in server.client.items(job)}
    assert len(items) == SESSIONS
    found = bucket.objects()
    assert sorted(found) == sorted(items)
    for key, content in found.items():
        item, table = items[key], table_of(key, content)
        assert table.num_rows == 390, key
        if item["state"] == "skipped":
            continue  # it was there before the store knew of it
        assert item["state"] == "succeeded"
        assert (len(content), hashlib.sha256(content).hexdigest()) == (item["bytes"], item["sha256"]), key
        assert table.num_rows == item["rows"], key
    assert bucket.unfinished_uploads(items) == []
    return ended["items"]


@pytest.fixture
def start(s3, proxy, simulate, serve):
    """A server whose lake is a bucket behind a proxy; faults are for when it has begun."""

    def begin(kind, **settings):
        bucket = s3(kind)
        between = proxy(bucket.port)
        server = serve(simulate(), **bucket.settings(between.endpoint), **settings)
        opened = server.wait_event("bucket_opened")
        assert opened["publishes_conditionally"] == str(s3_servers.CONDITIONAL[kind]).lower()
        return bucket, between, server

    return begin


@pytest.mark.parametrize("kind", SERVERS)
def test_a_large_object_goes_in_parts_and_its_lake_is_found_again(kind, start, serve):
    bucket, between, server = start(kind, **IN_PARTS)
    job = server.client.submit("stock", **MONTH)
    assert check(server, bucket, job)["succeeded"] == SESSIONS
    again = server.wait_job(server.client.submit("stock", **{**MONTH, "mode": "skip"}))
    assert again["items"]["skipped"] == SESSIONS


@pytest.mark.parametrize("settings", [WHOLE, IN_PARTS], ids=["whole", "in_parts"])
@pytest.mark.parametrize("kind", SERVERS)
def test_bursts_of_500_and_503(kind, settings, start):
    bucket, between, server = start(kind, **settings)
    rules = [
        between.on("answer 500", "PUT|POST", OF_OBJECTS, skip=2, times=4),
        between.on("answer 503", "PUT|POST", OF_OBJECTS, skip=3, times=4),
        between.on("answer 503", "HEAD", OF_OBJECTS, skip=1, times=3),
        between.on("slow down 1", "PUT|POST", OF_OBJECTS, skip=12, times=2),
    ]
    check(server, bucket, server.client.submit("stock", **MONTH))
    assert all(map(between.done, rules))


@pytest.mark.parametrize("settings", [WHOLE, IN_PARTS], ids=["whole", "in_parts"])
@pytest.mark.parametrize("kind", SERVERS)
def test_connections_cut_in_mid_upload(kind, settings, start):
    bucket, between, server = start(kind, **settings)
    rule = between.on("cut", "PUT", OF_OBJECTS, skip=3, times=6)
    check(server, bucket, server.client.submit("stock", **MONTH))
    assert between.done(rule)


@pytest.mark.parametrize("kind", SERVERS)
def test_what_was_done_and_not_answered_is_looked_up_and_not_done_again(kind, start):
    bucket, between, server = start(kind)
    rule = between.on("lose", "PUT", OF_OBJECTS, skip=3, times=6)
    count = between.on("none", "PUT", OF_OBJECTS, skip=10_000)
    check(server, bucket, server.client.submit("stock", **MONTH))
    assert between.done(rule)
    # Six were taken by the rule before, and each of the others was sent once.
    assert 10_000 - count.skip == SESSIONS - 6


# The begin of an upload, its part, and its completion.
@pytest.mark.parametrize("where", [r"\?uploads=", "partNumber=1", r"data\.parquet\?uploadId="], ids=["begin", "part", "completion"])
@pytest.mark.parametrize("kind", SERVERS)
def test_uploads_in_parts_whose_answers_are_lost(kind, where, start):
    bucket, between, server = start(kind, **IN_PARTS)
    rule = between.on("lose", "PUT|POST", where, skip=2, times=3)
    check(server, bucket, server.client.submit("stock", **MONTH))
    assert between.done(rule)


@pytest.mark.parametrize("settings", [WHOLE, IN_PARTS], ids=["whole", "in_parts"])
@pytest.mark.parametrize("kind", SERVERS)
def test_answers_that_come_after_the_timeout_though_the_write_was_done(kind, settings, start):
    bucket, between, server = start(kind, BETEDGE_S3_TIMEOUT="1s", **settings)
    rules = [
        between.on("hold", "PUT", OF_OBJECTS, skip=2, times=2),
        between.on("hold", "HEAD", OF_OBJECTS, skip=5, times=1),
    ]
    if settings:
        rules.append(between.on("hold", "POST", r"data\.parquet\?uploadId=", skip=4, times=2))
    check(server, bucket, server.client.submit("stock", **MONTH))
    assert all(map(between.done, rules))


@pytest.mark.parametrize("settings", [WHOLE, IN_PARTS], ids=["whole", "in_parts"])
@pytest.mark.parametrize("kind", THAT_LAST)
def test_the_server_is_killed_in_mid_upload_and_started_again(kind, settings, start):
    bucket, between, server = start(kind, **settings)

    def kill_and_start():
        bucket.kill()
        bucket.start()

    rules = [between.on(kill_and_start, "PUT", OF_OBJECTS, skip=at) for at in (4, 7)]
    check(server, bucket, server.client.submit("stock", **MONTH))
    assert all(map(between.done, rules))


@pytest.mark.parametrize("kind", THAT_LAST)
def test_what_a_killed_betedge_left_in_parts_is_ended_when_the_object_is_put_again(kind, start, serve, simulate):
    bucket, between, server = start(kind, **IN_PARTS)
    killed = []

    def kill_betedge():
        killed.append(server.kill())

    rule = between.on(kill_betedge, "PUT", "partNumber=1", skip=5)
    job = server.client.submit("stock", **MONTH)
    server.wait()
    assert between.done(rule)
    server = serve(simulate(), **bucket.settings(between.endpoint), **IN_PARTS)
    check(server, bucket, job)
