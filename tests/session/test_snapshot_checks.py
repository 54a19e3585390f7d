"""A changed snapshot is refused, or the session that continues from it works."""

from __future__ import annotations

import contextlib
import io
import json
import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fitsense
from fitsense.events.model import Event
from fitsense.events.schema import validate_event
from fitsense.session.session import Session
from fitsense.synthetic.figures import Bout, FigureVideo
from fitsense.types import Prediction
from fitsense.windowing.sampler import Window

Path = tuple[Any, ...]


class Steady:
    """A model with small clips and constant predictions, so that states fill up quickly."""

    def __init__(self, model: fitsense.Model) -> None:
        self._model = model
        self.clips = {name: attrs.evolve(spec, size=16, short_side=16) for name, spec in model.clips.items()}
        squat = list(model.labels.exercise).index("squat")
        self._exercise = np.zeros(len(model.labels.exercise), np.float32)
        self._exercise[squat] = 1.0
        self._muscles = np.full(len(model.labels.muscles), 0.5, np.float32)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def predict(self, windows: Sequence[Window]) -> list[Prediction]:
        for window in windows:
            for clip in window.clips.values():
                assert clip.frames.ndim == 4
        return [Prediction(window.start_s, window.end_s, self._exercise, self._muscles) for window in windows]


@pytest.fixture(scope="module")
def steady() -> Any:
    return Steady(fitsense.load_model())


@pytest.fixture(scope="module")
def snapshot(steady: Any) -> bytes:
    """A snapshot in the middle of a set."""
    session = Session(steady)
    session.push_many(list(FigureVideo([Bout("squat", 6, 2.0)], size=(96, 96), rate_hz=15.0, seed=3))[:150])
    return session.snapshot()


