"""Body and motion are counted side by side, and nothing is told twice when the clearer one changes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import attrs
import numpy as np
import pytest

from fitsense.repetitions.body_signal import BodySignal
from fitsense.repetitions.choice import BodyOrMotionCounter, BodyOrMotionState
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.movement import Repetition
from fitsense.repetitions.trajectory import SIDE
from fitsense.session.snapshot import pack, unpack
from tests.pose.bodies import SIZE, STICKS, pose_of, standing
from tests.repetitions.test_body_signal import RATE_HZ, poses, squat, waves

CONFIG = RepetitionConfig(max_rate_hz=RATE_HZ)
PARTS = waves(5, 1.6)
SIGNAL = BodySignal(STICKS)


def bar(part: float) -> Any:
    """A thumbnail in which a bar goes down and up."""
    rows = np.arange(SIDE)[:, None]
    return np.broadcast_to(255.0 * np.exp(-(((rows - 6 - 10 * part) / 3.0) ** 2)), (SIDE, SIDE)).astype(np.float32)


def noise() -> list[Any]:
    random = np.random.default_rng(1)
    return [random.normal(128, 40, (SIDE, SIDE)).astype(np.float32) for _ in PARTS]


BODY = [SIGNAL.sample(pose, SIZE) for pose in poses(squat, PARTS)]
NOBODY = [SIGNAL.sample(None, SIZE)] * len(PARTS)


def run(thumbnails: Any, bodies: Any, counter: BodyOrMotionCounter | None = None, since: int = 0) -> list[Repetition]:
    counter = counter or BodyOrMotionCounter(SIGNAL, CONFIG)
    found = []
    for index, (thumbnail, body) in enumerate(zip(thumbnails, bodies, strict=True)):
        if index >= since:
            found += counter.push(thumbnail, body, index / RATE_HZ)
    found += counter.end_run((len(thumbnails) - 1) / RATE_HZ)
    return [one for one in found if isinstance(one, Repetition)]


@pytest.mark.parametrize(
    ("thumbnails", "bodies", "from_body"),
    [
        (noise(), BODY, True),
        ([bar(part) for part in PARTS], NOBODY, False),
        ([bar(part) for part in PARTS], [None] * len(PARTS), False),
        ([bar(part) for part in PARTS], BODY, True),
    ],
    ids=["motion of something else", "nobody found", "nobody looked for", "both"],
)
def test_choice_clearer_of_body_and_motion_is_counted(thumbnails: Any, bodies: Any, from_body: bool) -> None:
    found = run(thumbnails, bodies)
    assert len(found) == 5
    assert all((one.details.joint is not None) == from_body for one in found)


def test_choice_body_lost_midway_continues_from_motion_without_duplicates() -> None:
    middle = len(PARTS) // 2
    bodies = [*BODY[:middle], *NOBODY[middle:]]
    found = run([bar(part) for part in PARTS], bodies)
    assert len(found) <= 5
    starts = [one.start_s for one in found]
    assert starts == sorted(starts)
    assert all(later.start_s >= one.end_s - 0.5 for one, later in itertools.pairwise(found))


def test_end_run_last_repetition_that_only_the_motion_shows_is_counted() -> None:
    """The body stands still from before the last repetition on, as its landmarks have it."""
    start = 8 + 4 * 16
    bodies = [*BODY[:start], *[BODY[0]] * (len(PARTS) - start)]
    found = run([bar(part) for part in PARTS], bodies)
    assert len(found) == 5
    assert found[-1].start_s >= (start - 2) / RATE_HZ


def test_choice_restored_state_continues_the_same() -> None:
    thumbnails = [bar(part) for part in PARTS]
    expected = run(thumbnails, BODY)
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    found = []
    for index in range(57):
        found += counter.push(thumbnails[index], BODY[index], index / RATE_HZ)
    state = unpack(pack({"counter": counter.state})).states({"counter": BodyOrMotionState})["counter"]
    resumed = BodyOrMotionCounter(SIGNAL, CONFIG)
    resumed.state = state
    got = [one for one in found if isinstance(one, Repetition)] + run(thumbnails, BODY, resumed, since=57)
    assert got == expected


def test_choice_second_run_starts_from_the_initial_state() -> None:
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    thumbnails = [bar(part) for part in PARTS]
    assert len(run(thumbnails, BODY, counter)) == 5
    assert len(run(thumbnails, BODY, counter)) == 5


def test_choice_alternating_sides_prefer_the_body_to_clearer_motion() -> None:
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    counter._source = "motion"
    counter._motion.state.score, counter._body.state.score = 0.8, 0.7
    sources = []
    for sided in (False, True):
        counter._sided = sided
        counter._choose()
        sources.append(counter._source)
    assert sources == ["motion", "body"]
    resumed = BodyOrMotionCounter(SIGNAL, CONFIG)
    resumed.state = counter.state
    assert resumed._sided


def test_choice_motion_hidden_by_another_object_is_dropped() -> None:
    """Somebody passes after the first repetitions, which the picture showed more clearly."""
    since = len(PARTS) // 3
    hidden = [*[bar(part) for part in PARTS[:since]], *noise()[since:]]
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    counter._source = "motion"
    counter._motion.state.score = 0.9
    counter._motion.state.passes = 50
    assert len(run(hidden, BODY, counter)) >= 4


def test_choice_body_hidden_from_the_third_repetition_on_is_continued_from_motion() -> None:
    """The body's clear movement before does not outweigh that it shows nothing now."""
    parts = waves(9, 1.6)
    seen = 8 + 2 * 16
    bodies = [SIGNAL.sample(pose, SIZE) for pose in poses(squat, parts)]
    bodies = [*bodies[:seen], *[bodies[0]] * (len(parts) - seen)]
    found = run([bar(part) for part in parts], bodies)
    assert len(found) == 9
    assert all(later.start_s >= one.end_s - 0.5 for one, later in itertools.pairwise(found))


