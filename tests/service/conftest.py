"""Fixtures of the service tests: the real binary, run and stopped by its id, its log always kept."""

import os
import stat
import tempfile
import shutil
from pathlib import Path

import pytest

import harness
import s3_proxy
from harness import missing, stop_all


@pytest.fixture(scope="session", autouse=True)
def binary():
    if not os.access(harness.BINARY, os.X_OK):
        missing(f"no binary at {harness.BINARY}: `make build` makes it, BETEDGE_BINARY names another")
    return harness.BINARY


@pytest.fixture(scope="session")
def shared_data():
    if not harness.SHARED_DATA.is_dir():
        missing(f"no recorded data at {harness.SHARED_DATA}")
    return harness.SHARED_DATA


def pytest_configure(config):
    config.addinivalue_line("markers", "chaos: takes long; its own shard")
    config.addinivalue_line("markers", "contract: takes long; its own shard")
    config.addinivalue_line("markers", "s3: needs S3 servers that take minutes to build; its own shard")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.when == "call" and report.failed:
        for process in getattr(item, "betedge_processes", []):
            report.sections.append((f"{process.name} {process.popen.pid}", process.transcript()))


@pytest.fixture
def folder():
    """A folder of the test's own, also for a child that is not root."""
    path = Path(tempfile.mkdtemp(prefix="betedge-service-"))
    path.chmod(0o777)
    yield path
    for root, folders, _ in os.walk(path):
        for name in folders:
            os.chmod(os.path.join(root, name), stat.S_IRWXU)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def processes(request):
    """Every process of the test; killed by its id at the end."""
    running = []
    request.node.betedge_processes = running
    yield running
    stop_all(running)


@pytest.fixture
def simulate(folder, processes):
    """Starts a simulator of the test's own: simulate("--latency", "50ms")."""

    def start(*arguments, api="v3"):
        sim = harness.Sim(folder / "sim", api, arguments)
        processes.append(sim)
        return sim

    return start


@pytest.fixture
def serve(folder, processes):
    """Starts a server; on the same lake and store again when called again."""

    def start(sim=None, **settings):
        server = harness.Server(settings.pop("folder", folder), sim, **settings)
        processes.append(server)
        return server

    return start


@pytest.fixture
def s3(folder):
    """Starts an S3 server of the test's own: s3("versitygw")."""
    running = []

    def start(kind):
        # Not before it is asked for: boto3 takes half a second to load.
        import s3_servers

        running.append(s3_servers.S3Server(kind, folder / f"s3-{len(running)}"))
        return running[-1]

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def proxy():
    """Puts a proxy that makes faults in front of a server on loopback: proxy(server.port)."""
    running = []

    def start(port):
        running.append(s3_proxy.Proxy(port))
        return running[-1]

    yield start
    for one in running:
        one.stop()


@pytest.fixture(scope="module")
def shared_sim():
    """One quick terminal for the tests of a module that only read."""
    path = Path(tempfile.mkdtemp(prefix="betedge-sim-"))
    sim = harness.Sim(path, "v3", ["--contracts", "20"])
    yield sim
    stop_all([sim])
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="module")
def shared_server(shared_sim):
    """One server for the tests of a module that do not disturb each other."""
    path = Path(tempfile.mkdtemp(prefix="betedge-server-"))
    server = harness.Server(path, shared_sim)
    yield server
    stop_all([server])
    shutil.rmtree(path, ignore_errors=True)
