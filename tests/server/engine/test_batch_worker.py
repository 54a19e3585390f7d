"""The worker: fairness, batches, and isolation of failures."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import SimpleNamespace
from typing import cast

import attrs
import numpy as np
import pytest

import fitsense
from fitsense.events.model import Event, SessionEnded
from fitsense.server.engine.batch_worker import BatchWorker
from fitsense.server.engine.session_queue import AnySession, SessionQueue, lossless_frame_queue
from fitsense.server.metrics import Metrics
from fitsense.session.config import EPOCH
from fitsense.session.session import Reason
from fitsense.synthetic.figures import FigureVideo
from fitsense.types import Frame, Prediction
from fitsense.windowing.sampler import Window
from tests.helpers.live_server import PATIENCE_S, until


class Client:
    """A queue with its events, the events of all queues in order, and the reason of its end."""

    def __init__(self, name: str, model: fitsense.Model, emitted: list[tuple[str, Event]], metrics: Metrics) -> None:
        self.name = name
        self.events: list[Event] = []
        self.reason: Reason | None = None
        self.started_at = EPOCH
        self.over = threading.Event()
        self._model = model
        self._all = emitted
        self.queue = SessionQueue(
            model, self._begin, lossless_frame_queue(1000), metrics, on_events=self._on_events, on_end=self._on_end
        )

    def _begin(self, frame: Frame | None) -> AnySession:
        return fitsense.Session(
            self._model, fitsense.SessionConfig(source=f"urn:{self.name}", started_at=self.started_at)
        )

    def _on_events(self, events: Sequence[Event]) -> None:
        self.events += events
        self._all += [(self.name, event) for event in events]

    def _on_end(self, reason: Reason) -> None:
        self.reason = reason
        self.over.set()


def test_worker_two_sessions_take_turns_and_share_batches(model: fitsense.Model, squats: FigureVideo) -> None:
    metrics = Metrics()
    worker, emitted = BatchWorker(2, metrics), list[tuple[str, Event]]()
    frames = list(squats)
    clients = [Client(name, model, emitted, metrics) for name in ("first", "second")]
    for client in clients:
        worker.add(client.queue)
        for frame in frames:
            assert worker.offer(client.queue, frame) == 0.0
        worker.end(client.queue, "finished")
    worker.start()
    assert all(client.over.wait(PATIENCE_S * 4) for client in clients)
    worker.stop()
    # Both had all their pictures waiting before anything began, and neither is ahead by more than a turn.
    ahead = 0
    for name, event in emitted:
        if event.type == "fitsense.exercise.updated":
            ahead += 1 if name == "first" else -1
            assert abs(ahead) <= 1
    page = metrics.page().decode()
    assert 'fitsense_batch_windows_bucket{le="1.0"} 0.0' in page
    events = list(fitsense.analyze(frames, model=model))
    alone = [event.to_dict()["data"] for event in events]
    for client in clients:
        assert client.reason == "finished"
        assert [event.type for event in client.events] == [event.type for event in events]
        mine = [event.to_dict()["data"] for event in client.events]
        assert [sorted(one) for one in mine] == [sorted(one) for one in alone]
        # A batch is computed in another order, which shows in the last digits.
        confidences = [
            (a["confidence"], b["confidence"]) for a, b in zip(mine, alone, strict=True) if "confidence" in a
        ]
        assert np.abs(np.diff(confidences)).max() < 2e-3


def test_worker_failing_session_ends_alone(model: fitsense.Model, squats: FigureVideo) -> None:
    metrics = Metrics()
    worker, emitted = BatchWorker(1, metrics), list[tuple[str, Event]]()
    good, bad = (Client(name, model, emitted, metrics) for name in ("good", "bad"))
    for client in (good, bad):
        worker.add(client.queue)
        for frame in list(squats)[:30]:
            worker.offer(client.queue, frame)
    # Event times beyond the calendar fail.
    soon_over = EPOCH.replace(year=9999, month=12, day=31, hour=23, minute=59, second=58)
    bad.started_at = soon_over
    for client in (good, bad):
        worker.end(client.queue, "finished")
    worker.start()
    assert good.over.wait(PATIENCE_S * 2)
    assert bad.over.wait(PATIENCE_S * 2)
    worker.stop()
    assert (good.reason, bad.reason) == ("finished", "failed")
    last = good.events[-1].data
    assert isinstance(last, SessionEnded)
    assert last.frames == 30


@pytest.mark.parametrize("reason", ["interrupted", "failed"])
def test_worker_end_other_than_finished_drops_queued_frames(
    reason: Reason, model: fitsense.Model, squats: FigureVideo
) -> None:
    metrics = Metrics()
    worker = BatchWorker(1, metrics)
    client = Client("one", model, [], metrics)
    worker.add(client.queue)
    for frame in list(squats)[:20]:
        worker.offer(client.queue, frame)
    worker.end(client.queue, "finished")
    worker.end(client.queue, reason)
    # Frames after the end are ignored.
    assert worker.offer(client.queue, Frame(np.zeros((9, 9, 3), np.uint8), 99.0)) == 0.0
    worker.start()
    assert client.over.wait(PATIENCE_S)
    worker.stop()
    assert client.reason == reason
    last = client.events[-1].data
    assert isinstance(last, SessionEnded)
    assert (last.reason, last.frames) == (reason, 0)


class ManyWindows:
    """A session of which each picture asks for many windows.

    :param windows: of each picture.
    """

    def __init__(self, windows: int) -> None:
        self.windows = [cast(Window, object())] * windows
        self.predicted: list[int] = []

    def prepare(self, frame: Frame, /) -> ManyWindows:
        return self

    def complete(self, pending: ManyWindows, predictions: Sequence[Prediction], /) -> list[Event]:
        self.predicted.append(len(predictions))
        return []

    def warn(self, code: str, message: str) -> list[Event]:
        return []

    def finish(self, reason: Reason = "finished") -> list[Event]:
        return []

    def snapshot(self) -> bytes:
        return b""

    def _skip_events(self, count: int) -> None:
        pass


class CountingModel:
    """A model that predicts nothing, and knows how much it was asked at once."""

    manifest = SimpleNamespace(name="counting")

    def __init__(self) -> None:
        self.asked: list[int] = []

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        self.asked.append(len(windows))
        return [cast(Prediction, None) for _ in windows]


def queue_of(model: CountingModel, session: AnySession, order: list[str], name: str, metrics: Metrics) -> SessionQueue:
    return SessionQueue(
        cast(fitsense.Model, model),
        lambda frame: session,
        lossless_frame_queue(1000),
        metrics,
        on_events=lambda events: None,
        on_end=lambda reason: order.append(f"{name} {reason}"),
    )


def test_worker_frame_with_many_windows_lets_others_run() -> None:
    metrics, model, order = Metrics(), CountingModel(), list[str]()
    worker = BatchWorker(2, metrics)
    greedy, modest = ManyWindows(14), ManyWindows(1)
    frame = Frame(np.zeros((9, 9, 3), np.uint8), 0.0)
    # The greedy one first: one picture of 14 windows against five pictures of one.
    for name, session, pictures in (("greedy", greedy, 1), ("modest", modest, 5)):
        queue = queue_of(model, session, order, name, metrics)
        worker.add(queue)
        for number in range(pictures):
            worker.offer(queue, attrs.evolve(frame, time_s=float(number)))
        worker.end(queue, "finished")
    worker.start()
    worker_done(worker, order, 2)
    assert order == ["modest finished", "greedy finished"]
    assert greedy.predicted == [14]
    assert modest.predicted == [1] * 5
    # While both ask, a batch holds a window of each; the greedy one fills the others alone.
    assert model.asked == [2] * 5 + [2] * 4 + [1]


def worker_done(worker: BatchWorker, order: list[str], queues: int) -> None:
    until(lambda: len(order) == queues)
    worker.stop()


def test_worker_exiting_session_ends_alone() -> None:
    class Exiting(ManyWindows):
        def prepare(self, frame: Frame, /) -> ManyWindows:
            raise SystemExit(3)

    metrics, model, order = Metrics(), CountingModel(), list[str]()
    worker = BatchWorker(1, metrics)
    for name, session in (("exiting", Exiting(1)), ("good", ManyWindows(1))):
        queue = queue_of(model, session, order, name, metrics)
        worker.add(queue)
        worker.offer(queue, Frame(np.zeros((9, 9, 3), np.uint8), 0.0))
        worker.end(queue, "finished")
    worker.start()
    worker_done(worker, order, 2)
    assert sorted(order) == ["exiting failed", "good finished"]


def test_worker_failing_round_is_logged_and_continues(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    metrics, model, order = Metrics(), CountingModel(), list[str]()
    worker = BatchWorker(1, metrics)
    round_, failures = worker._round, iter([SystemExit(1), KeyboardInterrupt(), MemoryError()])

    def failing(turns: Sequence[SessionQueue]) -> None:
        if (failure := next(failures, None)) is not None:
            raise failure
        round_(turns)

    monkeypatch.setattr(worker, "_round", failing)
    queue = queue_of(model, ManyWindows(1), order, "one", metrics)
    worker.add(queue)
    worker.offer(queue, Frame(np.zeros((9, 9, 3), np.uint8), 0.0))
    worker.end(queue, "finished")
    worker.start()
    worker_done(worker, order, 1)
    assert order == ["one finished"]
    assert [record.levelname for record in caplog.records] == ["CRITICAL"] * 3
