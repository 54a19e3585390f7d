"""Figures of segments: laws for any timeline, and cases whose answer is known."""

from __future__ import annotations

import random
from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fitsense.catalogue import UNKNOWN
from fitsense.errors import InvalidInputError
from fitsense.evaluate import segment_metrics as figures
from fitsense.evaluate.segment_metrics import IOUS, PredictedSegment, Segment, VideoResult

NAMES = ("squat", "push_up", "plank", UNKNOWN)


@st.composite
def timelines(draw: st.DrawFn, names: Sequence[str] = NAMES) -> list[Segment]:
    """Segments that do not overlap, some of them without idle time between."""
    at, made = 0.0, []
    for _ in range(draw(st.integers(0, 6))):
        at += draw(st.sampled_from([0.0, 0.5, 2.0, 7.25]))
        length = draw(st.floats(0.25, 20.0))
        made.append(Segment(draw(st.sampled_from(names)), at, at + length))
        at += length
    return made


def tell(segment: Segment, after_s: float = 2.0) -> PredictedSegment:
    """A perfect answer, `after_s` late."""
    return PredictedSegment(
        segment.exercise, segment.start_s, segment.end_s, segment.start_s + after_s, segment.end_s + after_s
    )


def result(truth: Sequence[Segment], predicted: Sequence[Segment], after_s: float = 2.0) -> VideoResult:
    ends = [segment.end_s for segment in (*truth, *predicted)]
    return VideoResult(truth, [tell(segment, after_s) for segment in predicted], max(ends, default=0.0) + 5.0)


results = st.builds(result, timelines(), timelines())


@given(timelines(), st.floats(0.0, 5.0))
def test_summarise_truth_as_prediction_is_perfect_with_its_delay(truth: list[Segment], after_s: float) -> None:
    found = figures.summarise([result(truth, truth, after_s)])
    named = sum(segment.exercise != UNKNOWN for segment in truth)
    assert found["sets"]["found"] == found["segments"] == found["predicted"] == named
    assert set(found["f1"].values()) == {1.0 if named else None}
    assert (found["false_alarms"]["named"], found["false_alarms"]["unknown"]) == (0, 0)
    assert found["time"]["right"] == pytest.approx(1.0)
    for side in ("onset", "offset"):
        assert found[side]["segments"] == named
        assert found[side]["p90_s"] == (pytest.approx(after_s, abs=1e-6) if named else None)


@given(results)
def test_summarise_time_without_labels_is_ignored(made: VideoResult) -> None:
    after = VideoResult(
        made.truth,
        [
            *made.predicted,
            PredictedSegment("squat", made.duration_s, made.duration_s + 60, made.duration_s + 2, made.duration_s + 60),
        ],
        made.duration_s + 90,
        [(made.duration_s, made.duration_s + 90)],
    )
    expected, found = figures.summarise([made]), figures.summarise([after])
    assert found.pop("time") == pytest.approx(expected.pop("time"))
    assert found.pop("minutes") == pytest.approx(expected.pop("minutes"))
    assert found.pop("idle_minutes") == pytest.approx(expected.pop("idle_minutes"))
    for rates in (found["false_alarms"], expected["false_alarms"]):
        rates.pop("named_per_minute"), rates.pop("unknown_per_minute")
    assert found == expected


def test_segment_f1_prediction_mostly_outside_labels_counts_only_if_correct() -> None:
    truth = [Segment("squat", 4.0, 8.0)]
    right = PredictedSegment("squat", 0.5, 8.0, 3.0, 9.0)
    wrong = PredictedSegment("plank", 0.0, 8.0, 3.0, 9.0)
    unlabelled = [(0.0, 4.0)]
    assert figures.segment_f1([VideoResult(truth, [right], 9.0, unlabelled)], 0.5) == 1.0
    assert figures.segment_f1([VideoResult(truth, [wrong], 9.0, unlabelled)], 0.5) == 0.0
    early = attrs.evolve(wrong, end_s=7.0)
    assert VideoResult(truth, [early], 9.0, unlabelled).judged == []
    assert figures.set_kinds([VideoResult(truth, [early], 9.0, unlabelled)])["wrong_name"] == 1


