"""Hypothesis strategies for workouts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import strategies as st

from fitsense.catalogue import load_catalogue
from fitsense.workouts.workout import Workout, WorkoutSet

EXERCISES = (*load_catalogue().exercises, "unknown", "kniebeuge_übung", "スクワット", "of_another_bundle")

_ZONES = st.builds(timezone, st.integers(-48, 56).map(lambda quarters: timedelta(minutes=15 * quarters)))


@st.composite
def workouts(draw: st.DrawFn) -> Workout:
    """Any number of sets, none too, with rests of no time up to days."""
    at_ms = start_ms = draw(st.integers(0, 10**7))
    sets = []
    for index in range(draw(st.integers(0, 8))):
        at_ms += draw(st.one_of(st.just(0), st.integers(1, 10**5), st.integers(10**5, 3 * 10**8)))
        begin_ms, at_ms = at_ms, at_ms + draw(st.integers(1, 10**6))
        repetitions = draw(st.none() | st.integers(0, 60_000))
        tempo = draw(st.none() | st.floats(0.2, 20.0)) if repetitions else None
        sets.append(
            WorkoutSet(
                exercise=draw(st.sampled_from(EXERCISES)),
                index=index + 1,
                start_s=begin_ms / 1000,
                end_s=at_ms / 1000,
                repetitions=repetitions,
                attempts=draw(st.none() | st.integers(0, 9)),
                time_under_tension_s=draw(st.none() | st.floats(0, 900)),
                tempo_mean_s=tempo,
                tempo_spread_s=tempo and tempo / 8,
            )
        )
    moments = st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC) | _ZONES)
    return Workout(
        source=draw(st.text(min_size=1, max_size=30)),
        subject=draw(st.none() | st.text(max_size=20)),
        started_at=draw(moments),
        start_s=start_ms / 1000,
        end_s=(at_ms + draw(st.integers(0, 10**6))) / 1000,
        sets=tuple(sets),
    )


NO_LENGTH = Workout(
    "urn:fitsense:session", None, datetime(2026, 5, 1, 18, 30, tzinfo=timezone(timedelta(hours=2))), 3.0, 3.0, ()
)
"""A session that ended when it began."""
