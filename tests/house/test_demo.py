"""`make demo`, but for the build: true, repeatable, and gone when it is over."""

import os
import signal
import subprocess
from pathlib import Path

from conftest import ROOT


def demo(folder):
    return subprocess.run([ROOT / "tools/demo", folder], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)


def left_running(folder) -> list[int]:
    """Processes that were given this folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "environ").read_bytes() + (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(folder).encode() in told and int(process.name) != os.getpid():
            found.append(int(process.name))
    return found


def test_shows_a_whole_job_then_skips_all_of_it_and_leaves_nothing_running(tmp_path):
    folder = tmp_path / "demo"
    first = demo(folder)
    assert first.returncode == 0, first.stdout + first.stderr
    assert "21 items, 21 written" in first.stdout and "1 item, 1 written" in first.stdout
    assert "22 files" in first.stdout
    assert left_running(folder) == []

    second = demo(folder)
    assert second.returncode == 0, second.stdout + second.stderr
    assert "21 items, 21 skipped" in second.stdout and "1 item, 1 skipped" in second.stdout
    assert left_running(folder) == []


def test_told_to_stop_in_the_middle_it_takes_all_of_it_along(tmp_path):
    folder = tmp_path / "demo"
    with subprocess.Popen([ROOT / "tools/demo", folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as running:
        for line in running.stdout:
            if "accepted" in line:
                break
        assert left_running(folder)
        running.send_signal(signal.SIGTERM)
        running.stdout.read()
        assert running.wait(timeout=60) == 143
    assert left_running(folder) == []
