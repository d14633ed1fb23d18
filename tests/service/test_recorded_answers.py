"""The answers that clients of the Python original know, asked again over a socket.

Byte for byte but ids and times, and the members that every error has behind its own (the row
"members of errors" of docs/migration.md). Where betedge answers differently on purpose, DIFFERENCES says which
row of docs/migration.md says why.
"""

import json
import re
from urllib.parse import unquote

import pytest

from harness import ROOT

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{6})?\+00:00")

# What every error has behind what it had, and nothing but this.
MEMBERS = re.compile(
    r',"type":"/docs#(?P<code>[a-z_]+)","title":"[^"]+","status":(?P<status>\d+),'
    r'"instance":(?P<instance>"(?:[^"\\]|\\.)*"),"code":"(?P=code)"\}$'
)

# The recorded case, by its whole name or its beginning, and the row of docs/migration.md.
DIFFERENCES = {
    "root": "service description",
    "health head": "HEAD",
    "unknown job, spelling": "unknown job",
    "option: root empty": "empty root",
    "stock: root empty": "empty root",
    "option: schema ohlc": "option ohlc",
    "option: eod before 2020": "years before 2020",
    "earnings: upper parquet before 2020": "years before 2020",
}
# What betedge answers in those cases, where that can be said in a line.
INSTEAD = {
    "health head": (200, ""),
    "option: schema ohlc": (202, None),
    "option: eod before 2020": (202, None),
    "earnings: upper parquet before 2020": (202, None),
}


def difference_of(case):
    for name, row in DIFFERENCES.items():
        if case == name or (name.endswith("spelling") and case.startswith(name)):
            return name, row
    return None


@pytest.fixture(scope="module")
def recorded(shared_data):
    return json.loads((shared_data / "original" / "responses.json").read_text())["responses"]


@pytest.fixture(scope="module")
def answers(recorded, shared_server):
    """Each recorded request sent, in order; ids of recorded jobs exchanged for ours."""
    client = shared_server.client
    ids, found = {}, {}
    for case in recorded:
        request = case["request"]
        path = request["path"]
        for known, ours in ids.items():
            for spell in (str, str.upper, lambda text: text.replace("-", "")):
                path = path.replace(spell(known), spell(ours))
        for ours in ids.values():
            if ours.replace("-", "") in path.lower().replace("-", ""):
                shared_server.wait_job(ours)
        body, headers = request["body"], request["headers"]
        if headers is not None and body is not None:
            # As it was, byte for byte; one of them is no UTF-8.
            body = body.encode("latin-1")
        elif body is not None:
            body, headers = json.dumps(body).encode(), {"Content-Type": "application/json"}
        answer = client.request(request["method"], path, body, headers)
        recorded_id = ID.search(case["body"])
        if case["status"] == 202 and answer.status == 202:
            ids[recorded_id[0]] = answer.json()["job_id"]
        found[case["case"]] = (answer, path)
    return found


def as_recorded(answer, path):
    """The answer's text; an error's without the members behind it, which are checked here."""
    members = MEMBERS.search(answer.text)
    if not members:
        assert answer.status < 400 or not answer.text, answer
        return answer.text
    assert int(members["status"]) == answer.status
    assert json.loads(members["instance"]) == unquote(path.partition("?")[0])
    assert answer.headers["Betedge-Error"] == members["code"]
    return answer.text[: members.start()] + "}"


def without_ids_and_times(text):
    return TIME.sub("TIME", ID.sub("ID", text))


def test_every_recorded_answer_is_met_or_a_listed_difference(recorded, answers):
    wrong, met = [], 0
    for case in recorded:
        name = case["case"]
        answer, path = answers[name]
        got, wanted = without_ids_and_times(as_recorded(answer, path)), without_ids_and_times(case["body"])
        if wanted.endswith('"error_message":null}'):
            # A job: Part 1's members, and more behind them.
            same = got.startswith(wanted[:-1] + ",")
        else:
            same = got == wanted
        same = same and answer.status == case["status"]
        if case["status"] != 405 or case["request"]["method"] != "HEAD":
            same = same and answer.headers["Content-Type"] == case["content_type"]
        differs = difference_of(name)
        if same and differs:
            wrong.append(f"{name}: is as recorded, and listed as a difference")
        elif not same and not differs:
            wrong.append(f"{name}:\n  recorded {case['status']} {wanted}\n  answered {answer.status} {got}")
        met += same
    assert not wrong, "\n".join(wrong)
    assert met + sum(1 for case in recorded if difference_of(case["case"])) == len(recorded) == 105


def test_a_difference_answers_what_it_says(recorded, answers):
    for case in recorded:
        name = case["case"]
        differs = difference_of(name)
        if not differs:
            continue
        answer, path = answers[name]
        if differs[0] in INSTEAD:
            status, text = INSTEAD[differs[0]]
            assert answer.status == status, (name, answer)
            assert text is None or as_recorded(answer, path) == text, (name, answer)
        elif differs[1] == "unknown job":
            spelling = case["request"]["path"].removeprefix("/jobs/")
            assert (answer.status, as_recorded(answer, path)) == (404, f'{{"detail":"Job {spelling} not found"}}')
        elif differs[1] == "empty root":
            assert answer.status == 422
            assert answer.json()["detail"][0]["loc"] == ["body", "root"]
        else:
            assert list(answer.json()) == ["service", "version", "endpoints", "docs", "health"]


def test_every_difference_is_explained_in_the_migration_page():
    page = (ROOT / "docs" / "migration.md").read_text()
    rows = re.findall(r"^\| ([^|]+?) \|", page, re.MULTILINE)
    assert {*DIFFERENCES.values(), "members of errors"} <= set(rows)


def test_wrong_method_says_what_is_allowed(shared_server):
    answer = shared_server.client.get("/historical/option")
    assert (answer.status, answer.headers["Allow"]) == (405, "POST")
    answer = shared_server.client.request("DELETE", "/jobs")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_accepted_has_a_location(shared_server):
    answer = shared_server.client.post(
        "/historical/stock", {"root": "MSFT", "start_date": "20240106", "end_date": "20240107"}
    )
    job = answer.json()["job_id"]
    assert (answer.status, answer.headers["Location"]) == (202, f"/jobs/{job}")
    assert shared_server.client.get(answer.headers["Location"]).json()["job_id"] == job