def unzipped(snapshot: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(snapshot)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, contents in files.items():
            archive.writestr(name, contents)
    return stream.getvalue()


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for at, item in enumerate(value):
            yield from leaves(item, (*path, at))
    else:
        yield path


def changed(snapshot: bytes, path: Path, value: Any) -> bytes:
    files = unzipped(snapshot)
    document = json.loads(files["state.json"])
    part = document
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return zipped({**files, "state.json": json.dumps(document).encode()})


def refuses_or_goes_on(steady: Any, snapshot: bytes) -> bool:
    """Check that resuming either refuses the snapshot or gives a working session: also after a gap, a clock reset, and
    to its end.
    """
    try:
        session = Session.resume(steady, snapshot)
    except fitsense.InvalidInputError:
        return False
    picture = np.full((96, 96, 3), 90, np.uint8)
    events: list[Event] = []
    if not session.state.finished:
        for time_s in (10.0, 11.2, 20.0, *[1.0] * 10):
            # The changed clock may take a time out of range.
            with contextlib.suppress(fitsense.InvalidInputError):
                events += session.push(picture, time_s)
        events += session.finish()
    for event in events:
        json.loads(event.to_json(), parse_constant=refuse)
        validate_event(event.to_dict())
    return True


def refuse(name: str) -> float:
    raise AssertionError(f"{name} in an event")


def test_resume_with_the_unchanged_snapshot_continues(steady: Any, snapshot: bytes) -> None:
    assert refuses_or_goes_on(steady, zipped(unzipped(snapshot)))


NUMBERS = [2**70, -(2**70), 2.0**70, 1e9, -1e9, 1e5, -1e5, math.inf, -math.inf, math.nan, 0, -1, 1, 0.5, 10**400]


@pytest.mark.slow
def test_resume_with_one_changed_number_refuses_or_continues(steady: Any, snapshot: bytes) -> None:
    """Two regressions first, then every field with a few values each."""
    for path, value in [(("windows", "clock", "offset_s"), 2**70), (("summary", "observed_s"), math.inf)]:
        assert not refuses_or_goes_on(steady, changed(snapshot, path, value))
    document = json.loads(unzipped(snapshot)["state.json"])
    seen: set[Any] = set()
    for number, path in enumerate(leaves(document)):
        # One of many alike, such as frames.
        kind = tuple("#" if isinstance(key, int) else key for key in path)
        if "array" in kind or kind in seen:
            continue
        seen.add(kind)
        refuses_or_goes_on(steady, changed(snapshot, path, NUMBERS[number % len(NUMBERS)]))


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_resume_with_random_changes_refuses_or_continues(steady: Any, snapshot: bytes, data: st.DataObject) -> None:
    document = json.loads(unzipped(snapshot)["state.json"])
    paths = list(leaves(document))
    values = st.one_of(
        st.sampled_from(NUMBERS), st.floats(), st.integers(), st.text(max_size=5), st.none(), st.booleans(), st.just([])
    )
    for _ in range(data.draw(st.integers(1, 2))):
        snapshot = changed(snapshot, data.draw(st.sampled_from(paths)), data.draw(values))
    refuses_or_goes_on(steady, snapshot)


def saved(array: np.ndarray[Any, Any]) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


ARRAYS: list[Callable[[np.ndarray[Any, Any]], bytes]] = [
    lambda array: saved(np.full(array.shape, np.nan)),
    lambda array: saved(np.full(array.shape, 1e30, np.float32)),
    lambda array: saved(array.astype(np.float64)),
    lambda array: saved(array[..., :1]),
    lambda array: saved(np.zeros((0,), array.dtype)),
    lambda array: saved(array.astype(np.complex64)),
    lambda array: saved(array).replace(b"'shape': (", b"'shape': (99999999999, "),
    lambda array: saved(array)[:20],
    lambda array: saved(array).replace(b"'descr'", b"'descr(("),
]


@pytest.mark.parametrize("change", ARRAYS)
def test_resume_with_changed_arrays_refuses_or_continues(
    steady: Any, snapshot: bytes, change: Callable[[np.ndarray[Any, Any]], bytes]
) -> None:
    files = unzipped(snapshot)
    names = [name for name in files if name != "state.json"]
    for name in {*names[::40], *names[-8:]}:
        array = np.load(io.BytesIO(files[name]))
        refuses_or_goes_on(steady, zipped({**files, name: change(array)}))


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_resume_with_damaged_bytes_raises_the_typed_error(steady: Any, snapshot: bytes, method: int) -> None:
    files = {"state.json": unzipped(snapshot)["state.json"]}
    whole = bytearray(zipped(files, method))
    for at in range(40, len(whole), len(whole) // 60):
        damaged = bytearray(whole)
        damaged[at] ^= 0xFF
        with pytest.raises(fitsense.InvalidInputError, match="snapshot"):
            Session.resume(steady, bytes(damaged))


@pytest.mark.parametrize("time_s", [10**400, "soon", [1.0], object(), 1e300, math.nan])
def test_push_with_an_impossible_time_raises_the_typed_error(time_s: Any) -> None:
    session = Session(fitsense.load_model())
    with pytest.raises(fitsense.InvalidInputError, match="expected"):
        session.push(np.zeros((8, 8, 3), np.uint8), time_s)
    with pytest.raises(fitsense.InvalidInputError, match="expected"):
        session.push([[1, 2], [3]], 0.0)  # type: ignore[arg-type]


def test_push_after_many_clock_resets_raises_the_typed_error(steady: Any) -> None:
    """The error is typed when the media time leaves the calendar, not an OverflowError."""
    session = Session(steady)
    picture = np.zeros((8, 8, 3), np.uint8)
    session.push(picture, 9e8)
    for at in range(12):
        session.push(picture, -9e8 + at / 10)
    with pytest.raises(fitsense.InvalidInputError, match="after clock resets"):
        session.push(picture, 9e8)
    assert session.finish()[-1].type == "fitsense.session.ended"


@pytest.mark.parametrize("year", [1, 9999])
def test_session_config_starting_at_the_last_date_is_refused(year: int) -> None:
    from datetime import UTC, datetime

    with pytest.raises(fitsense.InvalidInputError, match="calendar"):
        fitsense.SessionConfig(started_at=datetime(year, 1, 1, tzinfo=UTC))
