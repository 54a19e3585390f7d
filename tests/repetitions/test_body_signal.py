"""RepetitionCounter from a body's joints: counted wherever the camera is, with sides, range of motion and phases."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitsense.pose.landmarks import Pose
from fitsense.repetitions.body_signal import BodySignal
from fitsense.repetitions.config import RepetitionConfig
from fitsense.repetitions.counter import RepetitionCounter
from fitsense.repetitions.counter_state import RepetitionCounterState
from fitsense.repetitions.cycles import Cycle, Proposal, propose
from fitsense.repetitions.joints import JointSignal, fill
from fitsense.repetitions.motion_range import phases
from fitsense.repetitions.movement import Repetition
from fitsense.repetitions.sides import Side
from fitsense.repetitions.signal import SignalView
from fitsense.session.snapshot import pack, unpack
from tests.pose.bodies import SIZE, STICKS, pose_of, standing

RATE_HZ = 10.0
CONFIG = RepetitionConfig(max_rate_hz=RATE_HZ, min_amplitude=0.03)

Move = Callable[[Any, float], None]


def row(name: str) -> int:
    return STICKS.index(name)


def swing(world: Any, upper: str, lower: str, about: str, angle: float) -> None:
    """Turn `upper` and `lower` about a joint, forwards."""
    cos, sin = math.cos(angle), math.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, sin], [0, -sin, cos]])
    centre = world[row(about)].copy()
    for name in (upper, lower):
        if name:
            world[row(name)] = centre + turn @ (world[row(name)] - centre)


def curl(world: Any, part: float, sides: Sequence[str] = ("left", "right")) -> None:
    for side in sides:
        swing(world, f"{side}_wrist", "", f"{side}_elbow", 2.3 * part)


def squat(world: Any, part: float) -> None:
    """The hips come down by half of a thigh; seen from the hips, everything below comes up."""
    depth = 0.25 * part
    for side in ("left", "right"):
        world[row(f"{side}_knee")] += [0, -depth / 2, -0.3 * part]
        world[row(f"{side}_ankle")] += [0, -depth, 0]


def alternating(move: Callable[..., None]) -> Callable[[Any, float], None]:
    """Left at positive parts, right at negative ones."""

    def both(world: Any, part: float) -> None:
        move(world, abs(part), ("left",) if part > 0 else ("right",))

    return both


def poses(move: Move, parts: Sequence[float], *, turn: float = 0.3, **place: Any) -> list[Pose]:
    """A body at parts of a movement, whose back is half turned to the camera by `turn`."""
    cos, sin = math.cos(turn), math.sin(turn)
    about = np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]])
    made = []
    for part in parts:
        world = standing()
        move(world, part)
        made.append(pose_of(world @ about.T, **place))
    return made


def waves(count: int, seconds: float, rest_s: float = 0.0) -> list[float]:
    """0 to 1 and back, so many times, with rests at 0 before, between and after."""
    still = [0.0] * round(rest_s * RATE_HZ)
    once = [(1 - math.cos(2 * math.pi * at / (seconds * RATE_HZ))) / 2 for at in range(round(seconds * RATE_HZ))]
    return [*[0.0] * 8, *(still + once) * count, *[0.0] * 12]


def turns(count: int, seconds: float) -> list[float]:
    """The same, where every other time goes to -1."""
    parts: list[float] = [0.0] * 8
    for index in range(count):
        once = waves(1, seconds)[8:-12]
        parts += [part if index % 2 == 0 else -part for part in once]
    return [*parts, *[0.0] * 12]


def count(seen: Sequence[Pose | None], counter: RepetitionCounter | None = None) -> list[Repetition]:
    signal = BodySignal(STICKS)
    counter = counter or RepetitionCounter(CONFIG, signal)
    found = []
    for index, pose in enumerate(seen):
        found += counter.push(signal.sample(pose, SIZE), index / RATE_HZ)
    found += counter.end_run((len(seen) - 1) / RATE_HZ)
    return [one for one in found if isinstance(one, Repetition)]


@pytest.mark.parametrize(("move", "joint"), [(curl, "elbow"), (squat, "knee")])
@pytest.mark.parametrize("seconds", [1.2, 2.5])
def test_body_signal_movement_of_both_sides_is_counted_once(move: Move, joint: str, seconds: float) -> None:
    found = count(poses(move, waves(5, seconds)))
    assert len(found) == 5
    assert [one.details.side for one in found] == [None] * 5
    assert {one.details.joint and one.details.joint.joint for one in found} == {joint}


def test_body_signal_alternating_sides_are_counted_one_by_one() -> None:
    found = count(poses(alternating(curl), turns(6, 1.5)))
    assert [one.details.side for one in found] == ["left", "right"] * 3


def test_body_signal_sides_that_took_turns_need_less_likeness() -> None:
    signal = BodySignal(STICKS)
    seen = [signal.sample(pose, SIZE) for pose in poses(alternating(curl), turns(6, 1.5))]
    view = signal.view(np.stack(seen), np.arange(len(seen)) / RATE_HZ)
    proposals = propose(view.path, CONFIG.min_duration_s, RATE_HZ, single=False)
    new, known = ([bool(view.split(one, known)) for one in proposals] for known in (False, True))
    assert all(after for before, after in zip(new, known, strict=True) if before)
    assert sum(known) > sum(new) > 0


def test_counter_asks_for_less_likeness_once_sides_take_turns() -> None:
    signal, asked = BodySignal(STICKS), []

    class Noting:
        def view(self, samples: Any, moments: Any) -> SignalView:
            view = signal.view(samples, moments)

            def split(proposal: Proposal, known: bool) -> Sequence[tuple[Cycle, Side]]:
                asked.append(known)
                return view.split(proposal, known)

            return attrs.evolve(view, split=split)

    assert count(poses(alternating(curl), turns(6, 1.5)), RepetitionCounter(CONFIG, Noting()))
    assert asked[0] is False
    assert asked[-1] is True


def test_body_signal_alternating_sides_without_depth_are_distinguished() -> None:
    flat = []
    for pose in poses(alternating(lambda world, part, sides: raise_arms(world, part, sides)), turns(6, 1.5), turn=0.0):
        landmarks = pose.landmarks.copy()
        landmarks[:, 2:5] = np.nan
        flat.append(Pose(landmarks, pose.score, pose.region))
    assert [one.details.side for one in count(flat)] == ["left", "right"] * 3


def raise_arms(world: Any, part: float, sides: Sequence[str]) -> None:
    """Arms go up sideways."""
    for side in sides:
        out = 1 if side == "left" else -1
        shoulder = world[row(f"{side}_shoulder")].copy()
        for name in ("elbow", "wrist"):
            arm = world[row(f"{side}_{name}")] - shoulder
            length = float(np.linalg.norm(arm))
            angle = 1.5 * part
            world[row(f"{side}_{name}")] = shoulder + length * np.array([out * math.sin(angle), math.cos(angle), 0.0])


def test_body_signal_movement_of_one_side_names_the_side() -> None:
    found = count(poses(lambda world, part: curl(world, part, ("right",)), waves(4, 2.0)))
    assert [one.details.side for one in found] == ["right"] * 4
    (joints,) = {one.details.joint and (one.details.joint.joint, one.details.joint.side) for one in found}
    assert joints == ("elbow", "right")


def test_body_signal_one_lopsided_repetition_of_both_sides_names_no_side() -> None:
    parts = waves(5, 2.0)

    def lopsided(world: Any, part: float) -> None:
        curl(world, abs(part), ("left", "right") if part > 0 else ("left",))

    length = round(2.0 * RATE_HZ)
    fourth = slice(8 + 3 * length, 8 + 4 * length)
    parts[fourth] = [-part for part in parts[fourth]]
    found = count(poses(lopsided, parts))
    assert [one.details.side for one in found] == [None] * 5


def test_body_signal_shaking_or_zooming_camera_keeps_the_count() -> None:
    random = np.random.default_rng(3)
    parts = waves(5, 1.6)
    seen = [
        poses(squat, [part], x=0.5 + 0.04 * random.normal(), y=0.5 + 0.04 * random.normal(), scale=0.3)[0]
        for part in parts
    ]
    assert len(count(seen)) == 5
    assert len(count([poses(squat, [part], x=0.2 + 0.6 * at / len(parts))[0] for at, part in enumerate(parts)])) == 5


def test_body_signal_body_lost_briefly_keeps_the_count() -> None:
    seen: list[Pose | None] = list(poses(curl, waves(5, 1.6)))
    for lost in (0, 30, 31, 60):
        seen[lost] = None
    assert len(count(seen)) == 5


def test_body_signal_absent_or_standing_person_gives_no_repetitions() -> None:
    assert count([None] * 80) == []
    random = np.random.default_rng(0)
    assert count([pose_of(standing() + 0.004 * random.normal(size=(12, 3))) for _ in range(80)]) == []


def test_body_signal_range_of_motion_is_in_degrees() -> None:
    for one in count(poses(curl, waves(4, 2.0))):
        assert one.details.joint is not None
        assert one.details.joint.range_deg == pytest.approx(math.degrees(2.3), rel=0.12)
        assert one.details.joint.confidence == pytest.approx(1.0)


def test_phases_of_a_repetition_are_out_pause_back_pause() -> None:
    out, far, back, near = 30, 10, 20, 15
    part = [*np.linspace(0, 1, out), *[1.0] * far, *np.linspace(1, 0, back), *[0.0] * near]
    path = np.outer(part, [1.0, 0.5])
    found = phases(path, 0, out + far // 2, out + far + back - 1, len(path) - 1, 10.0)
    assert found.out_s == pytest.approx(3.0, abs=0.2)
    assert found.far_s == pytest.approx(1.0, abs=0.2)
    assert found.back_s == pytest.approx(2.0, abs=0.2)
    # Of the pause, as much is left out as the next way out would take of it.
    assert found.near_s == pytest.approx(1.5 - 0.1 * 3.0, abs=0.2)
    assert found.tempo.startswith("3-1-2-")
    assert found.confidence == pytest.approx(1.0)


def test_body_signal_restored_state_continues_the_same() -> None:
    seen = poses(alternating(curl), turns(6, 1.5))
    signal = BodySignal(STICKS)
    expected = count(seen)
    counter = RepetitionCounter(CONFIG, signal)
    found = []
    for index, pose in enumerate(seen):
        if index == 57:
            state = unpack(pack({"counter": counter.state})).states({"counter": RepetitionCounterState})["counter"]
            counter = RepetitionCounter(CONFIG, signal)
            counter.state = state
        found += counter.push(signal.sample(pose, SIZE), index / RATE_HZ)
    found += counter.end_run((len(seen) - 1) / RATE_HZ)
    assert [one for one in found if isinstance(one, Repetition)] == expected


def test_fill_missing_body_is_interpolated_between_neighbours() -> None:
    signal = JointSignal(STICKS)
    one, other = (signal.sample(pose_of(standing(), x=x), SIZE) for x in (0.2, 0.4))
    none = signal.sample(None, SIZE)
    filled = fill(np.stack([none, one, none, other, none]))
    assert filled is not None
    assert np.allclose(filled, np.stack([one, one, (one + other) / 2, other, other]))
    assert fill(np.stack([none, one, none])) is None


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.1, 0.4]))
@settings(max_examples=12, deadline=None)
def test_counter_repetition_of_any_movement_takes_time(seed: int, size: float) -> None:
    random = np.random.default_rng(seed)
    signal = BodySignal(STICKS)
    places = np.cumsum(random.normal(0.0, size, (90, len(STICKS), 3)), axis=0)
    seen = [pose_of(standing() + size * np.sin(away)) for away in places]

    class Halving:
        """Parts cycles anywhere, also in no time."""

        def view(self, samples: Any, moments: Any) -> SignalView:
            view = signal.view(samples, moments)

            def split(proposal: Proposal, known: bool) -> list[tuple[Cycle, Side]]:
                halves: list[tuple[Cycle, Side]] = []
                for cycle in proposal.cycles:
                    middle = int(random.integers(cycle.start, cycle.end + 1))
                    halves.append((attrs.evolve(cycle, far=middle, end=middle), "left"))
                    halves.append((attrs.evolve(cycle, start=middle, far=middle), "right"))
                return halves

            return attrs.evolve(view, split=split)

    counter = RepetitionCounter(CONFIG, Halving())
    found = []
    for index, pose in enumerate(seen):
        found += counter.push(signal.sample(pose, SIZE), index / RATE_HZ)
    found += counter.end_run((len(seen) - 1) / RATE_HZ)
    assert all(one.end_s - one.start_s >= 0.1 for one in found)


def test_body_signal_repetitions_of_eight_seconds_are_counted() -> None:
    counter = RepetitionCounter(RepetitionConfig(min_amplitude=0.03), BodySignal(STICKS))
    found = count(poses(squat, waves(4, 8.0)), counter)
    assert [round((one.start_s + one.end_s) / 2) for one in found] == [5, 13, 21, 29]
