"""Metrics of predicted segments against true ones. Pure.

Both are segments of a video, with idle time between them. Predictions may contain segments of ``unknown``, and so may
the truth, for exercises that the model cannot name. Segments of one list do not overlap. Metrics are computed over all
videos together, not averaged over videos.
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args

import attrs
import numpy as np

from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.errors import InvalidInputError

IOUS = (0.25, 0.5, 0.75)
"""Thresholds of overlap for the segment F1."""

_IOU = 0.5
# Seconds by which segments may overlap: times on the wire are rounded.
_TOLERANCE_S = 2e-3

TimeKind = Literal["right", "wrong_name", "unknown", "missed", "false_name", "false_unknown"]
"""Prediction at a moment: `right`; during an exercise `wrong_name`, `unknown` or, without a segment, `missed`; during
idle time `false_name` or `false_unknown`. A name for an exercise that the model cannot name is a wrong one."""

SetKind = Literal["found", "partial", "wrong_name", "unknown", "missed"]
"""Outcome of a true segment of a named exercise: `found` if a prediction matches it at IoU .5; else the prediction for
most of its time, with `partial` for the right name."""


@attrs.frozen
class Segment:
    """An exercise, or ``unknown``, from `start_s` to `end_s`, in seconds of media time."""

    exercise: str
    start_s: float
    end_s: float = attrs.field()

    @end_s.validator
    def _after_start(self, attribute: attrs.Attribute[float], value: float) -> None:
        if not self.start_s <= value:
            raise InvalidInputError(f"Segment.end_s: expected at least start_s ({self.start_s}), got {value}")


@attrs.frozen
class PredictedSegment(Segment):
    """A predicted segment, with the times of its events.

    :param start_reported_s: media time of the frame with ``exercise.started``.
    :param end_reported_s: media time of the frame with ``exercise.ended``.
    """

    start_reported_s: float
    end_reported_s: float


def _in_order(segments: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(segments, key=lambda segment: (segment.start_s, segment.end_s)))


def _apart(instance: Any, attribute: attrs.Attribute[Any], value: Sequence[Segment]) -> None:
    for one, other in itertools.pairwise(value):
        if one.end_s > other.start_s + _TOLERANCE_S:
            raise InvalidInputError(f"VideoResult.{attribute.name}: expected no overlap, got {one} and {other}")


@attrs.frozen
class VideoResult:
    """True and predicted segments, in order, of a video of `duration_s` seconds.

    :param unlabelled: intervals without ground truth, start and end in seconds, in order and outside the true segments.
        No metric counts the time in them, nor predictions that lie mostly in them and match no true segment.
    """

    truth: Sequence[Segment] = attrs.field(converter=_in_order, validator=_apart)
    predicted: Sequence[PredictedSegment] = attrs.field(converter=_in_order, validator=_apart)
    duration_s: float
    unlabelled: Sequence[tuple[float, float]] = ()

    @property
    def labelled_s(self) -> float:
        """Seconds with ground truth."""
        return self.duration_s - sum(end_s - start_s for start_s, end_s in self.unlabelled)

    @property
    def idle_s(self) -> float:
        """Seconds without exercise."""
        return self.labelled_s - sum(segment.end_s - segment.start_s for segment in self.truth)

    @property
    def judged(self) -> list[PredictedSegment]:
        """The predicted segments that ground truth can judge."""
        return [segment for segment in self.predicted if self._is_judged(segment)]

    def _is_judged(self, segment: PredictedSegment) -> bool:
        outside_s = sum(
            max(0.0, min(segment.end_s, end_s) - max(segment.start_s, start_s)) for start_s, end_s in self.unlabelled
        )
        if outside_s <= (segment.end_s - segment.start_s) / 2:
            return True
        return any(true.exercise == segment.exercise and _fits(true, segment, _IOU) for true in self.truth)


def summarise(results: Sequence[VideoResult]) -> dict[str, Any]:
    """Compute all metrics of some videos, as a JSON object; None for a metric without data."""
    predicted = [segment for result in results for segment in result.judged]
    truth = [segment for result in results for segment in result.truth]
    return {
        "streams": len(results),
        "minutes": sum(result.labelled_s for result in results) / 60,
        "idle_minutes": sum(result.idle_s for result in results) / 60,
        "segments": sum(segment.exercise != UNKNOWN for segment in truth),
        "segments_unknown": sum(segment.exercise == UNKNOWN for segment in truth),
        "predicted": sum(segment.exercise != UNKNOWN for segment in predicted),
        "predicted_unknown": sum(segment.exercise == UNKNOWN for segment in predicted),
        "f1": {str(iou): segment_f1(results, iou) for iou in IOUS},
        "by_exercise": by_exercise(results),
        "sets": set_kinds(results),
        "fragments": fragments(results),
        "first_name": first_names(results),
        **latencies(results),
        "false_alarms": false_alarms(results),
        "time": time_shares(results),
    }


def overlap_s(one: Segment, other: Segment) -> float:
    """Seconds that two segments share."""
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))


def match(
    truth: Sequence[Segment], predicted: Sequence[PredictedSegment], iou: float = 0.0, *, latest: bool = False
) -> list[tuple[Segment, PredictedSegment]]:
    """Match true and predicted segments of equal name one to one, with the largest number of pairs.

    Both lists are in order of time. Two segments fit if their intersection is not empty and at least `iou` of their
    union. Each true segment in turn takes the first predicted one that fits and is free; since segments of a list do
    not overlap, no other choice gives more pairs.

    :param latest: whether to begin at the end, so that each takes the last one that fits.
    """
    step = -1 if latest else 1
    free = list(predicted[::step])
    pairs = []
    for segment in truth[::step]:
        for index, answer in enumerate(free):
            if answer.exercise == segment.exercise and _fits(segment, answer, iou):
                pairs.append((segment, free.pop(index)))
                break
    return pairs[::step]


def _fits(one: Segment, other: Segment, iou: float) -> bool:
    shared_s = overlap_s(one, other)
    return 0.0 < shared_s >= iou * (one.end_s - one.start_s + other.end_s - other.start_s - shared_s)


def segment_f1(results: Sequence[VideoResult], iou: float) -> float | None:
    """F1 of the named segments over all exercises and videos together; hits are the pairs of :func:`match` at `iou`.

    The segmental F1 of Lea et al., "Temporal Convolutional Networks for Action Segmentation and Detection",
    CVPR 2017. It requires the right order and number of segments and tolerates inexact ends. Segments of ``unknown``
    count neither as hits nor as mistakes: a set that only they cover is missed.
    """
    hits, truths, answers = _counts(results, iou)
    return _f1(hits.total(), truths.total(), answers.total())


def by_exercise(results: Sequence[VideoResult]) -> dict[str, dict[str, float | int | None]]:
    """Numbers of true, predicted and found segments, and F1, at IoU .5, by true or predicted exercise."""
    hits, truths, answers = _counts(results, _IOU)
    return {
        exercise: {
            "segments": truths[exercise],
            "predicted": answers[exercise],
            "found": hits[exercise],
            "f1": _f1(hits[exercise], truths[exercise], answers[exercise]),
        }
        for exercise in sorted(truths | answers)
    }


def _counts(results: Sequence[VideoResult], iou: float) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Numbers of hits, of true and of predicted segments, by exercise."""
    hits: Counter[str] = Counter()
    truths: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for result in results:
        truth, predicted = _named(result.truth), _named(result.judged)
        hits.update(segment.exercise for segment, _ in match(truth, predicted, iou))
        truths.update(segment.exercise for segment in truth)
        answers.update(segment.exercise for segment in predicted)
    return hits, truths, answers