def jitter() -> list[Any]:
    """A body that stands still, of which the landmarks wander."""
    random = np.random.default_rng(7)
    wander = np.cumsum(random.normal(0.0, 0.02, (len(PARTS), len(STICKS), 3)), axis=0)
    wander -= (wander * 0.5).mean(axis=0)
    bodies = []
    for part, away in zip(PARTS, wander, strict=True):
        world = standing()
        squat(world, part)
        bodies.append(SIGNAL.sample(pose_of(world + 0.05 * np.sin(8 * away)), SIZE))
    return bodies


def boxed(thumbnails: Any, bodies: Any, box: Any) -> list[Repetition]:
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    found = []
    for index, (thumbnail, body) in enumerate(zip(thumbnails, bodies, strict=True)):
        found += counter.push(thumbnail, body, index / RATE_HZ, box)
    found += counter.end_run((len(thumbnails) - 1) / RATE_HZ)
    return [one for one in found if isinstance(one, Repetition)]


BOX = (0.3, 0.1, 0.7, 0.9)
STILL = [bar(0.02 * math.sin(index)) for index in range(len(PARTS))]


def test_choice_landmarks_that_move_in_a_still_picture_are_not_counted() -> None:
    assert boxed(STILL, jitter(), BOX) == []
    assert boxed(STILL, BODY, BOX) == []


@pytest.mark.parametrize("box", [BOX, None])
def test_choice_landmarks_that_move_with_the_picture_are_counted(box: Any) -> None:
    assert len(boxed([bar(part) for part in PARTS], BODY, box)) == 5


def test_choice_landmarks_with_blank_pictures_are_counted() -> None:
    blank = [np.full((SIDE, SIDE), 90.0 + part, np.float32) for part in PARTS]
    assert len(boxed(blank, BODY, BOX)) == 5


def test_choice_motion_beside_a_still_body_does_not_confirm_jitter() -> None:
    """Somebody else exercises at the edge of the picture."""
    beside = []
    for part in PARTS:
        picture = np.tile(np.linspace(40.0, 200.0, SIDE, dtype=np.float32), (SIDE, 1))
        picture[:, -6:] = bar(part)[:, -6:]
        beside.append(picture)
    found = boxed(beside, BODY, (0.1, 0.1, 0.5, 0.9))
    assert all(one.details.joint is None for one in found)


def shaken(part: float, at_s: float) -> tuple[Any, float, float]:
    """A picture from a camera that shakes by some percent, in which a bar moves in the box; and the camera's place."""
    x, y = 0.03 * math.sin(2 * math.pi * 1.3 * at_s), 0.03 * math.sin(2 * math.pi * 1.3 * at_s + 1.0)
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    wall = 128 + 50 * np.sin(25 * (columns - x)) + 50 * np.cos(21 * (rows - y))
    inside = (abs(columns - 0.5 - x) < 0.2) & (abs(rows - 0.5 - y) < 0.4)
    body = 255.0 * np.exp(-(((rows - y - 0.25 - 0.4 * part) / 0.12) ** 2))
    return np.where(inside, body, wall).astype(np.float32), x, y


