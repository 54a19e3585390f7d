"""Turns predictions into exercise segments and muscle activations. No I/O, no clock.

Each window's probabilities are smoothed exponentially over media time, with time constant ``smoothing_s``. The smoothed
answer is an exercise, ``UNKNOWN`` (movement that no exercise fits with enough confidence) or idle (no exercise). An
answer becomes the current one when it has held for ``min_duration_s``, and then counts from its beginning. If answers
change so fast that none holds within twice that time, unknown becomes the current answer. Unknown has to hold for
``unknown_min_duration_s``: the current exercise, if it is named again before, continues, and another one that is named
before counts from where the unknown movement began, if that resembled it at all, and more than the one before. Unknown
movement that ends before without a name is a segment if it was repeated, or went out and back between two rests.
Thresholds have hysteresis: an exercise is entered at ``enter`` and left below ``exit``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from fitsense.catalogue import IDLE, UNKNOWN
from fitsense.decisions.config import DecisionConfig
from fitsense.decisions.segments import Decision, MusclesActivated, SegmentEnded, SegmentStarted, SegmentUpdated
from fitsense.types import Prediction

_TOLERANCE_S = 1e-6
# Least mean probability of an exercise in unknown movement that belongs to it.
_LEAD_CONFIDENCE = 0.1


@attrs.define(eq=False)
class _Mean:
    """A mean of vectors, weighted by seconds."""

    sum: NDArray[np.float64]
    seconds: float = 0.0

    def add(self, vector: NDArray[Any], seconds: float) -> None:
        self.sum += np.asarray(vector, dtype=np.float64) * seconds
        self.seconds += seconds

    def merge(self, other: _Mean) -> None:
        self.sum += other.sum
        self.seconds += other.seconds

    def without(self, other: _Mean) -> _Mean:
        return _Mean(self.sum - other.sum, self.seconds - other.seconds)

    @property
    def value(self) -> NDArray[np.float64]:
        return self.sum / self.seconds if self.seconds > 0 else self.sum


@attrs.define(eq=False)
class _Span:
    """An interval in which one answer holds or is on trial, in seconds of media time."""

    answer: str
    start_s: float
    end_s: float
    scores: _Mean
    muscles: _Mean

    @property
    def seconds(self) -> float:
        return self.end_s - self.start_s

    def extend(self, until_s: float, scores: NDArray[Any], muscles: NDArray[Any]) -> None:
        seconds = until_s - self.end_s
        self.scores.add(scores, seconds)
        self.muscles.add(muscles, seconds)
        self.end_s = until_s

    def join(self, other: _Span) -> None:
        """Merge a later span of other answers that did not last."""
        self.scores.merge(other.scores)
        self.muscles.merge(other.muscles)
        self.end_s = other.end_s

    def without(self, end: _Span) -> _Span:
        """The span without the one that it ends with."""
        scores, muscles = self.scores.without(end.scores), self.muscles.without(end.muscles)
        return _Span(self.answer, self.start_s, end.start_s, scores, muscles)


@attrs.define(eq=False)
class DecisionsState:
    """State of :class:`Decisions`.

    :param smoothed: probabilities, float64 (labels,); None before the first prediction of a run.
    :param muscles: activations of the last prediction, float32 (groups,); empty before the first.
    :param current: the current answer.
    :param candidate: another answer on trial.
    :param lead: unknown movement directly before the candidate.
    :param doubt: everything since the last window with the current answer, over all answers.
    :param updated_s: media time of the last update of the current segment, in seconds.
    :param unreported: muscle activation since the last report.
    """

    smoothed: NDArray[np.float64] | None = None
    muscles: NDArray[np.float32] = attrs.field(factory=lambda: np.zeros(0, dtype=np.float32))
    current: _Span | None = None
    candidate: _Span | None = None
    lead: _Span | None = None
    doubt: _Span | None = None
    updated_s: float = -math.inf
    unreported: _Span | None = None


class Decisions:
    """Turns predictions into segments.

    :param exercises: the labels of ``Prediction.exercise``, with :data:`IDLE` and :data:`UNKNOWN` if the model has
        them. :data:`UNKNOWN` is never named as an exercise: its probability keeps the others below their thresholds.
    :param muscles: the labels of ``Prediction.muscles``.
    :param is_exercise: tells whether unknown movement was exercise, though it ended early: by its start and end in
        seconds of media time, and whether there was rest before and after it. Default: it never was.
    """

    def __init__(
        self,
        exercises: Sequence[str],
        muscles: Sequence[str],
        config: DecisionConfig | None = None,
        is_exercise: Callable[[float, float, bool], bool] = lambda start_s, end_s, alone: False,
    ) -> None:
        self._is_exercise = is_exercise
        self._exercises = tuple(exercises)
        self._groups = tuple(muscles)
        self._config = config or DecisionConfig()
        self._enter, self._exit = self._config.thresholds()
        self._idle = self._exercises.index(IDLE) if IDLE in self._exercises else None
        self._unknown = self._exercises.index(UNKNOWN) if UNKNOWN in self._exercises else None
        # Labels that are names of exercises.
        self._named = [index for index in range(len(self._exercises)) if index not in (self._idle, self._unknown)]
        self._allowed = np.ones(len(self._exercises), dtype=bool)
        self.state = DecisionsState()

    @property
    def in_doubt(self) -> bool:
        """True if another answer than the current one is on trial."""
        return self.state.candidate is not None

    @property
    def exercise(self) -> str | None:
        """The exercise of the current segment, or ``UNKNOWN``; None while idle."""
        current = self.state.current
        return None if current is None or current.answer == IDLE else current.answer

    def allow(self, allowed: NDArray[np.bool_]) -> None:
        """Restrict decisions to some labels, bool (labels,); predictions give the other labels probability 0."""
        self._allowed = allowed

    def restrict(self, allowed: NDArray[np.bool_]) -> None:
        """Restrict decisions as :meth:`allow` does, but in mid-session: renormalise the smoothed probabilities."""
        self.allow(allowed)
        state = self.state
        if state.smoothed is not None:
            kept = np.where(allowed, state.smoothed, 0.0)
            state.smoothed = kept / kept.sum() if kept.sum() > 0 else kept
        if state.candidate is not None and not self._may_name(state.candidate.answer):
            state.candidate.answer = UNKNOWN

    def _may_name(self, answer: str) -> bool:
        return answer not in self._exercises or bool(self._allowed[self._exercises.index(answer)])

    def update(self, prediction: Prediction, from_s: float, until_s: float) -> list[Decision]:
        """Take the prediction for the interval from `from_s` to `until_s`, in seconds of media time."""
        self._smooth(prediction, until_s - from_s)
        return self._advance(self._answer(), from_s, until_s)

    def end_run(self, end_s: float) -> list[Decision]:
        """End the run at `end_s` seconds of media time: close the current segment and reset the smoothing."""
        decisions: list[Decision] = []
        if self.state.smoothed is not None:
            last = self.state.candidate or self.state.current
            if last is not None:
                decisions += self._advance(last.answer, last.end_s, max(last.end_s, end_s), final=True)
            decisions += self._report_muscles()
            if self.state.current is not None:
                decisions += self._end(self.state.current)
            if self.state.doubt is not None and self._is_idle:
                moved, candidate = self.state.doubt, self.state.candidate
                if candidate is not None and candidate.answer == IDLE:
                    moved = moved.without(candidate)
                decisions += self._short(moved)
        state = self.state
        state.current = state.candidate = state.lead = state.doubt = state.smoothed = None
        return decisions

    def _smooth(self, prediction: Prediction, seconds: float) -> None:
        probabilities = np.asarray(prediction.exercise, dtype=np.float64)
        self.state.muscles = prediction.muscles
        if self.state.smoothed is None or self._config.smoothing_s == 0:
            self.state.smoothed = probabilities
        else:
            keep = math.exp(-seconds / self._config.smoothing_s)
            self.state.smoothed = keep * self.state.smoothed + (1 - keep) * probabilities

    def _answer(self) -> str:
        """The answer of the smoothed probabilities, given the current answer."""
        assert self.state.smoothed is not None
        config, held = self._config, self.state.current.answer if self.state.current else None
        scores = np.where(self._allowed, self.state.smoothed, -1.0)
        idle = 0.0
        if self._idle is not None:
            idle = float(scores[self._idle])
            if idle >= (config.idle_exit if held == IDLE else config.idle_enter):
                return IDLE
            scores[self._idle] = -1.0
        unknown = 0.0
        if self._unknown is not None:
            unknown = float(scores[self._unknown])
            scores[self._unknown] = -1.0
        best = int(scores.argmax())
        if scores[best] >= self._enter:
            return self._exercises[best]
        if held in self._exercises and scores[self._exercises.index(held)] >= self._exit:
            return held
        # No exercise is certain enough; idle wins if it is more probable than every exercise and than unknown.
        return IDLE if idle >= max(scores[best], unknown) else UNKNOWN

    def _advance(self, answer: str, from_s: float, until_s: float, *, final: bool = False) -> list[Decision]:
        """Take an answer.

        :param final: whether nothing follows in the run that could name unknown movement.
        """
        assert self.state.smoothed is not None
        decisions: list[Decision] = []
        if self.state.current is not None and answer == self.state.current.answer:
            decisions += self._resume()
            self.state.current.extend(until_s, self.state.smoothed, self.state.muscles)
        else:
            if self.state.candidate is None or self.state.candidate.answer != answer:
                self.state.lead = self._lead(answer)
                self.state.candidate = self._span(answer, from_s)
            self.state.doubt = self.state.doubt or self._span(UNKNOWN, from_s)
            for span in (self.state.candidate, self.state.doubt):
                span.extend(until_s, self.state.smoothed, self.state.muscles)
            patient = not final or self._is_idle
            trial_s = self._trial_s(answer) if patient else self._config.min_duration_s
            if self.state.candidate.seconds >= trial_s - _TOLERANCE_S:
                decisions += self._take_over(self._with_lead(self.state.candidate))
            # Movement before a rest is judged when the rest is certain.
            elif (
                self.state.lead is None
                and answer != IDLE
                and self.state.doubt.seconds >= self._doubt_s(answer) - _TOLERANCE_S
            ):
                decisions += self._settle(self.state.doubt)
        # While another answer is on trial, the segment of this interval is not known yet.
        if self.state.current is not None and self.state.current.answer != IDLE and self.state.candidate is None:
            decisions += self._report(self.state.current, from_s, until_s)
        return decisions

    @property
    def _is_idle(self) -> bool:
        return self.state.current is None or self.state.current.answer == IDLE

    def _trial_s(self, answer: str) -> float:
        """Seconds for which an answer must hold before it becomes the current one."""
        config = self._config
        if answer == UNKNOWN:
            return max(config.min_duration_s, config.unknown_min_duration_s)
        return config.min_duration_s

    def _doubt_s(self, answer: str) -> float:
        """Seconds after which a doubt is settled without an answer that held."""
        return max(2 * self._config.min_duration_s, self._trial_s(answer))

    def _lead(self, answer: str) -> _Span | None:
        """Unknown movement directly before an answer that replaces the candidate, if it may belong to that answer."""
        candidate = self.state.candidate
        is_lead = candidate is not None and candidate.answer == UNKNOWN
        return candidate if is_lead and answer != IDLE else None

    def _with_lead(self, candidate: _Span) -> _Span:
        """The candidate from where its movement began: with the lead, unless that is another movement, such as getting
        into position."""
        lead, current = self.state.lead, self.state.current
        if lead is None:
            return candidate
        likeness = self._confidence(candidate.answer, lead.scores.value)
        rival = 0.0 if self._is_idle or current is None else self._confidence(current.answer, lead.scores.value)
        if likeness < max(_LEAD_CONFIDENCE, rival):
            return candidate
        lead.answer = candidate.answer
        lead.join(candidate)
        return lead

    def _resume(self) -> list[Decision]:
        """Return to the current answer: the other answers did not last."""
        decisions: list[Decision] = []
        if self.state.current is not None and self.state.doubt is not None:
            if self._is_idle:
                decisions += self._short(self.state.doubt)
            self.state.current.join(self.state.doubt)
        self.state.candidate = self.state.lead = self.state.doubt = None
        return decisions

    def _short(self, span: _Span, *, alone: bool = True) -> list[Decision]:
        """A segment of movement that ended before it was named, if it was exercise.

        What moved at the beginning of a run, such as after a cut, may have begun before.

        :param alone: whether there was rest before and after it.
        """
        if self.state.current is None or span.seconds < self._config.min_duration_s - _TOLERANCE_S:
            return []
        if not self._is_exercise(span.start_s, span.end_s, alone):
            return []
        span.answer = UNKNOWN
        confidence = self._confidence(UNKNOWN, span.scores.value)
        muscles = MusclesActivated(span.start_s, span.end_s, self._activations(span.muscles.value))
        return [SegmentStarted(UNKNOWN, span.start_s, confidence), muscles, *self._end(span)]

    def _settle(self, doubt: _Span) -> list[Decision]:
        """End a doubt that lasted too long for any of its answers: unknown or idle becomes the current answer."""
        scores = doubt.scores.value
        rivals = [self._confidence(UNKNOWN, scores), *([scores[self._unknown]] if self._unknown is not None else [])]
        if self._idle is not None and scores[self._idle] >= max(rivals):
            doubt.answer = IDLE
        if self.state.current is not None and self.state.current.answer == doubt.answer:
            return self._resume()
        return self._take_over(doubt)

    def _take_over(self, candidate: _Span) -> list[Decision]:
        decisions: list[Decision] = []
        if self.state.current is not None:
            decisions += self._report_muscles()
            decisions += self._end(self.state.current)
        if self.state.doubt is not None and self.state.doubt.start_s < candidate.start_s:
            alone = self._is_idle and candidate.answer == IDLE
            decisions += self._short(self.state.doubt.without(candidate), alone=alone)
        self.state.current, self.state.candidate, self.state.lead, self.state.doubt = candidate, None, None, None
        if candidate.answer != IDLE:
            confidence = self._confidence(candidate.answer, candidate.scores.value)
            decisions.append(SegmentStarted(candidate.answer, candidate.start_s, confidence))
            self.state.updated_s = candidate.end_s
            self.state.unreported = self._span(candidate.answer, candidate.start_s)
            self.state.unreported.join(candidate)
        return decisions

    def _report(self, current: _Span, from_s: float, until_s: float) -> list[Decision]:
        """Report the current segment and its muscle activation if they are due."""
        assert self.state.smoothed is not None
        decisions: list[Decision] = []
        if until_s - self.state.updated_s >= self._config.update_interval_s - _TOLERANCE_S:
            self.state.updated_s = until_s
            confidence = self._confidence(current.answer, self.state.smoothed)
            decisions.append(
                SegmentUpdated(current.answer, current.start_s, until_s, confidence, self._scores(self.state.smoothed))
            )
        unreported = self.state.unreported or self._span(current.answer, from_s)
        unreported.extend(until_s, self.state.smoothed, self.state.muscles)
        self.state.unreported = unreported
        if unreported.end_s - unreported.start_s >= self._config.muscles_interval_s - _TOLERANCE_S:
            decisions += self._report_muscles()
        return decisions

    def _report_muscles(self) -> list[Decision]:
        unreported, self.state.unreported = self.state.unreported, None
        if unreported is None or unreported.end_s <= unreported.start_s:
            return []
        muscles = self._activations(unreported.muscles.value)
        return [MusclesActivated(unreported.start_s, unreported.end_s, muscles)]

    def _end(self, span: _Span) -> list[Decision]:
        if span.answer == IDLE:
            return []
        scores = span.scores.value
        return [
            SegmentEnded(
                span.answer,
                span.start_s,
                span.end_s,
                self._confidence(span.answer, scores),
                self._scores(scores),
                self._activations(span.muscles.value),
            )
        ]

    def _span(self, answer: str, start_s: float) -> _Span:
        scores, muscles = np.zeros(len(self._exercises)), np.zeros(len(self._groups))
        return _Span(answer, start_s, start_s, _Mean(scores), _Mean(muscles))

    def _confidence(self, answer: str, scores: NDArray[np.float64]) -> float:
        """Probability of the answer's exercise; for unknown, of the most probable exercise."""
        if answer != UNKNOWN and answer in self._exercises:
            return float(scores[self._exercises.index(answer)])
        return float(max((scores[index] for index in self._named), default=0.0))

    def _scores(self, scores: NDArray[np.float64], count: int = 5) -> dict[str, float]:
        best = np.argsort(-scores, kind="stable")[:count]
        # A label that may not be named is listed only for the time before it was excluded.
        listed = [index for index in best if self._allowed[index] or scores[index] > 0]
        return {self._exercises[index]: float(scores[index]) for index in listed}

    def _activations(self, muscles: NDArray[np.float64]) -> dict[str, float]:
        return {group: float(value) for group, value in zip(self._groups, muscles, strict=True)}
