"""The one thread that analyses: it gives every session its turn, and asks the model for several at once."""

from __future__ import annotations

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from fitsense.inference.model import Model
from fitsense.server.engine.session_queue import PendingPrediction, SessionQueue
from fitsense.server.log import LOGGER
from fitsense.server.metrics import Metrics
from fitsense.session.session import Reason
from fitsense.types import Frame, Prediction
from fitsense.video.source import SourceWarning
from fitsense.windowing.sampler import Window

_POLL_S = 0.2
_PATIENCE_S = 5.0


def batches(most: int) -> Iterator[int]:
    """The sizes of batch that are asked for, largest first: powers of two, since each is compiled by itself."""
    size = 1 << (most.bit_length() - 1)
    while size:
        yield size
        size >>= 1


class BatchWorker:
    """Runs lanes in rounds. In each, every lane that has something to do has one turn: it may look at a few pictures,
    until one asks for the model; then the model is asked, for all of them. A picture with many windows takes several
    turns, so that the others do not wait for all of them.

    If the thread ends by itself, :meth:`restart` starts another.

    :param batch: windows that the model is asked about at once, at most.
    """

    def __init__(self, batch: int, metrics: Metrics) -> None:
        self._batch = batch
        self._metrics = metrics
        self._lanes: list[SessionQueue] = []
        self._changed = threading.Condition()
        self._stopped = False
        self._thread = self._new_thread()
        self._logger = logging.getLogger(LOGGER)

    @property
    def alive(self) -> bool:
        """Whether it works."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def restart(self) -> bool:
        """Start another thread if the one that was started has ended by itself; whether it had. It goes on where the
        other ended."""
        if self._stopped or self._thread.ident is None or self._thread.is_alive():
            return False
        self._logger.critical("the worker thread has ended by itself; another one is started")
        self._thread = self._new_thread()
        self._thread.start()
        return True

    def stop(self) -> None:
        """End the thread, whatever is left to do."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(_PATIENCE_S)

    def add(self, lane: SessionQueue) -> None:
        """Give a lane its turns, until it ends."""
        with self._changed:
            self._lanes.append(lane)

    def offer(self, lane: SessionQueue, frame: Frame) -> float:
        """Put a frame behind those that wait; 0, or for how many seconds at most to wait before it is offered again.

        Whoever offers to a lane that ends is let go: the frame is dropped.
        """
        with self._changed:
            if lane.ending is not None:
                return 0.0
            wait_s = lane.backlog.offer(frame, time.monotonic())
            if not wait_s:
                self._changed.notify_all()
            return wait_s

    def note(self, lane: SessionQueue, trouble: SourceWarning) -> None:
        """Put a note behind the frames that wait."""
        with self._changed:
            lane.backlog.note(trouble)
            self._changed.notify_all()

    def end(self, lane: SessionQueue, reason: Reason) -> None:
        """End a lane: what ``finished`` after what waits, anything else at once. The first reason stands, unless
        another one is in more of a hurry.
        """
        with self._changed:
            if lane.ending is None or lane.ending == "finished":
                lane.ending = reason
            self._changed.notify_all()

    def dropped(self, lane: SessionQueue) -> int:
        """How many of a lane's frames were dropped."""
        with self._changed:
            return lane.dropped

    def _new_thread(self) -> threading.Thread:
        return threading.Thread(target=self._run, name="fitsense worker", daemon=True)

    def _run(self) -> None:
        while not self._stopped:
            try:
                self._work()
            except BaseException:
                # Lanes keep their faults to themselves; this would be one of ours. The pause bounds what it logs.
                self._logger.critical("the worker failed in a round, and goes on", exc_info=True)
                time.sleep(_POLL_S)

    def _work(self) -> None:
        """Wait until there is something to do, and do a round of it."""
        with self._changed:
            while not self._stopped and not any(lane.ready for lane in self._lanes):
                self._changed.wait(_POLL_S)
            turns = [] if self._stopped else [lane for lane in self._lanes if lane.ready]
        try:
            self._round(turns)
        finally:
            # They may end, and this thread may wait for long.
            del turns
            self._let_go_of_ended()

    def _let_go_of_ended(self) -> None:
        with self._changed:
            for lane in self._lanes:
                if lane.over:
                    lane.backlog.clear()
            self._lanes = [lane for lane in self._lanes if not lane.over]

    def _round(self, turns: Sequence[SessionQueue]) -> None:
        asked: dict[int, list[PendingPrediction]] = defaultdict(list)
        for lane in turns:
            question = lane.advance(lambda lane=lane: self._take(lane))  # type: ignore[misc]
            if question is not None:
                asked[id(lane.model)].append(question)
        for questions in asked.values():
            # One window each, or as many as fill a batch.
            self._answer(questions, max(1, self._batch // len(questions)))

    def _take(self, lane: SessionQueue) -> Frame | SourceWarning | None:
        with self._changed:
            item = lane.backlog.take(time.monotonic())
            if item is None and lane.ending == "finished":
                item = lane.backlog.pending_warning(time.monotonic())
            return item

    def _answer(self, questions: Sequence[PendingPrediction], share: int) -> None:
        """Ask the model about some windows of each lane; where it fails, for each of them alone, so that only those
        fail whose windows it cannot take.

        :param share: windows of a lane, at most.
        """
        model = questions[0].queue.model
        shares = [question.left[:share] for question in questions]
        try:
            predictions = iter(self._predict(model, [window for windows in shares for window in windows]))
        except BaseException:
            if len(questions) == 1:
                questions[0].queue.fail()
                return
            for one in questions:
                self._answer([one], share)
            return
        for one, windows in zip(questions, shares, strict=True):
            one.queue.answer(one, [next(predictions) for _ in windows])

    def _predict(self, model: Model, windows: Sequence[Window]) -> list[Prediction]:
        predictions: list[Prediction] = []
        for size in batches(self._batch):
            while len(windows) - len(predictions) >= size:
                began_s = time.monotonic()
                at = len(predictions)
                predictions += model.predict(windows[at : at + size])
                self._metrics.inference.observe(time.monotonic() - began_s)
                self._metrics.batch.observe(size)
        self._metrics.windows.labels(model.manifest.name).inc(len(windows))
        return predictions
