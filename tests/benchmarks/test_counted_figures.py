"""The benchmark of counted figures."""

from __future__ import annotations

from datetime import UTC, datetime

import attrs

from fitsense.events.model import Event, RepetitionCompleted
from fitsense.synthetic.figures import Bout, FigureVideo, Interval
from tests.benchmarks.counted_figures import judge, scenarios


def events(repetitions: list[Interval]) -> list[Event]:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return [
        Event(
            "urn:test",
            number,
            at,
            RepetitionCompleted(one.exercise, number + 1, one.start_s, one.end_s, one.end_s - one.start_s, 0.9),
        )
        for number, one in enumerate(repetitions)
    ]


def test_scenarios_of_a_seed_are_of_all_kinds_and_repeatable() -> None:
    kinds = [kind for kind, _ in scenarios(4)]
    assert set(kinds) == {"superset", "single", "slow", "pyramid"}
    assert [video.bouts for _, video in scenarios(4)] == [video.bouts for _, video in scenarios(4)]


def test_judge_counts_by_set_and_by_name() -> None:
    video = FigureVideo([Bout("squat", 2, 2.0), Bout("squat", 1, 3.0), Bout("push_up", 2, 1.5)])
    true = video.repetitions
    outcome = judge(video, events(true))
    assert outcome.right
    assert outcome.named
    assert (outcome.true, outcome.counted) == ([3, 2], [3, 2])
    assert judge(video, events(true[:-1])).counted == [3, 1]
    other = judge(video, events([*true[:-1], attrs.evolve(true[-1], exercise="burpee")]))
    assert other.right
    assert not other.named
