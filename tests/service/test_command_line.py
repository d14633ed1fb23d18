"""The command line as people have it: completions in their shells, the bar in their terminals, help, colour, Ctrl-C."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest

import harness
from harness import BINARY, missing

COMMANDS = ["serve", "sim", "option", "stock", "earnings", "plan", "jobs", "job", "wait", "watch", "cancel", "retry", "coverage", "fill", "verify",
            "ls", "cat", "config", "token", "doctor", "completion", "version"]


@pytest.fixture
def shell(folder):
    """Runs a script in a shell that finds betedge and its completions."""
    (folder / "bin").mkdir()
    (folder / "bin/betedge").symlink_to(BINARY)

    def run(name, script):
        if not shutil.which(name):
            missing(f"no {name}: apt-get install {name}")
        (folder / "completions").write_text(subprocess.run([BINARY, "completion", name], capture_output=True, text=True, check=True).stdout)
        done = subprocess.run([name, "-c", script.replace("%FILE%", str(folder / "completions"))], capture_output=True, text=True, timeout=harness.PATIENCE,
                              env={"PATH": f"{folder}/bin:/usr/bin:/bin", "HOME": str(folder), "TERM": "dumb"}, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr
        return done.stdout.split()

    return run


def in_bash(words):
    return f'source %FILE%; COMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _betedge; echo "${{COMPREPLY[@]}}"'


def in_zsh(words):
    # What zsh's own completion calls, said instead of shown.
    return ('compdef() { }; compadd() { shift; print -l -- $@ }; _files() { print FILES }; _describe() { print -l -- ${${(P)2}%%:*} }; '
            f'source %FILE%; words=({words}); CURRENT=${{#words}}; PREFIX=${{words[-1]}}; _betedge')


def in_fish(words):
    return f'source %FILE%; complete -C {words!r} | string split -f1 \\t; true'


@pytest.mark.parametrize(("name", "complete"), [("bash", in_bash), ("zsh", in_zsh), ("fish", in_fish)])
def test_completions(shell, name, complete):
    def of(words, last):
        quoted = words if name == "fish" else words.replace("EMPTY", '""')
        found = shell(name, complete(quoted.replace("EMPTY", "")))
        return [word for word in found if word.startswith(last)]  # zsh filters by itself

    assert sorted(of("betedge EMPTY", "")) == sorted(COMMANDS)
    assert of("betedge can", "can") == ["cancel"]
    assert sorted(of("betedge completion EMPTY", "")) == ["bash", "fish", "zsh"]
    assert sorted(of("betedge plan EMPTY", "")) == ["earnings", "option", "stock"]
    for command in COMMANDS:
        said = subprocess.run([BINARY, command, "--help"], capture_output=True, text=True, check=True).stdout
        options = set(re.findall(r"^  (?:-h,)?(--[a-z0-9-]+)", said, re.MULTILINE))
        assert "--help" in options
        if command not in ("plan", "completion"):  # what follows those is a kind, a shell
            assert set(of(f"betedge {command} --", "--")) == options, command
    assert "--interval" in of("betedge plan option --", "--")


def test_every_command_has_help_and_the_first_page_has_six():
    first = subprocess.run([BINARY], capture_output=True, text=True)
    assert first.returncode == 2
    pages = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
    assert first.stderr == pages
    assert len(set(re.findall(r"^  betedge (\w+)", pages, re.MULTILINE))) == 6
    whole = subprocess.run([BINARY, "help", "--all"], capture_output=True, text=True, check=True).stdout
    assert re.findall(r"^  betedge (\w+)", whole, re.MULTILINE) == [name for name in whole_order(whole)]
    assert set(re.findall(r"^  betedge (\w+)", whole, re.MULTILINE)) == set(COMMANDS)


def whole_order(text):
    return [line.split()[1] for line in text.splitlines() if line.startswith("  betedge ")]


def test_colour_is_for_terminals_and_can_be_refused(simulate, serve, folder):
    server = serve(simulate("--contracts", "AAPL=5"))
    server.wait_job(server.client.submit("option", root="AAPL", start_date="20240102", end_date="20240102", schema="quote"))
    url = {"PATH": "/usr/bin:/bin", "BETEDGE_URL": f"http://127.0.0.1:{server.port}", "TERM": "xterm-256color"}
    plain = subprocess.run([BINARY, "jobs"], capture_output=True, text=True, env=url, check=True).stdout
    assert "\x1b" not in plain
    for more, has_colour in ({}, True), ({"NO_COLOR": "1"}, False):
        typed = subprocess.run(["script", "-qec", f"{BINARY} jobs", "/dev/null"], capture_output=True, text=True, env=url | more, check=True).stdout
        assert ("\x1b[3" in typed) == has_colour


def test_ctrl_c_leaves_the_job_running_and_says_how_to_come_back(simulate, serve, folder):
    server = serve(simulate("--contracts", "AAPL=5", "--latency", "300ms"))
    waiting = subprocess.Popen([BINARY, "option", "AAPL", "2024-01-01", "2024-12-31", "--wait"], env={"PATH": "/usr/bin:/bin", "BETEDGE_URL": f"http://127.0.0.1:{server.port}"},
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    job = re.match(r"Job (\S+) accepted", waiting.stdout.readline())[1]
    server.wait_event("item_done", job=job)
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=harness.PATIENCE)
    assert waiting.returncode == 130
    assert f"betedge wait {job}\n" in said and f"betedge cancel {job}\n" in said
    assert server.client.job(job)["status"] == "running"


@pytest.mark.parametrize("columns", [80, 200])
def test_the_bar_fits_its_terminal(simulate, serve, folder, columns):
    """In tmux, which is a real terminal: one line that is drawn over and over, no wider than the window."""
    if not shutil.which("tmux"):
        missing("no tmux: apt-get install tmux")
    server = serve(simulate("--contracts", "AAPL=50", "--latency", "250ms"))
    tmux = ["tmux", "-S", str(folder / "tmux"), "-f", "/dev/null"]
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LANG": "C.UTF-8", "TERM": "xterm-256color", "BETEDGE_URL": f"http://127.0.0.1:{server.port}"}
    command = f"{BINARY} option AAPL 2024-01-01 2024-03-31 --interval 15m --wait; sleep 600"
    subprocess.run([*tmux, "new-session", "-d", "-x", str(columns), "-y", "12", command], env=environment, check=True)
    try:
        def screen():
            return subprocess.run([*tmux, "capture-pane", "-p"], env=environment, capture_output=True, text=True, check=True).stdout

        until = time.monotonic() + harness.PATIENCE
        while not re.search(r"^ *(?:[2-9]\d|100)%", screen(), re.MULTILINE):
            assert time.monotonic() < until, screen()
        shown = screen()
        bars = [line for line in shown.splitlines() if re.match(r" *\d+%", line)]
        assert len(bars) == 1, shown
        assert "█" in bars[0] and "/61" in bars[0]
        assert len(bars[0]) <= columns
        if into := os.environ.get("BETEDGE_CAPTURES"):
            (harness.Path(into) / f"bar-{columns}.txt").write_text(shown)
    finally:
        subprocess.run([*tmux, "kill-server"], env=environment, check=False)


def test_every_exit_code_is_what_the_help_says(simulate, serve, folder):
    sim = simulate("--contracts", "AAPL=5", "--latency", "300ms")
    server = serve(sim, THETA_RETRY_ATTEMPTS=1)

    def run(*arguments, server=server):
        url = {"BETEDGE_URL": f"http://127.0.0.1:{server.port}"} if server else {"BETEDGE_URL": "http://127.0.0.1:1"}
        return subprocess.run([BINARY, *arguments], cwd=folder, capture_output=True, text=True, timeout=harness.PATIENCE, stdin=subprocess.DEVNULL,
                              env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **url})

    seen = set()

    def ends_with(code, word, *arguments, server=server):
        done = run(*arguments, server=server)
        assert done.returncode == code, (arguments, done)
        assert re.search(word, done.stdout + done.stderr), (arguments, done)
        seen.add(code)

    one = ("stock", "AAPL", "2024-01-02", "--schema", "ohlc")
    ends_with(0, "1 written", *one, "--wait")
    ends_with(1, "cannot be opened", "token", "ann", "--file", "/proc/nowhere/tokens")
    ends_with(2, "is not a schema", "stock", "AAPL", "2024-01-02", "--schema", "ohcl")
    ends_with(2, "did you mean 'wait'", "wiat")
    sim.faults("473@date=20240103")
    ends_with(3, "failed", "stock", "AAPL", "2024-01-03", "2024-01-04", "--schema", "ohlc", "--wait")
    ends_with(3, "failed", "coverage", "AAPL", "--kind", "stock", "--schema", "ohlc")
    sim.faults()
    ends_with(5, "127.0.0.1:1", "jobs", server=None)
    ends_with(6, "no job|not found|unknown", "job", "01890a5d-ac96-774b-bcce-b302099a8057")
    job = server.client.submit("option", root="AAPL", start_date="20240101", end_date="20241231", schema="quote")
    ends_with(7, f"betedge wait {job}", "wait", job, "--timeout", "1s")
    run("cancel", job)
    ends_with(1, "cancelled", "wait", job)
    assert run("token", "ann", "--file", "tokens", "--scope", "read").returncode == 0
    guarded = serve(sim, BETEDGE_TOKENS=folder / "tokens", BETEDGE_LAKE=folder / "other", BETEDGE_STORE=folder / "other.db")
    ends_with(4, "token", "jobs", server=guarded)
    said = run("--help", "--all").stdout
    said = said[said.index("Exit codes"):].split("\n\n")[0]
    assert {int(code) for code in re.findall(r"\b(\d+) [a-z]", said)} == {*seen, 130}  # the last: Ctrl-C, above


def test_a_token_for_scripts(folder):
    made = json.loads(subprocess.run([BINARY, "token", "ann", "--scope", "read", "--file", "tokens", "--json"], cwd=folder, capture_output=True, text=True, check=True).stdout)
    assert (made["name"], made["scopes"], made["file"]) == ("ann", "read", "tokens")
    assert made["token"].startswith("betedge_") and (folder / "tokens").read_text() == made["line"] + "\n"
    shown = subprocess.run([BINARY, "token", "ann", "--json"], capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["file"] is None and shown.stderr == ""


def test_config_says_what_is_set_and_where(folder):
    (folder / "betedge.toml").write_text("[theta]\nconcurrency = 8\n")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), "LOG_LEVEL": "debug"}
    said = subprocess.run([BINARY, "config", "--origin", "--listen", "127.0.0.1:1"], cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout
    assert [line.split("  # ")[1] for line in said.splitlines()] == ["--listen", "betedge.toml line 2", "LOG_LEVEL in the environment"]
    lines = subprocess.run([BINARY, "config", "--json"], cwd=folder, env=environment, capture_output=True, text=True, check=True).stdout.splitlines()
    settings = {line["name"]: line for line in map(json.loads, lines)}
    assert settings["theta.concurrency"] == {"name": "theta.concurrency", "value": "8", "origin": "betedge.toml line 2"}
    assert settings["theta.timeout"]["origin"] == "default"
