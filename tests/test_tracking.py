"""Tracks keep their names from frame to frame."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.errors import InvalidInputError
from fitsense.geometry import Detection, Region
from fitsense.session.snapshot import pack, unpack
from fitsense.tracking import Tracker, TrackerConfig, TrackerState

STEP_S = 0.2


def at(x: float, y: float = 0.5, height: float = 0.5, score: float = 0.9) -> Detection:
    """A person in the middle of a box in a picture that is twice as wide as high."""
    width = height / 2
    return Detection(Region(x - width / 2, y - height / 2, x + width / 2, y + height / 2), score)


def middle(region: Region) -> float:
    return (region.left + region.right) / 2


def follow(
    pictures: Iterable[Sequence[Detection]], config: TrackerConfig | None = None, step_s: float = STEP_S
) -> list[dict[str, Region]]:
    following = Tracker(config)
    return [following.update(picture, number * step_s) for number, picture in enumerate(pictures)]


class Jitter:
    """Jitter of a detector, the same each time."""

    def __init__(self, seed: int, size: float = 0.01) -> None:
        self._random = np.random.default_rng(seed)
        self._size = size

    def __call__(self, one: Detection) -> Detection:
        left, top, right, bottom = np.array(attrs.astuple(one.region)) + self._random.normal(0, self._size, 4)
        return Detection(Region(left, top, right, bottom), one.score)


def test_update_third_detection_gives_a_name() -> None:
    told = follow([[at(0.5)]] * 5)
    assert [list(people) for people in told] == [[], [], ["1"], ["1"], ["1"]]


def test_update_names_go_left_to_right_and_are_not_reused() -> None:
    config = TrackerConfig(max_lost_s=1.0)
    told = follow([[at(0.8), at(0.2)]] * 4 + [[at(0.8)]] * 10 + [[at(0.2), at(0.8)]] * 4, config)
    assert {name: round(middle(region), 6) for name, region in told[3].items()} == {"1": 0.2, "2": 0.8}
    assert {name: round(middle(region), 6) for name, region in told[-1].items()} == {"2": 0.8, "3": 0.2}


def test_update_short_absence_keeps_the_name() -> None:
    for missing, name in ((20, "1"), (30, "2")):
        told = follow([[at(0.5)]] * 4 + [[]] * missing + [[at(0.52)]] * 4)
        assert told[4] == {}
        assert list(told[-1]) == [name]


def test_update_brief_detection_gets_no_name() -> None:
    assert not any(follow([[at(0.3)], [], [at(0.7)], []] * 5, TrackerConfig(min_hits=6)))
    assert not any(follow([at(0.5)] if number % 7 == 0 else [] for number in range(50)))


def test_update_low_score_continues_but_begins_no_track() -> None:
    assert not any(follow([[at(0.5, score=0.5)]] * 9))
    told = follow([[at(0.5)]] * 3 + [[at(0.5, score=0.3)]] * 9)
    assert [list(people) for people in told[2:]] == [["1"]] * 10


def test_update_max_people_limits_the_names() -> None:
    config = TrackerConfig(max_people=2, max_lost_s=1.0)
    three = [at(0.2), at(0.5), at(0.8)]
    told = follow([three] * 6 + [three[1:]] * 12, config)
    assert list(told[5]) == ["1", "2"]
    assert list(told[-1]) == ["2", "3"], "somebody went, and who waited is next"


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=5, unique=True),
    st.integers(0, 99),
    st.randoms(use_true_random=False),
    st.floats(0, 0.4),
)
def test_update_order_of_detections_does_not_matter(places: list[int], seed: int, random: object, rate: float) -> None:
    """Missed people, jitter and false boxes do not change the names."""
    jitter, chance = Jitter(seed), np.random.default_rng(seed)
    pictures = []
    for number in range(25):
        found = [
            jitter(at(0.1 + 0.16 * place, height=0.3)) for place in places if number < 3 or chance.random() >= rate
        ]
        pictures.append(found)
    told = follow(pictures)
    assert follow([picture[::-1] for picture in pictures]) == told
    random.shuffle(pictures[7])  # type: ignore[attr-defined]
    assert follow(pictures) == told
    expected = dict(zip("12345", sorted(places), strict=False))
    for people in told:
        for name, region in people.items():
            assert middle(region) == pytest.approx(0.1 + 0.16 * expected[name], abs=0.04)
    assert len(set(itertools.chain(*told))) == len(places)


@given(st.floats(0.04, 0.08), st.floats(-0.02, 0.02), st.integers(0, 99), st.sampled_from(["both", "first", "neither"]))
def test_update_crossing_people_keep_their_names(speed: float, above: float, seed: int, seen: str) -> None:
    """People who cross keep their direction and name, also if they are one detection or none while they overlap.

    :param speed: in shares of the picture from one look to the next.
    """
    jitter = Jitter(seed, 0.003)
    steps = math.ceil(0.6 / speed)
    pictures = []
    for number in range(-4, steps + 1):
        way = max(0, number) * 0.6 / steps
        one, other = jitter(at(0.2 + way, 0.5)), jitter(at(0.8 - way, 0.5 + above))
        apart = abs(0.6 - 2 * way)
        pictures.append([one, other] if seen == "both" or apart > 0.08 else [one] if seen == "first" else [])
    # Old boxes would say little about current positions.
    told = follow(pictures, TrackerConfig(box_memory_s=0.1))
    assert set(itertools.chain(*told)) == {"1", "2"}
    assert middle(told[-1]["1"]) > 0.6
    assert middle(told[-1]["2"]) < 0.4


def test_update_exercise_in_place_keeps_the_box() -> None:
    """Up and down by a tenth of the picture, with jitter, for two minutes."""
    jitter = Jitter(3, 0.005)
    told = follow([jitter(at(0.5, 0.5 + 0.05 * math.sin(number * 0.6)))] for number in range(600))
    boxes = [people["1"] for people in told[2:]]
    moves = [number for number, (one, other) in enumerate(itertools.pairwise(boxes)) if one != other]
    assert len(moves) < 20
    assert sum(number > 50 for number in moves) < 10


def test_update_walking_person_moves_the_box() -> None:
    walk = [[at(0.2 + 0.02 * number)] for number in range(30)]
    told = follow([*walk, *([walk[-1]] * 60)])
    for people, (one,) in zip(told[2:], [*walk, *([walk[-1]] * 60)][2:], strict=True):
        assert people["1"].left <= one.region.left
        assert people["1"].right >= one.region.right
    standing = told[-1]["1"]
    assert standing.right - standing.left < 2 * 0.25


detections = st.lists(
    st.builds(
        lambda x, y, width, height, score: Detection(Region(x - width, y - height, x + width, y + height), score),
        st.floats(0, 1),
        st.floats(0, 1),
        st.floats(0.001, 0.5),
        st.floats(0.001, 0.5),
        st.floats(0, 1),
    ),
    max_size=6,
)


@given(st.lists(st.tuples(detections, st.floats(-30, 30)), max_size=30), st.integers(1, 4), st.integers(1, 3))
def test_update_any_detections_and_times_keep_the_invariants(
    pictures: list[tuple[list[Detection], float]], most: int, confirm: int
) -> None:
    """Boxes are in the picture, names are growing numbers, and the state survives a snapshot."""
    config = TrackerConfig(max_people=most, min_hits=confirm)
    following, again = Tracker(config), Tracker(config)
    time_s, so_far = 0.0, 0
    for found, step_s in pictures:
        time_s += step_s
        people = following.update(found, time_s)
        again.state = unpack(pack({"following": again.state})).states({"following": TrackerState})["following"]
        assert again.update(found, time_s) == people
        assert len(people) <= min(most, len(found))
        for name, region in people.items():
            assert 0 <= region.left < region.right <= 1
            assert 0 <= region.top < region.bottom <= 1
            assert int(name) <= following.state.named
        assert following.state.named >= so_far
        so_far = following.state.named
        names = [person.name for person in following.state.people if person.name]
        assert len(set(names)) == len(names) <= most


def test_due_keeps_the_rate() -> None:
    following = Tracker(TrackerConfig(rate_hz=4.0))
    looks = 0
    for number in range(300):
        if following.due(number / 30):
            following.update([], number / 30)
            looks += 1
    # Thirty frames a second fall between the quarters of a second.
    assert 37 <= looks <= 40
    assert following.due(2.0), "the clock was set back"


def test_update_clock_set_back_keeps_the_names() -> None:
    following = Tracker()
    for number in range(5):
        following.update([at(0.5)], 1000 + number * STEP_S)
    assert following.update([], 3.0) == {}, "nobody was found just now"
    assert list(following.update([at(0.5)], 3.2)) == ["1"]
    for number in range(40):
        assert following.update([], 3.4 + number * STEP_S) == {}
    assert following.state.people == []


@pytest.mark.parametrize(
    "changes",
    [{"rate_hz": 0}, {"min_hits": 0}, {"max_lost_s": math.nan}, {"box_memory_s": -1}, {"max_people": 0}, {"margin": 2}],
)
def test_config_invalid_values_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(changes))):
        TrackerConfig(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("score", [-0.1, 1.1, math.nan])
def test_detection_score_outside_range_is_refused(score: float) -> None:
    with pytest.raises(InvalidInputError, match=r"Detection\.score"):
        Detection(Region(0, 0, 1, 1), score)
