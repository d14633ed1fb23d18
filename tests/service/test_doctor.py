"""betedge doctor: each thing that can be wrong, made so, is found and has its remedy."""

import json
import os
import socket
import subprocess

import pytest

import harness
from harness import BINARY
from test_s3 import bucket, minio_settings  # noqa: F401

CHECKS = ["settings", "lake", "store", "disk", "port", "terminal", "clock"]


@pytest.fixture
def doctor(folder):
    """Runs it as somebody with a home of their own; what it found, by check."""

    def run(status=None, preexec=None, **environment):
        done = subprocess.run([BINARY, "doctor", "--json"], cwd=folder, capture_output=True, text=True, timeout=harness.PATIENCE, preexec_fn=preexec,
                              env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "BETEDGE_LISTEN": "127.0.0.1:0",
                                   **{name: str(value) for name, value in environment.items()}})
        assert done.stderr == ""
        found = {said["check"]: said for said in map(json.loads, done.stdout.splitlines())}
        is_bad = any(said["verdict"] == "wrong" for said in found.values())
        assert done.returncode == (3 if is_bad else 0), done
        for said in found.values():
            assert (said["remedy"] is None) == (said["verdict"] == "ok"), said
        return found

    return run


def nobody_there():
    """An address on loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


def test_all_is_well_before_a_server_and_beside_one(doctor, simulate, serve, folder):
    sim = simulate()
    found = doctor(THETA_BASE_URL=sim.base_url)
    assert list(found) == CHECKS
    assert {check: said["verdict"] for check, said in found.items() if check not in ("disk", "clock")} == dict.fromkeys(["settings", "lake", "store", "port", "terminal"], "ok")
    assert "v3 at" in found["terminal"]["found"]
    assert not (folder / ".local").exists()  # nothing was made
    server = serve(sim)
    found = doctor(THETA_BASE_URL=sim.base_url, BETEDGE_LAKE=server.lake, BETEDGE_STORE=folder / "jobs.db", BETEDGE_LISTEN=f"127.0.0.1:{server.port}")
    assert found["port"]["found"] == f"betedge {server.version} listens on 127.0.0.1:{server.port}"
    assert found["lake"]["verdict"] == found["store"]["verdict"] == "ok"
    assert sorted(path.name for path in server.lake.iterdir()) == [".betedge-tmp"]  # the probe is gone


def test_for_people_a_line_a_check_and_the_remedy_below(folder):
    done = subprocess.run([BINARY, "doctor"], cwd=folder, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(folder), "THETA_BASE_URL": nobody_there()})
    lines = done.stdout.splitlines()
    assert done.returncode == 3
    assert [line.split()[1] for line in lines if not line.startswith(" ")] == CHECKS
    wrong = next(i for i, line in enumerate(lines) if line.startswith("wrong"))
    assert lines[wrong].split()[1] == "terminal"
    assert lines[wrong + 1].strip().startswith("→ start the ThetaData terminal")


def test_a_setting_that_is_none(doctor, folder):
    (folder / "betedge.toml").write_text("[theta]\nconcurency = 8\n")
    found = doctor()
    assert list(found) == ["settings"]
    assert "theta.concurrency" in found["settings"]["found"]
    (folder / "betedge.toml").unlink()
    assert doctor(THETA_USERNAME="ann", THETA_BASE_URL=nobody_there())["settings"]["verdict"] == "warning"


def test_a_lake_and_a_store_that_cannot_be_written(doctor, folder, simulate):
    if os.geteuid() != 0:
        harness.missing("needs root, to become somebody who may not write")
    closed = folder / "closed"
    closed.mkdir(mode=0o755)
    (closed / "jobs.db").write_bytes(b"")
    (closed / "jobs.db").chmod(0o644)
    found = doctor(preexec=harness.drop_privileges, BETEDGE_LAKE=closed / "lake", BETEDGE_STORE=closed / "jobs.db", THETA_BASE_URL=nobody_there())
    assert found["lake"]["verdict"] == found["store"]["verdict"] == "wrong"
    assert "Permission denied" in found["lake"]["found"] and "--lake" in found["lake"]["remedy"]
    assert "Permission denied" in found["store"]["found"] and "--store" in found["store"]["remedy"]
    (closed / "jobs.db").unlink()
    assert doctor(preexec=harness.drop_privileges, BETEDGE_STORE=closed / "jobs.db", THETA_BASE_URL=nobody_there())["store"]["verdict"] == "wrong"


def test_a_store_that_is_none_and_one_in_memory(doctor, folder):
    (folder / "jobs.db").write_text("something else, of some length")
    found = doctor(BETEDGE_STORE=folder / "jobs.db", THETA_BASE_URL=nobody_there())
    assert found["store"]["found"].endswith("is no job store")
    assert doctor(BETEDGE_STORE=":memory:", THETA_BASE_URL=nobody_there())["store"]["verdict"] == "warning"


def test_a_port_that_another_program_has(doctor):
    with socket.create_server(("127.0.0.1", 0)) as other:
        other.settimeout(harness.PATIENCE)
        port = other.getsockname()[1]
        asked = subprocess.Popen([BINARY, "doctor", "--json"], stdout=subprocess.PIPE, text=True,
                                 env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "BETEDGE_LISTEN": f"127.0.0.1:{port}", "THETA_BASE_URL": nobody_there()})
        connection, _ = other.accept()
        connection.close()
        said, _ = asked.communicate(timeout=harness.PATIENCE)
    found = {line["check"]: line for line in map(json.loads, said.splitlines())}
    assert found["port"]["verdict"] == "wrong"
    assert "another program" in found["port"]["found"] and "--listen" in found["port"]["remedy"]


@pytest.mark.parametrize(("api", "status"), [("v3", 403), ("v2", 471)])
def test_an_account_whose_tier_has_no_quotes(doctor, simulate, api, status):
    sim = simulate("--fault", f"{status}@kind=option", api=api)
    found = doctor(THETA_BASE_URL=sim.base_url)["terminal"]
    assert found["verdict"] == "warning" and "eod alone" in found["remedy"]
    assert "quotes and bars of options are not in the account's tier" in found["found"]
    assert "FREE subscription" in found["found"] or api == "v2"
    assert "covers quotes and bars of stocks" in found["found"]
    sim.faults("500")
    found = doctor(THETA_BASE_URL=sim.base_url)["terminal"]
    assert found["verdict"] == "warning" and "is not known: HTTP 500" in found["found"]
    sim.faults()
    assert doctor(THETA_BASE_URL=sim.base_url)["terminal"]["found"].endswith("covers quotes and bars of options and stocks")


@pytest.mark.parametrize("api", ["v3", "v2"])
def test_a_terminal_of_each_version_and_one_that_is_not_connected(doctor, simulate, api):
    sim = simulate(api=api)
    assert doctor(THETA_BASE_URL=sim.base_url)["terminal"]["found"].startswith(f"{api} at ")
    sim.terminal("disconnected")
    found = doctor(THETA_BASE_URL=sim.base_url)["terminal"]
    assert found["verdict"] == "wrong" and "is not ready" in found["found"] and "log it in" in found["remedy"]
    sim.terminal("gone")
    assert "nobody answers" in doctor(THETA_BASE_URL=sim.base_url)["terminal"]["found"]


def test_a_bucket_and_keys_that_may_nothing(doctor, bucket):
    found = doctor(THETA_BASE_URL=nobody_there(), **minio_settings(bucket))["lake"]
    assert found["verdict"] in ("ok", "warning") and "s3://mine can be written and read" in found["found"]
    assert found["verdict"] == "ok" or "one server alone" in found["remedy"]
    refused = doctor(THETA_BASE_URL=nobody_there(), **minio_settings(bucket, "may_nothing"))["lake"]
    assert refused["verdict"] == "wrong" and "docs/s3.md" in refused["remedy"]
    assert bucket["may_nothing"]["secret_key"] not in refused["found"]
    gone = minio_settings(bucket) | {"MINIO_ENDPOINT": nobody_there().removeprefix("http://")}
    assert doctor(THETA_BASE_URL=nobody_there(), **gone)["lake"]["verdict"] == "wrong"
