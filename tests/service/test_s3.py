"""The lake in S3, set as the Python original was."""

import json
import subprocess

import pytest

import harness

PYTHON = harness.ROOT / ".deps/venv/bin/python"
WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}


@pytest.fixture
def bucket():
    """An S3 server, and the settings that a user of the original has for it."""
    if subprocess.run([PYTHON, "-c", "import moto"], capture_output=True).returncode != 0:
        harness.missing("no S3 server: moto is not installed in .deps/venv")
    server = subprocess.Popen(
        [PYTHON, harness.ROOT / "tests/contract/object_store/s3_server.py"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ready = json.loads(server.stdout.readline())
    yield ready
    server.stdin.close()
    server.wait(30)


def minio_settings(bucket, keys="may_all"):
    return {
        "MINIO_ENDPOINT": bucket["endpoint"].removeprefix("http://"),
        "MINIO_ACCESS_KEY": bucket[keys]["access_key"],
        "MINIO_SECRET_KEY": bucket[keys]["secret_key"],
        "MINIO_BUCKET": "mine",
        "BETEDGE_LAKE": "",
    }


def test_a_job_fills_a_bucket_and_finds_it_again(bucket, simulate, serve):
    sim = simulate()
    server = serve(sim, **minio_settings(bucket))
    assert server.wait_event("service_started")["lake"] == "s3://mine"
    job = server.client.submit("stock", **WEEK)
    ended = server.wait_job(job)
    assert (ended["status"], ended["error_message"], ended["items"]["succeeded"]) == ("completed", None, 5)
    assert not server.lake.exists()
    # Another server with nothing but the bucket downloads nothing again.
    calls = sum(sim.calls().values())
    assert server.stop() == 0
    server = serve(sim, store="other.db", **minio_settings(bucket))
    again = server.wait_job(server.client.submit("stock", **WEEK))
    assert again["items"]["skipped"] == 5
    assert sum(sim.calls().values()) == calls
    assert bucket["may_all"]["secret_key"] not in "\n".join(server.log)


def test_keys_that_may_nothing_are_one_sentence_at_the_start(bucket, folder):
    result = subprocess.run(
        [harness.BINARY, "serve", "--listen", "127.0.0.1:0", "--store", ":memory:"], cwd=folder,
        env={"PATH": "/usr/bin:/bin", **minio_settings(bucket, "may_nothing")},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE)
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("betedge: the lake s3://mine: ")
    assert bucket["may_nothing"]["secret_key"] not in result.stderr