def test_first_names_unnamed_set_counts_as_infinite() -> None:
    truth = [Segment("squat", 0.0, 10.0), Segment("plank", 20.0, 30.0), Segment("push_up", 40.0, 50.0)]
    named = [PredictedSegment("squat", 0.0, 10.0, 3.0, 11.0), PredictedSegment("plank", 22.0, 30.0, 25.0, 31.0)]
    found = figures.first_names([VideoResult(truth, named, 60.0)])
    assert found == {"sets": 3, "named": 2, "median_s": 5.0, "p90_s": None}
    assert figures.first_names([VideoResult(truth, [], 60.0)])["median_s"] is None
    assert figures.first_names([]) == {"sets": 0, "named": 0, "median_s": None, "p90_s": None}


@given(timelines())
def test_summarise_no_predictions_find_nothing_without_false_alarms(truth: list[Segment]) -> None:
    found = figures.summarise([result(truth, [])])
    assert found["sets"]["missed"] == found["segments"]
    assert set(found["f1"].values()) == {0.0 if found["segments"] else None}
    assert found["false_alarms"]["named"] == found["onset"]["segments"] == 0
    assert found["time"]["missed"] == pytest.approx(sum(s.end_s - s.start_s for s in truth) / 60 / found["minutes"])


@given(timelines(), st.floats(0.5, 10.0))
def test_summarise_without_truth_counts_false_alarms_only(predicted: list[Segment], after_s: float) -> None:
    found = figures.summarise([result([], predicted, after_s)])
    alarms = found["false_alarms"]
    assert (alarms["named"], alarms["unknown"]) == (found["predicted"], found["predicted_unknown"])
    assert alarms["named_per_minute"] == pytest.approx(found["predicted"] / found["minutes"])
    assert found["idle_minutes"] == found["minutes"]
    assert found["time"]["right"] + found["time"]["false_name"] + found["time"]["false_unknown"] == pytest.approx(1.0)


@given(st.lists(results, max_size=4))
def test_summarise_shares_are_fractions_that_sum_to_one(streams: list[VideoResult]) -> None:
    found = figures.summarise(streams)
    shares = [share for share in found["time"].values() if share is not None]
    assert sum(shares) == pytest.approx(1.0) if streams else not shares
    assert all(0.0 <= value <= 1.0 + 1e-9 for value in (*shares, *(f for f in found["f1"].values() if f is not None)))
    assert sum(found["sets"].values()) == found["segments"]
    assert [f or 0.0 for f in found["f1"].values()] == sorted((f or 0.0 for f in found["f1"].values()), reverse=True)
    assert found["sets"]["found"] == sum(entry["found"] for entry in found["by_exercise"].values())
    assert found["onset"]["segments"] == found["offset"]["segments"] >= found["sets"]["found"]


