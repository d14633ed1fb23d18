"""The lake over HTTP: what there is, what is missing, what is not what it was, and the bytes themselves."""

import hashlib
import json
import socket
import subprocess

import pyarrow.parquet as parquet
import pytest

import harness
from harness import PATIENCE, ROOT

WEEK = {"root": "AAPL", "schema": "ohlc", "start_date": "20240102", "end_date": "20240108"}
SERIES = {"kind": "stock", **WEEK}
PREFIX = "historical-stock/ohlc/1m/AAPL/2024/01"
DAYS = ["20240102", "20240103", "20240104", "20240105", "20240108"]


def key_of(day):
    return f"{PREFIX}/{day[6:]}/data.parquet"


def query(**members):
    return "&".join(f"{name}={value}" for name, value in members.items())


def coverage(server, **members):
    answer = server.client.get(f"/lake/coverage?{query(**{**SERIES, **members})}")
    assert answer.status == 200, answer
    return answer.json()


def states(server, **members):
    return {day["date"]: day["state"] for day in coverage(server, **members)["days"]}


def verify(server, **members):
    """The differences by key, and the last line."""
    answer = server.client.post("/lake/verify", members)
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/x-ndjson"), answer
    lines = [json.loads(line) for line in answer.text.splitlines()]
    assert "sound" in lines[-1], lines
    told = {line["key"]: line["verdict"] for line in lines if "verdict" in line}
    assert sum(lines[-1]["differences"].values()) == len(told)
    return told, lines[-1]


@pytest.fixture
def week(simulate, serve):
    """A server whose lake has one week of a stock's bars."""
    server = serve(simulate("--contracts", "5"))
    ended = server.wait_job(server.client.submit("stock", **WEEK))
    assert ended["items"]["succeeded"] == 5, ended
    return server


def test_roots_are_what_lies_there(week):
    (week.lake / "notes").mkdir()
    (week.lake / "notes/readme.txt").write_text("mine")
    roots = week.client.get("/lake/roots").json()
    files = [week.lake / key_of(day) for day in DAYS]
    assert roots["lake"] == str(week.lake)
    assert roots["other"] == {"objects": 1, "bytes": 4}
    (series,) = roots["roots"]
    assert series == {
        "kind": "stock", "root": "AAPL", "schema": "ohlc", "interval": "1m", "return_format": "parquet",
        "objects": 5, "bytes": sum(file.stat().st_size for file in files),
        "rows": sum(parquet.read_metadata(file).num_rows for file in files),
        "first": "20240102", "last": "20240108",
    }


@pytest.mark.parametrize("status", ["500", "472"])  # every try failed; the vendor has nothing
def test_a_series_of_which_nothing_came_is_named(simulate, serve, status):
    """It has no object, and would be a gap that no view shows."""
    sim = simulate("--contracts", "5", "--fault", status)
    server = serve(sim, THETA_RETRY_ATTEMPTS=1)
    server.wait_job(server.client.submit("stock", **WEEK))
    (series,) = server.client.get("/lake/roots").json()["roots"]
    assert series == {
        "kind": "stock", "root": "AAPL", "schema": "ohlc", "interval": "1m", "return_format": "parquet",
        "objects": 0, "bytes": 0, "rows": 0, "first": "20240102", "last": "20240108",
    }
    # What lay there and is gone is named likewise.
    sim.faults()
    server.wait_job(server.client.submit("stock", **WEEK, mode="refresh"))
    for day in DAYS:
        (server.lake / key_of(day)).unlink()
    (series,) = server.client.get("/lake/roots").json()["roots"]
    assert (series["objects"], series["bytes"], series["rows"]) == (0, 0, 0)
    assert set(states(server).values()) == {"missing"}


