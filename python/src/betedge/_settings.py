"""What both clients are told alike."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from ._flows import Retries


def _version() -> str:
    try:
        return version("betedge")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "0"


VERSION = _version()


@dataclass(frozen=True)
class Settings:
    url: str
    headers: Mapping[str, str]
    timeout: float
    retries: Retries

    @staticmethod
    def of(url: str | None, token: str | None, timeout: float, retries: int) -> Settings:
        headers = {"User-Agent": f"betedge-python/{VERSION}", "Accept": "application/json"}
        token = token or os.environ.get("BETEDGE_TOKEN")
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = (url or os.environ.get("BETEDGE_URL") or "http://127.0.0.1:8000").rstrip("/")
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"{url!r} is no address of a server; give one such as 'http://127.0.0.1:8000'")
        return Settings(url, headers, timeout, Retries(retries))
