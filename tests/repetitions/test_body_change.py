"""Change of a body's shape and place, and of the picture around it."""

from __future__ import annotations

import numpy as np
import pytest

from fitsense.repetitions.body_change import BodyRecord
from fitsense.repetitions.joints import JointSignal
from fitsense.repetitions.picture_change import PictureChange
from tests.pose.bodies import SIZE, STICKS
from tests.repetitions.test_body_signal import RATE_HZ, poses, squat, waves

SIGNAL = JointSignal(STICKS)
PARTS = waves(2, 2.0)
TIMES = [index / RATE_HZ for index in range(len(PARTS))]
# The movement begins after 0.8 s.
SPANS = np.array([[0.8, 1.8, 2.8], [2.8, 3.8, 4.8]])


def test_body_change_movement_of_joints_goes_out_and_returns() -> None:
    samples = [SIGNAL.sample(pose, SIZE) for pose in poses(squat, PARTS)]
    record = BodyRecord.of(SIGNAL, samples, TIMES)
    assert record is not None
    change = record.change(SPANS)
    assert (change.out > 0.1).all()
    assert (change.apart < 0.1 * change.out).all()
    assert change.moved == pytest.approx([0.0, 0.0], abs=1e-4)


def test_body_change_moving_camera_changes_the_place_only() -> None:
    samples = [SIGNAL.sample(poses(squat, [0.0], x=0.4 + 0.1 * part)[0], SIZE) for part in PARTS]
    record = BodyRecord.of(SIGNAL, samples, TIMES)
    assert record is not None
    change = record.change(SPANS)
    assert change.out == pytest.approx([0.0, 0.0], abs=1e-4)
    assert (change.moved > 0.1).all()


@pytest.mark.parametrize("found", [0, 1])
def test_body_change_without_a_body_is_unknown(found: int) -> None:
    bodies = [*poses(squat, PARTS[:found]), *[None] * (len(PARTS) - found)]
    assert BodyRecord.of(SIGNAL, [SIGNAL.sample(pose, SIZE) for pose in bodies], TIMES) is None
    assert BodyRecord.of(SIGNAL, [], []) is None


def test_body_change_found_is_the_share_of_a_span_with_a_body() -> None:
    bodies = [
        pose if index % 4 == 0 or at >= 2.85 else None
        for index, (at, pose) in enumerate(zip(TIMES, poses(squat, PARTS), strict=True))
    ]
    record = BodyRecord.of(SIGNAL, [SIGNAL.sample(pose, SIZE) for pose in bodies], TIMES)
    assert record is not None
    assert record.found(SPANS) == pytest.approx([0.25, 1.0], abs=0.05)


def pictures(inside: float, outside: float) -> list[np.ndarray]:
    """Pictures whose brightness changes by these amounts in their left and in their right half."""
    rows, columns = np.mgrid[0:24, 0:24]
    base = 20.0 * ((rows + columns) % 2) + 2.0 * rows
    return [
        (base + np.where(columns < 12, inside * part, outside * part) * ((rows // 2) % 2)).astype(np.float32)
        for part in PARTS
    ]


def test_around_change_beside_the_box_is_told_from_change_in_it() -> None:
    left = [(0.0, 0.0, 0.5, 1.0)] * 2
    ends = [0.0, TIMES[-1]]
    own = PictureChange(pictures(9.0, 0.0), TIMES, left, ends)
    others = PictureChange(pictures(0.0, 9.0), TIMES, left, ends)
    assert (own.around(SPANS) < 0.5 * own.within(SPANS)).all()
    assert (others.around(SPANS) > 2.0 * others.within(SPANS)).all()


def test_around_box_of_the_whole_picture_leaves_nothing() -> None:
    change = PictureChange(pictures(9.0, 9.0), TIMES, [(-0.1, 0.0, 1.0, 0.95)] * 2, [0.0, TIMES[-1]])
    assert change.around(SPANS).tolist() == [0.0, 0.0]
    assert PictureChange(pictures(9.0, 9.0), TIMES, [], []).around(SPANS).tolist() == [0.0, 0.0]
