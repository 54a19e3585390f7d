"""The worker: fair, in batches, and one session's fault is its own."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import pytest

import fitsense
from fitsense.events import Event, SessionEnded
from fitsense.server.lane import Lane, Watcher, plain_backlog
from fitsense.server.metrics import Metrics
from fitsense.server.worker import Worker
from fitsense.session import EPOCH, Reason
from fitsense.testing.figures import FigureVideo
from fitsense.types import Frame
from tests.server.running import PATIENCE_S


class Client:
    """Who opened a lane: what was told, in the order of all lanes, and why it ended."""

    def __init__(self, name: str, model: fitsense.Model, told: list[tuple[str, Event]], metrics: Metrics) -> None:
        self.name = name
        self.events: list[Event] = []
        self.reason: Reason | None = None
        self.started_at = EPOCH
        self.over = threading.Event()
        self._model = model
        self._all = told
        self.lane = Lane(model, self._begin, plain_backlog(1000), metrics, told=self._told, ended=self._ended)

    def _begin(self, frame: Frame | None) -> Watcher:
        return fitsense.Session(
            self._model, fitsense.SessionConfig(source=f"urn:{self.name}", started_at=self.started_at)
        )

    def _told(self, events: Sequence[Event]) -> None:
        self.events += events
        self._all += [(self.name, event) for event in events]

    def _ended(self, reason: Reason) -> None:
        self.reason = reason
        self.over.set()


def test_lanes_take_turns_and_share_questions(model: fitsense.Model, squats: FigureVideo) -> None:
    metrics = Metrics()
    worker, told = Worker(2, metrics), list[tuple[str, Event]]()
    frames = list(squats)
    clients = [Client(name, model, told, metrics) for name in ("first", "second")]
    for client in clients:
        worker.add(client.lane)
        for frame in frames:
            assert worker.offer(client.lane, frame) == 0.0
        worker.end(client.lane, "finished")
    worker.start()
    assert all(client.over.wait(PATIENCE_S * 4) for client in clients)
    worker.stop()
    # Both had all their pictures waiting before anything began, and neither is ahead by more than a turn.
    ahead = 0
    for name, event in told:
        if event.type == "fitsense.exercise.updated":
            ahead += 1 if name == "first" else -1
            assert abs(ahead) <= 1
    page = metrics.page().decode()
    assert 'fitsense_batch_windows_bucket{le="1.0"} 0.0' in page
    alone = [event.to_dict()["data"] for event in fitsense.analyze(frames, model=model)]
    for client in clients:
        assert client.reason == "finished"
        assert [event.type for event in client.events] == [f"fitsense.{_name(event)}" for event in client.events]
        mine = [event.to_dict()["data"] for event in client.events]
        assert [sorted(one) for one in mine] == [sorted(one) for one in alone]
        # A batch is computed in another order, which shows in the last digits.
        confidences = [
            (a["confidence"], b["confidence"]) for a, b in zip(mine, alone, strict=True) if "confidence" in a
        ]
        assert np.abs(np.diff(confidences)).max() < 2e-3


def _name(event: Event) -> str:
    return event.data.TYPE


def test_a_session_that_fails_ends_as_a_whole_and_alone(model: fitsense.Model, squats: FigureVideo) -> None:
    metrics = Metrics()
    worker, told = Worker(1, metrics), list[tuple[str, Event]]()
    good, bad = (Client(name, model, told, metrics) for name in ("good", "bad"))
    for client in (good, bad):
        worker.add(client.lane)
        for frame in list(squats)[:30]:
            worker.offer(client.lane, frame)
    # An event's time that is beyond the calendar is nobody's plan.
    soon_over = EPOCH.replace(year=9999, month=12, day=31, hour=23, minute=59, second=58)
    bad.started_at = soon_over
    for client in (good, bad):
        worker.end(client.lane, "finished")
    worker.start()
    assert good.over.wait(PATIENCE_S * 2)
    assert bad.over.wait(PATIENCE_S * 2)
    worker.stop()
    assert (good.reason, bad.reason) == ("finished", "failed")
    last = good.events[-1].data
    assert isinstance(last, SessionEnded)
    assert last.frames == 30


@pytest.mark.parametrize("reason", ["interrupted", "failed"])
def test_an_end_in_a_hurry_leaves_what_waits(reason: Reason, model: fitsense.Model, squats: FigureVideo) -> None:
    metrics = Metrics()
    worker = Worker(1, metrics)
    client = Client("one", model, [], metrics)
    worker.add(client.lane)
    for frame in list(squats)[:20]:
        worker.offer(client.lane, frame)
    worker.end(client.lane, "finished")
    worker.end(client.lane, reason)
    # What comes after the end is nobody's.
    assert worker.offer(client.lane, Frame(np.zeros((9, 9, 3), np.uint8), 99.0)) == 0.0
    worker.start()
    assert client.over.wait(PATIENCE_S)
    worker.stop()
    assert client.reason == reason
    last = client.events[-1].data
    assert isinstance(last, SessionEnded)
    assert (last.reason, last.frames) == (reason, 0)
