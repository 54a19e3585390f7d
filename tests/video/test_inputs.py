"""Validation of sources before they are opened."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fitsense
from fitsense.types import Frame
from fitsense.video.inputs import checked_source

FRAME = Frame(np.zeros((8, 8, 3), np.uint8), 0.0)


async def asynchronous_frames() -> AsyncIterator[Frame]:
    yield FRAME


WRONG: list[tuple[Any, str]] = [
    (None, "got NoneType"),
    (0, "got int 0; a camera is called camera:0"),
    (np.int64(2), "a camera is called camera:2"),
    (True, "got bool True"),
    (1.5, "got float"),
    ("", "got an empty str"),
    (b"workout.mp4", "got bytes; a video in memory is"),
    (bytearray(b"x"), "got bytearray"),
    (memoryview(b"x"), "got memoryview"),
    (np.zeros((4, 8, 8, 3), np.uint8), r"got ndarray of shape \(4, 8, 8, 3\)"),
    (FRAME, "got a single Frame"),
    ({"door": "a.mp4"}, "got dict"),
    (["a.mp4", "b.mp4"], "got str as item 0"),
    ((Path("a.mp4"),), "got PosixPath as item 0|got WindowsPath as item 0"),
    ([FRAME, np.zeros((8, 8, 3), np.uint8)], "got ndarray .* as item 1"),
    ([(np.zeros((8, 8, 3), np.uint8), 0.0)], "got tuple as item 0"),
    ({"a.mp4"}, "got str as item 0"),
    (range(3), "got int 0.* as item 0"),
    (io.StringIO("text"), "got a file opened as text"),
    (object(), "got object"),
    (fitsense.analyze, "got function"),
    (FRAME.rgb.dtype, "expected"),
]


@pytest.mark.parametrize(("source", "message"), WRONG, ids=lambda value: str(type(value).__name__))
def test_checked_source_wrong_type_is_refused(source: Any, message: str, model: fitsense.Model) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=message):
        fitsense.analyze(source, model=model)
    with pytest.raises(fitsense.InvalidInputError, match=message):
        fitsense.analyze_async(source, model=model)
    with fitsense.SourceGroup(model=model) as streams, pytest.raises(fitsense.InvalidInputError, match=message):
        streams.add("door", source)


def test_checked_source_asynchronous_frames_point_to_analyze_async(model: fitsense.Model) -> None:
    with pytest.raises(fitsense.InvalidInputError, match=r"fitsense\.analyze_async takes frames"):
        fitsense.analyze(asynchronous_frames(), model=model)  # type: ignore[arg-type]
    fitsense.analyze_async(asynchronous_frames(), model=model)


def test_analyze_item_other_than_frame_raises(model: fitsense.Model) -> None:
    def frames() -> Iterator[Any]:
        yield FRAME
        yield FRAME.rgb

    events = fitsense.analyze(frames(), model=model)
    types: list[str] = []
    with pytest.raises(fitsense.InvalidInputError, match="as item 1"):
        types.extend(event.type for event in events)
    assert types[-1] == "fitsense.session.ended"
    assert events.reason == "failed"


def test_checked_source_path_like_becomes_path() -> None:
    class Elsewhere:
        def __fspath__(self) -> str:
            return "a.mp4"

    assert checked_source(Elsewhere()) == Path("a.mp4")
    assert checked_source(frames := iter([FRAME])) is frames


def test_analyze_folder_is_refused(tmp_path: Path, model: fitsense.Model) -> None:
    with pytest.raises(fitsense.SourceError, match="is a folder; give a video file"):
        fitsense.analyze(tmp_path, model=model)


@pytest.mark.parametrize("track", [-1, 1.0, "0", True])
def test_analyze_track_of_wrong_type_is_refused(track: Any, model: fitsense.Model) -> None:
    with pytest.raises(fitsense.InvalidInputError, match="track: expected the number of a video track"):
        fitsense.analyze("film.mp4", model=model, track=track)
