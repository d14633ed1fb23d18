"""Tests of the Python package: against the real server, started by the package's own test kit."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python/src"))
os.environ.setdefault("BETEDGE_BINARY", str(ROOT / "build/release/betedge"))
pytest_plugins = ["betedge.testing"]


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch):
    monkeypatch.delenv("BETEDGE_URL", raising=False)
    monkeypatch.delenv("BETEDGE_TOKEN", raising=False)
