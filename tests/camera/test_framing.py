"""The framing monitor warns if the picture does not show the person well."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fitsense.camera.framing import FramingMonitor
from fitsense.camera.lasting import CameraWarning
from tests.pose.bodies import SIZE, STICKS, pose_of, standing


def watch(*poses: Any, people: Sequence[int | None] = ()) -> list[CameraWarning]:
    """Warnings of poses at 10 Hz and of the end of the run; one number of people for each pose, or none."""
    monitor, warnings = FramingMonitor(STICKS, 1), []
    counts = people or [None] * len(poses)
    for at, (pose, count) in enumerate(zip(poses, counts, strict=True)):
        warnings += monitor.push(pose, SIZE, at / 10, count)
    return warnings + monitor.end_run()


@pytest.mark.parametrize(
    ("pose", "code", "limbs"),
    [
        (pose_of(standing(), y=0.9), "person_cut_off", ("left_leg", "right_leg")),
        (pose_of(standing(), x=0.98), "person_cut_off", ("left_arm",)),
        (pose_of(standing(), scale=0.05), "person_small", None),
        (pose_of(standing() * [1, -1, 1]), "person_upside_down", None),
    ],
    ids=["legs", "arm", "small", "upside down"],
)
def test_push_state_that_lasts_is_reported_and_over(pose: Any, code: str, limbs: tuple[str, ...] | None) -> None:
    began, over = watch(*[pose] * 25, *[pose_of(standing(), scale=0.25)] * 15)
    assert (began.code, began.over, began.limbs) == (code, False, limbs)
    assert (over.code, over.over, over.limbs) == (code, True, limbs)
    assert began.start_s == over.start_s == 0.0
    assert began.end_s == pytest.approx(2.0)
    assert over.end_s == pytest.approx(2.4)


def test_push_cut_off_message_names_the_limbs() -> None:
    (began, _) = watch(*[pose_of(standing(), y=0.9)] * 25)
    assert began.message.startswith("the person's left leg and right leg are outside the picture, for 2.0 s")


@pytest.mark.parametrize(
    "poses",
    [
        [pose_of(standing(), scale=0.25)] * 40,
        [pose_of(standing(), y=0.9 if at % 20 < 10 else 0.5, scale=0.2) for at in range(60)],
        [None] * 40,
    ],
    ids=["well", "only for a moment", "nobody"],
)
def test_push_person_in_the_picture_gives_nothing(poses: Any) -> None:
    assert watch(*poses) == []


def test_push_more_people_than_expected_are_reported_until_fewer_are_counted() -> None:
    pose = pose_of(standing(), scale=0.25)
    counts = [2 if at == 0 else 1 if at == 40 else None for at in range(60)]
    began, over = watch(*[pose] * 60, people=counts)
    assert (began.code, began.over, over.over) == ("several_people", False, True)
    assert over.end_s == pytest.approx(3.9)
    assert watch(*[pose] * 60, people=[1] * 60) == []
