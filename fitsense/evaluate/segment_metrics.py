"""Figures of segments in time against the truth: pure.

Truth and answer are segments of a stream; what lies between them is idle time. The answer may also hold segments of
``unknown``, and so may the truth, where somebody does what the model cannot name. Segments of one list do not overlap.
Figures are taken over all streams at once, never averaged over streams.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal, get_args

import attrs
import numpy as np

from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.errors import InvalidInputError

IOUS = (0.25, 0.5, 0.75)
"""The overlaps at which segment F1 is reported."""

_IOU = 0.5
# Seconds by which segments may overlap: times on the wire are rounded.
_TOLERANCE_S = 2e-3

TimeKind = Literal["right", "wrong_name", "unknown", "missed", "false_name", "false_unknown"]
"""What is said of a moment: `right`; of an exercise `wrong_name`, `unknown` or, where nothing is said, `missed`; of
idle time `false_name` or `false_unknown`. A name for what cannot be named is a wrong one."""

SetKind = Literal["found", "partial", "wrong_name", "unknown", "missed"]
"""What becomes of a true segment of a named exercise: `found`, where an answer matches it at IoU .5; else what is said
of most of it, its own name being `partial`."""


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
    """A segment that was answered, and when whoever listens heard of it.

    :param start_reported_s: media time of the frame that brought ``exercise.started``.
    :param end_reported_s: media time of the frame that brought ``exercise.ended``.
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
    """A stream from 0 to `duration_s` seconds: what was done, and what was told of it. Segments are kept in order."""

    truth: Sequence[Segment] = attrs.field(converter=_in_order, validator=_apart)
    predicted: Sequence[PredictedSegment] = attrs.field(converter=_in_order, validator=_apart)
    duration_s: float

    @property
    def idle_s(self) -> float:
        """Seconds in which nobody exercises."""
        return self.duration_s - sum(segment.end_s - segment.start_s for segment in self.truth)


def summarise(results: Sequence[VideoResult]) -> dict[str, Any]:
    """Every figure of some streams, as a JSON object; None where there is nothing to take a figure of."""
    told = [segment for result in results for segment in result.predicted]
    truth = [segment for result in results for segment in result.truth]
    return {
        "streams": len(results),
        "minutes": sum(result.duration_s for result in results) / 60,
        "idle_minutes": sum(result.idle_s for result in results) / 60,
        "segments": sum(segment.exercise != UNKNOWN for segment in truth),
        "segments_foreign": sum(segment.exercise == UNKNOWN for segment in truth),
        "told": sum(segment.exercise != UNKNOWN for segment in told),
        "told_unknown": sum(segment.exercise == UNKNOWN for segment in told),
        "f1": {str(iou): segment_f1(results, iou) for iou in IOUS},
        "by_exercise": by_exercise(results),
        "sets": set_kinds(results),
        "fragments": fragments(results),
        **latencies(results),
        "false_alarms": false_alarms(results),
        "time": time_shares(results),
    }


def overlap_s(one: Segment, other: Segment) -> float:
    """Seconds that two segments share."""
    return max(0.0, min(one.end_s, other.end_s) - max(one.start_s, other.start_s))


def match(
    truth: Sequence[Segment], told: Sequence[PredictedSegment], iou: float = 0.0, *, latest: bool = False
) -> list[tuple[Segment, PredictedSegment]]:
    """Pairs of a true and a told segment of one name, each in one pair at most; as many pairs as can be.

    Both lists are in the order of time. Segments fit whose intersection is not empty and at least `iou` of their
    union. Each true segment in turn takes the first told one that fits and is free; as no two of a list overlap,
    no other choice gives more pairs.

    :param latest: begin at the end instead, so that each takes the last one that fits.
    """
    step = -1 if latest else 1
    free = list(told[::step])
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
    """F1 of the named segments, over all exercises and streams at once; hits are the pairs of :func:`match` at `iou`.

    The segmental F1 of Lea et al., "Temporal Convolutional Networks for Action Segmentation and Detection",
    CVPR 2017. It asks for the right order and number of segments and forgives blurred ends. Segments of ``unknown``
    count neither as hits nor as mistakes: a set that only they cover is missed.
    """
    hits, truths, answers = _counts(results, iou)
    return _f1(hits.total(), truths.total(), answers.total())


def by_exercise(results: Sequence[VideoResult]) -> dict[str, dict[str, float | int | None]]:
    """For each exercise that is done or told: how often it is done, told and found, and its F1, all at IoU .5."""
    hits, truths, answers = _counts(results, _IOU)
    return {
        exercise: {
            "segments": truths[exercise],
            "told": answers[exercise],
            "found": hits[exercise],
            "f1": _f1(hits[exercise], truths[exercise], answers[exercise]),
        }
        for exercise in sorted(truths | answers)
    }


