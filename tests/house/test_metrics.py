"""What is counted, documented, shown and alerted of: one table (src/betedge/ports/metrics.cpp), and all else as it says."""

import json
import re
import subprocess
from dataclasses import dataclass

import pytest
from conftest import ROOT, headers_and_sources
from test_documents import section

TABLE = ROOT / "src/betedge/ports/metrics.cpp"
DASHBOARD = ROOT / "deploy/grafana/betedge.json"
PROMETHEUS = ROOT / "deploy/prometheus"
PROMTOOL = ROOT / ".deps/promtool"
# What Prometheus adds to every series.
ITS_OWN = {"instance", "job", "le"}


@dataclass
class Metric:
    enumerator: str
    kind: str
    labels: list[str]


def table() -> dict[str, Metric]:
    entries = re.findall(
        r'\{Metric::(\w+),\s*"(\w+)",\s*Kind::(\w+),\s*\{([^}]*)\}', TABLE.read_text()
    )
    return {name: Metric(enumerator, kind, re.findall(r'"(\w+)"', labels)) for enumerator, name, kind, labels in entries}


def metric_of(series: str) -> str | None:
    """The metric that a name in an expression means: a histogram is asked for by its parts only."""
    known = table()
    if series in known:
        return None if known[series].kind == "histogram" else series
    base = re.sub(r"_(bucket|sum|count)$", "", series)
    return base if base != series and base in known and known[base].kind == "histogram" else None


def alerts() -> list[tuple[str, str]]:
    """Each alert's name and its expression, whatever way YAML has it."""
    text = (PROMETHEUS / "alerts.yml").read_text()
    return re.findall(r"- alert: (\w+)\n\s+expr: (?:\|\n)?(.*?)\n\s+(?:for|labels):", text, re.DOTALL)


def expressions() -> list[tuple[str, str]]:
    """Where an expression stands, and the expression."""
    dashboard = json.loads(DASHBOARD.read_text())
    found = [(f"panel '{panel['title']}'", target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", [])]
    found += [(f"annotation '{one['name']}'", one["expr"]) for one in dashboard["annotations"]["list"]]
    found += [(f"variable '{one['name']}'", one["query"]["query"]) for one in dashboard["templating"]["list"] if one["type"] == "query"]
    return found + [(f"alert {name}", text) for name, text in alerts()]


SERIES = re.compile(r"\b((?:betedge|http_server|process)_\w+)(?:\{([^}]*)\})?")


def promtool(*arguments):
    assert PROMTOOL.exists(), "tools/setup fetches promtool"
    return subprocess.run([PROMTOOL, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def test_the_table_is_read_whole():
    enumerators = re.search(r"enum class Metric : std::uint8_t \{(.*?)\}", (ROOT / "src/betedge/ports/metrics.hpp").read_text(), re.DOTALL)
    assert [metric.enumerator for metric in table().values()] == re.findall(r"\w+", enumerators[1])


def test_every_metric_is_told_by_somebody():
    """event_watchers is told by whoever serves events; without them there are none, which is what it says."""
    counted = set()
    for path in headers_and_sources(ROOT / "src/betedge"):
        if path.parent.name != "ports":
            counted |= set(re.findall(r"\bMetric::(\w+)", path.read_text()))
    assert {metric.enumerator for metric in table().values()} - counted <= {"event_watchers"}


@pytest.mark.parametrize("arguments", [("check", "rules", "alerts.yml"), ("test", "rules", "alerts_test.yml"), ("check", "config", "prometheus.yml")], ids=" ".join)
def test_promtool_finds_no_fault(arguments):
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_tried_and_says_what_and_what_to_do():
    text = (PROMETHEUS / "alerts.yml").read_text()
    names = re.findall(r"- alert: (\w+)", text)
    assert len(names) == len(set(names)) == len(alerts()) == text.count("summary:") == text.count("description:")
    tried = (PROMETHEUS / "alerts_test.yml").read_text()
    assert not [name for name in names if name not in tried]


def test_alerts_of_silent_gaps_come_first():
    assert re.search(r"^  - name: (.*)", (PROMETHEUS / "alerts.yml").read_text(), re.MULTILINE)[1] == "betedge-silent-gaps"


@pytest.mark.parametrize("place, expression", expressions(), ids=lambda text: text[:60])
def test_expressions_use_metrics_and_labels_that_exist(place, expression):
    found = [(series, labels) for series, labels in SERIES.findall(expression)]
    assert found or expression.startswith(("up{", "changes(")), f"{place}: no metric in it"
    used = set()
    for series, labels in found:
        metric = metric_of(series)
        assert metric, f"{place}: there is no metric {series}"
        known = set(table()[metric].labels) | ITS_OWN
        used |= known
        asked = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", labels))
        assert asked <= known, f"{place}: {metric} has no label {sorted(asked - known)}"
    for grouped in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(re.findall(r"\w+", grouped)) <= used, f"{place}: by ({grouped})"


def test_the_dashboard_shows_every_metric_or_an_alert_watches_it():
    seen = {metric_of(series) for _, expression in expressions() for series, _ in SERIES.findall(expression)}
    # Of no use over time, but to whoever looks at the scrape.
    assert set(table()) - seen <= {"process_virtual_memory_bytes"}


def test_the_dashboard_is_one_that_grafana_takes():
    dashboard = json.loads(DASHBOARD.read_text())
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(ids) == len(set(ids))
    taken = {}
    for panel in panels:
        place = panel["gridPos"]
        assert 0 <= place["x"] and place["x"] + place["w"] <= 24
        for cell in ((x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])):
            assert cell not in taken, f"'{panel['title']}' lies over '{taken[cell]}'"
            taken[cell] = panel["title"]
        if panel["type"] == "row":
            continue
        assert panel["description"] and panel["targets"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert len(refs) == len(set(refs))
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])


def test_the_dashboard_has_before_and_after_the_switch_side_by_side():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    by_title = {panel["title"]: panel for panel in panels}
    before = by_title["Submits answered synchronously: latency"]
    after = by_title["Submits answered asynchronously: latency"]
    assert before["gridPos"]["y"] == after["gridPos"]["y"]
    for panel, mode in ((before, "sync"), (after, "async")):
        told = [target["expr"] for target in panel["targets"]]
        assert all(f'mode="{mode}"' in expression for expression in told)
        assert [re.search(r"histogram_quantile\(([\d.]+)", expression)[1] for expression in told] == ["0.5", "0.99"]


def test_operations_md_has_every_metric_with_its_kind_and_labels():
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", section("docs/operations.md", "Metrics"), re.MULTILINE)
    said = {name: (kind, re.findall(r"`(\w+)`", labels)) for name, kind, labels in rows}
    assert said == {name: (metric.kind, metric.labels) for name, metric in table().items()}
