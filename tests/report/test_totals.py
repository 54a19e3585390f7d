"""Reports of complete, older and truncated logs, and of several sessions."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fitsense.errors import SchemaError
from fitsense.events.log import read_log
from fitsense.report.formatting import notes, summary
from fitsense.report.page import page
from fitsense.report.totals import Report, reports_of
from tests.helpers.event_logs import ROW, SQUAT, WARNINGS, WORKOUT, Done, as_of_old, log, ndjson

WHOLE = ndjson(log())
FIRST_LINE = WHOLE.index(b"\n") + 1

SETS = st.lists(
    st.builds(
        Done,
        st.sampled_from(["squat", "row", "push_up"]),
        st.lists(st.integers(500, 9000).map(lambda ms: ms / 1000), min_size=1, max_size=8),
        st.integers(10_000, 90_000).map(lambda ms: ms / 1000),
        st.sampled_from([SQUAT, ROW]),
        st.integers(0, 3),
    ),
    min_size=1,
    max_size=6,
)


def report(content: bytes) -> Report:
    (one,) = reports_of(read_log(content.split(b"\n")))
    return one


@given(SETS)
@settings(max_examples=20)
def test_report_log_without_summary_has_same_totals(done: Sequence[Done]) -> None:
    """Without the summary, only the values that it alone states are missing."""
    events = log(done, warnings=())
    whole, cut = report(ndjson(events)), report(ndjson(events[:-1]))
    assert [one.exercise for one, _ in cut.sets] == [one.exercise for one in done]
    assert cut.sets == whole.sets
    assert cut.repetition_count == whole.repetition_count == sum(len(one.tempi) for one in done)
    assert cut.time_under_tension_s == pytest.approx(whole.time_under_tension_s)
    expected = {group: value for group, value in whole.load_s.items() if value}
    assert cut.load_s == pytest.approx(expected)
    assert {total.exercise: total.rest_s for total in cut.totals if total.rest_s} == pytest.approx(
        {total.exercise: total.rest_s for total in whole.totals if total.rest_s}
    )
    assert (whole.reason, cut.reason) == ("finished", None)
    assert notes(whole) == []
    assert "breaks off" in notes(cut)[0]


@given(st.integers(FIRST_LINE, len(WHOLE)))
@settings(max_examples=25)
def test_report_truncated_log_is_accepted(cut: int) -> None:
    one = report(WHOLE[:cut])
    html = page([one], "cut.ndjson")
    complete = b"session.ended" in WHOLE[:cut] and cut >= len(WHOLE) - 1
    assert (one.reason == "finished") == complete
    assert ("The log breaks off" in html) == (not complete)
    assert one.start_s <= one.end_s
    counted = WHOLE[:cut].count(b'"fitsense.repetition.completed"')
    assert len(one.repetitions) in (counted, counted - 1)
    assert one.repetition_count in (counted or None, (counted - 1) or None)


@given(st.integers(0, FIRST_LINE - 2))
def test_report_log_without_whole_event_is_refused(cut: int) -> None:
    with pytest.raises(SchemaError, match="expected"):
        report(WHOLE[:cut])


def test_report_open_exercise_counts_up_to_last_event() -> None:
    events = log()
    end = next(index for index, event in enumerate(events) if event["type"] == "fitsense.exercise.ended")
    one = report(ndjson(events[:end]))
    (squats,) = one.workout.sets
    tempi = WORKOUT[0].tempi
    assert (squats.exercise, squats.repetitions) == ("squat", len(tempi))
    assert squats.time_under_tension_s == pytest.approx(sum(tempi))
    assert squats.tempo_mean_s == pytest.approx(statistics.fmean(tempi))
    assert one.spans[0].end_s == pytest.approx(4.0 + sum(tempi))
    assert one.load_s["quads"] == pytest.approx(SQUAT["quads"] * sum(tempi))


def test_report_older_log_has_no_repetitions() -> None:
    one = report(ndjson(as_of_old(log())))
    assert len(one.sets) == len(WORKOUT)
    assert (one.repetition_count, one.time_under_tension_s, one.load_repetitions) == (None, None, None)
    assert [rest_s for _, rest_s in one.sets] == [None, *(pytest.approx(done.rest_s) for done in WORKOUT[1:])]
    assert summary(one) == "3 exercises, 5 sets in 4:45 min, 3:45 min of rest"
    assert "–" in page([one], "old.ndjson")


def test_summary_is_a_sentence() -> None:
    assert summary(report(WHOLE)) == (
        "3 exercises, 5 sets, 21 repetitions in 4:45 min; 52.7 s under tension, 3:45 min of rest"
    )
    assert summary(report(ndjson(log((), warnings=())))) == "No exercise in 3.0 s"


def test_report_unknown_events_are_ignored() -> None:
    events = log()
    for event in events:
        event["data"]["mood"] = {"of": ["late"]}
    events.insert(3, {**events[2], "type": "plugin.something", "data": {"start_s": "soon"}, "id": "x"})
    assert report(ndjson(events)) == report(WHOLE)


def test_report_truncated_log_spans_last_warning() -> None:
    events = log(WORKOUT[:2])
    index = max(index for index, event in enumerate(events) if event["type"] == "fitsense.session.warning")
    one = report(ndjson(events[: index + 1]))
    assert [warning.message for warning in one.warnings] == [message for _, message, *_ in WARNINGS]
    assert one.end_s == WARNINGS[-1][3]


def test_reports_several_sessions_have_one_each() -> None:
    events = [*log(subject="Anna"), *log(WORKOUT[2:3], subject="Ben", warnings=()), *log(subject="Anna", warnings=())]
    reports = reports_of(read_log(ndjson(events).split(b"\n")))
    name = "urn:example:gym:1"
    assert [one.name for one in reports] == [f"{name}, Anna", f"{name}, Ben", f"{name}, Anna"]
    assert [len(one.sets) for one in reports] == [5, 1, 5]


def test_report_invalid_events_are_refused() -> None:
    events = log()
    events[-1]["data"]["muscle_load_s"]["quads"] = -1
    with pytest.raises(SchemaError, match=r"session\.ended: at \$\.muscle_load_s\.quads"):
        report(ndjson(events))
    with pytest.raises(SchemaError, match="expected events of a session"):
        report(ndjson([{"type": "com.example.order", "source": "shop", "data": {}}]))


def test_report_repeated_warning_is_listed_once() -> None:
    events = log(WORKOUT[:1])
    at = next(at for at, event in enumerate(events) if event["type"] == "fitsense.session.ended")
    begun = {"code": "picture_black", "message": "black for 2.0 s now", "start_s": 5.0, "end_s": 7.0, "over": False}
    again = {**begun, "start_s": 9.0, "end_s": 11.0}
    done = {**begun, "message": "over after 3.0 s: black", "end_s": 8.0, "over": True}
    expected = [
        {**events[at], "type": "fitsense.session.warning", "id": f"w{number}", "data": data}
        for number, data in enumerate((begun, done, again))
    ]
    one = report(ndjson([*events[:at], *expected, events[at]]))
    assert [(warning.start_s, warning.end_s) for warning in one.warnings] == [(5.0, 8.0), (9.0, 11.0)]


def test_page_repetition_with_landmarks_shows_range_and_tempo() -> None:
    events = log()
    of = next(event["data"] for event in events if event["type"] == "fitsense.repetition.completed")
    of.update(range_deg=84.4, tempo="3-1-1-0")
    shown = page([report(ndjson(events))], "of.ndjson")
    assert shown.count(", 84°, 3-1-1-0</title>") == 1
