"""Sessions over frames, and what holds for all of their events."""

from __future__ import annotations

import functools
from collections.abc import Sequence

import attrs
import numpy as np
from jsonschema import Draft202012Validator

import fitsense
from fitsense.events.model import (
    Event,
    SessionEnded,
    SessionStarted,
)
from fitsense.events.schema import closed, schema, schemas, validate_event, validator
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.types import Frame, Prediction
from fitsense.windowing.sampler import Window


def run(model: fitsense.Model, frames: Sequence[Frame], config: SessionConfig | None = None) -> list[Event]:
    session = Session(model, config)
    return session.push_many(frames) + session.finish()


@functools.cache
def _strict(schema_id: str) -> Draft202012Validator:
    """Validator of a schema that allows no further properties."""
    return validator(closed(schema(schema_id)), [closed(other) for other in schemas().values()])


def check(events: Sequence[Event]) -> None:
    """Check the invariants of every session's events."""
    for number, event in enumerate(events):
        document = event.to_dict()
        validate_event(document)
        problems = list(_strict(document["dataschema"]).iter_errors(document["data"]))
        assert not problems, problems
        assert event.sequence == number
    assert isinstance(events[0].data, SessionStarted)
    assert isinstance(events[-1].data, SessionEnded)
    times = [event.time for event in events]
    assert times == sorted(times)
    open_segment = None
    for event in events:
        match event.type.removeprefix("fitsense."):
            case "exercise.started":
                assert open_segment is None
                open_segment = event.data.exercise  # type: ignore[union-attr]
            case "exercise.updated" | "exercise.ended" as kind:
                assert event.data.exercise == open_segment  # type: ignore[union-attr]
                if kind == "exercise.ended":
                    open_segment = None
    assert open_segment is None


class Scripted:
    """Predicts pseudo-random scores for the time, of clips of tiny pictures, so that many sessions run quickly."""

    def __init__(self, model: fitsense.Model) -> None:
        self.labels, self.manifest, self.plugins = model.labels, model.manifest, model.plugins
        self.clips = {name: attrs.evolve(spec, size=16, short_side=16) for name, spec in model.clips.items()}
        self.bundle, self.deferred_branches, self.tasks = model.bundle, model.deferred_branches, model.tasks
        self.notice = ""

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        return [self._predict(window) for window in windows]

    def _predict(self, window: Window) -> Prediction:
        seed = np.random.default_rng(int(window.end_s * 1000) % 2**32)
        scores = seed.dirichlet(np.full(len(self.labels.exercise), 0.05)).astype(np.float32)
        return Prediction(
            window.start_s, window.end_s, scores, seed.random(len(self.labels.muscles)).astype(np.float32)
        )
