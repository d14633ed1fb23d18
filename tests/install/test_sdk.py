"""The installed C++ SDK: a stranger's project finds it, builds the examples and the page's snippets, and runs them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python/src"))
os.environ.setdefault("BETEDGE_BINARY", str(ROOT / "build/release/betedge"))
from betedge.testing import BetEdge  # noqa: E402

BUILD = Path(os.environ["BETEDGE_BINARY"]).parent
EXAMPLES = sorted((ROOT / "examples").glob("*.cpp"))


@pytest.fixture(scope="module")
def prefix(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("prefix")
    subprocess.run(["cmake", "--install", BUILD, "--component", "sdk", "--prefix", folder], check=True, capture_output=True)
    return folder


def snippets(folder: Path) -> Path:
    """The C++ blocks of docs/cpp.md, each in a function of its own."""
    blocks = re.findall(r"^```cpp\n(.*?)^```", (ROOT / "docs/cpp.md").read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    lines = ["#include <betedge/sdk/client.hpp>"]
    functions = []
    for number, block in enumerate(blocks):
        lines += re.findall(r"^#include.*$", block, re.MULTILINE)
        text = re.sub(r"^#include.*\n", "", block, flags=re.MULTILINE)
        functions.append(f"void snippet_{number}([[maybe_unused]] sdk::Client& client, [[maybe_unused]] const sdk::Job& job) {{\n{text}}}")
    source = folder / "snippets.cpp"
    calls = "\n".join(f"  snippet_{number}(client, job);" for number in range(len(blocks)))
    source.write_text("\n".join([*lines, "using namespace betedge;", *functions, f"void all(sdk::Client& client, const sdk::Job& job);\nvoid all(sdk::Client& client, const sdk::Job& job) {{\n{calls}\n}}",
                                 "int main() {}"]))
    return source


@pytest.fixture(scope="module", params=["clang++-19", "g++"])
def programs(request, prefix, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stranger")
    sources = ";".join(map(str, [*EXAMPLES, snippets(folder)]))
    configured = subprocess.run(["cmake", "-S", ROOT / "tests/install/stranger", "-B", folder / "build", f"-DCMAKE_CXX_COMPILER={request.param}",
                                 f"-DCMAKE_PREFIX_PATH={prefix}", f"-DSOURCES={sources}"], capture_output=True, text=True)
    assert configured.returncode == 0, configured.stdout + configured.stderr
    built = subprocess.run(["cmake", "--build", folder / "build", "-j2"], capture_output=True, text=True)
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    return folder / "build"


@pytest.fixture(scope="module")
def server():
    with BetEdge(sim=["--contracts", "20"]) as running:
        yield running


def run(program: Path, url: str, *arguments: str) -> list[str]:
    done = subprocess.run([program, *arguments], env={"BETEDGE_URL": url}, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_submits_and_waits(programs, server):
    said = run(programs / "submit_and_wait", server.url, "AAPL", "2024-01-02", "20240103")
    assert "completed 2/2" in said
    assert [line for line in said if line.startswith("historical-stock/ohlc/1m/AAPL/2024/01/")]
    assert (server.lake / said[-1]).exists()


def test_events_come_to_a_callback(programs, server):
    said = run(programs / "events", server.url, "AAPL", "2024-02-01", "2024-02-06")
    assert said[0].startswith("snapshot ")
    assert said[-1] == "end 4/4"


def test_a_stop_token_ends_the_wait_and_the_job_can_be_cancelled(programs, server):
    said = run(programs / "stop_token", server.url, "MSFT", "2020-01-02", "2023-12-29")
    assert said[0] == "stopped; the job goes on"
    assert said[1] in ("cancelling", "cancelled")


def test_waiting_and_events_survive_a_killed_server(programs):
    with BetEdge(sim=["--contracts", "20", "--latency", "300ms"]) as server:
        for name, first in (("submit_and_wait", "2023-10-02"), ("events", "2023-09-01")):
            following = subprocess.Popen([programs / name, "AAPL", first, "2023-12-29"], env={"BETEDGE_URL": server.url}, stdout=subprocess.PIPE, text=True)
            assert following.stdout.readline()
            server.kill()
            server.start()
            rest, _ = following.communicate(timeout=120)
            assert following.returncode == 0, rest


def test_headers_bring_neither_boost_nor_arrow_and_stand_alone(prefix, tmp_path):
    headers = sorted((prefix / "include").rglob("*.hpp"))
    assert prefix / "include/betedge/sdk/client.hpp" in headers
    for header in headers:
        for name in re.findall(r'#\s*include\s+[<"]([^>"]+)', header.read_text()):
            assert (prefix / "include" / name).exists() or re.fullmatch(r"[a-z_]+", name), f"{header.name} includes {name}"
    everything = tmp_path / "all.cpp"
    for compiler in ("clang++-19", "g++"):
        for header in headers:
            everything.write_text(f'#include "{header}"\n')
            subprocess.run([compiler, "-std=c++23", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", f"-I{prefix / 'include'}", everything], check=True)


def test_another_minor_version_is_not_taken(prefix, tmp_path):
    (tmp_path / "CMakeLists.txt").write_text("cmake_minimum_required(VERSION 3.25)\nproject(stranger LANGUAGES CXX)\nfind_package(betedge 9.9 REQUIRED)\n")
    asked = subprocess.run(["cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}"], capture_output=True, text=True)
    assert asked.returncode != 0 and "9.9" in asked.stderr