def _f1(hits: int, truths: int, answers: int) -> float | None:
    return 2 * hits / (truths + answers) if truths + answers else None


def _named(segments: Sequence[Any]) -> list[Any]:
    return [segment for segment in segments if segment.exercise != UNKNOWN]


def set_kinds(results: Sequence[VideoResult]) -> dict[str, int]:
    """Number of true segments of named exercises by :data:`SetKind`."""
    counts: Counter[str] = Counter()
    for result in results:
        truth = _named(result.truth)
        found = {segment for segment, _ in match(truth, result.predicted, _IOU)}
        counts.update("found" if segment in found else _most(segment, result.predicted) for segment in truth)
    return {kind: counts[kind] for kind in get_args(SetKind)}


def _most(segment: Segment, predicted: Sequence[PredictedSegment]) -> SetKind:
    """The prediction for most of the time of a true segment."""
    seconds: dict[SetKind, float] = {"partial": 0.0, "wrong_name": 0.0, "unknown": 0.0}
    for answer in predicted:
        own = answer.exercise == segment.exercise
        kind: SetKind = "partial" if own else "unknown" if answer.exercise == UNKNOWN else "wrong_name"
        seconds[kind] += overlap_s(segment, answer)
    seconds["missed"] = segment.end_s - segment.start_s - sum(seconds.values())
    return max(seconds, key=lambda kind: seconds[kind])


def fragments(results: Sequence[VideoResult]) -> float | None:
    """Mean number of predicted segments of the right name that overlap a true one, over those with any; 1 is best."""
    pieces = [
        sum(answer.exercise == segment.exercise and overlap_s(segment, answer) > 0 for answer in result.predicted)
        for result in results
        for segment in _named(result.truth)
    ]
    return float(np.mean([count for count in pieces if count])) if any(pieces) else None


