"""FIT files, read back by fitdecode, an independent implementation."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import fitdecode
import pytest
from hypothesis import example, given, settings

from fitsense.catalogue import load_catalogue
from fitsense.errors import InvalidInputError
from fitsense.workouts.fit import to_fit
from fitsense.workouts.fit_protocol import crc16, fit_time
from fitsense.workouts.names import names_of
from fitsense.workouts.workout import Rest, Workout, WorkoutSet
from tests.workouts.strategies import NO_LENGTH, workouts


def read(content: bytes) -> list[tuple[str, dict[str, Any]]]:
    """The messages of a FIT file by name; the reader raises on a wrong checksum, and on what it cannot place."""
    reader = fitdecode.FitReader(
        io.BytesIO(content), check_crc=fitdecode.CrcCheck.RAISE, error_handling=fitdecode.ErrorHandling.RAISE
    )
    with reader:
        frames = [frame for frame in reader if isinstance(frame, fitdecode.FitDataMessage)]
    return [
        (frame.name, {field.name: field.raw_value if raw(field.name) else field.value for field in frame.fields})
        for frame in frames
    ]


def raw(name: str) -> bool:
    """Tell whether the raw number of a field has to be compared, since the reader converts it lossily."""
    return name in ("category", "exercise_category")


def whole_seconds(workout: Workout, media_s: float) -> Any:
    return pytest.approx(workout.time_at(media_s).timestamp(), abs=0.5001)


@settings(max_examples=25)
@given(workouts())
@example(NO_LENGTH)
def test_to_fit_is_read_by_another_reader(workout: Workout) -> None:
    messages = read(to_fit(workout))
    assert [name for name, _ in messages[:3]] == ["file_id", "event", "record"]
    assert [name for name, _ in messages[-3:]] == ["lap", "session", "activity"]
    ids = messages[0][1]
    assert (ids["type"], ids["manufacturer"], ids["product_name"]) == ("activity", "development", "fitsense")
    sets = [values for name, values in messages if name == "set"]
    periods = list(workout.periods)
    assert [values["message_index"] for values in sets] == list(range(len(periods)))
    for values, period in zip(sets, periods, strict=True):
        assert values["start_time"].timestamp() == whole_seconds(workout, period.start_s)
        assert values["timestamp"].timestamp() == whole_seconds(workout, period.end_s)
        assert values["duration"] == pytest.approx(period.duration_s, abs=0.0006)
        if isinstance(period, Rest):
            assert (values["set_type"], values["repetitions"], values["category"]) == ("rest", None, None)
        else:
            names = names_of(period.exercise)
            assert (values["set_type"], values["repetitions"]) == ("active", period.repetitions)
            assert (values["category"], values["category_subtype"]) == (names.fit_category, names.fit_name)
    times = [values["timestamp"] for name, values in messages if name in ("event", "record", "set")]
    assert times == sorted(times)
    check_totals(workout, dict(messages))
    check_titles(workout, messages)


def check_totals(workout: Workout, messages: dict[str, dict[str, Any]]) -> None:
    for kind in ("lap", "session"):
        values = messages[kind]
        assert (values["sport"], values["sub_sport"]) == ("training", "strength_training")
        assert values["start_time"].timestamp() == whole_seconds(workout, workout.start_s)
        assert values["total_elapsed_time"] == pytest.approx(workout.end_s - workout.start_s, abs=0.0006)
        assert values["total_elapsed_time"] == values["total_timer_time"]
    assert (messages["session"]["num_laps"], messages["session"]["event"]) == (1, "session")
    activity = messages["activity"]
    assert (activity["num_sessions"], activity["type"]) == (1, "manual")
    ahead = activity["local_timestamp"].replace(tzinfo=UTC) - activity["timestamp"]
    assert ahead == (workout.zone_offset or timedelta())


def check_titles(workout: Workout, messages: list[tuple[str, dict[str, Any]]]) -> None:
    """Check that every exercise is identified by its title."""
    titles = {
        (values["exercise_category"], values["exercise_name"]): values["wkt_step_name"]
        for name, values in messages
        if name == "exercise_title"
    }
    for one in workout.sets:
        names = names_of(one.exercise)
        title = titles[names.fit_category, names.fit_name]
        assert load_catalogue().exercise_name(one.exercise) in title or len(title.encode()) > 240


def test_to_fit_long_title_is_cut_between_characters() -> None:
    sets = [WorkoutSet("é" * 90 + str(index), 1, index, index + 0.5) for index in range(3)]
    workout = attrs.evolve(NO_LENGTH, start_s=0.0, end_s=9.0, sets=tuple(sets))
    (title,) = [values["wkt_step_name"] for name, values in read(to_fit(workout)) if name == "exercise_title"]
    assert title.startswith("é" * 90 + "0 / é")
    assert 250 <= len(title.encode()) <= 254


def test_to_fit_flipped_bit_fails_checksum() -> None:
    content = to_fit(NO_LENGTH)
    assert crc16(content) == 0
    changed = content.replace(b"fitsense", b"fitsensf")
    with pytest.raises(fitdecode.FitCRCError):
        read(changed)


def test_crc16_matches_published_value() -> None:
    assert crc16(b"123456789") == 0xBB3D


@pytest.mark.parametrize("year", [1970, 1990, 2127])
def test_fit_time_out_of_range_is_refused(year: int) -> None:
    with pytest.raises(InvalidInputError, match="from 1998 to 2126"):
        fit_time(datetime(year, 6, 1, tzinfo=UTC))


def test_encode_value_out_of_range_is_refused() -> None:
    one = WorkoutSet("squat", 1, 0.0, 9.0, repetitions=70_000)
    with pytest.raises(InvalidInputError, match=r"set.repetitions: expected 0 to 65534, got 70000"):
        to_fit(attrs.evolve(NO_LENGTH, start_s=0.0, end_s=9.0, sets=(one,)))


def test_to_fit_without_wall_clock_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="--started-at"):
        to_fit(attrs.evolve(NO_LENGTH, started_at=None))
