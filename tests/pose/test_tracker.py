"""People keep their names as long as it can be known who they are; the detector is asked only where it is needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
import pytest

from fitsense.errors import InvalidInputError
from fitsense.inference.person_tracking import track_people
from fitsense.pose.likeness import aspect, proportions, same_body, unlike
from fitsense.pose.tracker import PersonTracker, PersonTrackerState, TrackedPerson
from fitsense.pose.tracker_config import PersonTrackerConfig
from fitsense.session.snapshot import pack, unpack
from tests.pose.bodies import PICTURE, SIZE, STICKS, Body, Scene, pose_of, standing

RATE_HZ = 10.0


@attrs.define
class Run:
    """A tracker before a scene, picture by picture."""

    scene: Scene
    tracker: PersonTracker
    time_s: float = 0.0

    def step(self) -> list[TrackedPerson]:
        people = track_people(self.tracker, self.scene, PICTURE, self.time_s)
        self.time_s = round(self.time_s + 1 / RATE_HZ, 6)
        return people

    def steps(self, count: int, move: Callable[[float], None] = lambda part: None) -> Iterator[list[TrackedPerson]]:
        for index in range(count):
            move(index / max(1, count - 1))
            yield self.step()


def run(*bodies: Body, people: int = 1, **config: Any) -> Run:
    settings = attrs.evolve(PersonTrackerConfig(people=people), **config)
    return Run(Scene(list(bodies)), PersonTracker(STICKS, settings))


def names(people: list[TrackedPerson]) -> list[str]:
    return [person.name for person in people]


def x_of(people: list[TrackedPerson]) -> dict[str, float]:
    """Position of each person's hips along x, by name."""
    hips = STICKS.indices(("left_hip", "right_hip"))
    return {person.name: float(person.pose.landmarks[hips, 0].mean()) for person in people}


def test_tracker_one_person_is_detected_once_and_tracked_by_landmarks() -> None:
    going = run(Body(0.5))
    found = list(going.steps(30, lambda part: setattr(going.scene.bodies[0], "x", 0.5 + 0.1 * part)))
    assert all(names(people) == ["1"] for people in found)
    assert x_of(found[-1])["1"] == pytest.approx(0.6)
    assert (going.scene.detections, going.scene.estimates) == (1, 30)


def test_tracker_empty_picture_is_searched_at_the_detector_rate() -> None:
    going = run()
    assert all(people == [] for people in going.steps(21))
    assert going.scene.detections == 11
    assert going.scene.estimates == 0


def test_tracker_picture_that_stays_empty_is_searched_less_often() -> None:
    going = run()
    list(going.steps(30))
    before = going.scene.detections
    assert before == 15
    list(going.steps(60))
    assert going.scene.detections - before == 10
    going.scene.bodies.append(Body(0.5))
    assert [names(people) for people in going.steps(7)][-1] == ["1"]
    going.scene.bodies.clear()
    list(going.steps(40))
    before = going.scene.detections
    list(going.steps(10))
    assert going.scene.detections - before == 5


def test_tracker_doubtful_person_is_searched_at_the_detector_rate() -> None:
    going = run(Body(0.5, score=0.5))
    assert all(people == [] for people in going.steps(60))
    assert going.scene.detections == 30


def test_tracker_cut_after_an_empty_picture_detects_at_once() -> None:
    going = run()
    list(going.steps(62))
    before = going.scene.detections
    going.tracker.cut()
    list(going.steps(1))
    assert going.scene.detections == before + 1


def test_tracker_uncertain_person_is_detected_again() -> None:
    going = run(Body(0.5))
    list(going.steps(5))
    going.scene.bodies[0].score = 0.7
    assert all(names(people) == ["1"] for people in going.steps(10))
    assert going.scene.detections == 1 + 5


