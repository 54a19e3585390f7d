"""Snapshots of sessions, and sessions that continue from them."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fitsense
from fitsense.bundles.bundle import Bundle, save
from fitsense.events.model import (
    Event,
)
from fitsense.session.config import SessionConfig
from fitsense.session.session import Session
from fitsense.types import Frame
from tests.helpers.sessions import Scripted, check, run


@settings(max_examples=10)
@given(data=st.data())
def test_resume_any_snapshot_gives_the_same_events(
    model: fitsense.Model, frames: list[Frame], data: st.DataObject
) -> None:
    """Wherever a host restarts, the events are the same, byte for byte."""
    restarts = set(data.draw(st.lists(st.integers(0, len(frames)), min_size=1, max_size=3)))
    config = SessionConfig(source="urn:gym:7", started_at=datetime(2026, 3, 1, tzinfo=UTC))
    session = Session(model, config)
    events: list[Event] = []
    for at, frame in enumerate([*frames, None]):
        if at in restarts:
            snapshot = session.snapshot()
            assert Session.resume(model, snapshot).snapshot() == snapshot
            session = Session.resume(model, snapshot)
        events += session.finish() if frame is None else session.push(frame)
    assert [e.to_json() for e in events] == [e.to_json() for e in run(model, frames, config)]


@given(st.lists(st.floats(-0.3, 3.0), min_size=1, max_size=40), st.data())
def test_resume_after_any_times_gives_the_same_events(
    model: fitsense.Model, steps: list[float], data: st.DataObject
) -> None:
    """Also after a gap, a late frame or a changing answer."""
    random = np.random.default_rng(data.draw(st.integers(0, 2**16)))
    stream = [
        Frame(random.integers(0, 256, (8, 8, 3), dtype=np.uint8), float(time)) for time in np.cumsum([0.0, *steps])
    ]
    scripted, at = Scripted(model), data.draw(st.integers(0, len(stream)))
    session = Session(scripted)  # type: ignore[arg-type]
    events = session.push_many(stream[:at])
    session = Session.resume(scripted, session.snapshot())  # type: ignore[arg-type]
    events += session.push_many(stream[at:]) + session.finish()
    check(events)
    whole = run(scripted, stream)  # type: ignore[arg-type]
    assert [e.to_json() for e in events] == [e.to_json() for e in whole]


def test_push_cascade_that_always_defers_gives_the_same_events(model: fitsense.Model, frames: list[Frame]) -> None:
    """Images of deferred branches are made on first access."""
    asking = fitsense.load_model(cascade=fitsense.Cascade(("x3d_s",), threshold=1.0), bf16=False)
    assert set(asking.deferred_branches) == {"x3d_bodies", "slowfast"}
    session = Session(asking)
    events = session.push_many(frames[:33])
    events += Session.resume(asking, session.snapshot()).push_many(frames[33:])
    assert [event.to_json() for event in events] == [event.to_json() for event in Session(model).push_many(frames)]


def test_resume_other_bundle_or_no_snapshot_is_refused(
    model: fitsense.Model, frames: list[Frame], tmp_path: Path
) -> None:
    # The one that needs no file of others.
    other = Bundle.load("gym-video")
    shutil.copytree(other.folder, tmp_path / "other")
    save(tmp_path / "other", attrs.evolve(other.manifest, version="1.0.1"))
    session = Session(fitsense.load_model("gym-video"))
    session.push_many(frames[:20])
    snapshot = session.snapshot()
    with pytest.raises(fitsense.InvalidInputError, match="of the same bundle"):
        Session.resume(fitsense.load_model(tmp_path / "other"), snapshot)
    for broken in (b"", b"PK", snapshot[: len(snapshot) // 2], snapshot.replace(b"state.json", b"other.json")):
        with pytest.raises(fitsense.InvalidInputError, match="snapshot"):
            Session.resume(model, broken)
