"""Sessions of a previous process: from the state directory to sessions that continue, or that have ended."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import cast

import attrs

from fitsense.errors import FitsenseError, InvalidInputError
from fitsense.server.api.problems import ProblemError
from fitsense.server.engine.event_buffer import EventBuffer
from fitsense.server.engine.journal import Journal
from fitsense.server.engine.session import Mode, ServerSession
from fitsense.server.engine.session_files import SavedSession, SessionFiles, SessionRecord
from fitsense.server.engine.session_plan import SessionPlan
from fitsense.server.engine.session_queue import ResumedAnalysis, SessionQueue
from fitsense.server.metrics import Metrics
from fitsense.server.models import Bundles


@attrs.frozen(eq=False)
class Continuation:
    """State of an open session of a previous process, from which it continues.

    :param analysis: None if no frame was analysed.
    """

    plan: SessionPlan
    record: SessionRecord
    analysis: ResumedAnalysis | None

    @classmethod
    def of(cls, saved: SavedSession, bundles: Bundles) -> Continuation:
        """Restore the analysis.

        :raises InvalidInputError: it is of another bundle or version of fitsense, or the server lacks its bundle.
        """
        record = saved.record
        try:
            model = bundles.model(record.bundle)
            people = bundles.people() if record.request.people else None
            now_s = time.monotonic() - (datetime.now(UTC) - record.created_at).total_seconds()
            plan = SessionPlan(cast(Mode, record.mode), record.request, model, people, record.created_at, now_s)
            plan.check()
            analysis = None
            if saved.analysis is not None:
                session = plan.resume_session(saved.analysis.session.tobytes())
                analysis = ResumedAnalysis(session, saved.analysis.frames, saved.analysis.items, saved.analysis.dropped)
        except (FitsenseError, ProblemError) as error:
            raise InvalidInputError(str(error)) from error
        return cls(plan, attrs.evolve(record, restarts=record.restarts + 1), analysis)


def ended_session(saved: SavedSession, files: SessionFiles, bundles: Bundles, metrics: Metrics) -> ServerSession:
    """A session that has ended, whose events clients may still read.

    :param saved: its record has a reason.
    """
    record = saved.record
    assert record.reason is not None
    now, now_s = datetime.now(UTC), time.monotonic()
    ended_at = record.ended_at or now
    model = bundles.model(None)
    queue = SessionQueue.ended(model, record.frames, metrics)
    events = EventBuffer(max(1, len(saved.events)))
    events.restore(saved.events)
    events.close()
    # Its files are removed when it is forgotten.
    journal = Journal(files, record, 0.0, saved)
    journal.end(record.reason, record.frames, record.dropped, ended_at)
    session = ServerSession(
        id=record.id,
        mode=cast(Mode, record.mode),
        request=record.request,
        bundle=record.bundle,
        events=events,
        queue=queue,
        source_reader=None,
        created_at=record.created_at,
        created_s=now_s,
        touched_s=now_s,
        short_side=model.short_side,
        zoom=1.0,
        state="ended",
        reason=record.reason,
        ended_s=now_s - max(0.0, (now - ended_at).total_seconds()),
        dropped=record.dropped,
        journal=journal,
        restarts=record.restarts,
    )
    session.done.set()
    return session