def _counts(results: Sequence[VideoResult], iou: float) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Hits, true segments and told ones, by exercise."""
    hits: Counter[str] = Counter()
    truths: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    for result in results:
        truth, told = _named(result.truth), _named(result.predicted)
        hits.update(segment.exercise for segment, _ in match(truth, told, iou))
        truths.update(segment.exercise for segment in truth)
        answers.update(segment.exercise for segment in told)
    return hits, truths, answers


def _f1(hits: int, truths: int, answers: int) -> float | None:
    return 2 * hits / (truths + answers) if truths + answers else None


def _named(segments: Sequence[Any]) -> list[Any]:
    return [segment for segment in segments if segment.exercise != UNKNOWN]


def set_kinds(results: Sequence[VideoResult]) -> dict[str, int]:
    """How many true segments of named exercises end in each :data:`SetKind`."""
    counts: Counter[str] = Counter()
    for result in results:
        truth = _named(result.truth)
        found = {segment for segment, _ in match(truth, result.predicted, _IOU)}
        counts.update("found" if segment in found else _most(segment, result.predicted) for segment in truth)
    return {kind: counts[kind] for kind in get_args(SetKind)}


def _most(segment: Segment, told: Sequence[PredictedSegment]) -> SetKind:
    """What is said of most of a true segment."""
    seconds: dict[SetKind, float] = {"partial": 0.0, "wrong_name": 0.0, "unknown": 0.0}
    for answer in told:
        own = answer.exercise == segment.exercise
        kind: SetKind = "partial" if own else "unknown" if answer.exercise == UNKNOWN else "wrong_name"
        seconds[kind] += overlap_s(segment, answer)
    seconds["missed"] = segment.end_s - segment.start_s - sum(seconds.values())
    return max(seconds, key=lambda kind: seconds[kind])


def fragments(results: Sequence[VideoResult]) -> float | None:
    """Mean number of told segments of its own name that overlap a true one, over those that have any; 1 is best."""
    pieces = [
        sum(answer.exercise == segment.exercise and overlap_s(segment, answer) > 0 for answer in result.predicted)
        for result in results
        for segment in _named(result.truth)
    ]
    return float(np.mean([count for count in pieces if count])) if any(pieces) else None


def latencies(results: Sequence[VideoResult]) -> dict[str, dict[str, float | int | None]]:
    """How long after a set begins and ends whoever listens hears of it, in seconds of media time.

    `onset`: from a true segment's start to ``exercise.started`` of the first told segment of its name that overlaps
    it; `offset`: from its end to ``exercise.ended`` of the last one. Below 0 where it is told too early. True segments
    without such a partner of their own are not in it: `segments` says how many are.
    """
    onset, offset = [], []
    for result in results:
        truth = _named(result.truth)
        onset += [answer.start_reported_s - segment.start_s for segment, answer in match(truth, result.predicted)]
        offset += [
            answer.end_reported_s - segment.end_s for segment, answer in match(truth, result.predicted, latest=True)
        ]
    return {"onset": _spread(onset), "offset": _spread(offset)}


def _spread(seconds: Sequence[float]) -> dict[str, float | int | None]:
    median, p90 = np.percentile(seconds, [50, 90]).tolist() if seconds else (None, None)
    return {"segments": len(seconds), "median_s": median, "p90_s": p90}


def false_alarms(results: Sequence[VideoResult]) -> dict[str, float | int | None]:
    """Segments told in idle time, in all and for each minute of it; those of ``unknown`` are counted apart.

    A false alarm is a told segment with no true one, of whatever name, between its start and the moment when it is
    told: it rests on idle time alone. One that begins a moment too early is none.
    """
    alarms = [
        answer
        for result in results
        for answer in result.predicted
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
        for truth, told, length_s in _stretches(result):
            seconds[_time_kind(truth, told)] += length_s
    total_s = sum(seconds.values())
    return {kind: value / total_s if total_s > 0 else None for kind, value in seconds.items()}


def _time_kind(truth: str, told: str) -> TimeKind:
    if truth == told:
        return "right"
    if truth == IDLE:
        return "false_unknown" if told == UNKNOWN else "false_name"
    if told == IDLE:
        return "missed"
    return "unknown" if told == UNKNOWN else "wrong_name"


def _stretches(result: VideoResult) -> Iterator[tuple[str, str, float]]:
    """The stream cut where truth or answer changes: both, and the seconds."""
    ends = {time for segment in (*result.truth, *result.predicted) for time in (segment.start_s, segment.end_s)}
    cuts = sorted({0.0, result.duration_s, *(time for time in ends if 0.0 < time < result.duration_s)})
    for start_s, end_s in itertools.pairwise(cuts):
        middle_s = (start_s + end_s) / 2
        yield _at(result.truth, middle_s), _at(result.predicted, middle_s), end_s - start_s


def _at(segments: Sequence[Segment], time_s: float) -> str:
    return next((s.exercise for s in segments if s.start_s <= time_s < s.end_s), IDLE)
