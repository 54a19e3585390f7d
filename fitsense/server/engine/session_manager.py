"""The sessions of a server: opens, lists, ends and forgets them."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import attrs

from fitsense.errors import InvalidInputError
from fitsense.events.model import Event
from fitsense.pipeline.checkpoint import SourcePosition
from fitsense.server.api.problems import ProblemError, ProblemType
from fitsense.server.api.requests import SessionRequest
from fitsense.server.config import ServeConfig
from fitsense.server.engine.batch_worker import BatchWorker
from fitsense.server.engine.event_buffer import EventBuffer
from fitsense.server.engine.frame_decoder import Decoder
from fitsense.server.engine.journal import Journal
from fitsense.server.engine.restoring import Continuation, ended_session
from fitsense.server.engine.session import Mode, ServerSession
from fitsense.server.engine.session_builder import SessionBuilder
from fitsense.server.engine.session_files import SavedSession, SessionFiles, SessionRecord, StateFolder
from fitsense.server.engine.session_plan import SessionPlan, open_source
from fitsense.server.engine.session_queue import QueuedFrame
from fitsense.server.engine.source_reader import SourceReader
from fitsense.server.log import LOGGER, fields
from fitsense.server.metrics import Metrics
from fitsense.server.models import Bundles
from fitsense.server.source_policy import FILE_OPTIONS, Opened, SourcePolicy
from fitsense.session.session import Reason
from fitsense.sinks.delivery import Delivery
from fitsense.types import Frame
from fitsense.video.source import SourceWarning

_SWEEP_INTERVAL_S = 0.5
_POLL_S = 0.02


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
        state: StateFolder | None = None,
    ) -> None:
        self._config = config
        self._limits = config.limits
        self._bundles = bundles
        self._sources = sources
        self._metrics = metrics
        self._deliveries = deliveries
        self._state = state
        self._worker = BatchWorker(config.batch, metrics)
        self._builder = SessionBuilder(
            config, self._worker, metrics, state, self._publish, functools.partial(self._call, self._on_end)
        )
        self._sessions: dict[str, ServerSession] = {}
        self._opening = 0
        # Readers whose thread still runs although their session has ended, or never began.
        self._lingering: set[SourceReader] = set()
        self._reopening: set[asyncio.Task[None]] = set()
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
        """Start the worker thread and the sweep of unused sessions, and continue those of a previous process."""
        self._loop = asyncio.get_running_loop()
        self._worker.start()
        for saved, files in self._state.load() if self._state is not None else ():
            self._restore(saved, files)
        self._sweeper = asyncio.create_task(self._sweep())

    async def stop(self) -> None:
        """Stop the worker thread; call :meth:`drain` before."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        await asyncio.to_thread(self._worker.stop)
        if self._state is not None:
            self._state.close()

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
        return self._begin(plan, request.started_at)

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
        if session.journal is not None:
            session.journal.remove()

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
        reader: SourceReader | None = None
        try:
            with self.slot():
                plan = await self._plan(mode, request)
                reader = self._builder.reader(plan, opened, on_close)
                source_started_at = await open_source(reader, request, self._limits.idle_s)
            started_at = request.started_at or source_started_at or plan.requested_at
            opened_at = source_started_at if opened.live else None
            session = self._begin(plan, started_at, reader, opened_at)
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

    async def _plan(self, mode: Mode, request: SessionRequest) -> SessionPlan:
        model = self._bundles.model(request.bundle)
        people = await asyncio.to_thread(self._bundles.people) if request.people else None
        plan = SessionPlan(mode, request, model, people, datetime.now(UTC), time.monotonic())
        plan.check()
        return plan

    def _begin(
        self,
        plan: SessionPlan,
        started_at: datetime | None,
        reader: SourceReader | None = None,
        opened_at: datetime | None = None,
    ) -> ServerSession:
        id = secrets.token_urlsafe(12)
        record = SessionRecord(
            id, plan.mode, plan.request, plan.model.manifest.name, plan.requested_at, started_at, opened_at
        )
        session = self._builder.build(plan, reader, record, self._builder.journal(record))
        self._add(session)
        self._logger.info("session opened", extra=fields(session=id, mode=session.mode, bundle=session.bundle))
        if self._draining:
            self.end(session, "interrupted")
        return session

    def _add(self, session: ServerSession) -> None:
        self._sessions[session.id] = session
        self._metrics.sessions.labels(session.mode).inc()
        self._worker.add(session.queue)

    def _restore(self, saved: SavedSession, files: SessionFiles) -> None:
        """Continue a session of a previous process, or keep the events of one that has ended."""
        record = saved.record
        if record.reason is None:
            try:
                self._continue(saved, Continuation.of(saved, self._bundles), files)
                return
            except Exception as error:
                # One session must not keep the server from starting.
                expected = isinstance(error, InvalidInputError)
                self._logger.error(
                    "a saved session cannot be continued: %s",
                    error,
                    extra=fields(session=record.id),
                    exc_info=None if expected else error,
                )
                saved = attrs.evolve(saved, record=attrs.evolve(record, reason="failed"))
        self._sessions[record.id] = ended_session(saved, files, self._bundles, self._metrics)
        self._forget_oldest()

    def _continue(self, saved: SavedSession, continuation: Continuation, files: SessionFiles) -> None:
        plan, record = continuation.plan, continuation.record
        reader = None
        if plan.request.source is not None:
            try:
                reader = self._builder.reader(plan, self._sources.find(plan.request.source))
            except ProblemError as problem:
                raise InvalidInputError(problem.detail) from problem
        journal = Journal(files, record, self._config.snapshot_interval_s, saved)
        session = self._builder.build(plan, reader, record, journal, continuation.analysis)
        session.events.restore(saved.events)
        if saved.analysis is not None:
            session.resumed_s = saved.analysis.time_s
        self._add(session)
        self._logger.info("session continued", extra=fields(session=session.id, resumed_s=session.resumed_s))
        if reader is not None:
            position = SourcePosition(0, 0.0, record.opened_at)
            if saved.analysis is not None:
                position = SourcePosition(saved.analysis.items, saved.analysis.time_s, record.opened_at)
            task = asyncio.create_task(self._reopen(session, reader, position))
            self._reopening.add(task)
            task.add_done_callback(self._reopening.discard)

    async def _reopen(self, session: ServerSession, reader: SourceReader, position: SourcePosition) -> None:
        try:
            await open_source(reader, session.request, self._limits.idle_s)
        except ProblemError as problem:
            self._worker.warn(session.queue, SourceWarning("source_lost", problem.detail))
            self._worker.end(session.queue, "finished")
        except Exception:
            self._logger.exception("a source cannot be opened again", extra=fields(session=session.id))
            self._worker.end(session.queue, "failed")
        else:
            reader.read_into(session.queue, position=position)

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
        if session.journal is not None:
            session.journal.end(reason, session.queue.frames, session.dropped, datetime.now(UTC))
        session.events.close()
        session.done.set()
        self._metrics.sessions.labels(session.mode).dec()
        self._logger.info(
            "session ended",
            extra=fields(session=id, reason=reason, frames=session.queue.frames, dropped=session.dropped),
        )
        self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Forget the sessions that ended first, except for the newest ``limits.kept``."""
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
