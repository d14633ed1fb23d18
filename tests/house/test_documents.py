"""Documents name things that exist: files, headers, routes, settings, tests, commands, versions."""

import re
import subprocess
from functools import cache

import pytest
from conftest import ROOT, headers_and_sources

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BINARY = ROOT / "build/release/betedge"


def version() -> str:
    return re.search(r"project\(betedge VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]


@cache
def all_text(*folders: str, suffixes: tuple = (".cpp", ".hpp")) -> str:
    return "\n".join(p.read_text() for folder in folders for p in sorted((ROOT / folder).rglob("*")) if p.suffix in suffixes)


@cache
def names_of_tests() -> frozenset[str]:
    """`Suite.Name` of GoogleTest, `file.py::name` and `name` of pytest."""
    names = set()
    for path in headers_and_sources(ROOT / "tests"):
        for suite, name in re.findall(r"\b(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\(\s*(\w+),\s*(\w+)\s*\)", path.read_text()):
            names.add(f"{suite}.{name}")
    for path in (ROOT / "tests").rglob("test_*.py"):
        for name in re.findall(r"^\s*(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE):
            names.add(f"{path.name}::{name}")
    return frozenset(names)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_resolve(document):
    broken = []
    text = re.sub(r"^```.+?^```", "", document.read_text(), flags=re.DOTALL | re.MULTILINE)  # C++ has lambdas that look like links
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path).resolve() if path else document
        if not file.exists():
            broken.append(target)
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            if anchor not in {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}:
                broken.append(target)
    assert not broken


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_named_in_documents_exist(document):
    """`src/…`, `docs/…`, `tests/…`, `tools/…` in backticks."""
    named = re.findall(r"`((?:src|docs|tests|tools|cmake|bench)/[\w./-]+)(?:::\w+)?`", document.read_text())
    missing = [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_the_changelog_has_this_version():
    assert re.search(rf"^## {re.escape(version())}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_decisions_are_numbered_without_gaps_and_say_what_why_and_the_price():
    files = sorted((ROOT / "docs/adr").glob("*.md"))
    assert [int(f.name[:4]) for f in files] == list(range(1, len(files) + 1))
    for file in files:
        for heading in ("## Decision", "## Why", "## Price"):
            assert heading in file.read_text(), f"{file.name} lacks '{heading}'"


def test_every_debian_package_and_wheel_is_explained():
    explained = (ROOT / "docs/dependencies.md").read_text()
    packages = re.findall(r"^([a-z0-9][\w.+-]*)\s", (ROOT / "tools/packages.txt").read_text(), re.MULTILINE)
    wheels = re.findall(r"^([\w-]+)(?:\[\w+\])?==", (ROOT / "tools/requirements.txt").read_text().split("# What those need")[0], re.MULTILINE)
    assert packages and wheels
    assert not [name for name in (*packages, *wheels) if f"`{name}`" not in explained]


def test_every_library_that_cmake_looks_for_is_explained():
    explained = (ROOT / "docs/dependencies.md").read_text().lower()
    files = [ROOT / "CMakeLists.txt", *ROOT.glob("cmake/*.cmake"), *ROOT.glob("src/betedge/*/CMakeLists.txt")]
    cmake = "\n".join(file.read_text() for file in files)
    names = set(re.findall(r"find_(?:package|library)\((?:BETEDGE_)?([A-Za-z0-9]+)", cmake)) - {"Threads"}
    assert not [name for name in names if name.lower() not in explained]


def phase1_rows() -> list[list[str]]:
    """The cells of docs/phase1.md's tables: part of SEED.md | header | route | setting | test."""
    rows = [re.split(r"\s*\|\s*", line.strip().strip("|").strip())
            for line in (ROOT / "docs/phase1.md").read_text().splitlines() if line.startswith("|")]
    return [row for row in rows if not set("".join(row)) <= set("-: ") and row[1] != "where"]


def test_phase1_has_all_that_was_asked_for():
    """Each name that SEED.md gives is a row's first cell, or in one."""
    asked = [
        "JobStatus", "JobInfo", "progress_percentage", "JobTracker", "create_job", "update_status", "update_progress",
        "mark_completed", "mark_failed", "get_job", "DataProcessingService", "process_request", "_process_request_background",
        "get_job_status", "_background_tasks", "force_refresh", "POST /historical/option", "POST /historical/stock",
        "GET /jobs/{job_id}", "NoDataAvailableError",
    ]
    parts = " ".join(row[0] for row in phase1_rows())
    assert not [name for name in asked if name not in parts]


def test_phase1_names_headers_routes_settings_and_tests_that_exist():
    routes = set(re.findall(r'\.method = (\w+),\s*\.pattern = "([^"]+)"', all_text("src/betedge/server")))
    assert routes
    settings = settings_of_the_program()
    settings = {*settings, *(name for short in settings.values() for name in short)}
    wrong = []
    for row in phase1_rows():
        assert len(row) == 5, row
        part, header, route, setting, test = row
        for file, _, symbol in re.findall(r"`(src/[\w/.]+)(#(\w+))?`", header):
            if not (ROOT / file).exists():
                wrong.append(f"{part}: header {file}")
            elif symbol and not re.search(rf"\b{symbol}\b", (ROOT / file).read_text()):
                wrong.append(f"{part}: {symbol} is not in {file}")
        for method, path in re.findall(r"`(GET|POST) (/[^`]*)`", route):
            if (method.lower(), path) not in routes:
                wrong.append(f"{part}: route {method} {path}")
        for name in re.findall(r"`([\w.]+)`", setting):
            if name not in settings:
                wrong.append(f"{part}: setting {name}")
        for name in re.findall(r"`([^`]+)`", test):
            if name not in names_of_tests():
                wrong.append(f"{part}: test {name}")
        if not re.search(r"`[^`]+`", test):
            wrong.append(f"{part}: no test")
    assert not wrong, "\n".join(wrong)


def section(document: str, heading: str) -> str:
    return (ROOT / document).read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]


def test_events_of_operations_md_are_those_of_the_program():
    events = set(re.findall(r"^\| `(\w+)` \|", section("docs/operations.md", "Log events"), re.MULTILINE))
    sources = all_text("src/betedge")
    emitted = set(re.findall(r'event\(\s*(?:\w+::)*Level::\w+,\s*"(\w+)"', sources))
    assert events, "no table of events"
    assert not [name for name in events if f'"{name}"' not in sources], "named in the document, never emitted"
    assert not emitted - events, "emitted, not in the document"


def settings_of_the_program() -> dict[str, list[str]]:
    """Each setting's name in the file, and its short names in the environment."""
    table = (ROOT / "src/betedge/app/settings.cpp").read_text()
    found = re.findall(r'\.name = "([\w.]+)",\s*\.short_names = \{([^}]*)\}', table)
    return {name: re.findall(r'"(\w+)"', short) for name, short in found}


def test_settings_of_operations_md_are_those_of_the_program():
    rows = re.findall(r"^\| `([\w.]+)` \| ([^|]*) \|", section("docs/operations.md", "Settings"), re.MULTILINE)
    said = {name: re.findall(r"`(\w+)`", environment) for name, environment in rows}
    assert said
    assert said == {
        name: short or ["BETEDGE_" + name.upper().replace(".", "_")] for name, short in settings_of_the_program().items()
    }


def test_errors_of_operations_md_are_those_of_the_program():
    table = (ROOT / "src/betedge/wire/problem.cpp").read_text()
    codes = re.findall(r'Problem\{\w+,\s*(\d+),\s*"(\w+)",', table)
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", section("docs/operations.md", "Errors"), re.MULTILINE)
    assert rows and [(status, code) for code, status in rows] == codes


def commands_of(document: str) -> list[str]:
    blocks = re.findall(r"```(?:sh|console|bash)\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)
    return [line.removeprefix("$ ").strip() for block in blocks for line in block.splitlines() if re.match(r"(\$ )?(make|betedge|tools/)", line)]


def test_readmes_commands_exist():
    targets = set(re.findall(r"^([\w -]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    targets = {name for line in targets for name in line.split()}
    commands = commands_of("README.md")
    assert any(c.startswith("make demo") for c in commands) and any(c.startswith("make test") for c in commands)
    for command in commands:
        words = command.split()
        if words[0] == "make":
            assert words[1] in targets, command
        elif words[0].startswith("tools/"):
            assert (ROOT / words[0]).exists(), command
        else:
            assert BINARY.exists(), "build/release/betedge is missing: make build"
            name = next(w for w in words[1:] if not w.startswith("-"))
            helped = subprocess.run([BINARY, name, "--help"], capture_output=True, text=True)
            assert helped.returncode == 0, command
            for flag in (w.split("=")[0] for w in words if w.startswith("--")):
                assert flag in helped.stdout, f"{command}: {name} --help does not name {flag}"


def test_the_binary_says_the_projects_version():
    assert BINARY.exists(), "build/release/betedge is missing: make build"
    said = subprocess.run([BINARY, "version"], capture_output=True, text=True, check=True).stdout
    assert version() in said


def test_no_machine_and_no_registry_is_named():
    """A path of one person's machine, or the address of a package registry, has no place here."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    pattern = re.compile("|".join(["/" + "work/", "/" + "root/", r"pypi\." + "org", r"deb\." + r"debian\.org", r"registry\." + "npmjs"]))
    found = []
    for name in listed:
        path = ROOT / name
        if path.is_file():
            try:
                text = path.read_text()
            except UnicodeDecodeError:
                continue
            found += [f"{name}: {line.strip()[:100]}" for line in text.splitlines() if pattern.search(line)]
    assert not found, "\n".join(found)
