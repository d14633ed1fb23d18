"""Every command and snippet of the README, the tutorial and the how-to runs, in order, as a newcomer would type it.

A comment before a block says otherwise: `not run: why`, `run: a terminal of its own` (a server, which stays) or
`run: exits 3`. A block of text behind commands is what they say: each of its lines must come, in order, whatever its
numbers and ids.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass

import pytest

from harness import BINARY, PATIENCE, ROOT, Process, Server, Sim, stop_all

DOCUMENTS = ["README.md", "docs/tutorial.md", "docs/how-to.md"]
BLOCK = re.compile(r"(?:<!-- (?P<mark>[^\n]+?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)
# The README's server has nothing before it, and its first lines are those that install all this.
INSTALLS = ("make ", "git clone ")


@dataclass
class Block:
    mark: str
    language: str
    text: str


def blocks_in(text):
    return [Block(found["mark"] or "", found["language"], found["text"]) for found in BLOCK.finditer(text)]


def blocks_of(document):
    return blocks_in((ROOT / document).read_text())


def readme_without_and_with_the_smile():
    before, section, after = re.split(r"(## From nothing to a smile\n.+?)(?=^## )", (ROOT / "README.md").read_text(), flags=re.DOTALL | re.MULTILINE)
    return blocks_in(before + after), blocks_in(section)


def shape(line):
    """A line without what differs from run to run: ids, numbers and their units, the length of a bar."""
    line = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", line.strip())
    line = re.sub(r"\d[\d.,:]*( (B|kB|MB|GB|s)\b)?", "N", line)
    return re.sub(r"[█▏▎▍▌▋▊▉░ ]{2,}", " ", line)


class Reader:
    """Somebody with a home of their own who follows one document."""

    def __init__(self, folder):
        self.folder, self.started, self.sim, self.place = folder, [], None, folder
        (folder / "bin").mkdir()
        (folder / "bin/betedge").symlink_to(BINARY)
        self.environment = {"HOME": str(folder), "PATH": f"{folder}/bin:{os.path.dirname(sys.executable)}:/usr/bin:/bin",
                            "PYTHONPATH": str(ROOT / "python/src")}

    def start(self, line):
        words = shlex.split(line, comments=True)
        assert words[0] == "betedge", line
        if words[1] == "sim":
            self.sim = Sim(self.folder, arguments=words[2:])
            self.started.append(self.sim)
            self.environment["THETA_BASE_URL"] = self.sim.base_url
            return
        assert words[1] == "serve", line
        server = Process(words[1:], self.folder, self.environment | {"BETEDGE_LISTEN": "127.0.0.1:0", "THETA_BASE_URL": self.sim.base_url,
                         "NASDAQ_BASE_URL": f"http://127.0.0.1:{self.sim.control.port}"}, ready=Server.READY, name="server")
        self.started.append(server)
        self.environment |= {"BETEDGE_URL": f"http://127.0.0.1:{server.ready_line[2]}", "BETEDGE_LISTEN": f"127.0.0.1:{server.ready_line[2]}"}

    def run(self, block, status):
        text = block.text.replace("http://127.0.0.1:8000", self.environment.get("BETEDGE_URL", "nowhere"))
        command = ["bash", "-ec", text] if block.language == "sh" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=self.place, env=self.environment, capture_output=True, text=True, timeout=3 * PATIENCE)
        assert done.returncode == status, f"{block.text}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def end(self):
        stop_all(self.started)


@pytest.fixture
def reader(tmp_path):
    reader = Reader(tmp_path)
    yield reader
    reader.end()


def follow(reader, blocks):
    said = []
    for block in blocks:
        if block.language == "text" and said and not block.mark:
            for line in block.text.splitlines():
                while said and shape(said[0]) != shape(line):
                    said.pop(0)
                assert said, f"it did not say: {line}"
        said = []
        if block.language not in ("sh", "python") or block.mark.startswith("not run: "):
            continue
        if block.mark == "run: a terminal of its own":
            for line in block.text.splitlines():
                reader.start(line)
            continue
        exits = re.fullmatch(r"run: exits (\d+)", block.mark)
        assert exits or not block.mark, block.mark
        said = reader.run(block, int(exits[1]) if exits else 0).splitlines()


def test_the_tutorial_goes_as_it_says(reader):
    follow(reader, blocks_of("docs/tutorial.md"))


def test_the_how_to_goes_as_it_says(reader):
    reader.start("betedge sim --contracts AAPL=20")
    reader.start("betedge serve")
    follow(reader, blocks_of("docs/how-to.md"))


def test_the_readmes_commands_run(reader):
    """Those that begin with make are .ci/run's own, and tests/house/test_demo.py's."""
    reader.start("betedge sim --contracts AAPL=20")
    reader.start("betedge serve")
    blocks = []
    for block in readme_without_and_with_the_smile()[0]:
        if block.language == "python":
            blocks.append(block)
        elif block.language == "sh" and not block.mark:
            lines = [line for line in block.text.splitlines() if not line.startswith((*INSTALLS, "betedge serve"))]
            # Line by line: a calendar with gaps ends with 3.
            blocks += [Block("run: exits 3" if line.startswith("betedge coverage") else "", "sh", line) for line in lines]
    assert len(blocks) >= 7
    follow(reader, blocks)


def test_a_newcomer_comes_from_a_clone_to_a_smile(reader):
    """What `make build` makes is there already: a build of ten minutes is .ci/run's own."""
    section = readme_without_and_with_the_smile()[1]
    assert sum(len(block.text.splitlines()) for block in section) <= 10
    clone = reader.folder / "betedge"
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{ROOT}", clone], check=True)
    (clone / ".deps").symlink_to(ROOT / ".deps")
    reader.place = clone
    follow(reader, [Block(block.mark, block.language, block.text.replace("make build\n", "")) for block in section])
    picture = (clone / "smile.png").read_bytes()
    assert picture.startswith(b"\x89PNG") and len(picture) > 20_000
    if into := os.environ.get("BETEDGE_SCREENSHOTS"):
        shutil.copy(clone / "smile.png", into)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_not_run_says_why(document):
    for block in blocks_of(document):
        if block.mark.startswith("not run"):
            assert re.fullmatch(r"not run: .{5,}", block.mark), block.mark


def test_a_line_that_is_not_said_is_noticed(reader):
    block = Block("", "sh", "echo took 12 s; echo done")
    follow(reader, [block, Block("", "text", "took 7 s\ndone\n")])
    with pytest.raises(AssertionError, match="it did not say: ready"):
        follow(reader, [block, Block("", "text", "took 7 s\nready\n")])
    with pytest.raises(AssertionError):
        follow(reader, [Block("run: exits 3", "sh", "true")])


def test_cron_and_systemd_ask_for_the_same():
    unit = (ROOT / "deploy/systemd/betedge-topup.service").read_text()
    by_systemd = re.search(r"exec /usr/local/bin/(betedge option .+)'$", unit, re.MULTILINE)[1].replace("%%", "%")
    by_cron = re.search(r"\* \* 2-6  (betedge option .+) --json", (ROOT / "docs/how-to.md").read_text())[1].replace("\\%", "%")
    assert by_systemd == by_cron
