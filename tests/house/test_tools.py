"""tools/ and the Makefile keep their promises."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from conftest import ROOT


def run(*command, **more):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)


def test_setup_is_silent_and_quick_when_nothing_is_missing():
    started = time.monotonic()
    done = run("tools/setup")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert time.monotonic() - started < 2


@pytest.mark.skipif(os.geteuid() != 0, reason="drops from root to another user")
def test_setup_says_what_it_would_install_and_what_to_do_without_root_or_sudo():
    """In a folder that nobody can read, with a PATH whose dpkg knows no package and that has no sudo."""
    with tempfile.TemporaryDirectory() as name:
        machine = Path(name)
        machine.chmod(0o755)
        (machine / "bin").mkdir()
        (machine / "tools").mkdir()
        for tool in ("setup", "packages.txt", "requirements.txt"):
            shutil.copy(ROOT / "tools" / tool, machine / "tools" / tool)
        for program in ("bash", "sed", "sort", "comm", "env", "dirname", "mkdir", "tail", "cat"):
            (machine / "bin" / program).symlink_to(f"/usr/bin/{program}")
        fake = machine / "bin/dpkg-query"
        fake.write_text("#!/usr/bin/bash\nexit 1\n")
        fake.chmod(0o755)
        done = run("/usr/bin/bash", machine / "tools/setup", env={"PATH": str(machine / "bin")}, user=65534)
    assert done.returncode == 1
    assert "clang-19" in done.stdout
    assert "needs root or sudo" in done.stderr and "apt-get install" in done.stderr


@pytest.mark.parametrize("name", ["", "nonsense"])
def test_an_unknown_shard_is_an_error_that_lists_them(name):
    done = run("tools/dev", "test-more", name)
    assert done.returncode == 1
    for shard in ("tsan", "fuzz", "package", "chaos", "s3", "contract"):
        assert shard in done.stderr


def test_make_alone_lists_every_target():
    done = run("make")
    for target in ("demo", "test", "build", "dist", "bench", "test-more", "fmt", "lint", "clean"):
        assert target in done.stdout
