"""The lake in S3, set as the Python original was."""

import http.server
import json
import signal
import subprocess
import threading

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


class HungBucket(http.server.ThreadingHTTPServer):
    """A bucket that is there and empty, and whose server never answers some method: `hangs`."""

    daemon_threads = True

    def __init__(self, hangs):
        self.hangs, self.asked, self.let_go = hangs, threading.Event(), threading.Event()
        super().__init__(("127.0.0.1", 0), HungBucket.Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self):
            of_bucket = self.path.strip("/") == "mine"
            self.answer(f"{'bucket' if of_bucket else 'object'} {self.command}", 200 if of_bucket else 404)

        def do_PUT(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.answer(f"object {self.command}", 200)

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            name = "InitiateMultipartUploadResult" if "uploads=" in self.path else "Error"
            self.answer(f"object {self.command}", 200, f"<{name}><UploadId>u</UploadId></{name}>".encode())

        def do_GET(self):
            what = "uploads" if "uploads=" in self.path else "object"
            self.answer(f"{what} {self.command}", 200, b"<ListMultipartUploadsResult/>")

        def do_DELETE(self):
            self.answer(f"upload {self.command}", 204)

        def answer(self, what, status, body=b""):
            if ".betedge-tmp/probe" in self.path:
                # What is tried at the start: conditions are looked at.
                status = 412 if "If-Match" in self.headers or "If-None-Match" in self.headers else status
            elif what == self.server.hangs:
                self.server.asked.set()
                self.server.let_go.wait()
            self.send_response(status)
            self.send_header("ETag", '"e"')
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass


@pytest.fixture
def hung():
    """hung("object PUT"): a server of the lake that takes these requests and never answers them."""
    servers = []

    def start(hangs):
        servers.append(HungBucket(hangs))
        return servers[-1]

    yield start
    for server in servers:
        server.let_go.set()
        server.shutdown()
        server.server_close()


def hung_settings(bucket):
    keys = {"access_key": "somebody", "secret_key": "something"}
    return minio_settings({"endpoint": f"http://127.0.0.1:{bucket.server_port}", "may_all": keys})


def test_a_stop_does_not_wait_for_a_lake_that_never_answers(hung, simulate, serve):
    bucket = hung("object PUT")
    server = serve(simulate(), **hung_settings(bucket))
    job = server.client.submit("stock", **WEEK)
    assert bucket.asked.wait(harness.PATIENCE)
    server.signal(signal.SIGTERM)
    assert server.wait(timeout=13) == 0
    assert server.events("service_stopped")
    assert server.events("item_handed_back", job=job)
    assert not server.events("item_failed") and not server.events("item_waits")


def test_a_stop_lets_an_upload_finish(hung, simulate, serve):
    bucket = hung("object PUT")
    server = serve(simulate(), **hung_settings(bucket))
    job = server.client.submit("stock", **{**WEEK, "end_date": "20240102"})
    assert bucket.asked.wait(harness.PATIENCE)
    server.signal(signal.SIGTERM)
    server.wait_event("service_stopping")
    bucket.let_go.set()
    assert server.wait(timeout=13) == 0
    assert server.events("item_done", job=job) and server.events("job_completed", job=job)


def test_a_server_that_waits_for_its_lake_can_be_stopped(hung, folder, processes):
    bucket = hung("bucket HEAD")
    process = harness.Process(
        ["serve", "--listen", "127.0.0.1:0", "--store", ":memory:"], folder, environment=hung_settings(bucket))
    processes.append(process)
    assert bucket.asked.wait(harness.PATIENCE)
    process.signal(signal.SIGTERM)
    assert process.wait(timeout=13) == 0
