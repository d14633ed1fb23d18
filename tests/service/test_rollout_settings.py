"""The settings of the move to async, and their reload while the server runs."""

import signal
import subprocess

import harness

DAY = {"root": "AAPL", "start_date": "20240102", "end_date": "20240102", "schema": "ohlc"}


def run(*arguments, folder, **environment):
    return subprocess.run(
        [harness.BINARY, *arguments], cwd=folder, env={"PATH": "/usr/bin:/bin", **environment},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=harness.PATIENCE,
    )


def submit(server, **headers):
    answer = server.client.post("/historical/stock", DAY, headers=headers)
    assert answer.status == 202, answer
    return answer


def write(server, text):
    (server.folder / "betedge.toml").write_text(text)


def reload(server, count=1):
    server.signal(signal.SIGHUP)
    return server.wait_event("settings_reloaded", count=count)


def test_a_new_install_is_async(serve):
    answer = submit(serve())
    assert answer.json()["status"] == "accepted"
    assert "Preference-Applied" not in answer.headers and "Deprecation" not in answer.headers


def test_who_asks_for_async_is_told_that_it_is(serve):
    server = serve(BETEDGE_ASYNC_DEFAULT="false")
    answer = submit(server, Prefer="respond-async, return=minimal")
    assert answer.json()["status"] == "accepted"
    assert answer.headers["Preference-Applied"] == "respond-async"


def test_when_sync_is_switched_off_who_would_be_held_is_told(serve):
    server = serve(BETEDGE_ASYNC_DEFAULT="false", BETEDGE_SYNC_ENABLED="false",
                   BETEDGE_ASYNC_CLIENTS="new=true")
    answer = submit(server, **{"X-Client-Id": "old"})
    assert answer.json()["status"] == "accepted"
    assert answer.headers["Deprecation"].startswith("@")
    server.wait_event("sync_refused", client="old", job=answer.json()["job_id"])
    assert "Deprecation" not in submit(server, **{"X-Client-Id": "new"}).headers


def test_a_reload_says_what_it_changed_and_what_it_could_not(serve):
    server = serve()
    write(server, "theta.concurrency = 2\nlog.level = 'debug'\n[async]\npercentage = 10\n[sync]\nenabled = false\n")
    assert reload(server)["changed"] == "log.level, async.percentage, sync.enabled"
    assert server.wait_event("settings_need_restart")["settings"] == "theta.concurrency"
    server.client.get("/jobs")
    assert server.wait_event("request_received", path="/jobs")["level"] == "debug"
    reload(server, count=2)
    server.wait_event("settings_need_restart", count=2)
    write(server, "log.level = 'error'\n")
    assert reload(server, count=3)["changed"] == "log.level, async.percentage, sync.enabled"
    assert server.stop() == 0
    assert not server.events("service_stopping"), "below the level"


def test_a_reload_changes_who_is_held(serve):
    server = serve(BETEDGE_SYNC_ENABLED="false")
    assert "Deprecation" not in submit(server).headers
    write(server, "[async]\nendpoints = { stock = false }\n")
    reload(server)
    assert "Deprecation" in submit(server).headers
    write(server, "[async]\nendpoints = { stock = false }\nclients = { ann = true }\n")
    reload(server, count=2)
    assert "Deprecation" not in submit(server, **{"X-Client-Id": "ann"}).headers
    write(server, "[async]\nendpoints = { stock = false }\npercentage = 100\n")
    reload(server, count=3)
    assert "Deprecation" not in submit(server).headers


def test_a_reload_changes_the_hosts(serve):
    server = serve()
    named = {"Host": "lake.example"}
    assert server.client.get("/jobs", headers=named).status == 421
    write(server, "server.allowed_hosts = ['lake.example']\n")
    reload(server)
    assert server.client.get("/jobs", headers=named).status == 200


def test_a_bad_file_keeps_the_old_settings_and_the_scrape_says_so(serve):
    server = serve(BETEDGE_SYNC_ENABLED="false")

    def was_successful():
        return harness.Scrape(server)("betedge_config_last_reload_successful")

    assert was_successful() == 1
    write(server, "[async]\ndefault = false\n")
    reload(server)
    for text, sentence in (
        ("[async]\ndefault = true\npercentage = 101\n", 'async.percentage is "101"'),
        ("[async\n", "not TOML"),
        ("[async]\ndefualt = true\n", "did you mean async.default?"),
    ):
        write(server, text)
        server.signal(signal.SIGHUP)
        server.wait_until(
            lambda: [e for e in server.events("settings_rejected") if sentence in e["error"]], sentence)
        assert "Deprecation" in submit(server).headers
        assert was_successful() == 0
    write(server, "[async]\ndefault = false\n")
    reload(server, count=2)
    assert was_successful() == 1
    assert server.stop() == 0
    assert server.events("service_stopping", signal="SIGTERM")


def test_many_hangups_are_no_stop(serve):
    server = serve()
    for _ in range(20):
        server.signal(signal.SIGHUP)
    reload(server)
    assert server.client.get("/health").status == 200
    assert server.stop() == 0


def test_a_migration_begins_with_nobody_async(folder):
    made = run("config", "--migrate", folder=folder)
    assert made.returncode == 0, made.stderr
    file = folder / "betedge.toml"
    assert "default = false" in file.read_text()
    shown = run("config", folder=folder).stdout
    line = next(line for line in shown.splitlines() if line.startswith("async.default = "))
    assert line.split(" = ")[1].split() [0] == "false" and "betedge.toml line" in line
    again = run("config", "--migrate", folder=folder)
    assert again.returncode == 0 and "already" in again.stderr


def test_a_migration_writes_over_nothing(folder):
    file = folder / "betedge.toml"
    file.write_text("theta.concurrency = 2\n")
    refused = run("config", "--migrate", folder=folder)
    assert refused.returncode == 1 and "async.default = false" in refused.stderr
    assert file.read_text() == "theta.concurrency = 2\n"
    other = run("config", "--migrate", "--config", "other.toml", folder=folder)
    assert other.returncode == 0 and (folder / "other.toml").exists()
    nowhere = run("config", "--migrate", "--config", "none/other.toml", folder=folder)
    assert nowhere.returncode == 1 and "cannot be made" in nowhere.stderr


def test_the_largest_body_can_be_set(serve):
    server = serve(BETEDGE_LIMITS_BODY_BYTES="1KiB")
    assert server.client.post("/historical/stock", {**DAY, "x": "y" * 2000}).status == 413