def test_coverage_says_only_what_is_so(simulate, serve):
    sim = simulate("--contracts", "5")
    server = serve(sim, THETA_RETRY_ATTEMPTS=1)
    assert set(states(server).values()) == {"missing"}
    server.wait_job(server.client.submit("stock", **{**WEEK, "end_date": "20240104"}))
    sim.faults("500")
    server.wait_job(server.client.submit("stock", **{**WEEK, "start_date": "20240105", "end_date": "20240105"}))
    assert states(server) == {
        "20240102": "present", "20240103": "present", "20240104": "present", "20240105": "failed", "20240108": "missing"
    }
    failed = coverage(server)["days"][3]
    assert failed["key"] == key_of("20240105") and "500" in failed["reason"]
    # Behind its back: one is gone, one is cut short, one was put there.
    (server.lake / key_of("20240102")).unlink()
    with open(server.lake / key_of("20240103"), "r+b") as file:
        file.truncate(100)
    (server.lake / key_of("20240108")).parent.mkdir(parents=True)
    (server.lake / key_of("20240108")).write_bytes(b"x")
    days = {day["date"]: day for day in coverage(server)["days"]}
    assert days["20240102"]["state"] == "missing" and "not there any more" in days["20240102"]["reason"]
    assert days["20240103"]["state"] == "stale" and "100 bytes" in days["20240103"]["reason"]
    assert days["20240108"]["state"] == "present" and days["20240108"]["reason"] == "not recorded yet"
    assert coverage(server)["counts"] == {"present": 2, "no_data": 0, "failed": 1, "stale": 1, "missing": 1}
    # By itself it begins with the first that is known, and ends with the last session.
    whole = server.client.get("/lake/coverage?kind=stock&root=AAPL&schema=ohlc").json()
    assert whole["start_date"] == "20240102" and len(whole["days"]) > 250


def test_fill_submits_exactly_the_gaps(simulate, serve):
    sim = simulate("--contracts", "5")
    server = serve(sim, BETEDGE_ASYNC_DEFAULT="false")
    server.wait_job(
        server.client.post("/historical/stock", {**WEEK, "end_date": "20240103"}, {"Prefer": "respond-async"})
        .json()["job_id"])
    (server.lake / key_of("20240102")).unlink()
    dry = server.client.post("/lake/fill?dry_run=true", SERIES).json()
    assert [item["key"] for item in dry["items"]] == [key_of(day) for day in DAYS if day != "20240103"]
    answer = server.client.post("/lake/fill", {**SERIES, "labels": {"by": "fill"}})
    assert answer.status == 202, answer
    ended = server.wait_job(answer.json()["job_id"])
    assert ended["progress"]["total"] == 4 and ended["items"]["succeeded"] == 4
    assert ended["request"]["only"] == [["20240102", "20240102"], ["20240104", "20240108"]]
    assert ended["request"]["labels"] == {"by": "fill"}
    assert set(states(server).values()) == {"present"}
    nothing = server.client.post("/lake/fill", SERIES)
    assert (nothing.status, nothing.json()["status"]) == (200, "nothing_to_fill")


def test_verify_finds_everything_and_repair_brings_it_back(week):
    sums = {day: hashlib.sha256((week.lake / key_of(day)).read_bytes()).hexdigest() for day in DAYS}
    assert verify(week) == ({}, {
        "checked": 5, "sound": 5, "repair_jobs": [],
        "differences": {"missing": 0, "torn": 0, "changed": 0, "foreign": 0, "unknown": 0}})
    files = {day: week.lake / key_of(day) for day in DAYS}
    whole = files["20240104"].read_bytes()
    # Deleted; cut off; one byte flipped; another request's; a row removed and written again.
    files["20240102"].unlink()
    files["20240103"].write_bytes(files["20240103"].read_bytes()[:-500])
    files["20240104"].write_bytes(whole[:2000] + bytes([whole[2000] ^ 1]) + whole[2001:])
    files["20240105"].write_bytes(whole)
    table = parquet.read_table(files["20240108"])
    parquet.write_table(table.slice(1), files["20240108"])
    told, last = verify(week)
    flipped = told.pop(key_of("20240104"))
    assert flipped in ("torn", "changed")
    assert told == {
        key_of("20240102"): "missing", key_of("20240103"): "torn", key_of("20240105"): "foreign",
        key_of("20240108"): "changed",
    }
    assert (last["checked"], last["sound"], last["repair_jobs"]) == (5, 0, [])

    told, last = verify(week, prefix=PREFIX, repair=True)
    assert len(told) == 5
    (job,) = last["repair_jobs"]
    ended = week.wait_job(job)
    assert ended["items"]["succeeded"] == 5, ended
    assert {day: hashlib.sha256(files[day].read_bytes()).hexdigest() for day in DAYS} == sums
    assert verify(week)[0] == {}


