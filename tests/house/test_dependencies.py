"""Dependencies point one way (docs/architecture.md). Read from the #include lines and from CMake."""

import re

import pytest
from conftest import ROOT, headers_and_sources, includes

# What a module may use, itself aside. `app` is the only one that may name everything.
MAY_USE = {
    "core": set(),
    "ports": {"core"},
    "wire": {"core"},
    "net": {"core", "ports"},
    "columnar": {"core", "ports"},
    "jobs": {"core", "ports", "wire"},
    "sources": {"core", "ports", "net"},
    "sinks": {"core", "ports", "net"},
    "engine": {"core", "ports", "wire", "net", "jobs", "columnar"},
    "server": {"core", "ports", "wire", "net", "engine"},
    "sdk": {"core", "ports", "wire", "net"},
    "cli": {"core", "ports", "wire", "net", "sdk"},
    "sim": {"core", "ports", "wire", "net", "columnar"},
}
MODULES = [*MAY_USE, "app"]
MAY_USE["app"] = set(MAY_USE)

# Libraries that are heavy or that would tie us: who may include them at all.
MAY_INCLUDE = {
    "boost/": {"net"},
    "curl/": {"net"},
    "openssl/": {"net", "columnar", "server", "sinks"},
    "arrow/": {"columnar"},
    "parquet/": {"columnar"},
    "simdjson": {"sim"},
    "sqlite3.h": {"jobs"},
    "zlib.h": {"sim"},
    "xxhash.h": {"columnar"},
    "zstd.h": {"columnar"},
    "spdlog/": {"app"},
    "prometheus/": {"app"},
    "CLI/": {"cli", "app"},
    "toml++/": {"app"},
}

# What `core` must do without: it is values and decisions.
NOT_IN_CORE = {
    "atomic", "condition_variable", "coroutine", "filesystem", "fstream", "future", "iostream", "mutex", "random",
    "shared_mutex", "stop_token", "thread", "unistd.h", "fcntl.h",
}


def edges():
    for module in MODULES:
        for path in headers_and_sources(ROOT / "src/betedge" / module):
            for name in includes(path):
                used = re.match(r"betedge/(\w+)/", name)
                if used and used[1] != module:
                    yield module, used[1], path.relative_to(ROOT)


def test_every_folder_of_src_is_a_module_of_the_table():
    folders = {p.name for p in (ROOT / "src/betedge").iterdir() if p.is_dir()}
    assert folders == set(MODULES)


def test_no_include_points_back():
    wrong = [f"{path}: {module} must not include {used}" for module, used, path in edges() if used not in MAY_USE[module]]
    assert not wrong, "\n".join(wrong)


def test_engine_takes_only_plain_decisions_from_net():
    """When to call an upstream is decided there; how is not the engine's business."""
    taken = {name for path in headers_and_sources(ROOT / "src/betedge/engine") for name in includes(path) if name.startswith("betedge/net/")}
    assert taken <= {"betedge/net/circuit_breaker.hpp", "betedge/net/limiter.hpp"}


def test_the_table_itself_has_no_circle():
    done, todo = set(), dict(MAY_USE)
    while todo:
        ready = [module for module, uses in todo.items() if uses <= done]
        assert ready, f"a circle among {sorted(todo)}"
        done.update(ready)
        for module in ready:
            del todo[module]


@pytest.mark.parametrize("module", MODULES)
def test_cmake_links_what_may_be_used_and_all_that_is_included(module):
    text = (ROOT / f"src/betedge/{module}/CMakeLists.txt").read_text()
    linked = set(re.findall(r"betedge::(\w+)", text)) - {module}
    assert linked <= MAY_USE[module]
    included = {used for user, used, _ in edges() if user == module}
    reachable, todo = set(), list(linked)
    while todo:
        one = todo.pop()
        if one not in reachable:
            reachable.add(one)
            todo += re.findall(r"betedge::(\w+)", (ROOT / f"src/betedge/{one}/CMakeLists.txt").read_text())
    assert included <= reachable, f"{module} includes {sorted(included - reachable)} and does not link it"


@pytest.mark.parametrize("library", MAY_INCLUDE)
def test_a_library_stays_in_its_modules(library):
    wrong = [
        f"{path.relative_to(ROOT)} includes <{name}>"
        for module in MODULES
        if module not in MAY_INCLUDE[library]
        for path in headers_and_sources(ROOT / "src/betedge" / module)
        for name in includes(path)
        if name.startswith(library)
    ]
    assert not wrong, "\n".join(wrong)


def test_heavy_libraries_stay_out_of_headers():
    """A module's own private header may name Arrow; nothing that another module includes may."""
    used_elsewhere = {
        ROOT / "src" / name
        for module in MODULES
        for path in headers_and_sources(ROOT / "src/betedge" / module)
        for name in includes(path)
        if name.startswith("betedge/") and not name.startswith(f"betedge/{module}/")
    }
    wrong = [
        f"{path.relative_to(ROOT)} includes <{name}>"
        for path in sorted(used_elsewhere)
        for name in includes(path)
        if name.startswith(("arrow/", "parquet/", "boost/", "curl/", "sqlite3.h", "simdjson", "spdlog/"))
    ]
    assert not wrong, "\n".join(wrong)


def test_asio_is_compiled_in_few_translation_units():
    units = [p for p in headers_and_sources(ROOT / "src") if p.suffix == ".cpp" and any(i.startswith("boost/") for i in includes(p))]
    assert 1 <= len(units) <= 3, units


def test_core_is_values_and_decisions():
    wrong = []
    for path in headers_and_sources(ROOT / "src/betedge/core"):
        wrong += [f"{path.name} includes <{name}>" for name in includes(path) if name in NOT_IN_CORE or name.startswith("sys/")]
        wrong += [f"{path.name} reads a clock" for _ in re.findall(r"_clock::now\(\)", path.read_text())]
    assert not wrong, "\n".join(wrong)


def test_clocks_are_read_by_the_runtime_and_at_the_edges_only():
    allowed = {"net", "app", "cli", "sim"}
    wrong = [
        str(path.relative_to(ROOT))
        for module in MODULES
        if module not in allowed
        for path in headers_and_sources(ROOT / "src/betedge" / module)
        if re.search(r"(system|steady|high_resolution)_clock::now\(\)|\btime\(nullptr\)", path.read_text())
    ]
    assert not wrong, wrong


def test_sources_are_listed_by_name_and_all_of_them():
    wrong = []
    for module in MODULES:
        folder = ROOT / "src/betedge" / module
        listed = set(re.findall(r"[\w/.-]+\.cpp", (folder / "CMakeLists.txt").read_text()))
        there = {str(p.relative_to(folder)) for p in folder.rglob("*.cpp")}
        wrong += [f"{module}: {name}" for name in listed ^ there]
    assert not wrong, wrong
