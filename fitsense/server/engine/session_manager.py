"""The sessions of a server: opens, lists, ends and forgets them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs

from fitsense.errors import InvalidInputError, SourceError
from fitsense.events.model import Event
from fitsense.expectation import Expectation
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.inference.model import Model
from fitsense.inference.people import PeopleSource
from fitsense.pipeline.analysis import zoom_for
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.requests import SessionRequest
from fitsense.server.config import ServeConfig
from fitsense.server.engine.batch_worker import BatchWorker
from fitsense.server.engine.event_buffer import EventBuffer
from fitsense.server.engine.frame_decoder import Decoder
from fitsense.server.engine.session import Mode, ServerSession, event_source
from fitsense.server.engine.session_queue import AnySession, QueuedFrame, SessionQueue, lossless_frame_queue
from fitsense.server.engine.source_reader import SourceReader
from fitsense.server.log import LOGGER, fields
from fitsense.server.metrics import Metrics
from fitsense.server.models import Bundles
from fitsense.server.source_policy import FILE_OPTIONS, Opened, SourcePolicy
from fitsense.session.config import SessionConfig
from fitsense.session.session import Reason, Session
from fitsense.session.tracked import TrackedSession
from fitsense.sinks.delivery import Delivery
from fitsense.types import Frame
from fitsense.video.frame_queue import FrameQueue
from fitsense.video.live import LiveConfig

# Shortest time between two warnings of dropped frames, or of lag.
_WARNING_INTERVAL_S = 5.0
_SWEEP_INTERVAL_S = 0.5
_POLL_S = 0.02


@attrs.frozen
class _Plan:
    """The checked request of a session that is being opened.

    :param requested_at: wall-clock time of the request.
    :param requested_s: the same in seconds of the monotonic clock.
    :param people: for sessions that track several people.
    """

    mode: Mode
    request: SessionRequest
    model: Model
    people: PeopleSource | None
    requested_at: datetime
    requested_s: float

    @property
    def zoom(self) -> float:
        return zoom_for(self.request.region, people=self.request.people)

    def create_session(self, source: str, started_at: datetime | None, frame: Frame | None) -> AnySession:
        """Create the analysis session from its first frame.

        :param started_at: wall-clock time of media time 0; None if the first frame arrives as it is taken.
        """
        config = SessionConfig(
            hop_s=self.request.hop_s,
            source=source,
            started_at=_start_of(frame) if started_at is None else started_at,
            region=self.request.region,
            exercises=self.request.exercises,
            expected=self.request.expected,
        )
        if self.people is None:
            return Session(self.model, config)
        return TrackedSession(self.model, self.people, config)


class SessionManager:
    """All open sessions of a server and those that ended recently. It lives in the event loop's thread.

    Clients read the event buffer of one session; deliveries receive the events of all sessions.
    """

    def __init__(
        self,
        config: ServeConfig,
        bundles: Bundles,
        sources: SourcePolicy,
        metrics: Metrics,
        deliveries: Sequence[Delivery] = (),
    ) -> None:
        self._limits = config.limits
        self._decoder_threads = config.decoder_threads
        self._bundles = bundles
        self._sources = sources
        self._metrics = metrics
        self._deliveries = deliveries
        self._worker = BatchWorker(config.batch, metrics)
        self._sessions: dict[str, ServerSession] = {}
        self._opening = 0
        # Readers whose thread still runs although their session has ended, or never began.
        self._lingering: set[SourceReader] = set()
        self._draining = False
        self._sweeper: asyncio.Task[None] | None = None
        self._logger = logging.getLogger(LOGGER)

    @property
    def ready(self) -> bool:
        """True if sessions can be opened."""
        return self.alive and not self._draining

    @property
    def alive(self) -> bool:
        """True if the worker thread runs."""
        return self._worker.alive

    def start(self) -> None:
        """Start the worker thread and the sweep of unused sessions."""
        self._loop = asyncio.get_running_loop()
        self._worker.start()
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Stop the worker thread; call :meth:`drain` before."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.to_thread(self._worker.stop)

    async def drain(self) -> None:
        """End all sessions and wait up to ``limits.drain_s`` for readers to receive the remaining events."""
        self._draining = True
        until_s = time.monotonic() + self._limits.drain_s
        for session in self._sessions.values():
            self.end(session, "interrupted")

        def busy() -> bool:
            open_ = self._opening or any(session.state != "ended" for session in self._sessions.values())
            return bool(open_ or any(session.events.readers for session in self._sessions.values()))

        while busy() and time.monotonic() < until_s:
            await asyncio.sleep(_POLL_S)

    def __iter__(self) -> Iterator[ServerSession]:
        return iter(list(self._sessions.values()))

    def get(self, id: str) -> ServerSession:
        """The session with an id.

        :raises ProblemError: there is none, or it ended long ago.
        """
        if id not in self._sessions:
            raise ProblemError(ProblemType.UNKNOWN_SESSION, f"session {id!r}: unknown, or ended long ago")
        return self._sessions[id]

    async def open(self, request: SessionRequest) -> ServerSession:
        """Open a session that reads the source of the request, or receives pushed frames if it names none.

        :raises ProblemError: the request cannot be met.
        """
        if request.source is not None:
            return await self._open_reading("source", request, self._sources.find(request.source))
        with self.slot():
            plan = await self._plan("push", request)
        # The first frame dates media time 0.
        frame_queue = FrameQueue(request.policy, self._limits.queue_size, -math.inf, _WARNING_INTERVAL_S)
        return self._begin(plan, frame_queue, request.started_at)

    async def open_upload(self, path: str, request: SessionRequest, on_close: Callable[[], None]) -> ServerSession:
        """Open a session that reads an upload.

        :param on_close: called after the file is closed, in any thread; also if this raises.
        :raises ProblemError: the request cannot be met.
        """
        return await self._open_reading("upload", request, Opened(path, live=False, options=FILE_OPTIONS), on_close)

    def end(self, session: ServerSession, reason: Reason) -> None:
        """End a session: ``finished`` processes the queued frames first, any other reason drops them."""
        if session.state == "ended":
            return
        session.state = "ending"
        if session.source_reader is not None:
            session.source_reader.stop()
        self._worker.end(session.queue, reason)

    def forget(self, session: ServerSession) -> None:
        """Remove a session that has ended."""
        self._sessions.pop(session.id, None)

    def decoder(self, session: ServerSession) -> Decoder:
        """A decoder for the frames that one connection pushes."""
        return Decoder(session.short_side, session.zoom, self._limits.pixels)

    async def put(self, session: ServerSession, frame: Frame) -> None:
        """Queue a pushed frame, and wait until there is room for it."""
        queued = QueuedFrame(frame.rgb, frame.time_s, time.monotonic())
        while wait_s := self._worker.offer(session.queue, queued):
            session.touched_s = time.monotonic()
            await asyncio.sleep(min(wait_s, _POLL_S))
        session.touched_s = time.monotonic()

    async def _open_reading(
        self, mode: Mode, request: SessionRequest, opened: Opened, on_close: Callable[[], None] = lambda: None
    ) -> ServerSession:
        live = LiveConfig(
            policy=request.policy, queue_size=self._limits.queue_size, warning_interval_s=_WARNING_INTERVAL_S
        )
        reader: SourceReader | None = None
        try:
            with self.slot():
                plan = await self._plan(mode, request)
                reader = SourceReader(
                    opened,
                    self._worker,
                    short_side=plan.model.short_side,
                    zoom=plan.zoom,
                    min_interval_s=min_interval_s(plan.model.clips.values()),
                    max_pixels=self._limits.pixels,
                    threads=self._decoder_threads,
                    live=live,
                    on_close=on_close,
                )
                source_started_at = await _open_source(reader, request, self._limits.idle_s)
            started_at = request.started_at or source_started_at or plan.requested_at
            session = self._begin(plan, lossless_frame_queue(self._limits.queue_size), started_at, reader)
        except BaseException:
            if reader is None or not reader.begun:
                on_close()
            if reader is not None:
                self._stop_reading(reader)
            raise
        reader.read_into(session.queue, lambda: session.paused)
        return session

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """Reserve one of ``limits.sessions`` while a session is opened or its upload is received. A session that reads
        a source occupies its slot until its thread has ended.

        :raises ProblemError: there is none.
        """
        if not self.ready:
            raise ProblemError(ProblemType.UNAVAILABLE, "the server is shutting down", {"retry-after": "5"})
        occupied = sum(session.state != "ended" for session in self._sessions.values()) + self._opening
        # Decoders use memory and cores until their threads end.
        self._lingering = {reader for reader in self._lingering if reader.alive}
        occupied += len(self._lingering)
        if occupied >= self._limits.sessions:
            raise ProblemError(
                ProblemType.TOO_MANY_SESSIONS,
                f"expected at most {self._limits.sessions} open sessions; end one, or try again later",
                {"retry-after": "5"},
            )
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    async def _plan(self, mode: Mode, request: SessionRequest) -> _Plan:
        model = self._bundles.model(request.bundle)
        try:
            Expectation.of(model.labels.exercise, request.exercises, request.expected)
        except InvalidInputError as error:
            raise ProblemError(ProblemType.INVALID, str(error)) from error
        people = await asyncio.to_thread(self._bundles.people) if request.people else None
        return _Plan(mode, request, model, people, datetime.now(UTC), time.monotonic())

    def _begin(
        self, plan: _Plan, frame_queue: FrameQueue, started_at: datetime | None, reader: SourceReader | None = None
    ) -> ServerSession:
        id = secrets.token_urlsafe(12)
        events = EventBuffer(self._limits.events)
        queue = SessionQueue(
            plan.model,
            functools.partial(plan.create_session, event_source(id), started_at),
            frame_queue,
            self._metrics,
            on_events=functools.partial(self._publish, events),
            on_end=functools.partial(self._call, self._on_end, id),
        )
        session = self._sessions[id] = ServerSession(
            id=id,
            mode=plan.mode,
            request=plan.request,
            bundle=plan.model.manifest.name,
            events=events,
            queue=queue,
            source_reader=reader,
            created_at=plan.requested_at,
            created_s=plan.requested_s,
            touched_s=plan.requested_s,
            short_side=plan.model.short_side,
            zoom=plan.zoom,
        )
        self._metrics.sessions.labels(session.mode).inc()
        self._worker.add(queue)
        self._logger.info("session opened", extra=fields(session=id, mode=session.mode, bundle=session.bundle))
        if self._draining:
            self.end(session, "interrupted")
        return session

    def _publish(self, buffer: EventBuffer, events: Sequence[Event]) -> None:
        """Pass events to the deliveries and the session's buffer; runs in the worker's thread."""
        for delivery in self._deliveries:
            for event in events:
                delivery.put(event)
        self._call(buffer.append, events)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """Call a function in the event loop's thread, unless the loop is closed."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _stop_reading(self, reader: SourceReader) -> None:
        """Stop a reader; its thread occupies a slot until it ends."""
        reader.stop()
        if reader.alive:
            self._lingering.add(reader)

    def _on_end(self, id: str, reason: Reason) -> None:
        session = self._sessions[id]
        session.state, session.reason, session.ended_s = "ended", reason, time.monotonic()
        self._count_dropped(session)
        if session.source_reader is not None:
            self._stop_reading(session.source_reader)
        session.events.close()
        session.done.set()
        self._metrics.sessions.labels(session.mode).dec()
        self._logger.info(
            "session ended",
            extra=fields(session=id, reason=reason, frames=session.queue.frames, dropped=session.dropped),
        )
        ended = [one for one in self._sessions.values() if one.ended_s is not None]
        for one in sorted(ended, key=lambda one: one.ended_s or 0.0)[: -self._limits.kept]:
            self.forget(one)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_INTERVAL_S)
            self._worker.restart()
            self._end_unused()

    def _end_unused(self) -> None:
        """End idle and overlong sessions, and forget those that ended long ago and have no reader."""
        now_s, limits = time.monotonic(), self._limits
        for session in self:
            if session.ended_s is not None:
                if now_s - session.ended_s > limits.keep_s and not session.events.readers:
                    self.forget(session)
                continue
            self._count_dropped(session)
            # A session that is ending still has queued frames and accepts no push.
            idle = session.mode == "push" and session.state == "open" and now_s - session.touched_s > limits.idle_s
            if idle or now_s - session.created_s > limits.session_s:
                self.end(session, "interrupted")

    def _count_dropped(self, session: ServerSession) -> None:
        reader = session.source_reader
        session.dropped = self._worker.dropped(session.queue) + (reader.dropped if reader is not None else 0)
        session.queue.count_dropped(session.dropped)


async def _open_source(reader: SourceReader, request: SessionRequest, timeout_s: float) -> datetime | None:
    name = request.source or "of the request"
    try:
        return await reader.open(timeout_s)
    except SourceError as error:
        # FFmpeg's reason without the path or the address, which may contain a password.
        reason = str(error).rsplit(": ", 1)[-1]
        raise ProblemError(ProblemType.SOURCE, f"source {name}: {reason}") from error
    except TimeoutError as error:
        raise ProblemError(
            ProblemType.SOURCE, f"source {name}: expected a first frame within {timeout_s:g} s, got none"
        ) from error


def _start_of(frame: Frame | None) -> datetime:
    """Wall-clock time of media time 0, from a frame that has just arrived."""
    now = datetime.now(UTC)
    return now if frame is None else now - timedelta(seconds=frame.time_s)
