"""betedge coverage, fill and verify: the real command line, beside a server and without one."""

import fcntl
import json
import os
import pty
import re
import shlex
import socket
import struct
import subprocess
import termios

import pytest

import harness

JANUARY = ("--from", "2024-01-01", "--to", "2024-01-31")  # 21 sessions
SERIES = ("AAPL", "--kind", "stock", "--schema", "ohlc")
FOLDER = "historical-stock/ohlc/1m/AAPL/2024/01"


def environment(server=None, **more):
    url = {"BETEDGE_URL": f"http://127.0.0.1:{server.port}"} if server else {}
    return {"PATH": "/usr/bin:/bin", **url, **{name: str(value) for name, value in more.items()}}


def run(*arguments, folder, **env):
    return subprocess.run(
        [harness.BINARY, *arguments], cwd=folder, env=environment(**env), stdin=subprocess.DEVNULL,
        capture_output=True, text=True, timeout=harness.PATIENCE,
    )


def run_in_terminal(columns, *arguments, folder, **env):
    """What a terminal of so many columns is sent, and the exit status."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    child = subprocess.Popen(
        [harness.BINARY, *arguments], cwd=folder, env=environment(TERM="xterm", LANG="C.UTF-8", **env),
        stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the last one at the other end has gone
            break
        if not piece:
            break
        shown += piece
    os.close(ours)
    return shown.decode().replace("\r\n", "\n"), child.wait(harness.PATIENCE)


def without_colour(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def download(server, folder, first, last, *more):
    done = run("stock", "AAPL", first, last, "--schema", "ohlc", "--wait", *more, folder=folder, server=server)
    assert done.returncode in (0, 3), done.stderr
    return done


@pytest.fixture
def half(folder, simulate, serve):
    """A server whose lake has the first half of January 2024."""
    server = serve(simulate())
    download(server, folder, "2024-01-02", "2024-01-12")
    return server


def test_an_empty_lake_says_how_to_begin(folder, serve):
    server = serve()
    everything = run("coverage", folder=folder, server=server)
    assert (everything.returncode, everything.stdout) == (0, "")
    assert "Nothing lies in" in everything.stderr and "betedge option" in everything.stderr
    series = run("coverage", "AAPL", folder=folder, server=server)
    assert (series.returncode, series.stdout) == (6, "")
    assert "Nothing is known of AAPL option quote 15m" in series.stderr


def test_coverage_lists_what_lies_there(folder, half):
    listed = run("coverage", folder=folder, server=half)
    assert listed.returncode == 0, listed.stderr
    lake, head, row = listed.stdout.splitlines()
    assert str(half.lake) in lake
    assert head.split()[:5] == ["KIND", "ROOT", "SCHEMA", "INTERVAL", "FORMAT"]
    assert row.split()[:6] == ["stock", "AAPL", "ohlc", "1m", "parquet", "9"]
    assert row.endswith("2024-01-02 to 2024-01-12")
    (root,) = map(json.loads, run("coverage", "--json", folder=folder, server=half).stdout.splitlines())
    assert (root["root"], root["objects"], root["last"]) == ("AAPL", 9, "20240112")


def test_coverage_lists_what_was_asked_for_and_never_came(folder, simulate, serve):
    server = serve(simulate("--fault", "473"))
    tried = run("stock", "AAPL", "2024-01-02", "2024-01-12", "--schema", "ohlc", "--wait", folder=folder, server=server)
    assert tried.returncode == 1 and "9 failed" in tried.stderr
    listed = run("coverage", folder=folder, server=server)
    row = listed.stdout.splitlines()[-1]
    assert row.split()[:6] == ["stock", "AAPL", "ohlc", "1m", "parquet", "0"]
    assert row.endswith("2024-01-02 to 2024-01-12")


def test_coverage_draws_the_gaps_and_the_command_it_names_fills_exactly_them(folder, half):
    before = run("coverage", *SERIES, *JANUARY, folder=folder, server=half)
    assert before.returncode == 3, before.stderr
    assert before.stdout == (
        "AAPL stock ohlc 1m, 2024-01-01 to 2024-01-31\n"
        "42.9% complete: 9 of 21 sessions\n"
        "\n"
        "2024 Jan\n"
        "Mon    #   o o\n"
        "Tue  # # o o o\n"
        "Wed  # # o o o\n"
        "Thu  # # o o\n"
        "Fri  # # o o\n"
        "\n"
        "# present 9   . no data 0   x failed 0   ~ stale 0   o missing 12\n"
        "\n"
        "Gaps\n"
        "  2024-01-16 to 2024-01-31  12 missing\n"
        "Fill them with: betedge fill AAPL --kind stock --schema ohlc --interval 1m --from 20240101 --to 20240131\n"
    )
    command = shlex.split(before.stdout.splitlines()[-1].partition("betedge ")[2])
    planned = run(*command, "--dry-run", folder=folder, server=half)
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.startswith("Would download 12 objects by ") and f"{FOLDER}/16/" in planned.stdout
    assert len(half.objects()) == 9, "nothing was done"
    filled = run(*command, "--wait", folder=folder, server=half)
    assert filled.returncode == 0, filled.stderr
    assert "Completed" in filled.stdout and "12 items, 12 written" in filled.stdout
    after = run("coverage", *SERIES, *JANUARY, folder=folder, server=half)
    assert (after.returncode, "100% complete: 21 of 21 sessions" in after.stdout) == (0, True)
    again = run(*command, "--wait", folder=folder, server=half)
    assert (again.returncode, again.stdout) == (0, "Nothing to fill: 21 of 21 sessions are there, 0 have no data\n")


def test_coverage_from_the_first_known_day_is_the_default(folder, half):
    shown = run("coverage", *SERIES, "--to", "2024-01-12", "--json", folder=folder, server=half)
    assert shown.returncode == 0, shown.stderr
    coverage = json.loads(shown.stdout)
    assert (coverage["start_date"], coverage["counts"]["present"]) == ("20240102", 9)


def test_each_state_has_its_place(folder, simulate, serve):
    # One call asks for all four days: the vendor has no rows of the second, and refuses what names the third.
    server = serve(simulate("--fault", "gap=20240103", "--fault", "473@date=20240104"))
    download(server, folder, "2024-01-02", "2024-01-05")
    shown = run("coverage", *SERIES, "--from", "2024-01-02", "--to", "2024-01-08", folder=folder, server=server)
    assert shown.returncode == 3
    assert "# present 2   . no data 1   x failed 1   ~ stale 0   o missing 1" in shown.stdout
    lines = shown.stdout.splitlines()
    assert [line.split() for line in lines[4:9]] == [["Mon", "o"], ["Tue", "#"], ["Wed", "."], ["Thu", "x"], ["Fri", "#"]]
    failed = next(line for line in lines if "1 failed" in line)
    assert failed.startswith("  2024-01-04") and "473" in failed
    filled = run("fill", *SERIES, "--from", "2024-01-02", "--to", "2024-01-08", "--wait", folder=folder, server=server)
    assert filled.returncode == 3, "the fault is still there"
    assert "2 items" in filled.stdout


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_year_fits_the_terminal(folder, half, columns):
    shown, status = run_in_terminal(
        columns, "coverage", *SERIES, "--from", "2024-01-01", "--to", "2024-12-31", folder=folder, server=half)
    assert status == 3
    assert "\x1b[32m■\x1b[0m" in shown and "□" in shown
    drawn = without_colour(shown).partition("\nGaps\n")[0].splitlines()[2:]
    assert max(map(len, drawn)) < columns
    mondays = [line for line in drawn if line.startswith("Mon")]
    assert len(mondays) == (3 if columns == 40 else 1)
    assert ("□ □ □ □ □" in mondays[0]) == (columns == 200), "with room between the sessions"


def test_no_color_is_obeyed(folder, half):
    shown, _ = run_in_terminal(80, "coverage", *SERIES, *JANUARY, folder=folder, server=half, NO_COLOR=1)
    assert "\x1b" not in shown and "■" in shown


def spoil(server):
    """Deletes one object, cuts one short, flips a bit of one and puts one in another's place; their keys by verdict."""
    keys = {verdict: f"{FOLDER}/{day}/data.parquet" for verdict, day in (
        ("missing", "02"), ("torn", "03"), ("changed", "04"), ("foreign", "05"))}
    paths = {verdict: server.lake / key for verdict, key in keys.items()}
    paths["missing"].unlink()
    whole = paths["torn"].read_bytes()
    paths["torn"].write_bytes(whole[: len(whole) // 2])
    bytes_ = bytearray(paths["changed"].read_bytes())
    bytes_[len(bytes_) // 3] ^= 1
    paths["changed"].write_bytes(bytes_)
    paths["foreign"].write_bytes((server.lake / FOLDER / "08/data.parquet").read_bytes())
    return keys


def differences(done):
    """Verdict and key of each line of text."""
    return {tuple(line.split()[:2]) for line in done.stdout.splitlines() if "/data." in line}


def test_verify_names_each_difference_and_repair_undoes_it(folder, half):
    sound = run("verify", folder=folder, server=half)
    assert (sound.returncode, sound.stdout) == (0, "9 objects checked: all sound\n"), sound.stderr
    keys = spoil(half)
    found = run("verify", "historical-stock/", folder=folder, server=half)
    assert found.returncode == 3, found.stderr
    told = {key: verdict for verdict, key in differences(found)}
    assert set(told) == set(keys.values())
    assert told[keys["missing"]] == "missing" and told[keys["torn"]] == "torn"
    assert told[keys["changed"]] in ("changed", "torn"), "a flipped bit may also spoil what can be read"
    assert told[keys["foreign"]] == "foreign"
    assert "9 objects checked: 5 sound" in found.stdout
    assert "betedge verify historical-stock/ --repair" in found.stdout
    assert run("verify", "earnings/", folder=folder, server=half).returncode == 0

    repairing = run("verify", "--repair", "--json", folder=folder, server=half)
    assert repairing.returncode == 3
    *lines, end = map(json.loads, repairing.stdout.splitlines())
    assert {line["key"] for line in lines} == set(keys.values())
    assert (end["checked"], end["sound"]) == (9, 5) and len(end["repair_jobs"]) == 1
    waited = run("wait", end["repair_jobs"][0], folder=folder, server=half)
    assert waited.returncode == 0 and "4 written" in waited.stdout, waited.stderr
    assert run("verify", folder=folder, server=half).returncode == 0


def somebody_listens_at_the_usual_address():
    with socket.socket() as asking:
        return asking.connect_ex(("127.0.0.1", 8000)) == 0


@pytest.fixture
def alone():
    if somebody_listens_at_the_usual_address():
        pytest.skip("somebody listens at 127.0.0.1:8000, and no other address may be named here")


def test_without_a_server_verify_reads_the_lake_itself(folder, half, alone):
    keys = spoil(half)
    assert half.stop() == 0
    here = {"BETEDGE_LAKE": half.lake, "BETEDGE_STORE": folder / "jobs.db", "HOME": folder}
    found = run("verify", folder=folder, **here)
    assert found.returncode == 3, found.stderr
    assert {key for _, key in differences(found)} == set(keys.values())
    assert "No server runs at http://127.0.0.1:8000" in found.stderr and str(half.lake) in found.stderr
    *lines, end = map(json.loads, run("verify", "--json", folder=folder, **here).stdout.splitlines())
    assert len(lines) == 4 and end["sound"] == 5
    repair = run("verify", "--repair", folder=folder, **here)
    assert (repair.returncode, repair.stdout) == (5, "")
    assert "betedge serve" in repair.stderr


def test_a_lake_that_a_server_has_is_not_read_behind_its_back(folder, half, alone):
    here = {"BETEDGE_LAKE": half.lake, "BETEDGE_STORE": folder / "jobs.db", "HOME": folder}
    refused = run("verify", folder=folder, **here)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "in use by another betedge server" in refused.stderr


def test_where_there_is_no_lake_none_is_made(folder, alone):
    refused = run("verify", folder=folder, HOME=folder)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there is no lake at" in refused.stderr and "--url" in refused.stderr
    assert list(folder.iterdir()) == []


def test_a_server_that_was_named_is_not_replaced_by_the_lake_here(folder, half):
    assert half.stop() == 0
    here = {"BETEDGE_LAKE": half.lake, "BETEDGE_STORE": folder / "jobs.db", "HOME": folder}
    for named in ({"server": half}, {}):
        url = [] if named else ["--url", f"http://127.0.0.1:{half.port}"]
        refused = run("verify", *url, folder=folder, **here, **named)
        assert (refused.returncode, refused.stdout) == (5, ""), refused.stderr
        assert "cannot reach the server" in refused.stderr


# --- the lake's objects, and jobs, from the command line -----------------------------------------------


def url(server):
    return {"BETEDGE_URL": f"http://127.0.0.1:{server.port}"}


def test_plan_ls_and_cat(simulate, serve, folder):
    server = serve(simulate())
    day = ("AAPL", "2023-01-01", "2023-12-31", "--schema", "eod")
    planned = run("plan", "stock", *day, folder=folder, **url(server))
    assert planned.returncode == 0, planned.stderr
    assert planned.stdout.startswith("Would download 1 object by 1 upstream call")
    assert server.client.get("/jobs").json()["jobs"] == []
    assert run("stock", *day, "--wait", folder=folder, **url(server)).returncode == 0
    assert run("plan", "stock", *day, folder=folder, **url(server)).stdout == "Nothing to download: the object is there already\n"

    listed = run("ls", folder=folder, **url(server)).stdout.splitlines()
    assert len(listed) == 2
    key = listed[1].split()[-1]
    assert key == "historical-stock/eod/AAPL/2023/data.parquet"
    (line,) = run("ls", "historical-stock/", "--json", folder=folder, **url(server)).stdout.splitlines()
    assert json.loads(line)["key"] == key

    shown = run("cat", key, "--rows", "3", folder=folder, **url(server)).stdout.splitlines()
    assert len(shown) == 4
    assert {"open", "high", "low", "close", "date"} <= set(shown[0].split())
    rows = [json.loads(row) for row in run("cat", key, "--json", folder=folder, **url(server)).stdout.splitlines()]
    assert [row["date"] for row in rows[:2]] == ["20230103", "20230104"]
    assert len(rows) == 10

    missing = run("cat", "historical-stock/eod/AAPL/2022/data.parquet", folder=folder, **url(server))
    assert (missing.returncode, missing.stdout) == (6, "")
    (server.lake / "note.txt").write_text("no table")
    other = run("cat", "note.txt", folder=folder, **url(server))
    assert other.returncode == 1
    assert "neither a Parquet nor an Arrow file" in other.stderr


def test_cat_fits_a_narrow_terminal(simulate, serve, folder):
    server = serve(simulate())
    assert run("stock", "AAPL", "2023-01-01", "2023-12-31", "--schema", "eod", "--wait", folder=folder, **url(server)).returncode == 0
    shown, status = run_in_terminal(80, "cat", "historical-stock/eod/AAPL/2023/data.parquet", folder=folder, **url(server))
    assert status == 0
    assert max(map(len, shown.splitlines())) <= 80


def test_cancel_retry_and_watch(simulate, serve, folder):
    sim = simulate("--latency", "200ms", "--contracts", "AAPL=5")
    server = serve(sim, THETA_RETRY_ATTEMPTS=1)
    job = server.client.submit("option", root="AAPL", start_date="20240101", end_date="20241231", schema="quote")
    server.wait_event("item_done", job=job)
    cancelled = run("cancel", job, folder=folder, **url(server))
    assert cancelled.returncode == 0, cancelled.stderr
    assert server.wait_job(job)["state"] == "cancelled"

    sim.faults("473@date=20240105")
    job = server.client.submit("option", root="AAPL", start_date="20240102", end_date="20240112", schema="ohlc", interval=60000)
    watched = run("watch", folder=folder, **url(server))
    assert watched.returncode == 0
    assert f"{job}  completed with errors" in watched.stdout
    assert watched.stderr.endswith("No job is left to watch.\n")
    sim.faults()
    tried = run("retry", job, "--wait", folder=folder, **url(server))
    assert tried.returncode == 0, tried.stderr
    assert server.client.job(job)["state"] == "completed"
    nothing = run("retry", job, folder=folder, **url(server))
    assert nothing.returncode == 2 and nothing.stderr.startswith("betedge retry: "), nothing
    assert run("cancel", job, folder=folder, **url(server)).stdout == f"Job {job} had ended already: completed\n"
