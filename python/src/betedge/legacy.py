"""The Python original's client, for code that has not moved yet.

    from betedge.legacy import BetEdgeClient

    client = BetEdgeClient("http://127.0.0.1:8000")
    answer = client.request_data(request)   # any object or mapping with the original's members
    table = client.retrieve_data(request)   # waits for the data, and returns a pyarrow.Table
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, cast

from ._client import Client, Job
from .requests import Request


def _members(request: object) -> dict[str, Any]:
    if isinstance(request, Mapping):
        return dict(cast("Mapping[str, Any]", request))
    dump = getattr(request, "model_dump", None)
    return cast("dict[str, Any]", dump(mode="json") if dump else vars(request))


def _request_of(request: object) -> Request:
    """The original had a class for each kind; a mapping says `type`, and what has no symbol is about earnings."""
    members = {name: value for name, value in _members(request).items() if value is not None}
    kind = members.pop("type", None)
    if "root" not in members:
        return Request("earnings", members)
    is_option = kind == "option" or "option" in type(request).__name__.lower()
    return Request("option" if is_option else "stock", members)


class BetEdgeClient:
    """The original's two methods over a Client. Deprecated: betedge.Client says more and waits better."""

    def __init__(self, base_url: str | None = None, **settings: Any) -> None:
        warnings.warn("BetEdgeClient is deprecated; use betedge.Client", DeprecationWarning, stacklevel=2)
        self.client = Client(base_url, **settings)

    def request_data(self, request: object) -> dict[str, Any]:
        """Submits it, and says what the service says: the job's id, and where its state is."""
        job = self.client.submit(_request_of(request))
        return {"status": "accepted", "job_id": job.id, "message": "Request submitted for background processing", "status_url": f"/jobs/{job.id}"}

    def retrieve_data(self, request: object, timeout: float | None = None) -> Any:
        """Its rows as a pyarrow.Table, downloaded first where they are missing."""
        wanted = _request_of(request)
        if self.client.plan(wanted).missing:
            job: Job = self.client.submit(wanted)
            job.wait_for_completion(timeout=timeout)
        return self.client.read(wanted).to_arrow()
