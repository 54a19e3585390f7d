"""The person of a sample by recorded landmarks."""

import numpy as np
import pytest

from fitsense.data.frames import Recording
from fitsense.geometry import Region
from fitsense.pose.clip_poses import in_clip, in_picture
from fitsense.train.recorded_person import RecordedPerson
from fitsense.types import ClipSpec, FloatArray, Frame
from tests.helpers.tiny_models import make_sample

PADDED = ClipSpec(4, 4.0, 96, 48, fit="pad")
SIZE = (80, 48)


def body(left: float, right: float, *, visible: float = 1.0) -> FloatArray:
    """Four landmarks in shares of the picture, from its left and right edge, between .2 and .8 of its height."""
    landmarks = np.zeros((4, 6), np.float32)
    landmarks[:, 0] = left, right, left, right
    landmarks[:, 1] = 0.2, 0.2, 0.8, 0.8
    landmarks[:, 5] = visible
    return landmarks


def person(*bodies: FloatArray, rate_hz: float = 10.0) -> RecordedPerson:
    values = np.stack([in_clip(one, SIZE, PADDED) for one in bodies])
    return RecordedPerson(Recording(make_sample("squat", "s"), np.arange(len(bodies)) / rate_hz, values), PADDED)


def frame(time_s: float) -> Frame:
    return Frame(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), time_s)


def covers(box: Region | None, left: float, right: float) -> bool:
    return box is not None and abs(box.left - left) < 0.06 and abs(box.right - right) < 0.06


def test_locate_gives_the_box_of_the_landmarks_so_far() -> None:
    located = person(body(0.1, 0.3), body(0.1, 0.3), body(0.5, 0.8))
    assert covers(located.locate(frame(0.0)), 0.1, 0.3)
    assert covers(located.locate(frame(0.15)), 0.1, 0.3), "the third is still to come"
    assert covers(located.locate(frame(0.4)), 0.1, 0.8), "the person was on the left a moment ago"


def test_locate_before_the_person_appears_gives_none() -> None:
    located = person(body(0.1, 0.3, visible=0.0), body(0.4, 0.6))
    assert located.locate(frame(0.0)) is None
    assert covers(located.locate(frame(0.1)), 0.4, 0.6)


@pytest.mark.parametrize("spec", [PADDED, ClipSpec(4, 4.0, 32, 40)])
def test_in_picture_inverts_in_clip(spec: ClipSpec) -> None:
    landmarks = body(0.15, 0.95)
    np.testing.assert_allclose(in_picture(in_clip(landmarks, SIZE, spec), SIZE, spec), landmarks, atol=1e-6)
