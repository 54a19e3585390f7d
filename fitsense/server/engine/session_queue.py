"""The queue of one session: frames that wait for the worker thread, and the session that analyses them."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import attrs

from fitsense.events.model import Event
from fitsense.inference.model import Model
from fitsense.server.engine.journal import Journal
from fitsense.server.log import LOGGER
from fitsense.server.metrics import Metrics
from fitsense.session.session import Reason
from fitsense.types import Frame, Prediction
from fitsense.video.frame_queue import FrameQueue
from fitsense.video.source import SourceWarning
from fitsense.windowing.sampler import Window

# Items that a queue may process in one turn before the next queue has its turn.
_MAX_ITEMS = 4


class PendingWindows(Protocol):
    """A prepared frame: the windows that need a prediction before the session can complete it."""

    @property
    def windows(self) -> list[Window]: ...


P = TypeVar("P", bound=PendingWindows)


class SessionLike(Protocol[P]):
    """The interface that :class:`fitsense.Session` and the session that tracks several people share."""

    def prepare(self, frame: Frame, /) -> P: ...

    def complete(self, pending: P, predictions: Sequence[Prediction], /) -> list[Event]: ...

    def warn(self, code: str, message: str) -> list[Event]: ...

    def finish(self, reason: Reason = ...) -> list[Event]: ...

    def snapshot(self) -> bytes: ...

    def _skip_events(self, count: int) -> None: ...


# A queue passes a prepared frame back to the session that made it, and needs to know no more than its windows.
AnySession = SessionLike[Any]


@attrs.frozen(eq=False)
class ResumedAnalysis:
    """An analysis that a previous process began.

    :param frames: number of frames that it analysed.
    :param items: number of frames and warnings of the source that it analysed.
    :param dropped: number of frames that it dropped.
    """

    session: AnySession
    frames: int
    items: int
    dropped: int


@attrs.frozen(eq=False)
class QueuedFrame(Frame):
    """A frame and its time of arrival.

    :param arrived_s: seconds of the monotonic clock.
    """

    arrived_s: float = 0.0


@attrs.define(eq=False)
class PendingPrediction:
    """A prepared frame whose windows wait for the model.

    :param time_s: media time of the frame, in seconds.
    :param arrived_s: time of arrival of the frame, in seconds of the monotonic clock.
    :param predictions: of the first windows, as far as they are predicted.
    """

    queue: SessionQueue
    prepared: PendingWindows
    time_s: float
    arrived_s: float
    predictions: list[Prediction] = attrs.field(factory=list)

    @property
    def unpredicted(self) -> list[Window]:
        """The windows without a prediction."""
        return self.prepared.windows[len(self.predictions) :]


class SessionQueue:
    """The frames of one session, in order. The worker thread runs it by :meth:`advance` and :meth:`add_predictions`.

    :param create_session: makes the session from the first frame; from None if it ends before any frame.
    :param frame_queue: the frames that wait; access it under the worker's lock.
    :param on_events: receives events, in the worker's thread.
    :param on_end: receives the reason once no more events will come, in the worker's thread.
    :param journal: keeps the session for the next process; None if it ends with this one.
    :param resumed: an analysis to continue, instead of creating a session.
    """

    def __init__(
        self,
        model: Model,
        create_session: Callable[[Frame | None], AnySession],
        frame_queue: FrameQueue,
        metrics: Metrics,
        *,
        on_events: Callable[[Sequence[Event]], None],
        on_end: Callable[[Reason], None],
        journal: Journal | None = None,
        resumed: ResumedAnalysis | None = None,
    ) -> None:
        self.model = model
        self.frame_queue = frame_queue
        self.ending: Reason | None = None
        self.frames = resumed.frames if resumed is not None else 0
        self._create_session = create_session
        self._session = resumed.session if resumed is not None else None
        self._items = resumed.items if resumed is not None else 0
        self._journal = journal
        self._pending: PendingPrediction | None = None
        self._metrics = metrics
        self._on_events = on_events
        self._on_end = on_end
        self._dropped_before = self._counted_dropped = resumed.dropped if resumed is not None else 0
        self._logger = logging.getLogger(LOGGER)
        self._over = False

    @classmethod
    def ended(cls, model: Model, frames: int, metrics: Metrics) -> SessionQueue:
        """The queue of a session that has ended in a previous process."""
        queue = cls(model, _no_session, lossless_frame_queue(1), metrics, on_events=_ignore, on_end=_ignore)
        queue.frames = frames
        queue._close()
        return queue

    @property
    def ready(self) -> bool:
        """True if there is work; call it under the worker's lock."""
        return self.ending is not None or self._pending is not None or self.frame_queue.waiting

    @property
    def over(self) -> bool:
        """True if the session has ended."""
        return self._over

    @property
    def dropped(self) -> int:
        """Total number of dropped frames; call it under the worker's lock."""
        return self._dropped_before + self.frame_queue.dropped

    def advance(self, take: Callable[[], Frame | SourceWarning | None]) -> PendingPrediction | None:
        """Run one turn: process frames until one needs the model, and end the session if it is due. A frame with
        unpredicted windows comes before all others.

        :param take: removes the next item from :attr:`frame_queue`.
        """
        try:
            for _ in range(_MAX_ITEMS):
                # Read before the next item: no item follows the end.
                ending = self.ending
                if ending in ("interrupted", "failed"):
                    break
                if self._pending is not None:
                    return self._pending
                item = take()
                if item is None:
                    break
                self._items += 1
                if not isinstance(item, Frame):
                    self._emit(self._current_session(None).warn(item.code, item.message))
                    continue
                session = self._current_session(item)
                prepared = session.prepare(item)
                self.frames += 1
                self._metrics.frames.inc()
                if prepared.windows:
                    arrived_s = item.arrived_s if isinstance(item, QueuedFrame) else time.monotonic()
                    self._pending = PendingPrediction(self, prepared, item.time_s, arrived_s)
                    return self._pending
                self._emit(session.complete(prepared, []))
                self._save_if_due(item.time_s)
            else:
                return None
            if ending is not None:
                self.finish(ending)
        except BaseException:
            # Even SystemExit fails this session only: the other sessions continue.
            self.fail()
        return None

    def add_predictions(self, pending: PendingPrediction, predictions: Sequence[Prediction]) -> None:
        """Add predictions of the next windows; complete the frame after the last one."""
        pending.predictions += predictions
        if pending.unpredicted:
            return
        self._pending = None
        try:
            self._emit(self._current_session(None).complete(pending.prepared, pending.predictions))
            self._save_if_due(pending.time_s)
            self._metrics.latency.observe(time.monotonic() - pending.arrived_s)
        except BaseException:
            self.fail()

    def fail(self) -> None:
        """End the session after an error and log the exception that is being handled. Earlier events stay valid."""
        self._logger.exception("session failed")
        self.finish("failed")

    def finish(self, reason: Reason) -> None:
        """End the session."""
        if self._over:
            return
        self._over = True
        # Refuses further frames.
        self.ending = reason
        try:
            self._emit(self._current_session(None).finish(reason))
        except BaseException:
            self._logger.exception("session could not be ended")
        self._metrics.ended.labels(reason).inc()
        self._on_end(reason)
        # Clients may still ask for the counts; release the session and its frames.
        self._close()

    def count_dropped(self, dropped: int) -> None:
        """Report the total number of dropped frames to the metrics."""
        self._metrics.dropped.inc(dropped - self._counted_dropped)
        self._counted_dropped = dropped

    def _close(self) -> None:
        self._over = True
        self._session = None
        self._create_session, self._on_events, self._on_end = _no_session, _ignore, _ignore
        self._journal = None

    def _current_session(self, frame: Frame | None) -> AnySession:
        if self._session is None:
            self._session = self._create_session(frame)
        return self._session

    def _save_if_due(self, time_s: float) -> None:
        if self._journal is not None and self._session is not None:
            self._journal.save_if_due(self.frames, self._items, self.dropped, time_s, self._session.snapshot)

    def _emit(self, events: Sequence[Event]) -> None:
        if events and self._journal is not None and self._session is not None:
            events = self._journal.record(events, self._session._skip_events)
        if events:
            for event in events:
                self._metrics.events.labels(event.type).inc()
            self._on_events(events)


def lossless_frame_queue(size: int) -> FrameQueue:
    """A queue for sources that can wait, such as files: it drops no frame and reports no lag."""
    return FrameQueue("all", size, math.inf, math.inf)


def _no_session(frame: Frame | None) -> AnySession:
    raise AssertionError("the session has ended")


def _ignore(value: object) -> None:
    """Receive what comes after the end."""