@given(st.lists(results, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_summarise_does_not_depend_on_order(streams: list[VideoResult], chance: random.Random) -> None:
    shuffled = [
        attrs.evolve(
            stream,
            truth=chance.sample(stream.truth, len(stream.truth)),
            predicted=chance.sample(stream.predicted, len(stream.predicted)),
        )
        for stream in chance.sample(streams, len(streams))
    ]
    first, other = figures.summarise(streams), figures.summarise(shuffled)
    for key in ("f1", "by_exercise", "sets", "segments", "predicted"):
        assert other[key] == first[key], key
    for key in ("onset", "offset", "false_alarms", "time"):
        assert other[key] == pytest.approx(first[key]), key


@given(timelines(), st.data())
def test_summarise_split_prediction_scores_lower(truth: list[Segment], data: st.DataObject) -> None:
    named = [segment for segment in truth if segment.exercise != UNKNOWN]
    if not named:
        return
    torn = data.draw(st.sampled_from(named))
    cut = data.draw(st.floats(0.1, 0.9)) * (torn.end_s - torn.start_s) + torn.start_s
    predicted = [segment for segment in truth if segment != torn]
    predicted += [Segment(torn.exercise, torn.start_s, cut), Segment(torn.exercise, cut, torn.end_s)]
    for iou in IOUS:
        whole = figures.segment_f1([result(truth, truth)], iou)
        split = figures.segment_f1([result(truth, predicted)], iou)
        assert whole is not None
        assert split is not None
        assert split < whole
    assert figures.fragments([result(truth, predicted)]) == pytest.approx(1 + 1 / len(named))


@given(timelines(names=("squat",)), timelines(names=("squat",)), st.sampled_from((0.0, *IOUS)))
def test_match_finds_the_maximum_number_of_pairs(truth: list[Segment], predicted: list[Segment], iou: float) -> None:
    answers = [tell(segment) for segment in predicted]
    for latest in (False, True):
        assert len(figures.match(truth, answers, iou, latest=latest)) == max_pairs(truth, answers, iou)


def max_pairs(truth: Sequence[Segment], predicted: Sequence[PredictedSegment], iou: float) -> int:
    """The size of the largest matching, by trying all of them."""
    if not truth:
        return 0
    first, rest = truth[0], truth[1:]
    best = max_pairs(rest, predicted, iou)
    for index, answer in enumerate(predicted):
        if figures.match([first], [answer], iou):
            best = max(best, 1 + max_pairs(rest, [*predicted[:index], *predicted[index + 1 :]], iou))
    return best


# One stream of 100 s in which all sorts of things go wrong.
TRUTH = [
    Segment("squat", 10, 20),
    Segment("push_up", 30, 40),
    Segment("plank", 50, 60),
    Segment(UNKNOWN, 70, 80),
    Segment("squat", 90, 95),
]
TOLD = [
    PredictedSegment("plank", 2, 5, 4, 7),  # predicted in idle time
    PredictedSegment("squat", 9, 13, 11, 15),  # a little early, and torn in two
    PredictedSegment("squat", 14, 21, 16, 23),
    PredictedSegment(UNKNOWN, 31, 40, 33, 42),
    PredictedSegment("squat", 52, 60, 54, 62),
    PredictedSegment(UNKNOWN, 62, 64, 65, 66),
    PredictedSegment("plank", 70, 75, 72, 77),
    PredictedSegment(UNKNOWN, 75, 80, 77, 82),
]
KNOWN = VideoResult(TRUTH, TOLD, 100.0)


def test_summarise_video_with_every_error_counts_each() -> None:
    found = figures.summarise([KNOWN])
    assert (found["segments"], found["segments_unknown"], found["predicted"], found["predicted_unknown"]) == (
        4,
        1,
        5,
        3,
    )
    assert found["idle_minutes"] == pytest.approx(55 / 60)
    # Squat 14-21 shares 6 s of 11 with 10-20: the only hit among 4 true and 5 predicted names.
    assert found["f1"] == {"0.25": pytest.approx(2 / 9), "0.5": pytest.approx(2 / 9), "0.75": 0.0}
    assert found["by_exercise"]["squat"] == {"segments": 2, "predicted": 3, "found": 1, "f1": pytest.approx(0.4)}
    assert found["by_exercise"]["push_up"] == {"segments": 1, "predicted": 0, "found": 0, "f1": 0.0}
    assert found["sets"] == {"found": 1, "partial": 0, "wrong_name": 1, "unknown": 1, "missed": 1}
    assert found["fragments"] == 2.0
    assert found["onset"] == {"segments": 1, "median_s": 1.0, "p90_s": 1.0}
    assert found["offset"] == {"segments": 1, "median_s": 3.0, "p90_s": 3.0}
    assert (found["false_alarms"]["named"], found["false_alarms"]["unknown"]) == (1, 1)
    assert found["time"] == pytest.approx(
        {"right": 0.62, "wrong_name": 0.13, "unknown": 0.09, "missed": 0.09, "false_name": 0.05, "false_unknown": 0.02}
    )


def test_set_kinds_unmatched_set_has_the_kind_of_most_of_its_time() -> None:
    torn = result([Segment("squat", 0, 30)], [Segment("squat", 0, 14), Segment("squat", 14, 28)])
    short = result([Segment("squat", 0, 10)], [Segment("squat", 4, 8.5)])
    assert {kind: count for kind, count in figures.set_kinds([torn, short]).items() if count} == {
        "partial": 1,
        "missed": 1,
    }


def test_summarise_no_videos_gives_no_metrics() -> None:
    found = figures.summarise([])
    assert (found["f1"]["0.5"], found["fragments"], found["onset"]["median_s"]) == (None, None, None)
    assert found["false_alarms"]["named_per_minute"] is None


def test_segment_with_impossible_times_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="end_s: expected at least start_s"):
        Segment("squat", 2.0, 1.0)
    with pytest.raises(InvalidInputError, match="truth: expected no overlap"):
        VideoResult([Segment("squat", 0, 5), Segment("plank", 4, 6)], [], 10.0)
