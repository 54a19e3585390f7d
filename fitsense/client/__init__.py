"""A client of ``fitsense serve``, blocking and for asyncio; needs ``fitsense[client]``.

Names are those of the TypeScript client, in Python's spelling.
"""

from __future__ import annotations

from fitsense.errors import MissingExtraError

try:
    import httpx2  # noqa: F401
    import websockets  # noqa: F401
except ImportError as error:
    raise MissingExtraError("fitsense.client", "client", error) from error

from fitsense.client._async import AsyncClient, AsyncFrames
from fitsense.client._errors import ClosedError, ConnectionError, Problem, ProblemError
from fitsense.client._sync import Client, Frames
from fitsense.client._wire import (
    AnalysisRequest,
    AsyncVideo,
    FitsenseEvent,
    Format,
    Retries,
    Session,
    SessionRequest,
    Video,
    pack,
)
from fitsense.events.parsing import OtherEvent, parse_event

__all__ = [
    "AnalysisRequest",
    "AsyncClient",
    "AsyncFrames",
    "AsyncVideo",
    "Client",
    "ClosedError",
    "ConnectionError",
    "FitsenseEvent",
    "Format",
    "Frames",
    "OtherEvent",
    "Problem",
    "ProblemError",
    "Retries",
    "Session",
    "SessionRequest",
    "Video",
    "pack",
    "parse_event",
]