@pytest.mark.parametrize(("count", "seconds"), [(0, 12.0), (1, 6.0), (5, 1.6)])
def test_choice_shaking_camera_adds_no_repetitions(count: int, seconds: float) -> None:
    parts = waves(count, seconds) if count else [0.0] * round(seconds * RATE_HZ)
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    found = []
    for index, part in enumerate(parts):
        picture, x, y = shaken(part, index / RATE_HZ)
        (pose,) = poses(squat, [part], x=0.5 + x, y=0.5 + y)
        box = (BOX[0] + x, BOX[1] + y, BOX[2] + x, BOX[3] + y)
        found += counter.push(picture, SIGNAL.sample(pose, SIZE), index / RATE_HZ, box)
    found += counter.end_run((len(parts) - 1) / RATE_HZ)
    assert len(found) == count


def test_choice_motion_is_counted_where_the_body_is_hardly_ever_found() -> None:
    """As under strong compression: a body that is found twice does not move, but says nothing about the motion."""
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    found = []
    for index, part in enumerate(PARTS):
        seen = index in (0, 1)
        body = BODY[0] if seen else SIGNAL.sample(None, SIZE)
        moving = np.where(np.arange(SIDE)[None] < SIDE // 2, bar(part), 1.0 + bar(1.0 - part))
        found += counter.push(moving.astype(np.float32), body, index / RATE_HZ, (0.6, 0.0, 1.0, 1.0) if seen else None)
    found += counter.end_run((len(PARTS) - 1) / RATE_HZ)
    assert len(found) == 5


def test_choice_restored_state_keeps_the_boxes() -> None:
    thumbnails = [*STILL[:40], *(bar(part) for part in PARTS[40:])]
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    for index in range(60):
        counter.push(thumbnails[index], BODY[index], index / RATE_HZ, BOX)
    state = unpack(pack({"counter": counter.state})).states({"counter": BodyOrMotionState})["counter"]
    assert state.boxes == [(index / RATE_HZ, BOX) for index in range(60)]
    resumed = BodyOrMotionCounter(SIGNAL, CONFIG)
    resumed.state = state
    for index in range(60, len(PARTS)):
        one, other = (each.push(thumbnails[index], BODY[index], index / RATE_HZ, BOX) for each in (counter, resumed))
        assert one == other


def test_begin_set_first_repetition_is_given_once() -> None:
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    found, first = [], []
    for index, (part, body) in enumerate(zip(PARTS, BODY, strict=True)):
        found += counter.push(bar(part), body, index / RATE_HZ, BOX)
        if given := counter.begin_set(0.0):
            first.append(index / RATE_HZ)
            found += given
    found += counter.end_run((len(PARTS) - 1) / RATE_HZ)
    assert len(found) == 5
    assert len(first) == 1
    assert found[0].end_s <= first[0] < found[1].end_s
    assert all(later.start_s >= one.end_s for one, later in itertools.pairwise(found))


def test_begin_set_incomplete_movement_is_not_given() -> None:
    counter = BodyOrMotionCounter(SIGNAL, CONFIG)
    for index in range(8 + 12):
        counter.push(bar(PARTS[index]), BODY[index], index / RATE_HZ, BOX)
        assert counter.begin_set(0.0) == []


@pytest.mark.parametrize(("interval_s", "least_s"), [(1.0, 0.5), (0.2, 0.2)])
def test_choice_motion_is_analysed_rarely_while_the_body_counts(interval_s: float, least_s: float) -> None:
    """But never more rarely than the configuration says, since snapshots with later passes are refused."""
    config = attrs.evolve(CONFIG, interval_s=interval_s)
    counter = BodyOrMotionCounter(SIGNAL, config)
    waits: dict[str, list[float]] = {"body": [], "motion": []}
    for index, (part, body) in enumerate(zip(PARTS, BODY, strict=True)):
        before, time_s = counter.state.motion.next_s, index / RATE_HZ
        counter.push(bar(part), body, time_s)
        if counter.state.motion.next_s != before:
            waits[counter.state.source].append(counter.state.motion.next_s - time_s)
    assert len(waits["body"]) > 3
    assert min(waits["body"]) >= least_s - 1e-9
    assert max(waits["body"]) <= interval_s + 1e-9
