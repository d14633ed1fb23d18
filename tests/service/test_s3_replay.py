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
import pyarrow.compute as pc
import pyarrow.parquet as parquet
import pytest

import harness
import replay_checks
import s3_servers
from test_replay import is_object, request_of

PROTOCOLS = {"v3": ("v3", {}), "v2": ("v2", {"BETEDGE_THETA_V2_FORMAT": "csv"})}
# What a lake's files look like. The manifest's sums are those of the first; the others must hold its values,
# prices of float32 each rounded to it.
LAYOUTS = {
    "float64": {},
    "float32": {"BETEDGE_LAKE_PRICE_TYPE": "float32"},
    "typed": {"BETEDGE_LAKE_COLUMNS": "typed"},
    "typed32": {"BETEDGE_LAKE_COLUMNS": "typed", "BETEDGE_LAKE_PRICE_TYPE": "float32"},
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
    ("moto", "v3", "ipc", "typed32", "none", "whole"),
    ("versitygw", "v2", "ipc", "typed", "all", "whole"),
    ("minio", "v3", "parquet", "typed", "all", "parts"),
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


class Folder:
    """What lies in a folder of one layout: key → SHA-256, and the files."""

    def __init__(self, manifest, replay, return_format, layout, protocol):
        self.path = Path(tempfile.mkdtemp(prefix="betedge-replay-"))
        api, settings = PROTOCOLS[protocol]
        sim = harness.Sim(self.path, api, ["--replay", replay])
        server = harness.Server(self.path / "server", sim, **settings, **LAYOUTS[layout])
        self.lake = server.lake
        self.digests = {item["key"]: item["sha256"] for _, item in download(server, manifest, return_format)}
        harness.stop_all([sim, server])


@pytest.fixture(scope="module")
def in_a_folder(manifest, shared_data):
    """in_a_folder(format, layout, protocol). The protocol changes a file only where the wire has more than rows."""
    known = {}

    def folder(return_format, layout, protocol="v3"):
        if not layout.startswith("typed"):
            protocol = "v3"  # the same bytes from either
        row = (return_format, layout, protocol)
        if row not in known:
            known[row] = Folder(manifest, shared_data / "replay", *row)
        return known[row]

    yield folder
    for one in known.values():
        shutil.rmtree(one.path, ignore_errors=True)


def read(source, return_format):
    return parquet.read_table(source) if return_format == "parquet" else pa.ipc.open_file(source).read_all()


def numbered(days):
    """Days as yyyymmdd, no day as 0."""
    return pc.fill_null(pc.cast(pc.strftime(days, "%Y%m%d"), pa.int64()), 0)


def milliseconds_of_day(instants):
    clock = pc.cast(pc.local_timestamp(instants), pa.int64())
    return pc.subtract(clock, pc.multiply(pc.divide(clock, 86_400_000), 86_400_000))


def as_plain(table):
    """A typed table's values as a plain one has them; a time that is null is null."""
    columns = {}
    for name in table.column_names:
        column = table[name]
        if name in ("timestamp", "created"):
            columns["ms_of_day"] = milliseconds_of_day(column)
            columns.setdefault("date", numbered(pc.local_timestamp(column)))
        elif name == "last_trade":
            columns["ms_of_day2"] = milliseconds_of_day(column)
        elif name in ("date", "expiration"):
            columns[name] = numbered(column)
        elif name == "strike":
            thousandths = pc.cast(pc.multiply(column, pa.scalar(1000)), pa.int64())
            columns[name] = pc.fill_null(thousandths, 0)
        elif name in ("root", "right"):
            columns[name] = pc.cast(column, pa.string())
        elif name != "vwap":
            columns[name] = column
    return pa.table(columns)


def differences_from(plain, found):
    """Columns of a file in another layout that do not hold the values of the plain one of float64."""
    wrong = []
    for name in plain.column_names:
        wanted, got = plain[name], found[name]
        if got.type == pa.float32():
            wanted = pc.cast(wanted, pa.float32(), safe=False)
        elif not pa.types.is_string(got.type):
            wanted = pc.cast(wanted, got.type)
        if name == "ms_of_day2":  # null where there was no trade
            wanted = pc.if_else(pc.is_null(got), None, wanted)
        if not got.equals(wanted):
            wrong.append(name)
    return wrong


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
    server = serve(sim, **bucket.settings(endpoint), **settings, **LAYOUTS[layout], **PARTS[sent])
    opened = server.wait_event("bucket_opened")
    assert opened["publishes_conditionally"] == ("true" if conditions == "all" else "false")

    items = download(server, manifest, return_format)
    assert len(items) == 194
    folder = in_a_folder(return_format, layout, protocol)
    assert {item["key"]: item["sha256"] for _, item in items} == folder.digests
    found = bucket.objects()
    assert sorted(found) == sorted({item["key"] for _, item in items})
    wrong = []
    for response, item in items:
        content = found[item["key"]]
        assert (len(content), hashlib.sha256(content).hexdigest()) == (item["bytes"], item["sha256"]), item["key"]
        table = read(io.BytesIO(content), return_format)
        assert table.num_rows == item["rows"], item["key"]
        if layout != "float64":
            plain = read(in_a_folder(return_format, "float64").lake / item["key"], return_format)
            found_values = as_plain(table) if layout.startswith("typed") else table
            wrong += [f"{item['key']}: {name}" for name in differences_from(plain, found_values)]
            continue
        if "option" in response["endpoint"] and not response["endpoint"].endswith("eod"):
            table, _ = replay_checks.without_underlying(table)
        summary = replay_checks.summary(table, response["expected"]["row_crc32_columns"])
        wrong += [f"{item['key']}: {line}" for line in replay_checks.differences(summary, response["expected"])]
    assert not wrong, "\n".join(wrong[:40])
    assert bucket.unfinished_uploads(found) == []
