"""The sessions of a server: opened, listed, ended, and forgotten."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import attrs

from fitsense.errors import InvalidInputError, SourceError
from fitsense.events.model import Event
from fitsense.expectation import Expectation
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.inference.detector import Detector
from fitsense.inference.model import Model
from fitsense.pipeline.analysis import zoom_for
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.requests import SessionRequest
from fitsense.server.config import ServeConfig
from fitsense.server.engine.batch_worker import BatchWorker
from fitsense.server.engine.event_buffer import EventBuffer
from fitsense.server.engine.frame_decoder import Decoder
from fitsense.server.engine.session_queue import QueuedFrame, SessionLike, SessionQueue, plain_frame_queue
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

Mode = Literal["push", "source", "upload"]
State = Literal["open", "ending", "ended"]

# Least time between two warnings of dropped frames, or of falling behind.
_TELL_S = 5.0
_SWEEP_S = 0.5
_POLL_S = 0.02
# A reader of an upload's events that is so many behind makes the analysis wait: it is to get all of them.
_MAX_UNREAD = 500


@attrs.define(eq=False)
class ServerSession:
    """A session that clients see.

    :param touched_s: when a client last pushed something, by the monotonic clock.
    :param ended_s: when it ended, likewise.
    :param read: number of the event that an upload's reader has come to.
    :param pusher: to be set when whoever pushes is to give way.
    :param decoding: held while a pushed picture is decoded, so that no session does more than one at a time.
    """

    id: str
    mode: Mode
    request: SessionRequest
    bundle: str
    events: EventBuffer
    created_at: datetime
    created_s: float
    touched_s: float
    short_side: int
    zoom: float
    source_reader: SourceReader | None = None
    state: State = "open"
    reason: Reason | None = None
    ended_s: float | None = None
    read: int = 0
    dropped: int = 0
    pusher: asyncio.Event | None = None
    decoding: asyncio.Lock = attrs.field(factory=asyncio.Lock)
    done: asyncio.Event = attrs.field(factory=asyncio.Event)
    _queue: SessionQueue | None = None

    @property
    def source(self) -> str:
        """What its events call it."""
        return f"urn:fitsense:session:{self.id}"

    @property
    def queue(self) -> SessionQueue:
        """Where its pictures go."""
        assert self._queue is not None
        return self._queue

    def to_dict(self) -> dict[str, Any]:
        """The session as clients see it; obeys the schema ``server.session``."""
        wish = self.request
        return {
            "id": self.id,
            "state": self.state,
            "reason": self.reason,
            "mode": self.mode,
            "bundle": self.bundle,
            "source": wish.source,
            "region": attrs.asdict(wish.region) if wish.region else None,
            "hop_s": wish.hop_s,
            "exercises": None if wish.exercises is None else list(wish.exercises),
            "expected": wish.expected,
            "people": wish.people,
            "policy": wish.policy,
            "created_at": self.created_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event_source": self.source,
            "events": self.events.next,
            "frames": self.queue.frames,
            "dropped_frames": self.dropped,
        }


class SessionManager:
    """All sessions of a server, open ones and those that ended lately. It lives in the event loop's thread.

    Whatever wants a session's events follows its feed; what wants those of all is a delivery.
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
        # Those whose session has ended, or never began, and whose thread has not.
        self._lingering: set[SourceReader] = set()
        self._draining = False
        self._sweeper: asyncio.Task[None] | None = None
        self._logger = logging.getLogger(LOGGER)

    @property
    def ready(self) -> bool:
        """Whether sessions can be opened."""
        return self.alive and not self._draining

    @property
    def alive(self) -> bool:
        """Whether sessions are analysed."""
        return self._worker.alive

    def start(self) -> None:
        """Begin to work."""
        self._loop = asyncio.get_running_loop()
        self._worker.start()
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """End the threads; after :meth:`drain`."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.to_thread(self._worker.stop)

    async def drain(self) -> None:
        """End every session, and wait until who reads their events has them, for as long as the limits say."""
        self._draining = True
        until_s = time.monotonic() + self._limits.drain_s
        for served in self._sessions.values():
            self.end(served, "interrupted")

        def busy() -> bool:
            open_ = self._opening or any(served.state != "ended" for served in self._sessions.values())
            return bool(open_ or any(served.events.readers for served in self._sessions.values()))

        while busy() and time.monotonic() < until_s:
            await asyncio.sleep(_POLL_S)

    def __iter__(self) -> Iterator[ServerSession]:
        return iter(list(self._sessions.values()))

    def get(self, name: str) -> ServerSession:
        """A session by its id.

        :raises ProblemError: there is none, or it ended long ago.
        """
        if name not in self._sessions:
            raise ProblemError(ProblemType.UNKNOWN_SESSION, f"session {name!r}: there is none, or it ended long ago")
        return self._sessions[name]

    async def open(self, wish: SessionRequest) -> ServerSession:
        """Open a session, pushed to or reading a source, as the wish says.

        :raises ProblemError: it cannot be had.
        """
        if wish.source is None:
            with self.slot():
                served, model, detect = await self._prepared("push", wish)
            # The first frame says when media time 0 was.
            backlog = FrameQueue(wish.policy, self._limits.queue, -math.inf, _TELL_S)
            return self._begun(served, model, detect, backlog, wish.started_at)
        return await self._reading("source", wish, self._sources.find(wish.source))

    async def open_upload(self, path: str, wish: SessionRequest, closed: Callable[[], None]) -> ServerSession:
        """Open a session that reads an upload, which `closed` removes when it was read, in whatever thread.

        :raises ProblemError: it cannot be had; `closed` was called.
        """
        return await self._reading("upload", wish, Opened(path, live=False, options=FILE_OPTIONS), closed)

    def end(self, served: ServerSession, reason: Reason) -> None:
        """End a session: what ``finished`` after what waits, anything else at once."""
        if served.state == "ended":
            return
        served.state = "ending"
        if served.source_reader is not None:
            served.source_reader.stop()
        self._worker.end(served.queue, reason)

    def forget(self, served: ServerSession) -> None:
        """Drop a session that ended."""
        self._sessions.pop(served.id, None)

    def decoder(self, served: ServerSession) -> Decoder:
        """For what one client pushes into a session."""
        return Decoder(served.short_side, served.zoom, self._limits.pixels)

    async def put(self, served: ServerSession, frame: Frame) -> None:
        """Hand a pushed frame over, as soon as there is room."""
        arrival = QueuedFrame(frame.rgb, frame.time_s, time.monotonic())
        while wait_s := self._worker.offer(served.queue, arrival):
            served.touched_s = time.monotonic()
            await asyncio.sleep(min(wait_s, _POLL_S))
        served.touched_s = time.monotonic()

    async def _reading(
        self, mode: Mode, wish: SessionRequest, opened: Opened, closed: Callable[[], None] = lambda: None
    ) -> ServerSession:
        live = LiveConfig(policy=wish.policy, queue_size=self._limits.queue, warning_interval_s=_TELL_S)
        feeder: SourceReader | None = None
        try:
            with self.slot():
                served, model, detect = await self._prepared(mode, wish)
                feeder = served.source_reader = SourceReader(
                    opened,
                    self._worker,
                    short_side=served.short_side,
                    zoom=served.zoom,
                    min_interval_s=min_interval_s(model.clips.values()),
                    max_pixels=self._limits.pixels,
                    threads=self._decoder_threads,
                    live=live,
                    held=lambda: mode == "upload" and served.events.next - served.read > _MAX_UNREAD,
                    closed=closed,
                )
                source_started_at = await _opened(feeder, wish, self._limits.idle_s)
            started_at = wish.started_at or source_started_at or served.created_at
            self._begun(served, model, detect, plain_frame_queue(self._limits.queue), started_at)
        except BaseException:
            if feeder is None or not feeder.begun:
                closed()
            if feeder is not None:
                self._stop_reading(feeder)
            raise
        feeder.feed(served.queue)
        return served

    @contextlib.contextmanager
    def slot(self) -> Iterator[None]:
        """A place among the open sessions, while one is being opened, or its upload comes. A session that reads a
        source keeps its place until its thread has ended.

        :raises ProblemError: there is none.
        """
        if not self.ready:
            raise ProblemError(ProblemType.UNAVAILABLE, "the server is about to stop", {"retry-after": "5"})
        open_ = sum(served.state != "ended" for served in self._sessions.values()) + self._opening
        # Decoders take memory and cores until their threads have ended.
        self._lingering = {feeder for feeder in self._lingering if feeder.alive}
        open_ += len(self._lingering)
        if open_ >= self._limits.sessions:
            raise ProblemError(
                ProblemType.TOO_MANY_SESSIONS,
                f"expected at most {self._limits.sessions} sessions at once; end one, or try again later",
                {"retry-after": "5"},
            )
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    async def _prepared(self, mode: Mode, wish: SessionRequest) -> tuple[ServerSession, Model, Detector | None]:
        model = self._bundles.model(wish.bundle)
        try:
            Expectation.of(model.labels.exercise, wish.exercises, wish.expected)
        except InvalidInputError as error:
            raise ProblemError(ProblemType.INVALID, str(error)) from error
        detect = await asyncio.to_thread(self._bundles.detector) if wish.people else None
        now_s = time.monotonic()
        served = ServerSession(
            id=secrets.token_urlsafe(12),
            mode=mode,
            request=wish,
            bundle=model.manifest.name,
            events=EventBuffer(self._limits.events),
            created_at=datetime.now(UTC),
            created_s=now_s,
            touched_s=now_s,
            short_side=model.short_side,
            zoom=zoom_for(wish.region, people=wish.people),
        )
        return served, model, detect

    def _begun(
        self,
        served: ServerSession,
        model: Model,
        detect: Detector | None,
        backlog: FrameQueue,
        started_at: datetime | None,
    ) -> ServerSession:
        def begin(frame: Frame | None) -> SessionLike:
            wish = served.request
            config = SessionConfig(
                hop_s=wish.hop_s,
                source=served.source,
                started_at=_start(frame) if started_at is None else started_at,
                region=wish.region,
                exercises=wish.exercises,
                expected=wish.expected,
            )
            return Session(model, config) if detect is None else TrackedSession(model, detect, config)

        def told(events: Sequence[Event]) -> None:
            for delivery in self._deliveries:
                for event in events:
                    delivery.put(event)
            self._call(served.events.append, events)

        def ended(reason: Reason) -> None:
            self._call(self._over, served, reason)

        lane = SessionQueue(model, begin, backlog, self._metrics, told=told, ended=ended)
        served._queue = lane
        self._sessions[served.id] = served
        self._metrics.sessions.labels(served.mode).inc()
        self._worker.add(lane)
        self._logger.info("session opened", extra=fields(session=served.id, mode=served.mode, bundle=served.bundle))
        if self._draining:
            self.end(served, "interrupted")
        return served

    def _stop_reading(self, feeder: SourceReader) -> None:
        """End a feeder's thread, which keeps its place until then."""
        feeder.stop()
        if feeder.alive:
            self._lingering.add(feeder)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """In the loop's thread; there is nobody left to tell once that is over."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(function, *arguments)

    def _over(self, served: ServerSession, reason: Reason) -> None:
        served.state, served.reason, served.ended_s = "ended", reason, time.monotonic()
        self._count_dropped(served)
        if served.source_reader is not None:
            self._stop_reading(served.source_reader)
        served.events.close()
        served.done.set()
        self._metrics.sessions.labels(served.mode).dec()
        self._logger.info(
            "session ended",
            extra=fields(session=served.id, reason=reason, frames=served.queue.frames, dropped=served.dropped),
        )
        ended = [one for one in self._sessions.values() if one.ended_s is not None]
        for one in sorted(ended, key=lambda one: one.ended_s or 0.0)[: -self._limits.kept]:
            self.forget(one)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_S)
            self._worker.restart()
            self._end_unused()

    def _end_unused(self) -> None:
        """End what nobody uses, and forget what nobody reads."""
        now_s, limits = time.monotonic(), self._limits
        for served in self:
            if served.ended_s is not None:
                if now_s - served.ended_s > limits.keep_s and not served.events.readers:
                    self.forget(served)
                continue
            self._count_dropped(served)
            # One that is ending has pictures that wait, and nobody is to push any more.
            idle = served.mode == "push" and served.state == "open" and now_s - served.touched_s > limits.idle_s
            if idle or now_s - served.created_s > limits.session_s:
                self.end(served, "interrupted")

    def _count_dropped(self, served: ServerSession) -> None:
        served.dropped = self._worker.dropped(served.queue) + (
            served.source_reader.dropped if served.source_reader else 0
        )
        served.queue.count_dropped(served.dropped)


async def _opened(feeder: SourceReader, wish: SessionRequest, patience_s: float) -> datetime | None:
    name = wish.source or "of the request"
    try:
        return await feeder.open(patience_s)
    except SourceError as error:
        # FFmpeg's reason, without the path or the address, which may hold a password.
        reason = str(error).rsplit(": ", 1)[-1]
        raise ProblemError(ProblemType.SOURCE, f"source {name}: {reason}") from error
    except TimeoutError as error:
        raise ProblemError(
            ProblemType.SOURCE, f"source {name}: expected a first picture within {patience_s:g} s, got none"
        ) from error


def _start(frame: Frame | None) -> datetime:
    """When media time 0 was, as a frame that has just come says."""
    now = datetime.now(UTC)
    return now if frame is None else now - timedelta(seconds=frame.time_s)
