"""One session of the server: its request, state, frame queue and event buffer."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import datetime
from typing import Any, Literal

import attrs

from fitsense.server.api.requests import SessionRequest
from fitsense.server.engine.event_buffer import BufferedEvent, EventBuffer
from fitsense.server.engine.journal import Journal
from fitsense.server.engine.push_role import PushRole
from fitsense.server.engine.session_queue import SessionQueue
from fitsense.server.engine.source_reader import SourceReader
from fitsense.session.session import Reason

Mode = Literal["push", "source", "upload"]
State = Literal["open", "ending", "ended"]

# Lag in events at which the reader of an upload's events pauses the analysis, so that it receives all of them.
_MAX_UNREAD = 500


def event_source(id: str) -> str:
    """The ``source`` of a session's events."""
    return f"urn:fitsense:session:{id}"


@attrs.define(eq=False)
class ServerSession:
    """A session that clients see. It lives in the event loop's thread.

    :param created_s: time of the request, in seconds of the monotonic clock.
    :param touched_s: time of the last push, likewise.
    :param ended_s: time of the end, likewise; None for an open session.
    :param read: number of the last event that the reader of an upload has received.
    :param dropped: total number of dropped frames.
    :param decoding: held while a pushed frame is decoded, so that a session decodes one frame at a time.
    :param done: set once the session has ended.
    :param journal: keeps the session for the next process, or None.
    :param restarts: how many times a server continued the session after a crash.
    :param resumed_s: media time of the newest frame of the snapshot from which it was continued, in seconds.
    :param push_role: decides which of its connections pushes.
    """

    id: str
    mode: Mode
    request: SessionRequest
    bundle: str
    events: EventBuffer
    queue: SessionQueue
    source_reader: SourceReader | None
    created_at: datetime
    created_s: float
    touched_s: float
    short_side: int
    zoom: float
    state: State = "open"
    reason: Reason | None = None
    ended_s: float | None = None
    read: int = 0
    dropped: int = 0
    journal: Journal | None = None
    restarts: int = 0
    resumed_s: float | None = None
    decoding: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    done: asyncio.Event = attrs.field(factory=asyncio.Event)
    push_role: PushRole = attrs.field(factory=PushRole)

    @property
    def paused(self) -> bool:
        """True if an upload has to wait for the reader of its events."""
        return self.mode == "upload" and self.events.next - self.read > _MAX_UNREAD

    async def read_events(self) -> AsyncGenerator[BufferedEvent, None]:
        """Yield all events of an upload; the analysis waits for the reader.

        :raises EventsExpiredError: the buffer is smaller than the lag that pauses the analysis.
        """
        async with contextlib.aclosing(self.events.follow()) as events:
            async for event in events:
                self.read = event.number
                yield event

    def to_dict(self) -> dict[str, Any]:
        """The session as clients see it, by the schema ``server.session``."""
        request = self.request
        return {
            "id": self.id,
            "state": self.state,
            "reason": self.reason,
            "mode": self.mode,
            "bundle": self.bundle,
            "source": request.source,
            "region": attrs.asdict(request.region) if request.region else None,
            "hop_s": request.hop_s,
            "exercises": None if request.exercises is None else list(request.exercises),
            "expected": request.expected,
            "people": request.people,
            "policy": request.policy,
            "created_at": self.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event_source": event_source(self.id),
            "events": self.events.next,
            "frames": self.queue.frames,
            "dropped_frames": self.dropped,
            "restarts": self.restarts,
            "resumed_s": self.resumed_s,
        }
