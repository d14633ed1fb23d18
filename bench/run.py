"""`make bench`: our pipeline and what people would use instead, on the same bytes in the same run.

    run.py                 every row; writes bench/RESULTS.md, bench/results.json and bench/plots/
    run.py ROW…            these rows alone, printed
    run.py --list          the rows' names

Only the ratios count: absolute figures drift with the machine.
"""

import argparse
import dataclasses
import json
import os
import platform
import shutil
import subprocess
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import answers
import growth
import http_rows
import months
import plots
import store_rows
from rows import ROOT, Outcome, Row

ROWS: list[Row] = [*answers.ROWS, *months.ROWS, *http_rows.ROWS, *store_rows.ROWS, *growth.ROWS]
FOLDER = ROOT / "bench"
PEERS = ("pyarrow", "polars", "duckdb", "numpy", "pysimdjson", "fastapi", "uvicorn")


def target(outcome: Outcome) -> str:
    bound = "≤" if outcome.at_most else "≥"
    text = f"{bound} {outcome.floor:g} {outcome.unit}"
    return text if outcome.goal is None else f"{text}, goal {outcome.goal:g}"


def cells(outcome: Outcome) -> list[str]:
    verdict = "met" if outcome.is_met else "MISSED"
    return [outcome.work, outcome.ours, outcome.peer, f"{outcome.figure:.2f} {outcome.unit}", target(outcome), verdict]


HEAD = ["work", "betedge", "best peer", "figure", "target", ""]


def show(outcomes: list[Outcome]) -> None:
    width = shutil.get_terminal_size((160, 24)).columns
    for outcome in outcomes:
        work, ours, peer, figure, wanted, verdict = cells(outcome)
        line = f"{work:<52.52} {ours:>16} {peer:>34.34} {figure:>12}  {wanted:<22} {verdict}"
        print(line[: max(width, 80)], flush=True)


def markdown(results: dict) -> str:
    lines = [
        "# Measured",
        "",
        "Written by `make bench`; [docs/performance.md](../docs/performance.md) says how it is measured, where the time goes and what was tried.",
        "Each ratio is of two medians of one run on one machine, all sides in turns. Absolute figures are that machine's and that day's.",
        "",
        f"{results['date']}, {results['machine']}; " + ", ".join(f"{name} {number}" for name, number in results["versions"].items()) + ".",
        "",
        "| " + " | ".join(HEAD) + " | again |",
        "| --- " * (len(HEAD) + 1) + "|",
    ]
    for entry in results["outcomes"]:
        outcome = Outcome(**entry["outcome"])
        lines.append("| " + " | ".join(cells(outcome)) + f" | `make bench ROW={entry['row']}` |")
    lines += ["", "![every figure beside its target](plots/targets.svg)", ""]
    lines += [f"![{path.stem}](plots/{path.name})" for path in sorted((FOLDER / "plots").glob("growth-*.svg"))]
    return "\n".join(lines).rstrip() + "\n"


def machine() -> str:
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), "unknown processor")
    return f"{os.cpu_count()} × {model}, Linux {platform.release().split('-')[0]}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    names = [row.name for row in ROWS]
    if options.list:
        for row in ROWS:
            print(f"{row.name:<22} {row.title}")
        return
    for name in options.rows:
        if name not in names:
            parser.error(f"no row {name}; --list names them")
    found = []
    for row in ROWS:
        if options.rows and row.name not in options.rows:
            continue
        began = time.monotonic()
        print(f"{row.title} ({row.name})", flush=True)
        with tempfile.TemporaryDirectory(prefix="betedge-bench-") as folder:
            outcomes = row.measure(Path(folder))
        show(outcomes)
        print(f"{'':<52} {time.monotonic() - began:>14.0f} s", flush=True)
        found += [{"row": row.name, "outcome": dataclasses.asdict(outcome)} for outcome in outcomes]
    if options.rows:
        return
    results = {
        "date": date.today().isoformat(),
        "machine": machine(),
        "versions": {name: version(name) for name in PEERS} | {"nginx": nginx_version()},
        "outcomes": found,
    }
    (FOLDER / "results.json").write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    plots.targets(found, FOLDER / "plots/targets.svg")
    (FOLDER / "RESULTS.md").write_text(markdown(results))
    print("written: bench/RESULTS.md, bench/results.json, bench/plots/")


def nginx_version() -> str:
    return subprocess.run(["nginx", "-v"], capture_output=True, text=True, check=True).stderr.strip().rpartition("/")[2]


if __name__ == "__main__":
    main()
