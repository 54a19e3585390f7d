"""Builds the sessions of a server from their plans, with queue, event buffer, reader and journal."""

from __future__ import annotations

import functools
import logging
import math
import time
from collections.abc import Callable, Sequence

import attrs

from fitsense.events.model import Event
from fitsense.imaging.frame_rate import min_interval_s
from fitsense.server.config import ServeConfig
from fitsense.server.engine.batch_worker import BatchWorker
from fitsense.server.engine.event_buffer import EventBuffer
from fitsense.server.engine.journal import UNSAVED, Journal
from fitsense.server.engine.session import ServerSession, event_source
from fitsense.server.engine.session_files import SessionRecord, StateFolder
from fitsense.server.engine.session_plan import SessionPlan
from fitsense.server.engine.session_queue import ResumedAnalysis, SessionQueue, lossless_frame_queue
from fitsense.server.engine.source_reader import SourceReader
from fitsense.server.log import LOGGER, fields
from fitsense.server.metrics import Metrics
from fitsense.server.source_policy import Opened
from fitsense.session.summary import Reason
from fitsense.video.frame_queue import FrameQueue
from fitsense.video.live import LiveConfig

# Shortest time between two warnings of dropped frames, or of lag.
_WARNING_INTERVAL_S = 5.0


def _nothing() -> None:
    pass


@attrs.frozen
class SessionBuilder:
    """Builds sessions.

    :param state: keeps sessions for the next process; None if they end with this one.
    :param on_events: receives the events of a session, whose buffer is given, in the worker's thread.
    :param on_end: receives the id of a session and the reason once no more events will come, likewise.
    """

    config: ServeConfig
    worker: BatchWorker
    metrics: Metrics
    state: StateFolder | None
    on_events: Callable[[EventBuffer, Sequence[Event]], None]
    on_end: Callable[[str, Reason], None]

    def _frame_queue(self, plan: SessionPlan) -> FrameQueue:
        if plan.mode != "push":
            return lossless_frame_queue(self.config.limits.queue_size)
        # The first frame dates media time 0.
        return FrameQueue(plan.request.policy, self.config.limits.queue_size, -math.inf, _WARNING_INTERVAL_S)

    def reader(self, plan: SessionPlan, opened: Opened, on_close: Callable[[], None] = _nothing) -> SourceReader:
        """The reader of a source.

        :param on_close: called after the source is closed, in the reader's thread.
        """
        return SourceReader(
            opened,
            self.worker,
            short_side=plan.model.short_side,
            zoom=plan.zoom,
            min_interval_s=min_interval_s(plan.model.clips.values()),
            max_pixels=self.config.limits.pixels,
            threads=self.config.decoder_threads,
            live=LiveConfig(
                policy=plan.request.policy,
                queue_size=self.config.limits.queue_size,
                warning_interval_s=_WARNING_INTERVAL_S,
            ),
            on_close=on_close,
        )

    def journal(self, record: SessionRecord) -> Journal | None:
        """The journal of a new session; None if it ends with this process."""
        # The client of an upload sends it again.
        if self.state is None or record.mode == "upload":
            return None
        try:
            files = self.state.new(record.id)
        except OSError:
            logging.getLogger(LOGGER).exception(UNSAVED, extra=fields(session=record.id))
            return None
        return Journal(files, record, self.config.snapshot_interval_s)

    def build(
        self,
        plan: SessionPlan,
        reader: SourceReader | None,
        record: SessionRecord,
        journal: Journal | None,
        resumed: ResumedAnalysis | None = None,
    ) -> ServerSession:
        """Build an open session, whose queue does not run yet.

        :param resumed: the analysis of a previous process, to continue.
        """
        events = EventBuffer(self.config.limits.events)
        queue = SessionQueue(
            plan.model,
            functools.partial(plan.create_session, event_source(record.id), record.started_at),
            self._frame_queue(plan),
            self.metrics,
            on_events=functools.partial(self.on_events, events),
            on_end=functools.partial(self.on_end, record.id),
            journal=journal,
            resumed=resumed,
        )
        return ServerSession(
            id=record.id,
            mode=plan.mode,
            request=plan.request,
            bundle=record.bundle,
            events=events,
            queue=queue,
            source_reader=reader,
            created_at=plan.requested_at,
            created_s=plan.requested_s,
            touched_s=time.monotonic(),
            short_side=plan.model.short_side,
            zoom=plan.zoom,
            journal=journal,
            restarts=record.restarts,
        )
