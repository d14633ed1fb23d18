"""betedge from Python: submit a request, watch its job, read its objects back.

    import betedge

    with betedge.Client("http://127.0.0.1:8000") as client:
        job = client.historical.option("AAPL", "2024-01-02", "2024-01-31", interval="15m")
        job.wait_for_completion(on_progress=betedge.bar())
"""

from . import errors, requests
from ._async_client import AsyncClient, AsyncHistorical, AsyncJob
from ._client import Client, Historical, Job
from ._display import bar
from ._settings import VERSION as __version__
from .errors import (
    BetEdgeError,
    Conflict,
    ConnectionFailed,
    InvalidRequest,
    JobCancelled,
    JobError,
    JobFailed,
    MissingObjects,
    NotAuthorized,
    NotFound,
    PartialResult,
    ServerError,
    TooManyRequests,
    Unavailable,
    WaitTimeout,
)
from .models import Event, Item, JobInfo, Plan, PlannedObject, Progress
from .reading import Reading
from .requests import Request

__all__ = [
    "AsyncClient", "AsyncHistorical", "AsyncJob", "BetEdgeError", "Client", "Conflict", "ConnectionFailed", "Event", "Historical", "InvalidRequest", "Item",
    "Job", "JobCancelled", "JobError", "JobFailed", "JobInfo", "MissingObjects", "NotAuthorized", "NotFound", "PartialResult", "Plan", "PlannedObject",
    "Progress", "Reading", "Request", "ServerError", "TooManyRequests", "Unavailable", "WaitTimeout", "__version__", "bar", "errors", "requests",
]
