"""The recorded answers of the replay into buckets: the very bytes that lie in a folder, whose sums are the
manifest's (test_replay.py, replay_checks.py).

Server, protocol, format, type of prices, conditions and parts are chosen so that each value of one meets
each value of another in some row.
"""

import hashlib
import io
import json
import shutil
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

import harness
import replay_checks
import s3_servers
from test_replay import is_object, request_of

PROTOCOLS = {"v3": ("v3", {}), "v2": ("v2", {"BETEDGE_THETA_V2_FORMAT": "csv"})}
# What a lake's files look like: settings, and whether the manifest's sums can be read off them (a
# float32 does not hold all of a price). More of them are rows of this table.
LAYOUTS = {
    "float64": ({}, True),
    "float32": ({"BETEDGE_LAKE_PRICE_TYPE": "float32"}, False),
}
PARTS = {"whole": {}, "parts": {"BETEDGE_S3_MULTIPART_ABOVE": "4KiB"}}

ROWS = [
    # server      protocol format    layout     conditions   sent
    ("moto", "v3", "parquet", "float64", "none", "whole"),
    ("moto", "v2", "ipc", "float32", "none", "parts"),
    ("versitygw", "v3", "ipc", "float64", "none", "whole"),
    ("versitygw", "v2", "parquet", "float32", "all", "parts"),
    ("versitygw", "v3", "parquet", "float64", "all", "whole"),
    ("minio", "v2", "ipc", "float64", "all", "whole"),
    ("minio", "v3", "parquet", "float32", "none", "parts"),
    ("minio", "v3", "ipc", "float32", "all", "parts"),
]


@pytest.fixture(scope="module")
def manifest(shared_data):
    return json.loads((shared_data / "replay" / "manifest.json").read_text())["responses"]


def download(server, manifest, return_format):
    """All recorded objects into the server's lake: (recording, its item)."""
    jobs = []
    for response in filter(is_object, manifest):
        kind, members = request_of(response)
        jobs.append((response, server.client.submit(kind, **members, return_format=return_format)))
    ended = []
    for response, job in jobs:
        state = server.wait_job(job, timeout=300)
        assert (state["status"], state["error_message"]) == ("completed", None), response["file"]
        (item,) = server.client.items(job)
        ended.append((response, item))
    return ended


@pytest.fixture(scope="module")
def in_a_folder(manifest, shared_data):
    """in_a_folder(format, layout): what lies in a folder, key → SHA-256."""
    known = {}

    def digests(return_format, layout):
        if (return_format, layout) not in known:
            folder = Path(tempfile.mkdtemp(prefix="betedge-replay-"))
            sim = harness.Sim(folder, "v3", ["--replay", shared_data / "replay"])
            server = harness.Server(folder / "server", sim, **LAYOUTS[layout][0])
            items = download(server, manifest, return_format)
            known[return_format, layout] = {item["key"]: item["sha256"] for _, item in items}
            harness.stop_all([sim, server])
            shutil.rmtree(folder, ignore_errors=True)
        return known[return_format, layout]

    return digests


@pytest.mark.s3
@pytest.mark.parametrize("row", ROWS, ids=["-".join(row) for row in ROWS])
def test_a_bucket_holds_what_a_folder_does(row, manifest, shared_data, in_a_folder, s3, proxy, simulate, serve):
    kind, protocol, return_format, layout, conditions, sent = row
    bucket = s3(kind)
    endpoint = bucket.endpoint
    if conditions == "none" and s3_servers.CONDITIONAL[kind]:
        # As a server that does not know conditions.
        between = proxy(bucket.port)
        between.on("answer 501", "PUT", "probe$", times=3)
        between.on("answer 501", "POST", r"probe\?uploadId", times=2)
        endpoint = between.endpoint
    api, settings = PROTOCOLS[protocol]
    paging = ["--v2-page-ticks", 1000] if protocol == "v2" else []
    sim = simulate("--replay", shared_data / "replay", *paging, api=api)
    server = serve(sim, **bucket.settings(endpoint), **settings, **LAYOUTS[layout][0], **PARTS[sent])
    opened = server.wait_event("bucket_opened")
    assert opened["publishes_conditionally"] == ("true" if conditions == "all" else "false")

    items = download(server, manifest, return_format)
    assert len(items) == 194
    assert {item["key"]: item["sha256"] for _, item in items} == in_a_folder(return_format, layout)
    found = bucket.objects()
    assert sorted(found) == sorted({item["key"] for _, item in items})
    has_sums, wrong = LAYOUTS[layout][1], []
    for response, item in items:
        content = found[item["key"]]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (item["bytes"], item["sha256"]), item["key"]
        source = io.BytesIO(content)
        table = parquet.read_table(source) if return_format == "parquet" else pa.ipc.open_file(source).read_all()
        assert table.num_rows == item["rows"], item["key"]
        if not has_sums:
            continue
        if "option" in response["endpoint"] and not response["endpoint"].endswith("eod"):
            table, _ = replay_checks.without_underlying(table)
        summary = replay_checks.summary(table, response["expected"]["row_crc32_columns"])
        wrong += [f"{item['key']}: {line}" for line in replay_checks.differences(summary, response["expected"])]
    assert not wrong, "\n".join(wrong[:40])
    assert bucket.unfinished_uploads(found) == []
