"""The guard against slow regressions must say so when it should, and only then (bench/check.py)."""

import json
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "bench"))
import check  # noqa: E402
from check import cheaper, compare, own_instructions  # noqa: E402

COMMITTED = {"csv": 1_000_000, "json": 2_000_000}


def test_what_is_as_committed_or_less_or_hardly_more_is_well():
    assert compare(COMMITTED, COMMITTED) == {}
    assert compare({"csv": 900_000, "json": 2_000_000}, COMMITTED) == {}
    assert compare({"csv": 1_030_000, "json": 2_059_999}, COMMITTED) == {}


def test_four_percent_more_is_told_with_both_numbers_and_what_to_do():
    wrong = compare({"csv": 1_040_000, "json": 2_000_000}, COMMITTED)
    assert list(wrong) == ["csv"]
    for said in ("4.0%", "1,040,000", "1,000,000", "make bench-check UPDATE=1"):
        assert said in wrong["csv"]


def test_what_became_cheaper_is_told_apart_from_what_hardly_did():
    assert cheaper({"csv": 960_000, "json": 1_950_000, "new": 5}, COMMITTED) == ["csv"]
    assert cheaper({"csv": 1_040_000, "json": 2_000_000}, COMMITTED) == []


@pytest.mark.parametrize(("counted", "status", "verdict"), [(1_040_000, 1, "4.0%"), (1_020_000, 0, None), (900_000, 0, None)])
def test_the_command_fails_when_it_must(counted, status, verdict, tmp_path, monkeypatch, capsys):
    committed, report = tmp_path / "counts.json", tmp_path / "report.json"
    committed.write_text(json.dumps({"csv": 1_000_000}))
    monkeypatch.setattr(check, "COUNTS", committed)
    monkeypatch.setattr(check, "count_all", lambda program: {"csv": counted})
    monkeypatch.setattr(sys, "argv", ["check.py", "program", "--report", str(report)])
    with pytest.raises(SystemExit) as ended:
        check.main()
    assert ended.value.code == status
    said = json.loads(report.read_text())["csv"]
    assert (said is None) if verdict is None else (verdict in said)
    assert ("writes down what was won" in capsys.readouterr().out) == (counted == 900_000)


def test_a_path_that_came_or_went_is_told():
    assert list(compare(COMMITTED | {"new": 5}, COMMITTED)) == ["new"]
    assert list(compare({"csv": 1_000_000}, COMMITTED)) == ["json"]


PROFILE = """# callgrind format
events: Ir
summary: 1000

ob=(1) /usr/lib/ld.so
fn=(1) start
0 100
cob=(2) /build/bench
cfn=(2) main
calls=1 0
0 900

ob=(2)
fn=(2)
12 40
+3 7
* 3
cob=(1)
cfn=(1)
calls=2 0
* 500
-1 50

ob=(3) /elsewhere/libbench
fn=(3) other
0 300
"""


def test_only_what_the_program_itself_executes_is_counted():
    assert own_instructions(PROFILE, "bench") == 40 + 7 + 3 + 50


def test_a_profile_without_the_program_is_refused():
    with pytest.raises(ValueError, match="no instructions of other-program"):
        own_instructions(PROFILE, "other-program")
