"""A session on its way through the worker: what waits to be analysed, and who is told."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs

from fitsense.events.model import Event
from fitsense.inference.model import Model
from fitsense.server.log import LOGGER
from fitsense.server.metrics import Metrics
from fitsense.session.session import Reason
from fitsense.types import Frame, Prediction
from fitsense.video.frame_queue import FrameQueue
from fitsense.video.source import SourceWarning
from fitsense.windowing.sampler import Window

# What a lane may do in one turn, before others have theirs.
_MAX_ITEMS = 4


class PendingWindows(Protocol):
    """What a picture brings about before the model is asked."""

    @property
    def windows(self) -> list[Window]: ...


class SessionLike(Protocol):
    """What a lane's pictures go to: a session, or one for everybody in the picture."""

    def prepare(self, frame: Frame, /) -> Any: ...

    def complete(self, seen: Any, predictions: Sequence[Prediction], /) -> list[Event]: ...

    def warn(self, code: str, message: str) -> list[Event]: ...

    def finish(self, reason: Reason = ...) -> list[Event]: ...


@attrs.frozen(eq=False)
class QueuedFrame(Frame):
    """A frame, and when it came, by the monotonic clock."""

    arrived_s: float = 0.0


@attrs.define(eq=False)
class PendingPrediction:
    """A lane that waits for the model.

    :param arrived_s: when the picture came that asks.
    :param predictions: of its first windows, as far as the model has been asked.
    """

    queue: SessionQueue
    pending: PendingWindows
    arrived_s: float
    predictions: list[Prediction] = attrs.field(factory=list)

    @property
    def left(self) -> list[Window]:
        """The windows that the model is still to be asked about."""
        return self.pending.windows[len(self.predictions) :]


class SessionQueue:
    """One session's pictures, in order.

    :param begin: makes the session, which is given the first frame, or None where there is none.
    :param backlog: what may wait; under the worker's lock.
    :param told: takes events, in the worker's thread.
    :param ended: is told that no more events will come, and why.
    """

    def __init__(
        self,
        model: Model,
        begin: Callable[[Frame | None], SessionLike],
        backlog: FrameQueue,
        metrics: Metrics,
        *,
        told: Callable[[Sequence[Event]], None],
        ended: Callable[[Reason], None],
    ) -> None:
        self.model = model
        self.backlog = backlog
        self.ending: Reason | None = None
        self.frames = 0
        self._begin = begin
        self._watcher: SessionLike | None = None
        self._question: PendingPrediction | None = None
        self._metrics = metrics
        self._told = told
        self._ended = ended
        self._dropped = 0
        self._logger = logging.getLogger(LOGGER)
        self._over = False

    @property
    def ready(self) -> bool:
        """Whether there is something to do; under the worker's lock."""
        return self.ending is not None or self._question is not None or self.backlog.waiting

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self._over

    @property
    def dropped(self) -> int:
        """Pictures that were dropped, in all; under the worker's lock."""
        return self.backlog.dropped

    def advance(self, take: Callable[[], Frame | SourceWarning | None]) -> PendingPrediction | None:
        """Have a turn: look at some pictures, until one asks for the model, and end where it is time to. A picture of
        which the model has not seen all windows goes on asking first.

        :param take: gives the next of what waits.
        """
        try:
            for _ in range(_MAX_ITEMS):
                # Read before what waits: nothing comes after the end.
                ending = self.ending
                if ending in ("interrupted", "failed"):
                    break
                if self._question is not None:
                    return self._question
                item = take()
                if item is None:
                    break
                if not isinstance(item, Frame):
                    self._tell(self._watching(None).warn(item.code, item.message))
                    continue
                watcher = self._watching(item)
                seen = watcher.prepare(item)
                self.frames += 1
                self._metrics.frames.inc()
                if seen.windows:
                    arrived_s = item.arrived_s if isinstance(item, QueuedFrame) else time.monotonic()
                    self._question = PendingPrediction(self, seen, arrived_s)
                    return self._question
                self._tell(watcher.complete(seen, []))
            else:
                return None
            if ending is not None:
                self.finish(ending)
        except BaseException:
            # Of a session, even an exit is no more than its own failure: the others go on.
            self.fail()
        return None

    def answer(self, question: PendingPrediction, predictions: Sequence[Prediction]) -> None:
        """Take what the model says of the next windows; go on when it has said it of all."""
        question.predictions += predictions
        if question.left:
            return
        self._question = None
        try:
            self._tell(self._watching(None).complete(question.pending, question.predictions))
            self._metrics.latency.observe(time.monotonic() - question.arrived_s)
        except BaseException:
            self.fail()

    def fail(self) -> None:
        """End after an error, which may be being handled; the events so far stand, and end as a whole."""
        self._logger.exception("session failed")
        self.finish("failed")

    def finish(self, reason: Reason) -> None:
        """End."""
        if self._over:
            return
        self._over = True
        # Nothing more is taken in.
        self.ending = reason
        try:
            self._tell(self._watching(None).finish(reason))
        except BaseException:
            self._logger.exception("session could not be ended")
        self._metrics.ended.labels(reason).inc()
        self._ended(reason)
        # It is kept for its figures as long as clients may ask, and its session and pictures need not be.
        self._watcher = None
        self._begin, self._told, self._ended = _no_session, _nobody, _nobody

    def count_dropped(self, dropped: int) -> None:
        """Note how many were dropped in all."""
        self._metrics.dropped.inc(dropped - self._dropped)
        self._dropped = dropped

    def _watching(self, frame: Frame | None) -> SessionLike:
        if self._watcher is None:
            self._watcher = self._begin(frame)
        return self._watcher

    def _tell(self, events: Sequence[Event]) -> None:
        if events:
            for event in events:
                self._metrics.events.labels(event.type).inc()
            self._told(events)


def plain_frame_queue(size: int) -> FrameQueue:
    """For what waits until it is read, such as a file: nothing is dropped, and nothing is late."""
    return FrameQueue("all", size, math.inf, math.inf)


def _no_session(frame: Frame | None) -> SessionLike:
    """The session of a lane that has ended."""
    raise AssertionError("the lane has ended")


def _nobody(what: object) -> None:
    """Who hears of a lane that has ended."""
