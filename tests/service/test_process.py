"""How the process starts, is set, and ends."""

import os
import re
import signal
import socket
import subprocess

import pytest

import harness
from harness import drop_privileges

WEEK = {"root": "AAPL", "start_date": "20240102", "end_date": "20240108", "schema": "ohlc"}


def run(*arguments, folder, preexec=None, **environment):
    """Runs a command that is expected to end by itself."""
    return subprocess.run(
        [harness.BINARY, *arguments], cwd=folder, env={"PATH": "/usr/bin:/bin", **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE, preexec_fn=preexec,
    )


def complaint(result):
    """The one sentence that a command ended with."""
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 1 and lines[0].startswith("betedge: "), result.stderr
    return lines[0].removeprefix("betedge: ")


def test_an_empty_environment_and_no_file_is_enough(folder, processes):
    server = harness.Process(
        ["serve", "--listen", "127.0.0.1:0"], folder, ready=harness.Server.READY, preexec=drop_privileges)
    processes.append(server)
    client = harness.Client(int(server.ready_line[2]))
    assert client.get("/health").json() == {"status": "healthy", "service": "betedge-historical-data"}
    assert server.out == [server.ready_line[0]], "one line and no more"
    assert server.stop() == 0


def test_a_stop_is_graceful_and_the_next_start_goes_on(simulate, serve):
    # Chains, which are a call a day: some have ended and many have not.
    sim = simulate("--latency", "30ms", "--contracts", "20")
    server = serve(sim)
    job = server.client.submit("option", **{**WEEK, "end_date": "20240328"})
    server.wait_event("item_done", count=3, job=job)
    assert server.stop() == 0
    names = [harness.parse_event(line)["event"] for line in server.log]
    assert names[-1] == "service_stopped"
    stopping = names.index("service_stopping")
    assert "job_completed" not in names
    assert "job_started" not in names[stopping:]
    failures = [name for name in names if name in ("item_failed", "job_failed", "item_not_recorded")]
    assert not failures
    server = serve(sim)
    ended = server.wait_job(job)
    assert (ended["status"], ended["error_message"]) == ("completed", None)
    assert all(item["attempts"] <= 1 for item in server.client.items(job)), "a stop costs no attempt"


def test_a_stop_does_not_wait_for_a_terminal_that_never_answers(simulate, serve):
    server = serve(simulate("--fault", "hang"))
    job = server.client.submit("stock", **WEEK)
    server.wait_event("job_started", job=job)
    server.signal(signal.SIGTERM)
    assert server.wait(timeout=13) == 0
    assert server.events("item_handed_back")


def test_a_second_signal_ends_it_at_once(simulate, serve):
    server = serve(simulate("--fault", "hang"))
    job = server.client.submit("stock", **WEEK)
    server.wait_event("job_started", job=job)
    server.signal(signal.SIGTERM)
    server.wait_event("service_stopping", signal="SIGTERM")
    server.signal(signal.SIGINT)
    assert server.wait(timeout=5) == 128 + signal.SIGINT


def test_ctrl_c_stops_it_too(serve):
    server = serve()
    server.signal(signal.SIGINT)
    assert server.wait() == 0
    assert server.events("service_stopping", signal="SIGINT")


def test_while_it_drains_nothing_new_is_taken(simulate, serve):
    server = serve(simulate("--fault", "hang"))
    job = server.client.submit("stock", **WEEK)
    server.wait_event("job_started", job=job)
    server.signal(signal.SIGTERM)
    server.wait_event("service_stopping")
    try:
        answer = server.client.post("/historical/stock", WEEK)
        assert answer.status == 503 and answer.headers["Retry-After"]
    except OSError:
        pass  # the door is closed already


def test_a_taken_port_is_one_sentence(folder, serve):
    server = serve()
    result = run("serve", "--listen", f"127.0.0.1:{server.port}", "--lake", "other/lake", folder=folder, HOME=str(folder))
    assert result.returncode == 1
    assert f"cannot listen on 127.0.0.1:{server.port} (choose another with --listen)" in complaint(result)


def test_a_store_that_another_server_has_is_one_sentence(folder, serve):
    server = serve()
    result = run("serve", "--listen", "127.0.0.1:0", "--lake", "other", "--store", "jobs.db", folder=folder)
    assert result.returncode == 1
    assert complaint(result).startswith("the job store jobs.db: ")
    result = run("serve", "--listen", "127.0.0.1:0", "--lake", "lake", "--store", "other.db", folder=folder)
    assert result.returncode == 1
    assert complaint(result).startswith("the lake lake: ")
    assert server.client.get("/health").status == 200


def test_a_lake_that_cannot_be_written_is_one_sentence(folder):
    locked = folder / "locked"
    locked.mkdir()
    locked.chmod(0o555)
    result = run("serve", "--listen", "127.0.0.1:0", "--lake", str(locked / "lake"), "--store", ":memory:",
                 folder=folder, preexec=drop_privileges)
    assert result.returncode == 1
    assert complaint(result).startswith(f"the lake {locked}/lake: ")


def test_it_listens_beyond_this_machine_only_when_told_so_by_name(folder, processes):
    result = run("serve", "--listen", "0.0.0.0:0", folder=folder)
    assert result.returncode == 2
    assert complaint(result) == (
        "will not listen on 0.0.0.0:0 without tokens, where others could submit jobs; make one with `betedge "
        "token NAME --file tokens` and set BETEDGE_TOKENS=tokens, or use --listen 127.0.0.1:0, or "
        "--insecure-listen if only you can reach it")


@pytest.mark.parametrize("arguments, sentence", [
    (["--nope"], "--nope"),
    (["--theta-concurrency", "0"], 'theta.concurrency is "0" (from --theta-concurrency), but must be a whole number'),
    (["--config", "none.toml"], "--config names none.toml, which cannot be read"),
])
def test_wrong_flags_are_one_sentence_and_status_2(folder, arguments, sentence):
    result = run("serve", *arguments, folder=folder)
    assert result.returncode == 2
    assert sentence in complaint(result)


def test_a_typing_error_in_the_file_names_the_nearest_setting(folder):
    (folder / "betedge.toml").write_text("[theta]\nbaseurl = 'http://127.0.0.1:1'\n")
    result = run("serve", folder=folder)
    assert result.returncode == 2
    assert complaint(result) == (
        "betedge.toml line 2: there is no setting theta.baseurl; did you mean theta.base_url?")


def test_config_shows_every_setting_its_origin_and_no_secret(folder):
    (folder / "betedge.toml").write_text("theta.concurrency = 2\n")
    (folder / ".env").write_text("MINIO_SECRET_KEY=canary-7f3a\n")
    result = run("config", "--listen", "127.0.0.1:7", folder=folder, HOME="/home/ann", FORCE_REFRESH="Yes")
    assert result.returncode == 0, result.stderr
    lines = dict(re.match(r"(\S+) = (.*?) +# (.*)", line).group(1, 2) for line in result.stdout.splitlines())
    origins = dict(re.match(r"(\S+) = .*# (.*)", line).groups() for line in result.stdout.splitlines())
    assert lines["listen"] == "127.0.0.1:7" and origins["listen"] == "--listen"
    assert lines["theta.concurrency"] == "2" and origins["theta.concurrency"] == "betedge.toml line 1"
    assert lines["force_refresh"] == "true" and origins["force_refresh"] == "FORCE_REFRESH in the environment"
    assert lines["lake.url"] == "/home/ann/.local/share/betedge/lake" and origins["lake.url"] == "default"
    assert lines["s3.secret_key"] == "***" and origins["s3.secret_key"] == "MINIO_SECRET_KEY in .env"
    assert "canary" not in result.stdout + result.stderr


@pytest.mark.parametrize("arguments, shown", [
    ([], "false"), (["--force-refresh"], "true"), (["--force-refresh", "--listen", "127.0.0.1:1"], "true"),
    (["--force-refresh=no"], "false"), (["--force-refresh", "yes"], "true"),
])
def test_a_switch_may_stand_alone(folder, arguments, shown):
    result = run("config", *arguments, folder=folder)
    assert re.search(rf"^force_refresh = {shown} ", result.stdout, re.MULTILINE), result.stderr


def test_no_secret_can_be_given_where_everybody_can_read_it(folder):
    assert run("serve", "--s3-secret-key", "x", folder=folder).returncode == 2


def test_names_without_use_give_a_warning_each(serve):
    server = serve(environment={"THETA_USERNAME": "ann", "THETA_PASSWORD": "canary-7f3a"})
    server.wait_event("service_started")  # said after them
    messages = [event["message"] for event in server.events("setting_unused")]
    assert len(messages) == 2
    assert "canary" not in "\n".join(server.log)


def test_help_is_there(folder):
    result = run("serve", "--help", folder=folder)
    assert result.returncode == 0
    for flag in ("--listen", "--lake", "--store", "--theta-base-url", "--insecure-listen"):
        assert flag in result.stdout


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_it_serves_on_ipv6_loopback(folder, processes):
    server = harness.Process(["serve", "--listen", "[::1]:0", "--lake", "lake"], folder,
                             ready=r"listening on http://\[::1\]:(\d+)$")
    processes.append(server)
    with socket.create_connection(("::1", int(server.ready_line[1])), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert connection.recv(64).startswith(b"HTTP/1.1 200 ")
