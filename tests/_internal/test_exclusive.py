"""A session takes one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import fitsense
from fitsense.events.model import Event
from fitsense.session.tracked import TrackedSession
from fitsense.types import Frame, Prediction
from fitsense.windowing.sampler import Window

PICTURE = np.zeros((96, 96, 3), np.uint8)


class Waiting:
    """A model that waits in `predict`, from the first call on, until `go` is set."""

    def __init__(self, model: fitsense.Model) -> None:
        self._model = model
        self.inside = threading.Event()
        self.go = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        self.inside.set()
        assert self.go.wait(60)
        return self._model.predict(windows)


def people(model: Any) -> TrackedSession:
    return TrackedSession(model, lambda rgb: [])


@pytest.mark.parametrize("kind", [fitsense.Session, fitsense.MultiSession, people])
def test_session_with_a_second_thread_refuses_it_and_loses_nothing(kind: Callable[[Any], Any]) -> None:
    model = fitsense.load_model()
    frames = [Frame(PICTURE, index / 2) for index in range(4)]

    def whole(session: Any) -> list[str]:
        return [event.to_json() for frame in frames for event in session.push(frame)]

    expected = whole(kind(model))
    waiting = Waiting(model)
    session = kind(waiting)
    calls: list[Callable[[], Any]] = [
        lambda: session.push(Frame(PICTURE, 9.0)),
        lambda: session.prepare(Frame(PICTURE, 9.0)),
        lambda: session.warn("mine", "x"),
        session.snapshot,
        session.finish,
    ]
    with ThreadPoolExecutor(1) as pool:
        pushed = pool.submit(whole, session)
        assert waiting.inside.wait(60)
        for call in calls:
            with pytest.raises(fitsense.FitsenseError, match="expected one thread at a time"):
                call()
        waiting.go.set()
        assert pushed.result(60) == expected
    # Taking turns is allowed.
    events: list[Event] = session.finish()
    assert kind is not fitsense.Session or events[-1].type == "fitsense.session.ended"


def test_session_after_a_refused_frame_takes_the_next() -> None:
    session = fitsense.Session(fitsense.load_model())
    with pytest.raises(fitsense.InvalidInputError):
        session.push(np.zeros((0, 3), np.uint8), 0.0)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(session.push, PICTURE, 0.0).result(60)