@pytest.mark.parametrize("distance", [0.0, 0.05])
def test_tracker_passer_by_does_not_take_the_name(distance: float) -> None:
    """The passer-by walks in front, so that their landmarks are found in the place of the person's."""
    subject, passer = Body(0.4), Body(-0.2, 0.5 + distance, 0.4)
    going = run(passer, subject)

    def move(part: float) -> None:
        passer.x = -0.2 + 1.6 * part
        hidden = abs(passer.x - subject.x) < 0.12
        going.scene.bodies = [passer] if hidden else [passer, subject]

    going.scene.bodies = [subject]
    list(going.steps(30))
    found = list(going.steps(40, move))
    assert {name for people in found for name in names(people)} == {"1"}
    assert x_of(found[-1]) == {"1": pytest.approx(0.4)}


def test_tracker_two_people_who_cross_keep_their_names() -> None:
    tall, small = Body(0.2, scale=0.3, world=standing(1.9, 0.55)), Body(0.8, scale=0.3, world=standing(1.5, 0.45))
    going = run(tall, small, people=2)

    def move(part: float) -> None:
        tall.x, small.x = 0.2 + 0.6 * part, 0.8 - 0.6 * part
        # The one behind is hidden.
        going.scene.bodies = [tall] if abs(tall.x - small.x) < 0.08 else [tall, small]

    before = x_of(list(going.steps(30))[-1])
    found = list(going.steps(30, move))
    after = x_of(found[-1])
    assert sorted(before) == sorted(after) == ["1", "2"]
    for name, x in before.items():
        assert after[name] == pytest.approx(1.0 - x)
    assert max(len(people) for people in found) == 2


def test_tracker_two_people_who_stand_close_have_one_name_each() -> None:
    going = run(Body(0.4), Body(0.58), people=4)
    found = list(going.steps(60))
    assert {name for people in found for name in names(people)} == {"1", "2"}
    assert all(names(people) == ["1", "2"] for people in found[10:])


def test_tracker_person_hidden_keeps_the_name_until_lost_s() -> None:
    going = run(Body(0.5), lost_s=2.0)
    list(going.steps(10))
    bodies, going.scene.bodies = going.scene.bodies, []
    assert all(people == [] for people in going.steps(15))
    going.scene.bodies = bodies
    assert names(list(going.steps(3))[-1]) == ["1"]
    going.scene.bodies = []
    list(going.steps(25))
    going.scene.bodies = bodies
    assert names(list(going.steps(3))[-1]) == ["2"]


def test_tracker_person_found_once_has_no_name() -> None:
    going = run(Body(0.3), people=3)
    list(going.steps(10))
    going.scene.bodies.append(Body(0.8))
    going.time_s += 1.0
    going.step()
    going.scene.bodies.pop()
    found = list(going.steps(20))
    assert {name for people in found for name in names(people)} == {"1"}


def test_cut_gives_new_names_and_runs_the_detector() -> None:
    going = run(Body(0.5))
    list(going.steps(5))
    going.tracker.cut()
    assert names(going.step()) == ["2"]
    assert going.scene.detections == 2


def test_tracker_gap_runs_the_detector_and_keeps_the_name() -> None:
    going = run(Body(0.5))
    list(going.steps(5))
    going.time_s += 1.5
    going.scene.bodies[0].x = 0.55
    assert names(going.step()) == ["1"]
    assert going.scene.detections == 2


def test_tracker_clock_set_back_keeps_tracks() -> None:
    going = run(Body(0.5))
    list(going.steps(30))
    going.time_s = 0.0
    assert all(names(people) == ["1"] for people in going.steps(20))
    assert going.scene.detections == 1


def test_tracker_bystanders_are_not_estimated_after_the_person_is_found() -> None:
    going = run(Body(0.3, scale=0.4), Body(0.8, scale=0.2))
    found = list(going.steps(20))
    assert all(x_of(people) == {"1": pytest.approx(0.3)} for people in found)
    assert going.scene.estimates == 2 + 19


def test_due_picture_that_comes_too_soon_is_skipped() -> None:
    going = run(Body(0.5))
    going.step()
    assert not going.tracker.due(0.05)
    assert going.tracker.due(0.1)
    # The clock was set back.
    assert going.tracker.due(-5.0)


