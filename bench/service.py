"""The processes of tests/service (Server, Sim and what watches them), for the rows that need them.

That folder's harness.py has the name of ours, and its modules know it by that name; so they are imported while ours
stands aside.
"""

import sys
from pathlib import Path

_FOLDER = str(Path(__file__).resolve().parents[1] / "tests/service")
_ours = sys.modules.pop("harness", None)
sys.path.insert(0, _FOLDER)
try:
    from event_stream import Swarm
    from harness import Client, Process, Scrape, Server, Sim, stop_all
finally:
    sys.path.remove(_FOLDER)
    if _ours is not None:
        sys.modules["harness"] = _ours
    else:
        del sys.modules["harness"]

__all__ = ["Client", "Process", "Scrape", "Server", "Sim", "Swarm", "stop_all"]
