"""Real chains and bars, through server and simulator in every wire form, and read back with pyarrow.

The manifest's numbers were worked out from the raw source by another program than the one that wrote
the recordings: whatever is lost, doubled, cut or rounded on the way shows up here.
"""

import json
import shutil
import tempfile
import urllib.parse
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as parquet
import pytest

import harness
import replay_checks

# What the terminal is asked in, and how long a page of it is.
FORMS = {
    "v3_csv": ("v3", {}, None),
    "v2_csv": ("v2", {"BETEDGE_THETA_V2_FORMAT": "csv"}, 100),
    "v2_json": ("v2", {"BETEDGE_THETA_V2_FORMAT": "json"}, 100_000),
}


@pytest.fixture(scope="module")
def manifest(shared_data):
    return json.loads((shared_data / "replay" / "manifest.json").read_text())["responses"]


def request_of(response):
    """The kind of request and its members that ask for just this recording's object."""
    kind, schema = response["endpoint"].split("/")[-2:]
    params = response["params"]
    members = {
        "root": params["root"],
        "start_date": str(params["start_date"]),
        "end_date": str(params["end_date"]),
        "schema": schema,
    }
    if schema != "eod":
        members["interval"] = params["ivl"]
    return kind, members


def is_object(response):
    """The recorded single days of option EOD lie inside their months' objects."""
    params = response["params"]
    return not (response["endpoint"].endswith("option/eod") and params["start_date"] == params["end_date"])


class Run:
    """All objects of the manifest, downloaded in one wire form."""

    def __init__(self, form, manifest, data, folder):
        api, settings, page_rows = FORMS[form]
        paging = ["--v2-page-ticks", page_rows] if page_rows else []
        self.page_rows = page_rows
        self.sim = harness.Sim(folder, api, ["--replay", data / "replay", *paging])
        self.server = harness.Server(folder / "server", self.sim, **settings)
        client = self.server.client
        jobs = []
        for response in filter(is_object, manifest):
            kind, members = request_of(response)
            jobs.append((response, client.submit(kind, **members)))
        self.objects = []
        for response, job in jobs:
            ended = self.server.wait_job(job, timeout=300)
            items = client.items(job)
            self.objects.append((response, ended, items))

    def stop(self):
        harness.stop_all([self.sim, self.server])


@pytest.fixture(scope="module", params=FORMS)
def run(request, manifest, shared_data):
    folder = Path(tempfile.mkdtemp(prefix="betedge-replay-"))
    found = Run(request.param, manifest, shared_data, folder)
    yield found
    found.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_every_recorded_object_lies_in_the_lake_with_exactly_its_rows(run, manifest):
    stock_rows = {
        (response["endpoint"].split("/")[-1], response["params"]["root"], response["params"]["start_date"],
         response["params"].get("ivl")): response["expected"]
        for response in manifest
        if response["endpoint"].startswith("/v2/hist/stock")
    }
    wrong, with_underlying = [], 0
    assert len(run.objects) == 194
    for response, job, items in run.objects:
        name = response["file"]
        if (job["status"], job["error_message"]) != ("completed", None) or len(items) != 1:
            wrong.append(f"{name}: {job}")
            continue
        table = parquet.read_table(run.server.lake / items[0]["key"])
        assert table.num_rows == items[0]["rows"]
        expected = response["expected"]
        if "option" in response["endpoint"] and not response["endpoint"].endswith("eod"):
            table, underlying = replay_checks.without_underlying(table)
            beside = stock_rows.get(
                (response["endpoint"].split("/")[-1], response["params"]["root"], response["params"]["start_date"],
                 response["params"]["ivl"]))
            if beside is None:
                assert underlying.num_rows == 0, name
            else:
                with_underlying += 1
                for column in ("strike", "expiration"):
                    assert pc.unique(underlying[column]).to_pylist() == [0], name
                found = replay_checks.summary(underlying, beside["row_crc32_columns"])
                wrong += [f"{name}, underlying: {line}" for line in replay_checks.differences(found, beside)]
        found = replay_checks.summary(table, expected["row_crc32_columns"])
        wrong += [f"{name}: {line}" for line in replay_checks.differences(found, expected)]
        if "root" in table.column_names:
            assert pc.unique(table["root"]).to_pylist() == [response["params"]["root"]], name
    assert not wrong, "\n".join(wrong[:40])
    assert with_underlying >= 10


def pages_by_object(run):
    """By recorded object of one day: the rows, and the next pages that the call had which brought them.

    Jobs for days of one month share a call where they wait at the same time, so that there may be fewer calls than
    objects; which has more pages then.
    """
    calls = []
    for target, record in run.sim.stats()["by_call"].items():
        path, _, query = target.partition("?")
        calls.append((path, dict(urllib.parse.parse_qsl(query)), record["pages"]))
    for response, _, _ in run.objects:
        params = response["params"]
        if "ivl" not in params:
            continue  # several calls an object
        pages = [
            count for path, asked, count in calls
            if path == response["endpoint"] and asked["root"] == params["root"] and asked["ivl"] == str(params["ivl"])
            and int(asked["start_date"]) <= params["start_date"] <= int(asked["end_date"])
        ]
        assert pages, (response["file"], "no call has brought it")
        yield response["expected"]["rows"], min(pages)


def test_long_answers_came_in_pages(run):
    """Otherwise the run above did not show that pages are put together."""
    longest = max(response["expected"]["rows"] for response, _, _ in run.objects)
    stats = run.sim.stats()["by_call"]
    pages = [record["pages"] for record in stats.values()]
    if run.page_rows is None:
        assert max(pages) == 0, "v3 has none"
        return
    assert max(pages) >= longest // run.page_rows - 1
    if run.page_rows == 100:
        by_object = list(pages_by_object(run))
        assert all(count >= (rows - 1) // run.page_rows for rows, count in by_object)
        assert sum(1 for rows, count in by_object if rows > 3 * run.page_rows and count >= 3) > 50


def test_the_limit_was_never_passed(run):
    stats = run.sim.stats()
    assert stats["max_outstanding"] <= 4
    assert "429" not in stats["outcomes"]


def test_a_file_has_the_same_types_whichever_form_brought_it(run):
    for response, _, items in run.objects:
        schema = parquet.read_schema(run.server.lake / items[0]["key"])
        for field in schema:
            wanted = (
                pa.float64() if field.name in replay_checks.PRICES
                else pa.string() if field.name in ("root", "right")
                else pa.uint32()
            )
            assert field.type == wanted, (response["file"], field)


DIGESTS = {}


def test_the_same_answer_makes_the_same_bytes_in_every_form(run):
    """Row order and row groups do not depend on the form either."""
    for _, _, items in run.objects:
        known = DIGESTS.setdefault(items[0]["key"], items[0]["sha256"])
        assert items[0]["sha256"] == known, items[0]["key"]