def test_tracker_restored_state_continues_the_same() -> None:
    def scene() -> Scene:
        return Scene([Body(0.3), Body(0.7, world=standing(1.5))])

    whole = Run(scene(), PersonTracker(STICKS, PersonTrackerConfig(people=2)))
    expected = [[(p.name, p.pose.landmarks.tobytes(), p.box) for p in people] for people in whole.steps(20)]
    first = Run(scene(), PersonTracker(STICKS, PersonTrackerConfig(people=2)))
    got = [[(p.name, p.pose.landmarks.tobytes(), p.box) for p in people] for people in first.steps(9)]
    state = unpack(pack({"tracker": first.tracker.state})).states({"tracker": PersonTrackerState})["tracker"]
    first.tracker = PersonTracker(STICKS, PersonTrackerConfig(people=2))
    first.tracker.state = state
    got += [[(p.name, p.pose.landmarks.tobytes(), p.box) for p in people] for people in first.steps(11)]
    assert got == expected


def test_tracker_order_of_detections_does_not_matter() -> None:
    bodies = [Body(0.3), Body(0.7)]
    one, other = run(*bodies, people=2), run(*reversed(bodies), people=2)
    for here, there in zip(one.steps(10), other.steps(10), strict=True):
        assert x_of(here) == x_of(there)


def test_update_without_a_pose_for_each_region_is_refused_and_changes_nothing() -> None:
    going = run(Body(0.5))
    list(going.steps(3))
    going.tracker.regions(going.time_s)
    with pytest.raises(InvalidInputError, match="expected one for each of 1 regions, got 0"):
        going.tracker.update(going.time_s, [], [], SIZE)
    assert names(going.step()) == ["1"]


@pytest.mark.parametrize(("name", "value"), [("rate_hz", 0.0), ("people", 0), ("sure", 1.5), ("lost_s", float("nan"))])
def test_config_with_a_wrong_number_is_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidInputError, match=f"PersonTrackerConfig.{name}"):
        PersonTrackerConfig(**{name: value})  # type: ignore[arg-type]


def test_proportions_distinguish_bodies_and_ignore_hidden_landmarks() -> None:
    tall, small = pose_of(standing(1.9, 0.55)), pose_of(standing(1.5, 0.45))
    again = pose_of(standing(1.9, 0.55), x=0.2, scale=0.1)
    assert unlike(proportions(tall, STICKS), proportions(again, STICKS)) == pytest.approx(0.0, abs=1e-6)
    assert unlike(proportions(tall, STICKS), proportions(small, STICKS)) > 0.15
    hidden = proportions(pose_of(standing(), visibility=0.1), STICKS)
    assert hidden is not None
    assert np.isnan(hidden).all()
    assert unlike(hidden, proportions(tall, STICKS)) == 0.0


def test_same_body_with_another_upper_half_is_true_and_of_a_neighbour_false() -> None:
    world = standing()
    mixed = world.copy()
    upper = STICKS.indices(
        [f"{side}_{joint}" for side in ("left", "right") for joint in ("shoulder", "elbow", "wrist")]
    )
    mixed[upper] += [0.3, -0.1, 0.0]
    scale = aspect(*SIZE)
    assert same_body(pose_of(world), pose_of(mixed), STICKS, scale)
    assert not same_body(pose_of(world), pose_of(world, x=0.62), STICKS, scale)


def test_same_body_with_and_without_legs_is_true() -> None:
    """Somebody who is cut off at the hips, once with legs and once without."""
    whole, squeezed = standing(), standing()
    limbs = [row for row, name in enumerate(STICKS.landmarks) if "shoulder" not in name and "hip" not in name]
    squeezed[limbs] *= 0.3
    scale = aspect(*SIZE)
    assert same_body(pose_of(whole), pose_of(squeezed, scale=0.28), STICKS, scale)
    assert not same_body(pose_of(whole), pose_of(squeezed, x=0.6, scale=0.28), STICKS, scale)
