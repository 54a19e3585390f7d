"""Frames that wait, under both policies."""

from __future__ import annotations

import math
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fitsense.types import Frame
from fitsense.video.frame_queue import FrameQueue
from fitsense.video.source import SourceWarning

PICTURE = np.zeros((2, 2, 3), np.uint8)
SIZE = 4


def frame(time_s: float) -> Frame:
    return Frame(PICTURE, time_s)


def drain(backlog: FrameQueue, now_s: float) -> list[Frame | SourceWarning]:
    return list(iter(lambda: backlog.take(now_s), None))


# What happens every tenth of a second: a frame comes, a note comes, or something is taken.
STEPS = st.lists(st.sampled_from(["frame", "frame", "note", "take"]), max_size=60)


@given(steps=STEPS)
def test_frame_queue_latest_keeps_newest_frames_and_all_warnings(steps: list[str]) -> None:
    backlog = FrameQueue("latest", SIZE, origin_s=0.0, warning_interval_s=math.inf)
    sent: list[float | str] = []
    got: list[Frame | SourceWarning] = []
    for number, step in enumerate(steps):
        now_s = number / 10
        if step == "frame":
            assert backlog.offer(frame(now_s), now_s) == 0
            sent.append(now_s)
        elif step == "note":
            backlog.note(SourceWarning("reconnected", str(number)))
            sent.append(str(number))
        elif (item := backlog.take(now_s)) is not None:
            got.append(item)
    waiting = drain(backlog, 100.0)
    assert sum(isinstance(item, Frame) for item in waiting) <= SIZE
    seen = [item.time_s if isinstance(item, Frame) else item.message for item in got + waiting]
    assert [item for item in sent if item in seen] == seen
    assert [item for item in seen if isinstance(item, str)] == [item for item in sent if isinstance(item, str)]
    times = [item for item in sent if isinstance(item, float)]
    assert times[-1:] == [item for item in seen if isinstance(item, float)][-1:]
    dropped = len(sent) - len(seen)
    untold = backlog.pending_warning(100.0)
    assert (untold is None) == (dropped == 0)
    if untold is not None:
        assert untold.code == "dropped_frames"
        assert untold.message.startswith(f"{dropped} of ")


@given(steps=STEPS)
def test_frame_queue_all_keeps_every_frame_and_delays_reader(steps: list[str]) -> None:
    backlog = FrameQueue("all", SIZE, origin_s=0.0, warning_interval_s=1.0)
    sent: list[float] = []
    got: list[Frame | SourceWarning] = []
    for number, step in enumerate(steps):
        now_s = number / 10
        if step == "take":
            got += [item for item in [backlog.take(now_s)] if item is not None]
        elif backlog.offer(frame(now_s), now_s):
            taken = sum(isinstance(item, Frame) for item in got)
            assert len(sent) - taken == SIZE
        else:
            sent.append(now_s)
    got += drain(backlog, 100.0)
    assert [item.time_s for item in got if isinstance(item, Frame)] == sent
    assert backlog.pending_warning(100.0) is None


def test_frame_queue_burst_waits_instead_of_dropping() -> None:
    backlog = FrameQueue("latest", SIZE, origin_s=10.0, warning_interval_s=1.0)
    for number in range(SIZE):
        assert backlog.offer(frame(number / 10), 10.0) == 0
    assert math.isclose(backlog.offer(frame(0.4), 10.0), 0.4)
    assert backlog.take(10.0) is not None
    assert backlog.offer(frame(0.4), 10.0) == 0
    # When it is due it takes the oldest one's place.
    assert backlog.offer(frame(0.5), 10.6) == 0
    assert [item.time_s for item in drain(backlog, 10.6) if isinstance(item, Frame)] == [0.2, 0.3, 0.4, 0.5]


def test_frame_queue_latest_after_network_delay_catches_up() -> None:
    """An analysis of ten frames per second starts with a lag of five seconds of frames."""
    backlog = FrameQueue("latest", SIZE, origin_s=0.0, warning_interval_s=math.inf)
    arrivals = iter([(max(5.0, number / 10), number / 10) for number in range(1500)])
    arrived_s, time_s = next(arrivals)
    lags = []
    for tick in range(1400):
        now_s = tick / 10
        while arrived_s <= now_s and not backlog.offer(frame(time_s), now_s):
            arrived_s, time_s = next(arrivals)
        item = backlog.take(now_s)
        if isinstance(item, Frame):
            lags.append(now_s - item.time_s)
    assert lags[0] == 5.0
    assert max(lags[-100:]) < 1.0


def test_frame_queue_late_source_is_not_reported_as_lag() -> None:
    backlog = FrameQueue("all", SIZE, origin_s=0.0, warning_interval_s=1.0)
    for number in range(50):
        now_s = 30.0 + number / 10
        assert backlog.offer(frame(number / 10), now_s) == 0
        assert isinstance(backlog.take(now_s), Frame)


def test_frame_queue_lag_is_reported_at_intervals() -> None:
    backlog = FrameQueue("all", SIZE, origin_s=0.0, warning_interval_s=5.0)
    notes: list[tuple[float, SourceWarning]] = []
    offered = 0
    for now_s in np.arange(0.0, 20.0, 0.2):
        while not backlog.offer(frame(offered / 10), now_s):
            offered += 1
        item = backlog.take(now_s)
        if isinstance(item, SourceWarning):
            notes.append((now_s, item))
    # Half as fast as the source: behind by half of the time that has passed.
    assert [note.code for _, note in notes] == ["behind"] * 4
    for now_s, note in notes:
        (lag_s,) = map(float, re.findall(r"[\d.]+", note.message))
        assert abs(lag_s - now_s / 2) < 1
    assert min(np.diff([now_s for now_s, _ in notes])) >= 5


def test_frame_queue_dropped_frames_are_reported_at_intervals() -> None:
    backlog = FrameQueue("latest", SIZE, origin_s=0.0, warning_interval_s=5.0)
    notes = []
    for number in range(200):
        backlog.offer(frame(number / 10), number / 10)
        if number % 2 and isinstance(item := backlog.take(number / 10), SourceWarning):
            notes.append(item)
    last = backlog.pending_warning(20.0)
    assert last is not None
    assert 2 <= len(notes) <= 4
    figures = [tuple(map(float, re.findall(r"[\d.]+", note.message))) for note in notes]
    for dropped, offered, within_s in figures:
        assert abs(dropped - offered / 2) <= SIZE
        assert 5 <= within_s < 6
