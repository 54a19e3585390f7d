"""The inference thread: runs all sessions in rounds and predicts the windows of several sessions in one model call."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence

from fitsense._internal.channel import Channel
from fitsense._internal.stopping import StopFlag
from fitsense._internal.threads import WorkerThread
from fitsense.inference.model import Model
from fitsense.server.engine.session_queue import PendingPrediction, SessionQueue
from fitsense.server.log import LOGGER
from fitsense.server.metrics import Metrics
from fitsense.session.session import Reason
from fitsense.types import Frame, Prediction
from fitsense.video.source import SourceWarning
from fitsense.windowing.sampler import Window

# Seconds between an error of the worker itself and its next round.
_PAUSE_S = 0.2
_JOIN_TIMEOUT_S = 5.0


def batch_sizes(max_size: int) -> Iterator[int]:
    """Batch sizes for the model, largest first: powers of two up to `max_size`, because each size is compiled."""
    size = 1 << (max_size.bit_length() - 1)
    while size:
        yield size
        size >>= 1


class _SessionQueues:
    """The queues that the worker runs: new ones are offered, and those with work are taken."""

    def __init__(self) -> None:
        self._queues: list[SessionQueue] = []

    def offer(self, queue: SessionQueue, now_s: float) -> float:
        """Add a queue. Returns 0, since there is always room."""
        self._queues.append(queue)
        return 0.0

    def take(self, now_s: float) -> Sequence[SessionQueue] | None:
        """The queues with work, which stay; None if there is none."""
        return [queue for queue in self._queues if queue.ready] or None

    def remove_ended(self) -> None:
        """Remove the queues of ended sessions, and release their frames."""
        for queue in self._queues:
            if queue.over:
                queue.frame_queue.clear()
        self._queues = [queue for queue in self._queues if not queue.over]


class BatchWorker:
    """Runs session queues in rounds. In each round, every queue with work has one turn: it processes a few frames
    until one needs the model; then the model predicts the windows of all queues together. A frame with many windows
    takes several turns, so that it does not delay the other sessions.

    If the thread dies, :meth:`restart` starts a new one.

    :param max_batch: largest number of windows in one model call.
    """

    def __init__(self, max_batch: int, metrics: Metrics) -> None:
        self._max_batch = max_batch
        self._metrics = metrics
        self._queues = _SessionQueues()
        self._stop = StopFlag()
        self._channel = Channel(self._queues, self._stop)
        self._thread = self._new_thread()
        self._logger = logging.getLogger(LOGGER)

    @property
    def alive(self) -> bool:
        """True if the thread runs."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def restart(self) -> bool:
        """Replace a thread that has died; the new one continues where the old one ended.

        :return: whether the thread had died.
        """
        if self._stop.requested or self._thread.ident is None or self._thread.is_alive():
            return False
        self._logger.critical("the worker thread has died; starting a new one")
        self._thread = self._new_thread()
        self._thread.start()
        return True

    def stop(self) -> None:
        """Stop the thread without processing the remaining windows."""
        with self._channel.locked():
            self._stop.set()
        self._thread.join(_JOIN_TIMEOUT_S)

    def add(self, queue: SessionQueue) -> None:
        """Run a queue until it ends."""
        self._channel.put(queue)

    def offer(self, queue: SessionQueue, frame: Frame) -> float:
        """Append a frame to a queue. A queue that is ending drops the frame.

        :return: 0 if the frame was taken, else the longest time in seconds to wait before offering it again.
        """
        with self._channel.locked():
            if queue.ending is not None:
                return 0.0
            return queue.frame_queue.offer(frame, time.monotonic())

    def warn(self, queue: SessionQueue, warning: SourceWarning) -> None:
        """Append a source warning behind the frames in a queue."""
        with self._channel.locked():
            queue.frame_queue.note(warning)

    def end(self, queue: SessionQueue, reason: Reason) -> None:
        """End a queue: ``finished`` processes the queued frames first, any other reason drops them. The first reason
        stands, except that any other reason replaces ``finished``.
        """
        with self._channel.locked():
            if queue.ending is None or queue.ending == "finished":
                queue.ending = reason

    def dropped(self, queue: SessionQueue) -> int:
        """Number of frames that a queue has dropped."""
        with self._channel.locked():
            return queue.dropped

    def _new_thread(self) -> WorkerThread:
        return WorkerThread(self._run, self._stop.set, "fitsense worker")

    def _run(self) -> None:
        while not self._stop.requested:
            try:
                self._work()
            except BaseException:
                # Queues handle the errors of their sessions; this is an error of the worker itself. The pause bounds
                # the rate of log records.
                self._logger.critical("the worker failed in a round and continues", exc_info=True)
                time.sleep(_PAUSE_S)

    def _work(self) -> None:
        """Wait for work and run one round."""
        turns = self._channel.take() or []
        try:
            self._round(turns)
        finally:
            # Release the queues: they may end while this thread waits.
            del turns
            with self._channel.locked():
                self._queues.remove_ended()

    def _round(self, turns: Sequence[SessionQueue]) -> None:
        pending: dict[int, list[PendingPrediction]] = defaultdict(list)
        for queue in turns:
            prediction = queue.advance(lambda queue=queue: self._take(queue))  # type: ignore[misc]
            if prediction is not None:
                pending[id(queue.model)].append(prediction)
        for of_model in pending.values():
            # One window of each queue, or as many as fill a batch.
            self._predict_pending(of_model, max(1, self._max_batch // len(of_model)))

    def _take(self, queue: SessionQueue) -> Frame | SourceWarning | None:
        with self._channel.locked():
            item = queue.frame_queue.take(time.monotonic())
            if item is None and queue.ending == "finished":
                item = queue.frame_queue.pending_warning(time.monotonic())
            return item

    def _predict_pending(self, pending: Sequence[PendingPrediction], share: int) -> None:
        """Predict up to `share` windows of each queue. If the call fails, predict for each queue separately, so that
        only the queues fail whose windows the model rejects.
        """
        model = pending[0].queue.model
        shares = [one.unpredicted[:share] for one in pending]
        try:
            predictions = iter(self._predict(model, [window for windows in shares for window in windows]))
        except BaseException:
            if len(pending) == 1:
                pending[0].queue.fail()
                return
            for one in pending:
                self._predict_pending([one], share)
            return
        for one, windows in zip(pending, shares, strict=True):
            one.queue.add_predictions(one, [next(predictions) for _ in windows])

    def _predict(self, model: Model, windows: Sequence[Window]) -> list[Prediction]:
        predictions: list[Prediction] = []
        for size in batch_sizes(self._max_batch):
            while len(windows) - len(predictions) >= size:
                began_s = time.monotonic()
                at = len(predictions)
                predictions += model.predict(windows[at : at + size])
                self._metrics.inference.observe(time.monotonic() - began_s)
                self._metrics.batch.observe(size)
        self._metrics.windows.labels(model.manifest.name).inc(len(windows))
        return predictions