def test_every_flipped_byte_is_found(week):
    file = week.lake / key_of("20240104")
    whole = file.read_bytes()
    for at in range(0, len(whole), len(whole) // 20):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:])
        assert list(verify(week, prefix=key_of("20240104"))[0]) == [key_of("20240104")], at
    file.write_bytes(whole)
    assert verify(week)[0] == {}


def test_an_unknown_object_is_named_once_and_known_from_then_on(simulate, serve, week, folder):
    week.stop()
    fresh = serve(simulate("--contracts", "5"), store=folder / "other.db")
    told, last = verify(fresh)
    assert set(told.values()) == {"unknown"} and len(told) == 5
    assert verify(fresh)[0] == {}
    objects = fresh.client.get("/objects").json()["objects"]
    assert {entry["sha256"] for entry in objects} == {
        hashlib.sha256((fresh.lake / key_of(day)).read_bytes()).hexdigest() for day in DAYS}


def test_a_caller_that_goes_away_ends_its_verification(week):
    with socket.create_connection(("127.0.0.1", week.port), timeout=PATIENCE) as connection:
        connection.sendall(b"POST /lake/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        connection.recv(1)
    harness.until(lambda: week.client.post("/lake/verify", {}).status == 200, "the next verification")


def test_objects_are_listed_and_sent(week):
    keys, cursor = [], ""
    while cursor is not None:
        page = week.client.get(f"/objects?prefix={PREFIX}&limit=2&cursor={cursor}").json()
        keys += [entry["key"] for entry in page["objects"]]
        cursor = page["next_cursor"]
    assert keys == [key_of(day) for day in DAYS]
    path, data = f"/objects/{keys[0]}", (week.lake / keys[0]).read_bytes()
    whole = week.client.get(path)
    assert (whole.status, whole.body) == (200, data)
    assert whole.headers["Content-Type"] == "application/vnd.apache.parquet"
    assert int(whole.headers["Content-Length"]) == len(data)
    etag = whole.headers["ETag"]
    head = week.client.request("HEAD", path)
    assert (head.status, head.body, head.headers["ETag"]) == (200, b"", etag)
    assert int(head.headers["Content-Length"]) == len(data)
    part = week.client.get(path, {"Range": "bytes=100-199", "If-Range": etag})
    assert (part.status, part.body) == (206, data[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(data)}"
    assert week.client.get(path, {"Range": "bytes=-10"}).body == data[-10:]
    assert week.client.get(path, {"Range": f"bytes={len(data)}-"}).status == 416
    assert week.client.get(path, {"If-None-Match": etag}).status == 304
    (week.lake / keys[0]).write_bytes(data + b"more")
    assert week.client.get(path, {"If-None-Match": etag}).status == 200
    assert week.client.get(path, {"Range": "bytes=0-9", "If-Range": etag}).status == 200
    # The same key, percent-encoded once.
    assert week.client.get(path.replace("/2024/", "%2F2024%2F").replace("AAPL", "%41APL")).status == 200


@pytest.mark.parametrize("path", [
    ".betedge-tmp", ".betedge-tmp/lock", "..%2Fjobs.db", "../jobs.db", "%2e%2e/jobs.db", "%252e%252e/jobs.db",
    "historical-stock", "historical-stock/ohlc", "historical-stock%5Cohlc", "nothing", "/etc/passwd"])
def test_what_is_no_object_is_not_sent(shared_server, path):
    answer = shared_server.client.get(f"/objects/{path}")
    assert answer.status == 404, answer


def test_a_folder_of_the_lake_is_no_object(week):
    for path in ("historical-stock", PREFIX, ".betedge-tmp", ".betedge-tmp/lock"):
        answer = week.client.get(f"/objects/{path}")
        assert (answer.status, answer.json()["code"]) == (404, "object_not_found"), path
    listed = [entry["key"] for entry in week.client.get("/objects").json()["objects"]]
    assert listed == [key_of(day) for day in DAYS]


def test_a_manifest_says_what_a_job_has_brought(simulate, serve):
    sim = simulate("--contracts", "5", "--latency", "200ms")
    server = serve(sim)
    job = server.client.submit("stock", **WEEK)
    assert server.client.request("PUT", f"/jobs/{job}/manifest").status == 409
    server.wait_job(job)
    manifest = server.client.get(f"/jobs/{job}/manifest").json()
    assert (manifest["job_id"], manifest["state"]) == (job, "completed")
    assert [entry["key"] for entry in manifest["objects"]] == [key_of(day) for day in DAYS]
    for entry in manifest["objects"]:
        data = (server.lake / entry["key"]).read_bytes()
        assert (entry["sha256"], entry["bytes"]) == (hashlib.sha256(data).hexdigest(), len(data))
    written = server.client.request("PUT", f"/jobs/{job}/manifest")
    assert (written.status, written.json()) == (201, {"key": f"manifests/{job}.json"})
    assert json.loads((server.lake / "manifests" / f"{job}.json").read_bytes()) == manifest
    # Of what was there already it is what is recorded.
    again = server.client.submit("stock", **WEEK)
    server.wait_job(again)
    skipped = server.client.get(f"/jobs/{again}/manifest").json()["objects"]
    assert {entry["state"] for entry in skipped} == {"skipped"}
    assert [entry["sha256"] for entry in skipped] == [entry["sha256"] for entry in manifest["objects"]]


def test_the_manifest_of_a_large_job_is_whole(simulate, serve):
    server = serve(simulate("--contracts", "5"))
    server.client.request("PUT", "/upstreams/thetadata", {"concurrency": 32})
    years = {"root": "AAPL", "schema": "ohlc", "start_date": "20210104", "end_date": "20231229"}
    job = server.client.submit("stock", **years)
    total = server.client.job(job)["progress"]["total"]
    manifest = server.client.get(f"/jobs/{job}/manifest").json()
    assert len(manifest["objects"]) == total > 700


def test_who_may_only_read_repairs_nothing(week, serve, folder):
    week.stop()
    made = subprocess.run(
        [harness.BINARY, "token", "ann", "--scope", "read", "--file", "tokens"], cwd=folder,
        env={"PATH": "/usr/bin:/bin"}, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    client = serve(BETEDGE_TOKENS=folder / "tokens").client
    ann = {"Authorization": f"Bearer {made.stdout.strip()}"}
    assert client.post("/lake/verify", {}, ann).status == 200
    for method, path, body in [("POST", "/lake/verify", {"repair": True}), ("POST", "/lake/fill", SERIES)]:
        answer = client.request(method, path, body, ann)
        assert (answer.status, answer.json()["code"]) == (403, "forbidden"), path
    assert client.get("/lake/roots", ann).status == 200
    assert client.get("/objects").status == 401


def test_a_verification_holds_up_no_job(week):
    """A reader that takes nothing, while a job runs to its end."""
    with socket.create_connection(("127.0.0.1", week.port), timeout=PATIENCE) as connection:
        connection.sendall(b"POST /lake/verify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        ended = week.wait_job(week.client.submit("stock", **{**WEEK, "root": "MSFT"}))
        assert ended["items"]["succeeded"] == 5


@pytest.fixture
def bucket():
    if subprocess.run([ROOT / ".deps/venv/bin/python", "-c", "import moto"], capture_output=True).returncode != 0:
        harness.missing("no S3 server: moto is not installed in .deps/venv")
    server = subprocess.Popen(
        [ROOT / ".deps/venv/bin/python", ROOT / "tests/contract/object_store/s3_server.py"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield json.loads(server.stdout.readline())
    server.stdin.close()
    server.wait(30)


def test_it_is_the_same_in_a_bucket(bucket, simulate, serve):
    server = serve(
        simulate("--contracts", "5"), MINIO_ENDPOINT=bucket["endpoint"].removeprefix("http://"),
        MINIO_ACCESS_KEY=bucket["may_all"]["access_key"], MINIO_SECRET_KEY=bucket["may_all"]["secret_key"],
        MINIO_BUCKET="mine", BETEDGE_LAKE="")
    job = server.client.submit("stock", **WEEK)
    server.wait_job(job)
    assert set(states(server).values()) == {"present"}
    assert verify(server)[1]["sound"] == 5
    (series,) = server.client.get("/lake/roots").json()["roots"]
    assert (series["objects"], series["first"], series["last"]) == (5, "20240102", "20240108")
    entry = server.client.get(f"/objects?prefix={PREFIX}&limit=1").json()["objects"][0]
    path = f"/objects/{entry['key']}"
    whole = server.client.get(path)
    assert hashlib.sha256(whole.body).hexdigest() == entry["sha256"]
    assert whole.headers["ETag"] == entry["etag"]
    part = server.client.get(path, {"Range": "bytes=10-19", "If-Range": entry["etag"]})
    assert (part.status, part.body) == (206, whole.body[10:20])
    assert server.client.get(path, {"If-None-Match": entry["etag"]}).status == 304
    assert server.client.get("/objects/nothing").status == 404
    assert server.client.request("PUT", f"/jobs/{job}/manifest").status == 201
    assert server.client.get(f"/objects/manifests/{job}.json").json()["job_id"] == job
