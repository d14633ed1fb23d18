"""How much memory one large answer takes, in each wire form: the budget, and not the answer's size."""

import re
from pathlib import Path

import pytest

MIB = 1 << 20


def peak_bytes(process):
    """The most memory that the process ever had resident."""
    status = Path(f"/proc/{process.popen.pid}/status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024


# Contracts of a day of one-minute quotes, so that each form's answer has some 400 MB.
@pytest.mark.parametrize(
    ("api", "v2_format", "contracts"), [("v3", "csv", 12_500), ("v2", "csv", 15_500), ("v2", "json", 22_000)]
)
def test_an_answer_of_400_mb_takes_no_more_than_the_budget(simulate, serve, api, v2_format, contracts):
    sim = simulate("--contracts", contracts, api=api)
    server = serve(sim, THETA_V2_FORMAT=v2_format, BETEDGE_MEMORY_BUDGET="256MiB")
    job = server.client.submit("option", root="AAPL", start_date="20240103", end_date="20240103", interval=60000)
    ended = server.wait_job(job, timeout=240)
    assert (ended["status"], ended["error_message"]) == ("completed", None)
    assert ended["rows"] > contracts * 390
    assert sim.stats()["body_bytes"] > 380e6
    assert peak_bytes(server) < 256 * MIB, f"{peak_bytes(server) / MIB:.0f} MiB"