def latencies(results: Sequence[VideoResult]) -> dict[str, dict[str, float | int | None]]:
    """Latency of the events of the start and the end of a set, in seconds of media time.

    `onset`: from a true segment's start to ``exercise.started`` of the first predicted segment of its name that
    overlaps it; `offset`: from its end to ``exercise.ended`` of the last one. Negative if the event is too early. True
    segments without a match do not count; `segments` is the number of the others.
    """
    onset, offset = [], []
    for result in results:
        truth = _named(result.truth)
        onset += [answer.start_reported_s - segment.start_s for segment, answer in match(truth, result.predicted)]
        offset += [
            answer.end_reported_s - segment.end_s for segment, answer in match(truth, result.predicted, latest=True)
        ]
    return {"onset": _spread(onset), "offset": _spread(offset)}


def first_names(results: Sequence[VideoResult]) -> dict[str, float | int | None]:
    """Time from the start of each set to the first ``exercise.started`` with its name, in seconds of media time.

    A set that is never named takes forever, so that percentiles are of all `sets`, unlike those of :func:`latencies`:
    None if fewer than their share are `named`.
    """
    seconds = []
    for result in results:
        truth = _named(result.truth)
        named = {segment: answer.start_reported_s for segment, answer in match(truth, result.predicted)}
        seconds += [named.get(segment, math.inf) - segment.start_s for segment in truth]
    # An interpolated percentile between a number and infinity has no value.
    median, p90 = np.percentile(seconds, [50, 90], method="higher").tolist() if seconds else (math.inf, math.inf)
    return {
        "sets": len(seconds),
        "named": sum(map(math.isfinite, seconds)),
        "median_s": median if math.isfinite(median) else None,
        "p90_s": p90 if math.isfinite(p90) else None,
    }


def _spread(seconds: Sequence[float]) -> dict[str, float | int | None]:
    median, p90 = np.percentile(seconds, [50, 90]).tolist() if seconds else (None, None)
    return {"segments": len(seconds), "median_s": median, "p90_s": p90}


def false_alarms(results: Sequence[VideoResult]) -> dict[str, float | int | None]:
    """Segments predicted in idle time, in total and per minute of it; those of ``unknown`` are counted separately.

    A false alarm is a predicted segment with no true one, of any name, between its start and its event, so that only
    idle time supports it. A segment that begins slightly too early is none.
    """
    alarms = [
        answer
        for result in results
        for answer in result.judged
        if not any(true.start_s <= answer.start_reported_s and answer.start_s < true.end_s for true in result.truth)
    ]
    minutes = sum(result.idle_s for result in results) / 60
    named = sum(alarm.exercise != UNKNOWN for alarm in alarms)
    unknown = len(alarms) - named
    return {
        "named": named,
        "unknown": unknown,
        "named_per_minute": named / minutes if minutes > 0 else None,
        "unknown_per_minute": unknown / minutes if minutes > 0 else None,
    }


def time_shares(results: Sequence[VideoResult]) -> dict[str, float | None]:
    """The share of media time of each :data:`TimeKind`; together they make 1. `right` is the time accuracy."""
    seconds = dict.fromkeys(get_args(TimeKind), 0.0)
    for result in results:
        for truth, predicted, length_s in _stretches(result):
            seconds[_time_kind(truth, predicted)] += length_s
    total_s = sum(seconds.values())
    return {kind: value / total_s if total_s > 0 else None for kind, value in seconds.items()}


def _time_kind(truth: str, predicted: str) -> TimeKind:
    if truth == predicted:
        return "right"
    if truth == IDLE:
        return "false_unknown" if predicted == UNKNOWN else "false_name"
    if predicted == IDLE:
        return "missed"
    return "unknown" if predicted == UNKNOWN else "wrong_name"


def _stretches(result: VideoResult) -> Iterator[tuple[str, str, float]]:
    """The stream cut where truth or answer changes: both, and the seconds."""
    ends = {time for segment in (*result.truth, *result.predicted) for time in (segment.start_s, segment.end_s)}
    ends.update(itertools.chain.from_iterable(result.unlabelled))
    cuts = sorted({0.0, result.duration_s, *(time for time in ends if 0.0 < time < result.duration_s)})
    for start_s, end_s in itertools.pairwise(cuts):
        middle_s = (start_s + end_s) / 2
        if any(from_s <= middle_s < until_s for from_s, until_s in result.unlabelled):
            continue
        yield _at(result.truth, middle_s), _at(result.predicted, middle_s), end_s - start_s


def _at(segments: Sequence[Segment], time_s: float) -> str:
    return next((s.exercise for s in segments if s.start_s <= time_s < s.end_s), IDLE)
