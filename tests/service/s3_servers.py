"""The S3 servers that the tests start, each on a free port of loopback and with keys of its own.

moto lives in memory and is there wherever the tests are; versitygw and MinIO keep their objects in a
folder, so they can be killed and started again. `tools/s3-servers` builds the two.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
from botocore.config import Config

import harness

KEYS = {"access_key": "betedge-test", "secret_key": "betedge-test-secret"}
BUILT = harness.ROOT / ".deps/bin"
# Whether they look at what is expected in one step with every kind of publish.
CONDITIONAL = {"moto": False, "versitygw": True, "minio": True}


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def built(name):
    """The program, or a named skip where it has not been built (a failure in CI)."""
    program = BUILT / name
    if not os.access(program, os.X_OK):
        harness.missing(f"no {name} in .deps/bin: tools/s3-servers builds it")
    return program


class S3Server:
    """One of them, started. `endpoint` stays the same when it is started again."""

    def __init__(self, kind, folder):
        self.kind, self.folder = kind, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.access_key, self.secret_key = KEYS["access_key"], KEYS["secret_key"]
        self.popen = None
        # What begins a server is this thread, whoever asks for it: it dies with the thread that did.
        self.keeper = ThreadPoolExecutor(1)
        if kind != "moto":
            self.port = free_port()
            self.program = built(kind)
        self.start()
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def start(self):
        """Again after kill(), on what lies in its folder; returns when it answers."""
        if self.kind == "moto":
            return self._start_moto()
        data = self.folder / "data"
        data.mkdir(exist_ok=True)
        address = f"127.0.0.1:{self.port}"
        environment = {"PATH": "/usr/bin:/bin", "HOME": str(self.folder)}
        if self.kind == "versitygw":
            environment |= {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
            # Beside the data, so that the file system needs no extended attributes.
            sidecar = self.folder / "sidecar"
            sidecar.mkdir(exist_ok=True)
            command = [self.program, "--port", address, "--quiet", "posix", "--sidecar", sidecar, data]
        else:
            environment |= {
                "MINIO_ROOT_USER": self.access_key, "MINIO_ROOT_PASSWORD": self.secret_key,
                "MINIO_BROWSER": "off", "MINIO_UPDATE": "off", "MINIO_CI_CD": "1",
            }
            command = [self.program, "server", "--quiet", "--address", address, data]
        with open(self.folder / "log", "ab") as log:
            self.popen = self.keeper.submit(
                subprocess.Popen, list(map(str, command)), cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, preexec_fn=harness._die_with_parent(None), start_new_session=True).result()
        self._wait_until_it_answers()
        return self

    def _start_moto(self):
        self.popen = subprocess.Popen(
            [harness.ROOT / ".deps/venv/bin/python", harness.ROOT / "tests/contract/object_store/s3_server.py"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self.popen.stdout.readline())
        self.access_key, self.secret_key = ready["may_all"]["access_key"], ready["may_all"]["secret_key"]
        self.port = int(ready["endpoint"].rsplit(":", 1)[1])
        return self

    def _wait_until_it_answers(self):
        """Buckets can be listed: the port is open a little earlier."""
        until = time.monotonic() + harness.PATIENCE
        while True:
            if self.popen.poll() is not None:
                raise AssertionError(f"{self.kind} ended: {(self.folder / 'log').read_text()[-2000:]}")
            try:
                self.client().list_buckets()
                return
            except Exception as error:  # noqa: BLE001: of many kinds, while it starts
                if time.monotonic() > until:
                    raise AssertionError(f"{self.kind} does not answer: {error}") from error
            threading.Event().wait(0.05)

    def client(self):
        return boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
            aws_access_key_id=self.access_key, aws_secret_access_key=self.secret_key,
            config=Config(retries={"max_attempts": 0}, connect_timeout=5, read_timeout=30,
                          s3={"addressing_style": "path"}, proxies={}))

    def kill(self):
        """As a power cut: it has no time for anything."""
        self.popen.send_signal(signal.SIGKILL)
        self.popen.wait()

    def stop(self):
        if self.popen.poll() is None:
            if self.kind == "moto":
                self.popen.stdin.close()
            else:
                self.popen.kill()
            self.popen.wait(30)
        self.keeper.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)

    def settings(self, endpoint=None, prefix="lake"):
        """A server's settings for a lake in the bucket `mine` here, or behind a proxy at `endpoint`."""
        return {
            "MINIO_ENDPOINT": (endpoint or self.endpoint).removeprefix("http://"),
            "MINIO_ACCESS_KEY": self.access_key,
            "MINIO_SECRET_KEY": self.secret_key,
            "BETEDGE_LAKE": f"s3://mine/{prefix}",
        }

    # --- what lies there --------------------------------------------------------------------------

    def objects(self, prefix="lake"):
        """Name below the prefix → bytes, of all there is but betedge's own."""
        client, found = self.client(), {}
        for page in client.get_paginator("list_objects_v2").paginate(Bucket="mine", Prefix=prefix + "/"):
            for entry in page.get("Contents", ()):
                name = entry["Key"].removeprefix(prefix + "/")
                if not name.startswith(".betedge-tmp/"):
                    found[name] = client.get_object(Bucket="mine", Key=entry["Key"])["Body"].read()
        return found

    def unfinished_uploads(self, keys, prefix="lake"):
        """Of these objects; MinIO lists an object's only when its whole key is asked for."""
        client = self.client()
        return [
            upload["Key"]
            for key in [*keys, ".betedge-tmp/probe"]
            for upload in client.list_multipart_uploads(Bucket="mine", Prefix=f"{prefix}/{key}").get("Uploads", ())
        ]
